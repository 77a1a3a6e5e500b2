"""Find the user of a row of the game log by the codes of the users of all groups (C22, C27).

The result must be the same for every caller. So the users of all groups are read, also for a caller that may see some
groups only. Nothing of the users of other groups is shown.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from resolvers.sources.ended import ended
from upstream.errors import Incomplete
from upstream.reports import table as reports
from upstream.reports.rows import UserRow
from upstream.reports.spelling import Spellings, fold
from upstream.reports.table import Report


class DirectoryUsers:
    """The users of one agent, by code."""

    def __init__(self, users: Iterable[UserRow], column: str) -> None:
        self._of_code: defaultdict[str, list[UserRow]] = defaultdict(list)
        for user in users:
            code = getattr(user, column)
            if code is not None and code != "":
                self._of_code[str(code)].append(user)
        self._spellings = Spellings(self._of_code)

    def owners(self, spelling: str) -> frozenset[str]:
        """Return the codes that a spelling may denote: none, one, or several if it is undecided."""
        return self._spellings.owners(spelling)

    def of(self, spelling: str) -> UserRow | None:
        """Return the user that a spelling denotes, or None. Raise `Incomplete` if it is undecided."""
        users = [user for code in self.owners(spelling) for user in self._of_code[code]]
        if len(users) > 1:
            raise undecided()
        return users[0] if users else None


def undecided() -> Incomplete:
    """Return the error for rows that several users may own. It names none of them: they may be hidden."""
    return Incomplete(
        "G1: a row's user_code denotes several users: their codes are equal, or differ in case, accents or trailing "
        "blanks alone, and the row has none of these spellings. Give these users distinct codes.",
        report="G1",
    )


class Directory:
    """The users of each agent, read at their first use. `everyone` reads a report without the limits of a caller."""

    def __init__(
        self,
        everyone: Callable[[Report], Awaitable[Sequence[Any]]],
        user_code_from: str,
        agent_of_group: Callable[[int | None], str],
        agents: Callable[[], Sequence[str]],
    ) -> None:
        self._everyone = everyone
        self._user_code_from = user_code_from
        self._agent_of_group = agent_of_group
        self._agents = agents
        self._users: dict[str, DirectoryUsers] = {}

    def close(self) -> None:
        """Release the rows, and the operation, which refers to this object."""
        self._users.clear()
        self._everyone = ended

    async def users(self, agent: str) -> DirectoryUsers:
        """Return the users of an agent. Raise the `UpstreamError` that prevents it."""
        found = self._users.get(agent)
        if found is None:
            rows: Sequence[UserRow] = await self._everyone(reports.USERS)
            if len(self._agents()) > 1:
                named = await self._groups_by_name() if any(row.group_id is None for row in rows) else {}
                rows = [row for row in rows if self._may_serve(agent, row, named)]
            found = self._users[agent] = DirectoryUsers(rows, self._user_code_from)
        return found

    async def _groups_by_name(self) -> dict[str | None, list[int]]:
        named: defaultdict[str | None, list[int]] = defaultdict(list)
        for group in await self._everyone(reports.GROUPS):
            named[group.name].append(group.id)
        return named

    def _may_serve(self, agent: str, user: UserRow, named: dict[str | None, list[int]]) -> bool:
        """Return whether the agent serves the user's group. A name that several groups have means all of them (C18)."""
        groups = [user.group_id] if user.group_id is not None else named.get(user.fkgroup, [])
        return any(self._agent_of_group(group) == agent for group in groups)


async def settle(
    directory: Directory, agent: str, spellings: Iterable[str], keys: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Return the codes that each spelling denotes, for the spellings that resemble one of the keys.

    A spelling that is a key itself is left out: it denotes that key. If nothing is undecided, no user is read.
    """
    wanted = set(keys)
    folded = set(map(fold, wanted))
    unclear = [spelling for spelling in spellings if spelling not in wanted and fold(spelling) in folded]
    if not unclear:
        return {}
    users = await directory.users(agent)
    return {spelling: users.owners(spelling) for spelling in unclear}
