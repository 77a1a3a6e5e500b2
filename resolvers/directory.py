"""The users of all groups by their codes on Game History: they decide whose a row of the game log is (C22, C27).

The decision must be the same for every caller. So it is made by the users of all groups, also for a caller who may see
some groups only. Nothing of the other groups' users is shown.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

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
        """Return the codes that a spelling denotes: none, one, or several if nobody can decide whose it is."""
        return self._spellings.owners(spelling)

    def of(self, spelling: str) -> UserRow | None:
        """Return the user whom a spelling denotes, or None. Raise `Incomplete` if nobody can decide it."""
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


async def _closed(report: Report) -> Sequence[Any]:
    raise asyncio.CancelledError


class Directory:
    """The users of each agent, read when they are first needed. `everyone` reads a report without a caller's limits."""

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
        """Let go of what was read, and of the operation: the two refer to each other."""
        self._users.clear()
        self._everyone = _closed

    async def users(self, agent: str) -> DirectoryUsers:
        """Return the users of an agent. Raise the `UpstreamError` that kept them away."""
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
        """Whether the agent serves the user's group. A name of several groups stands for all of them (C18)."""
        groups = [user.group_id] if user.group_id is not None else named.get(user.fkgroup, [])
        return any(self._agent_of_group(group) == agent for group in groups)


async def settle(
    directory: Directory, agent: str, spellings: Iterable[str], keys: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Return the codes that each spelling denotes, for the spellings that resemble one of the keys.

    A spelling that is a key itself is left out: it denotes that key. No user is read where nothing is to be decided.
    """
    wanted = set(keys)
    folded = set(map(fold, wanted))
    unclear = [spelling for spelling in spellings if spelling not in wanted and fold(spelling) in folded]
    if not unclear:
        return {}
    users = await directory.users(agent)
    return {spelling: users.owners(spelling) for spelling in unclear}
