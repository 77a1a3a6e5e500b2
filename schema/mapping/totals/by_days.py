"""Add up lists without reading them whole: some days at a time, whose rows are released before the next ones are read.

Cached days keep their sums, so a total that is asked again reads no rows. A long period needs little more memory than a
short one.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from strawberry import Info

from resolvers.kept_sums import ReadCall, calls_by_day
from resolvers.key_rows import KeyRows
from resolvers.session import Session
from resolvers.trace import SummedList
from schema.mapping.lists.conditions import Conditions
from schema.mapping.lists.listed import TYPENAME
from schema.mapping.lists.relay import Connection
from schema.mapping.selection import select
from schema.mapping.totals.adding import AddedList, LevelSums, SumsOfRows
from schema.mapping.totals.list_totals import ADDED_UP
from schema.mapping.values import report_row
from upstream.errors import UpstreamError
from upstream.reports.distinct_ids import DistinctIds
from upstream.reports.table import REPORTS
from upstream.values import days
from upstream.values.days import Piece
from upstream.values.interval import Interval

# About so many rows are read at a time, but at least those of a day.
ROWS = 50_000
# So many days are read at once where nothing is known of their rows.
FEW_DAYS = 7

_WITHOUT_ROWS = ADDED_UP | {"totalCount", TYPENAME}
_REPORTS = {report.row: report for report in REPORTS}

Found = Sequence[KeyRows | Exception]
ReadPart = Callable[[Interval], Awaitable[Found]]


def is_added_up(info: Info[Session, Any]) -> bool:
    """Return whether nothing but totals is selected of the pages of the current field."""
    selected = select(info).keys()
    return not ADDED_UP.isdisjoint(selected) and selected <= _WITHOUT_ROWS


@dataclass(slots=True, eq=False)
class SummedLevel:
    """The lists of one level while they are added up over the days of their period.

    `read_part` reads them for a part of the period, and `where` filters them. `source` identifies the lists and the
    conditions, as long as the rows of the upstream are the same; None if nothing does. `name` is that of the field.
    """

    level: LevelSums
    where: Conditions
    read_part: ReadPart
    source: Hashable
    name: str
    lists: list[SumsOfRows | Exception] = field(default_factory=list)
    rows: int = 0
    kept: int = 0
    _ids: defaultdict[tuple[int, str], DistinctIds] = field(default_factory=lambda: defaultdict(DistinctIds))

    @property
    def session(self) -> Session:
        """Return the session of the operation."""
        return self.level.adder.session

    @property
    def _keeps(self) -> bool:
        """Return whether sums are kept. For a caller of some groups, they depend on more than the rows."""
        return self.source is not None and self.session.visibility is None and self.session.sums is not None

    async def add_up(self, interval: Interval) -> None:
        """Add up all days. The next ones are read while these are added up."""
        session, pieces = self.session, days.pieces(interval, self.session.zone)
        kept = {}
        for piece in pieces if self._keeps else ():
            if (one := await session.kept_sum(self._place(piece), self.name)) is not None:
                kept[piece] = one.sums
                self.rows += sum(each.rows for each in one.calls)
        self.kept = len(kept)
        unread = [piece for piece in pieces if piece not in kept]
        ahead, part, place = None, self._first(unread), 0
        try:
            while place < len(pieces):
                if pieces[place] in kept:
                    await self._join(kept[pieces[place]])
                    place += 1
                    continue
                found = await (self.read_part(_interval(part, interval)) if ahead is None else ahead)
                self._learn(found, len(part))
                unread = unread[len(part) :]
                now, part, ahead = part, self._first(unread), None
                if part and not _failed(found):
                    ahead = asyncio.ensure_future(self.read_part(_interval(part, interval)))
                    ahead.add_done_callback(lambda task: task.cancelled() or task.exception())
                await self._add(now, found, apart=len(now) < len(pieces))
                del found
                place += len(now)
                if len(now) < len(pieces):
                    session.release(_interval(now, interval))
                if _failed(self.lists):
                    return
        finally:
            if ahead is not None:
                ahead.cancel()
        session.summed.append(SummedList(self.name, len(self.lists), self.rows, len(pieces), self.kept))

    def _learn(self, found: Found, count: int) -> None:
        """Learn how many rows come for so many days: also those that belong to none of the lists."""
        lists = [rows for rows in found if isinstance(rows, KeyRows)]
        answers = {id(rows.answer): len(rows.answer.rows) for rows in lists if rows.answer is not None}
        rows = sum(answers.values()) + sum(len(rows) for rows in lists if rows.answer is None)
        self.rows += rows
        self.session.prices.learn_list((self.name, self.source), rows / count)

    def _first(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return the first pieces that are read together: neighbours, with not too many rows."""
        if not pieces:
            return []
        known = self.session.prices.rows_of_list((self.name, self.source))
        most = FEW_DAYS if known is None else max(1, int(ROWS // max(known, 1.0)))
        found = [pieces[0]]
        for piece in pieces[1:most]:
            if piece.interval.start != found[-1].interval.end:
                break
            found.append(piece)
        return found

    async def _add(self, pieces: Sequence[Piece], found: Found, *, apart: bool) -> None:
        """Add up the rows of some days. They are `apart` if the rows of other days were, or will be, read, too."""
        session, level = self.session, self.level
        sources = None if not self._keeps or session.rehearsal else calls_by_day(found, pieces)
        objects: list[int] = []
        if apart:
            found = [self._distinct(place, one) for place, one in enumerate(found)]
        found = await self.where.select(
            level.adder.kind, found, session, interval=level.adder.interval, given=level.given, objects=objects
        )
        by_day = sources is not None and len(pieces) > 1
        added = await level.adder.added(found, level.given, by_day=by_day, objects=objects)
        if sources is not None and not objects:
            await self._keep(pieces, added, sources, by_day)
        await self._join_days(added)

    async def _join_days(self, added: Sequence[Any]) -> None:
        for place, one in enumerate(added):
            known = self.lists[place]
            if isinstance(known, Exception):
                continue
            if isinstance(one, Exception):
                self.lists[place] = one
                continue
            for day in one.values():
                await known.add(day)

    async def _join(self, sums: Sequence[SumsOfRows]) -> None:
        for known, one in zip(self.lists, sums, strict=True):
            if not isinstance(known, Exception):
                await known.add(one)

    async def _keep(
        self, pieces: Sequence[Piece], added: Sequence[Any], sources: dict[Piece, list[ReadCall]], by_day: bool
    ) -> None:
        """Keep the sums of each day that are complete."""
        keeper = self.session.sums
        assert keeper is not None
        if any(isinstance(one, Exception) or any(each.failed for each in one.values()) for one in added):
            return
        days_of_pieces = {piece.day for piece in pieces}
        if by_day and any(not one.keys() <= days_of_pieces for one in added):
            return  # a row without a time
        empty = await self.level.adder.empty()
        for piece in pieces:
            sums = [one.get(piece.day if by_day else None, empty) for one in added]
            if all(not isinstance(each, Exception) for one in sums for each in one.buckets):
                size = sum(one.size for one in sums)
                keeper.keep(self._place(piece), sums, sources[piece], size)

    def _distinct(self, place: int, rows: KeyRows | Exception) -> KeyRows | Exception:
        """Return the rows of a list, or the error if other days have different rows with the same ids (C37)."""
        if isinstance(rows, Exception) or not rows:
            return rows
        report = _REPORTS[report_row(type(rows[0]))]
        # Days that come from the cache are trusted one by one, as in a list.
        fetched = rows.answer is None or rows.answer.provenance.outcome in ("off", "miss")
        if report.id is None or not fetched or rows.made_up:
            return rows
        ids = list(map(attrgetter(report.id), rows))
        # Every agent counts its logs separately.
        agents = list(map(attrgetter("agent_code"), rows)) if hasattr(rows[0], "agent_code") else [""] * len(rows)
        try:
            for agent in set(agents):
                self._ids[place, agent].add(report, [id for id, own in zip(ids, agents, strict=True) if own == agent])
        except UpstreamError as error:
            return error
        return rows

    def _place(self, piece: Piece) -> Hashable:
        session, interval = self.session, piece.interval
        facts = session.join.settled(session.today) is False, tuple(session.every_agent())
        return self.name, self.source, facts, interval.start, interval.end, self.level.adder.asked


def _failed(lists: Sequence[Any]) -> bool:
    """Return whether no list can be added up."""
    return all(isinstance(one, Exception) for one in lists)


def _interval(part: Sequence[Piece], whole: Interval) -> Interval:
    """Return the period of neighbouring pieces; the whole period itself if these are all."""
    start, end = part[0].interval.start, part[-1].interval.end
    return whole if (start, end) == (whole.start, whole.end) else Interval(start, end)


async def summed(
    info: Info[Session, Any],
    where: Conditions,
    read: ReadPart,
    level: LevelSums,
    source: Hashable,
) -> list[Any]:
    """Return the pages of the lists of a level, of which only totals are selected, or the errors that prevent them."""
    interval, raw = level.adder.interval, info._raw_info
    assert interval is not None
    field = f"{raw.parent_type.name}.{raw.field_name}"
    many = SummedLevel(level, where, read, source, field)
    many.lists = [await level.adder.empty() for _ in level.given.parents or (None,)]
    await many.add_up(interval)
    pages: list[Any] = []
    for place, one in enumerate(many.lists):
        level.lists[place] = one
        if isinstance(one, Exception):
            pages.append(one)
        else:
            listing: Any = AddedList(level, place)
            pages.append(Connection(edges=[], nodes=[], total_count=one.count, page_info=None, listing=listing))  # type: ignore[arg-type]
    return pages
