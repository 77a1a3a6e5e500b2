"""The visibility of one caller: rows are filtered where they enter, by what the table of reports says of owners.

For a restricted caller, data of other groups does not exist. A call that names another group, or a user of one, is not
made. It is answered as if there were no such group or user. So is a call that names a user who does not exist at all:
a caller cannot distinguish the two. The rows of all other calls are filtered before anything counts, orders or stores
them.
"""

import asyncio
import copy
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from operator import attrgetter, itemgetter
from typing import Any, Protocol

import msgspec

from resolvers.directory import Directory, settle, undecided
from resolvers.sources.ended import ENDED
from resolvers.sources.row_filter import Members, RowFilter
from resolvers.sources.source import NO_REASON, Layer, Reason, Source
from resolvers.way import Way
from upstream.call import Answer, Call
from upstream.errors import NotFound, UpstreamError
from upstream.reports import table as reports
from upstream.reports.absence import absence
from upstream.reports.owner import OwnerKind
from upstream.reports.request import checked
from upstream.reports.rows import Row, UserRow
from upstream.reports.table import Report

# A caller of so many groups gets one call for each group where an open caller gets one call for all groups.
MOST_CALLS = 8
# Longer answers are filtered in a thread, so that the event loop goes on.
_MANY_ROWS = 20_000
_GROUP = itemgetter(0)
_USER_CODE = attrgetter("user_code")
_WAY = Way("scope", reports.USERS, 1, 0.0, 0.0)


class AgentDirectory(Protocol):
    """The agents of Game History and the groups that they serve (C22)."""

    user_code_from: str

    def agent_of_group(self, group: int | None) -> str:
        """Return the agent of a group."""
        ...


class Visibility:
    """The rows that a caller of some groups sees in one operation.

    `calls` makes the calls for the users of these groups: calls of the operation like all others.
    """

    def __init__(self, groups: frozenset[int], agents: AgentDirectory, directory: Directory) -> None:
        self.groups = groups
        self.calls: Source | None = None
        self._agents = agents
        self._directory = directory
        self._members: asyncio.Task[Members] | None = None
        self._codes: dict[str, frozenset[str]] = {}  # of the members, by agent

    def close(self) -> None:
        """Release the operation and the source of calls, which refer to this object."""
        self.calls = None
        self._agents = ENDED

    def serves(self, agent: str) -> bool:
        """Return whether an agent of Game History serves one of the groups."""
        return any(self._agents.agent_of_group(group) == agent for group in self.groups)

    async def known(self, report: Report, parameter: str, values: Sequence[Any], agent: str) -> list[Any]:
        """Return the values of a parameter that name nothing hidden."""
        kind = report.parameters[parameter].names
        if kind is None:
            return list(values)
        if kind is OwnerKind.GROUP or kind is OwnerKind.FAMILY:
            return [value for value in values if value in self.groups]
        members = await self.members()
        if members.made_up:
            return list(values)  # a prediction does not know whether there are such users
        if kind is OwnerKind.USER:
            return [value for value in values if value in members.users]
        codes = self.codes(members, agent)
        # A code in another spelling may name a visible user, too.
        return [value for value in values if str(value) in codes or await self._spells(str(value), codes, agent)]

    async def sees(self, report: Report, parameter: str, value: str | int, agent: str) -> bool:
        """Return whether the caller sees the group or user that a parameter names."""
        return bool(await self.known(report, parameter, (value,), agent))

    async def _spells(self, spelling: str, codes: Set[str], agent: str) -> bool:
        settled = await settle(self._directory, agent, (spelling,), codes)
        return _all_within(settled.get(spelling, frozenset()), codes)

    async def user(self, id: int) -> UserRow:
        """Return the row of a visible user. During a prediction, return one like the others."""
        members = await self.members()
        known = members.users.get(id)
        if known is not None:
            return known[1]
        like = next((row for _, row in members.users.values()), None)
        found = UserRow(id=id) if like is None else copy.copy(like)
        found.id = id
        return found

    def codes(self, members: Members, agent: str) -> Set[str]:
        """Return the codes under which an agent knows the users of the groups that it serves."""
        codes = self._codes.get(agent)
        if codes is None:
            column, agent_of = self._agents.user_code_from, self._agents.agent_of_group
            users = members.users.values()
            groups = {group for group in set(map(_GROUP, users)) if agent_of(group) == agent}
            named = set(map(attrgetter(column), [row for group, row in users if group in groups]))
            codes = self._codes[agent] = frozenset(map(str, named - {None}))
        return codes

    async def members(self) -> Members:
        """Return the users of the groups. They are read once. Raise the `UpstreamError` that prevents it."""
        if self._members is None:
            self._members = asyncio.ensure_future(self._read_members())
            self._members.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._members)

    async def _read_members(self) -> Members:
        if len(self.groups) > MOST_CALLS:
            answer = await self.fetch(Call.of(reports.USERS), Reason(way=_WAY))
            if not answer.without_group:
                users = {row.id: (row.group_id, row) for row in answer.rows}
                return Members(users, answer.provenance.made_up)
        groups = sorted(self.groups)
        answers = await asyncio.gather(*map(self._members_of, groups))
        users = {row.id: (group, row) for group, found in zip(groups, answers, strict=True) for row in found.rows}
        return Members(users, any(answer.provenance.made_up for answer in answers))

    async def _members_of(self, group: int) -> Answer[Any]:
        try:
            return await self.fetch(Call.of(reports.USERS, fkgroup=group), Reason(way=_WAY))
        except NotFound:
            return Answer([])

    async def fetch(self, call: Call, reason: Reason = NO_REASON) -> Answer[Any]:
        """Make a call of the operation."""
        if self.calls is None:
            raise asyncio.CancelledError
        return await self.calls.fetch(call, reason)

    async def filtered(self, call: Call, answer: Answer[Any]) -> Answer[Any]:
        """Return the visible part of an answer. Its bad values reveal nothing of other groups either."""
        answer = answer.veiled()
        owner = call.report.owner
        if owner is None or not answer.rows or answer.provenance.made_up:
            return answer
        members = await self.members() if owner.names_users else Members({})
        if members.made_up:
            return answer
        if owner.by is OwnerKind.CODE:
            return await self._filtered_logs(call, answer, members)
        named = {call.report.parameters[name].names for name, _ in call.params}
        rows = RowFilter(self.groups, members, named)
        if len(answer.rows) > _MANY_ROWS:
            found = await asyncio.to_thread(rows.visible, owner, answer)
        else:
            found = rows.visible(owner, answer)
        if not rows.nameless and not rows.unowned:
            return found
        return msgspec.structs.replace(found, nameless=rows.nameless, without_group=rows.unowned)

    async def _filtered_logs(self, call: Call, answer: Answer[Any], members: Members) -> Answer[Any]:
        """Return the log rows of visible users. The upstream may compare user codes loosely (C27)."""
        codes = self.codes(members, call.agent)
        found = set(map(_USER_CODE, answer.rows))
        if found <= codes:
            return answer
        settled = await settle(self._directory, call.agent, found, codes)
        seen = codes | {spelling for spelling, owners in settled.items() if _all_within(owners, codes)}
        unseen = frozenset(spelling for spelling, owners in settled.items() if owners & codes and spelling not in seen)
        if "user_code" in dict(call.params):
            if unseen:
                raise undecided()
        else:
            # Only the upstream knows whether it takes two spellings for one user.
            sure = {owner for owners in settled.values() if len(owners) == 1 for owner in owners & codes}
            seen -= {spelling for spelling, owners in settled.items() if len(owners) == 1}
            calls = (replace(call, params=tuple(sorted((*call.params, ("user_code", code))))) for code in sorted(sure))
            for one in await asyncio.gather(*map(self.fetch, calls), return_exceptions=True):
                if isinstance(one, NotFound):
                    continue
                if isinstance(one, BaseException):
                    raise one
                seen |= {row.user_code for row in one.rows}
        if not found <= seen:
            places = [place for place, row in enumerate(answer.rows) if row.user_code in seen]
            answer = answer.part(places)
        return msgspec.structs.replace(answer, undecided=unseen) if unseen else answer


class VisibleCalls(Layer):
    """Refuses calls that name something hidden, and splits a call for all groups into one for each visible group."""

    def __init__(self, below: Source, visibility: Visibility) -> None:
        super().__init__(below)
        self.visibility = visibility

    async def fetch(self, call: Call, reason: Reason) -> Answer[Any]:
        """Return the visible rows of a call. Raise `NotFound` if the call names something hidden."""
        call = _with_owners(checked(call))
        given, visibility = dict(call.params), self.visibility
        all_groups = None
        if call.report is reports.GAME_LOGS and not visibility.serves(call.agent):
            raise unknown(call)
        for name, parameter in call.report.parameters.items():
            kind = parameter.names
            if kind is None:
                continue
            if name in given:
                if not await visibility.sees(call.report, name, given[name], call.agent):
                    raise unknown(call)
            elif kind is not OwnerKind.USER and kind is not OwnerKind.CODE:
                all_groups = name
        if call.report is reports.USERS and given.keys() == {"id"}:
            # The users of the groups were read for the check above.
            return Answer([await visibility.user(int(given["id"]))], requests=0)
        if all_groups is None or len(visibility.groups) > MOST_CALLS:
            answer = await self.below.fetch(call, reason)
            if all_groups is None or not answer.without_group:
                return answer
        # In the answer for one group, rows need not name their group.
        one = Reason(reason.fields, reason.way, (), reason.keys)
        groups = sorted(visibility.groups)
        call = call.with_columns(None)
        found = await asyncio.gather(*(self._of_group(call, all_groups, each, one) for each in groups))
        return Answer.joined(found)

    async def _of_group(self, call: Call, parameter: str, group: int, reason: Reason) -> list[Row]:
        """Return the rows of one group in place of those of all groups."""
        params = tuple(sorted((*call.params, (parameter, group))))
        try:
            found = await self.below.fetch(replace(call, params=params), reason)
        except NotFound:
            return []  # the caller's list has a group that the upstream does not have
        if call.report.parameters[parameter].names is OwnerKind.FAMILY:
            # The groups below it have calls of their own, if they are visible.
            return found.like([row for row in found.rows if row.group_id == group]).rows
        return found.rows


class VisibleRows(Layer):
    """Hides the rows of other groups."""

    def __init__(self, below: Source, visibility: Visibility) -> None:
        super().__init__(below)
        self.visibility = visibility

    async def fetch(self, call: Call, reason: Reason) -> Answer[Any]:
        """Return the visible rows of a call."""
        return await self.visibility.filtered(call, await self.below.fetch(call, reason))


class PlainErrors(Layer):
    """Replaces the messages of errors: the upstream's own words may quote rows of other groups, or count them."""

    async def fetch(self, call: Call, reason: Reason) -> Answer[Any]:
        """Return the answer of the source below. Raise its errors with a message that reveals nothing."""
        try:
            return await self.below.fetch(call, reason)
        except UpstreamError as error:
            raise error.plainly(call.report.code) from None


def _with_owners(call: Call) -> Call:
    """Return the call for a reader of the columns that name the owner of a row as well."""
    owner = call.report.owner
    if call.columns is None or owner is None:
        return call
    # Objects inside a row have owners, too.
    return call.with_columns(None if owner.parts else call.columns.union(owner.columns))


def unknown(call: Call) -> NotFound:
    """Return the error for a hidden thing. It is also the error for a thing that does not exist."""
    return NotFound(absence(call.report, call.params), report=call.report.code)


def _all_within(owners: Iterable[str], codes: Set[str]) -> bool:
    """Return whether there are owners, and all of them are visible."""
    found = frozenset(owners)
    return bool(found) and found <= codes
