"""What a caller of some groups sees: rows are filtered where they come in, by what the table of reports says of them.

To such a caller, what belongs to another group does not exist. A call that names another group, or one of its users, is
not made, and answered as if nobody had ever heard of it; nor is one that names somebody whom really nobody knows, so
that the two cannot be told apart. What the other calls bring is filtered before anything counts, orders or keeps it.
"""

import asyncio
import copy
from collections.abc import Awaitable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from resolvers.directory import Directory, settle, undecided
from resolvers.plan import Way
from upstream.call import Answer, Call
from upstream.decoding.bad_value import veil
from upstream.decoding.decode import irregular, joined, like
from upstream.errors import NotFound, UpstreamError
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.reports.owner import Owner, OwnerColumns, OwnerKind
from upstream.reports.request import checked
from upstream.reports.rows import Row
from upstream.reports.table import Report

# A caller of so many groups is served by a call for each of them where one for all groups would do.
MOST_CALLS = 8
# More rows are filtered in a thread, so that the event loop goes on meanwhile.
_MANY_ROWS = 20_000
# Notes of an answer: how many of its rows tell no user because that user is hidden; how many were left out because
# they did not tell their group; the user codes of rows that were left out because a visible user or another one may
# own them.
NAMELESS = "nameless"
UNDECIDED = "undecided"
_UNTOLD = "untold"


class Once(Protocol):
    """How a session makes a call: once, however many ask for it."""

    def __call__(
        self,
        call: Call,
        fields: Iterable[str] = (),
        way: Way | None = None,
        rejected: Sequence[Way] = (),
        keys: int = 1,
    ) -> Awaitable[Answer[Any]]: ...


class AgentDirectory(Protocol):
    """Which agents of Game History there are, and whose groups they serve (C22)."""

    user_code_from: str

    def agent_of_group(self, group: int | None) -> str: ...


@dataclass(frozen=True)
class Members:
    """The users of the groups; `made_up` while it is only predicted what is called."""

    users: Mapping[int, tuple[int, rows.UserRow]]  # by id, each with the group
    made_up: bool = False

    @cached_property
    def external_users(self) -> Set[str]:
        """The partner's ids of the users."""
        return {row.external_user_id for _, row in self.users.values() if row.external_user_id is not None}

    @cached_property
    def external_groups(self) -> Set[str]:
        """The partner's ids of their groups."""
        return {row.external_group_id for _, row in self.users.values() if row.external_group_id is not None}


class Scope:
    """The groups that a caller may see, for one operation. `once` makes a call."""

    def __init__(self, groups: frozenset[int], once: Once, agents: AgentDirectory, directory: Directory) -> None:
        self.groups = groups
        self._once = once
        self._agents = agents
        self._directory = directory
        self._members: asyncio.Task[Members] | None = None

    def serves(self, agent: str) -> bool:
        """Whether an agent of Game History serves one of the groups."""
        return any(self._agents.agent_of_group(group) == agent for group in self.groups)

    async def fetch(
        self,
        call: Call,
        fields: Iterable[str] = (),
        way: Way | None = None,
        rejected: Sequence[Way] = (),
        keys: int = 1,
    ) -> Answer[Any]:
        """What `Session.fetch` gives, as far as it is visible. Raises `NotFound` for whoever is not."""
        # Whose a row is may stand in columns that nobody asked for.
        call = replace(checked(call), columns=None)
        given = dict(call.params)
        all_groups = None
        if call.report is reports.GAME_LOGS and not self.serves(call.agent):
            raise unknown(call)
        for name, parameter in call.report.parameters.items():
            whose = parameter.names
            if whose is None:
                continue
            if name in given:
                if not await self._knows(whose, given[name], call.agent):
                    raise unknown(call)
            elif whose is not OwnerKind.USER and whose is not OwnerKind.CODE:
                all_groups = name
        if call.report is reports.USERS and given.keys() == {"id"}:
            # The users are known by now: there is nothing to ask for.
            return Answer([await self._user(int(given["id"]))], requests=0)
        if all_groups is None or len(self.groups) > MOST_CALLS:
            answer = await self._once(call, fields, way, rejected, keys)
            if all_groups is None or not answer.notes.get(_UNTOLD):
                return answer
        # Asked for by itself, a group need not be told by its rows.
        found = await asyncio.gather(
            *(self._of_group(call, all_groups, group, fields, way, keys) for group in sorted(self.groups))
        )
        return Answer(joined(found))

    async def _of_group(
        self, call: Call, parameter: str, group: int, fields: Iterable[str], way: Way | None, keys: int
    ) -> list[Row]:
        """The rows of one group in place of all groups'."""
        params = tuple(sorted((*call.params, (parameter, group))))
        try:
            found = (await self._once(replace(call, params=params), fields, way, (), keys)).rows
        except NotFound:
            return []  # the caller's list is longer than the upstream's
        if call.report.parameters[parameter].names is OwnerKind.FAMILY:
            # Those below it are asked for by themselves, if they are visible.
            return like(found, [row for row in found if row.group_id == group])
        return found

    async def known(self, report: Report, parameter: str, values: Sequence[Any], agent: str) -> list[Any]:
        """Those values of a parameter that name nobody who is hidden."""
        whose = report.parameters[parameter].names
        return [value for value in values if whose is None or await self._knows(whose, value, agent)]

    async def _knows(self, whose: OwnerKind, value: str | int, agent: str) -> bool:
        if whose is OwnerKind.GROUP or whose is OwnerKind.FAMILY:
            return value in self.groups
        members = await self.members()
        if members.made_up:
            return True  # nobody knows yet whether there is such a user
        if whose is OwnerKind.USER:
            return value in members.users
        codes, spelling = self._codes(members, agent), str(value)
        if spelling in codes:
            return True
        settled = await settle(self._directory, agent, (spelling,), codes)
        return _all_of(settled.get(spelling, frozenset()), codes)

    async def _user(self, id: int) -> rows.UserRow:
        members = await self.members()
        known = members.users.get(id)
        if known is not None:
            return known[1]
        like = next((row for _, row in members.users.values()), None)
        found = rows.UserRow(id=id) if like is None else copy.copy(like)
        found.id = id
        return found

    def _codes(self, members: Members, agent: str) -> Set[str]:
        """The codes under which an agent knows the users of the groups that it serves."""
        column, agent_of = self._agents.user_code_from, self._agents.agent_of_group
        codes = (getattr(row, column) for group, row in members.users.values() if agent_of(group) == agent)
        return {str(code) for code in codes if code is not None}

    async def members(self) -> Members:
        """The users of the groups, read once an operation. Raises the `UpstreamError` that kept them away."""
        if self._members is None:
            self._members = asyncio.ensure_future(self._read_members())
            self._members.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._members)

    async def _read_members(self) -> Members:
        if len(self.groups) > MOST_CALLS:
            answer = await self._once(Call.of(reports.USERS), way=_WAY)
            if not answer.notes.get(_UNTOLD):
                users = {row.id: (row.group_id, row) for row in answer.rows}
                return Members(users, bool(answer.notes.get("made_up")))
        groups = sorted(self.groups)
        answers = await asyncio.gather(*map(self._members_of, groups))
        users = {row.id: (group, row) for group, found in zip(groups, answers, strict=True) for row in found.rows}
        return Members(users, any(answer.notes.get("made_up") for answer in answers))

    async def _members_of(self, group: int) -> Answer[Any]:
        try:
            return await self._once(Call.of(reports.USERS, fkgroup=group), way=_WAY)
        except NotFound:
            return Answer([])

    async def visible(self, call: Call, answer: Answer[Any]) -> Answer[Any]:
        """The answer without what belongs to others; its bad values tell nothing of others either."""
        if wrong := irregular(answer.rows):
            answer = replace(answer, rows=like(answer.rows, veil(answer.rows, wrong)))
        owner = call.report.owner
        if owner is None or not answer.rows or answer.notes.get("made_up"):
            return answer
        members = await self.members() if owner.names_users else Members({})
        if members.made_up:
            return answer
        if owner.by is OwnerKind.CODE:
            logs = await self._logs(call, answer, members)
            return replace(logs, rows=like(answer.rows, logs.rows))
        given = dict(call.params)
        named = {call.report.parameters[name].names for name in given}
        sieve = _RowFilter(self.groups, members, named)
        if len(answer.rows) > _MANY_ROWS:
            found = await asyncio.to_thread(sieve.through, owner, answer.rows)
        else:
            found = sieve.through(owner, answer.rows)
        found = like(answer.rows, found)
        return replace(answer, rows=found, notes={**answer.notes, NAMELESS: sieve.nameless, _UNTOLD: sieve.untold})

    async def _logs(self, call: Call, answer: Answer[Any], members: Members) -> Answer[Any]:
        """Return the rows of visible users. The upstream may have compared user codes loosely (C27)."""
        codes = self._codes(members, call.agent)
        settled = await settle(self._directory, call.agent, {row.user_code for row in answer.rows}, codes)
        seen = codes | {spelling for spelling, owners in settled.items() if _all_of(owners, codes)}
        unseen = frozenset(spelling for spelling, owners in settled.items() if owners & codes and spelling not in seen)
        if "user_code" in dict(call.params):
            if unseen:
                raise undecided()
        else:
            # Only the upstream knows whether it takes two spellings for one user.
            sure = {owner for owners in settled.values() if len(owners) == 1 for owner in owners & codes}
            seen -= {spelling for spelling, owners in settled.items() if len(owners) == 1}
            calls = (replace(call, params=tuple(sorted((*call.params, ("user_code", code))))) for code in sorted(sure))
            for found in await asyncio.gather(*map(self._once, calls), return_exceptions=True):
                if isinstance(found, NotFound):
                    continue
                if isinstance(found, BaseException):
                    raise found
                seen |= {row.user_code for row in found.rows}
        rows = [row for row in answer.rows if row.user_code in seen]
        return replace(answer, rows=rows, notes={**answer.notes, UNDECIDED: unseen})

    def plain(self, call: Call, error: UpstreamError) -> UpstreamError:
        """An error that tells nothing of others: the upstream's own words may quote their rows, or count them."""
        told = type(error)(f"{call.report.code}: {error.plain}", report=error.report)
        told.correlation_id, told.requests = error.correlation_id, error.requests
        return told


def _all_of(owners: Set[str], codes: Set[str]) -> bool:
    """Whether somebody owns it, and only users who are visible may."""
    return bool(owners) and owners <= codes


_WAY = Way("scope", reports.USERS, 1, 0.0, 0.0)


def unknown(call: Call) -> NotFound:
    """What is said of whoever is hidden, and of whoever there is not."""
    return NotFound(f"{call.report.code}: {NotFound.plain}", report=call.report.code)


class _RowFilter:
    """Lets through the rows that are there for a caller; `named` is what the parameters of their call named."""

    def __init__(self, groups: Set[int], members: Members, named: Set[OwnerKind | None]) -> None:
        self.groups = groups
        self.members = members
        self.named = named
        self.nameless = 0
        self.untold = 0

    def through(self, owner: Owner, found: Iterable[Any]) -> list[Any]:
        """The rows that are there, as they are seen."""
        seen = (self._seen(owner, row) for row in found)
        return [row for row in seen if row is not None]

    def _seen(self, owner: Owner, row: Any) -> Any | None:
        group = None if owner.group is None else self._group(owner.group, row)
        user = None if owner.user is None else self._user(owner.user, row)
        if group is None and OwnerKind.GROUP in self.named:
            group = True
        if owner.by is OwnerKind.GROUP:
            # A row that does not tell its group is there if it was asked for by a user who is.
            if not (OwnerKind.USER in self.named if group is None else group):
                self.untold += group is None
                return None
        elif owner.by is OwnerKind.USER and not (group if user is None else user):
            return None
        less: dict[str, Any] = {}
        if owner.group is not None and not group:
            less.update(_told(owner.group, row))
        if owner.user is not None and not user:
            less.update(hidden := _told(owner.user, row))
            if owner.user.id in hidden:
                self.nameless += 1
        less.update(self._parts(owner, row))
        if not less:
            return row
        row = copy.copy(row)  # rows are shared
        for name, value in less.items():
            setattr(row, name, value)
        return row

    def _parts(self, owner: Owner, row: Any) -> Iterable[tuple[str, Any]]:
        left = False
        for name, part in owner.parts.items():
            value = getattr(row, name)
            if isinstance(value, list):
                seen = self.through(part, value)
                left = left or bool(seen)
                if len(seen) < len(value) or any(a is not b for a, b in zip(seen, value, strict=True)):
                    yield name, seen
            elif isinstance(value, Row):
                one = self._seen(part, value)
                left = left or one is not None
                if one is not value:
                    yield name, one
        if not left:
            yield from ((name, None) for name in owner.only_with_parts)

    def _group(self, told: OwnerColumns, row: Any) -> bool | None:
        return self._is(told, row, self.groups, self.members.external_groups)

    def _user(self, told: OwnerColumns, row: Any) -> bool | None:
        return self._is(told, row, self.members.users, self.members.external_users)

    @staticmethod
    def _is(told: OwnerColumns, row: Any, ids: Any, external: Set[str]) -> bool | None:
        """Whether whom these columns tell is visible; None if they tell nobody."""
        id = getattr(row, told.id)
        if id is not None:
            return id in ids
        code = getattr(row, told.external) if told.external else None
        return None if code is None else code in external


def _told(told: OwnerColumns, row: Any) -> dict[str, None]:
    return {name: None for name in told.columns if getattr(row, name) is not None}
