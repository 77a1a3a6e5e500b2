"""Read an entity set day by day from the files of the spool, page by page, every row exactly once.

Each day is one file. All pages, filters and windows share it, and a page reads a part of it. The file does not contain
the reading times, so the same rows make the same file, and a client can continue its pages after the rows were read
again. Sorting keeps its rows in memory, so their number has a limit.
"""

import asyncio
import base64
import datetime
import hashlib
import time
from asyncio import to_thread
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resolvers.caller import Caller
from server.http.request_error import RequestError
from server.odata import ordering
from server.odata.apply import Apply, ResultRows, joined
from server.odata.edm import key_of, kinds_of
from server.odata.filter import Filter
from server.odata.options import bad
from server.tables.answers import TRIES, TableAnswers, TableRequest, crowded
from server.tables.arrow import texts
from server.tables.formats import ROWS_FORMAT
from server.tables.reading import ReadCost
from server.tables.spool.snapshot import Snapshot
from server.tables.spool.spool import ReadFile
from server.tables.table import Table
from server.tables.window import cut
from upstream.values.days import Piece

MOST_SORTED = 200_000
_PLACE_DIGITS = 7
_SLICE = 16_384
_ALL = "all"
# The beginnings of the hashes of files in a token: so many letters for each, which are so many hexadecimal digits.
_START, _DIGITS = 4, 6


@dataclass(frozen=True, slots=True)
class ODataQuestion:
    """The requested rows: the table, the days, the filter, the order and the number.

    No row may have been read before `not_before`.
    """

    table: Table
    variables: Mapping[str, Any]
    days: tuple[Piece | None, ...]
    select: tuple[str, ...]
    filter: Filter | None
    order: tuple[tuple[str, bool], ...]
    top: int | None
    skip: int
    count: bool
    size: int
    token: Mapping[str, Any] | None
    caller: Caller
    not_before: datetime.datetime | None = None

    @property
    def columns(self) -> list[str]:
        """Return the columns to read, in the order of the table."""
        wanted = {*self.select, *(name for name, _ in self.order)} | (self.filter.columns if self.filter else set())
        return [name for name in self.table.read_schema.names if name in wanted]


@dataclass(frozen=True, slots=True)
class ODataPage:
    """Some rows, the beginning of the next page if there is one, and the number of all rows if it was requested.

    `oldest` is when the oldest row of the days of this page was read, and `files` are the files that were read. The
    rows that an `$apply` made are the `results`. `cost` is what it took to read the files, as far as it is known.
    """

    rows: pa.Table
    token: dict[str, Any] | None
    count: int | None
    oldest: datetime.datetime | None
    files: Sequence[ReadFile]
    results: Sequence[ResultRows] = ()
    cost: ReadCost | None = None


async def page(question: ODataQuestion, answers: TableAnswers) -> ODataPage:
    """Return the requested page. Raises RequestError."""
    reading = _PageReading(question, answers)
    found = await (reading.sorted() if question.order else reading.in_order())
    return replace(found, cost=reading.cost)


async def applied(question: ODataQuestion, apply: Apply, after: Filter | None, answers: TableAnswers) -> ODataPage:
    """Return the requested page of what an `$apply` makes of the rows of a question. `after` filters it.

    Raises RequestError.
    """
    reading = _PageReading(question, answers)
    return await reading.transformed(apply, after)


async def counted(question: ODataQuestion, answers: TableAnswers) -> ODataPage:
    """Return a page without rows, with the number of rows. Raises RequestError."""
    reading = _PageReading(question, answers)
    count = await reading.count()
    return ODataPage(reading.schema.empty_table(), None, count, reading.oldest, reading.files)


def day_of(piece: Piece | None) -> str:
    """Return the beginning of the keys of a day, or of a part of a day."""
    if piece is None:
        return _ALL
    return piece.text if piece.whole else f"{piece.interval.start.isoformat()}/{piece.interval.end.isoformat()}"


class _PageReading:
    def __init__(self, question: ODataQuestion, answers: TableAnswers) -> None:
        self.question = question
        self.answers = answers
        self.oldest: datetime.datetime | None = None
        self.files: list[ReadFile] = []
        starts = (question.token or {}).get("tags")
        self._starts = None if starts is None else _by_day(question.days, starts)
        self._costs: dict[str, ReadCost | None] = {}
        self.filtering = 0.0
        self.schema = pa.schema(
            [
                *(question.table.read_schema.field(name).remove_metadata() for name in question.columns),
                pa.field(key_of(question.table), pa.string(), False),
            ]
        )

    async def in_order(self) -> ODataPage:
        """Return the rows in the order of the table: days ascending, each in the order of the document."""
        question, token = self.question, self.question.token
        left = token["left"] if token else question.top
        skip = (token.get("skip") or 0) if token else question.skip
        begin, at = 0, 0
        if token:
            begin, at = self._day(token), token["at"]
        size = question.size if left is None else min(question.size, left)
        taken: list[pa.Table] = []
        found = 0
        following: dict[str, Any] | None = None
        async with aclosing(self._snapshots(begin, len(question.days) if size else begin)) as snapshots:
            async for place, snapshot in snapshots:
                position = at if place == begin else 0
                if token and place == begin and token.get("tag") != snapshot.etag:
                    raise _gone()
                if found < size:
                    rows, skipped, stop = await to_thread(self._take, snapshot, place, position, skip, size - found)
                    skip -= skipped
                    found += rows.num_rows
                    taken.append(rows)
                else:  # the page was complete at the end of the day before
                    stop = 0 if await to_thread(self._any, snapshot, place) else None
                if stop is not None:
                    following = {"day": day_of(question.days[place]), "at": stop, "tag": snapshot.etag}
                if stop is not None or (left is not None and found >= left):
                    break
        if left is not None:
            left -= found
        count = (token or {}).get("count")
        if question.count and count is None:
            count = await self.count()
        if following is not None and (left is None or left > 0):
            following |= {"left": left, "skip": skip, "count": count, "size": question.size}
        else:
            following = None
        return ODataPage(self._selected(taken), following, count, self.oldest, self.files)

    async def sorted(self) -> ODataPage:
        """Return the sorted rows. Equal rows keep the order of the table."""
        question, token = self.question, self.question.token
        first = token["at"] if token else question.skip
        end = None if question.top is None else question.skip + question.top
        if end is not None and end > MOST_SORTED:
            raise too_many()
        tables: list[pa.Table] = []
        collected = count = 0
        tags = hashlib.sha256()
        async with aclosing(self._snapshots()) as snapshots:
            async for place, snapshot in snapshots:
                tags.update(f"{day_of(question.days[place])} {snapshot.etag} ".encode())
                rows, matched = await to_thread(self._all, snapshot, place, end)
                count += matched
                collected += rows.num_rows
                tables.append(rows)
                if collected > MOST_SORTED:
                    if end is None:
                        raise too_many()
                    tables = [await to_thread(self._first, tables, end)]
                    collected = tables[0].num_rows
        tag = tags.hexdigest()[:32]
        if token and token.get("tag") != tag:
            raise _gone()
        rows = await to_thread(self._first, tables, end)
        shown = rows.slice(first, question.size)
        stop = first + shown.num_rows
        following = None
        if stop < rows.num_rows:
            following = self._following(stop, tag)
        number = count if question.count else None
        return ODataPage(shown.select(question.select), following, number, self.oldest, self.files)

    async def transformed(self, apply: Apply, after: Filter | None) -> ODataPage:
        """Return a page of what an `$apply` makes of the rows."""
        question, token = self.question, self.question.token
        folds = [group.totals.fold(apply.most_bytes) for group in apply.groups]

        def fold(snapshot: Snapshot, place: int) -> None:
            for rows in self._matching(snapshot, place, 0):
                for group, one in zip(apply.groups, folds, strict=True):
                    taken = rows if group.filter is None else self._taken(rows, group.filter)
                    for batch in taken.combine_chunks().to_batches():
                        one.add(group.totals.prepared(question.table, batch))

        tags = hashlib.sha256()
        async with aclosing(self._snapshots()) as snapshots:
            async for place, snapshot in snapshots:
                tags.update(f"{day_of(question.days[place])} {snapshot.etag} ".encode())
                await to_thread(fold, snapshot, place)
        tag = tags.hexdigest()[:32]
        if token and token.get("tag") != tag:
            raise _gone()
        results = await to_thread(lambda: self._finished(apply.result([one.rows() for one in folds]), after))
        count = sum(result.rows.num_rows for result in results)
        left = max(count - question.skip, 0)
        left = left if question.top is None else min(left, question.top)
        first = token["at"] if token else 0
        shown = _cut(results, question.skip + first, min(question.size, max(left - first, 0)))
        stop = first + sum(result.rows.num_rows for result in shown)
        following = self._following(stop, tag) if stop < left else None
        return ODataPage(pa.table({}), following, count, self.oldest, self.files, shown)

    def _finished(self, results: list[ResultRows], after: Filter | None) -> list[ResultRows]:
        """Return the results filtered and sorted, as the options beside `$apply` say."""
        order = self.question.order
        if after is not None:
            result = joined(results)
            results = [replace(result, rows=self._taken(result.rows, after))]
        if order:
            result = joined(results)
            results = [replace(result, rows=result.rows.take(ordering.indices(result.rows, order, result.kinds)))]
        return results

    async def count(self) -> int:
        """Return the number of rows, without `$top` and `$skip`."""
        found = 0
        async with aclosing(self._snapshots()) as snapshots:
            async for place, snapshot in snapshots:
                found += await to_thread(self._count, snapshot, place)
        return found

    async def _snapshots(self, begin: int = 0, end: int | None = None) -> AsyncGenerator[tuple[int, Snapshot]]:
        """Yield the files of the days. The next file is written while this one is read."""
        days = self.question.days[:end]
        ahead: asyncio.Task[Snapshot] | None = None
        try:
            for place in range(begin, len(days)):
                for _ in range(TRIES):
                    current = ahead = ahead or asyncio.create_task(self._snapshot(days[place]))
                    snapshot = await current
                    ahead = None
                    with suppress(FileNotFoundError):  # it was removed to make room while the day before was read
                        snapshot.hold()
                        break
                else:
                    raise crowded()
                try:
                    self._note(days[place], snapshot)
                    if place > begin and place + 1 < len(days):  # one day is often enough
                        ahead = asyncio.create_task(self._snapshot(days[place + 1]))
                    yield place, snapshot
                finally:
                    snapshot.release()
        finally:
            if ahead is not None:
                ahead.cancel()
                with suppress(asyncio.CancelledError, RequestError):
                    await ahead

    async def _snapshot(self, piece: Piece | None) -> Snapshot:
        question = self.question
        window = None if piece is None else cut(piece.interval, self.answers.zone)
        requested = TableRequest(question.table, question.variables, window, None, question.caller, question.not_before)
        reading = question.token is not None
        return await self.answers.snapshot(requested, ROWS_FORMAT, reading=reading, tag=self._tag(piece))

    def _tag(self, piece: Piece | None) -> str | None:
        """Return the hash of the file of a day with which the page continues, or the beginning of the hash."""
        token = self.question.token or {}
        if self._starts is not None:
            return _digits(self._starts[piece])
        tag: str | None = token.get("tag") if token.get("day") == day_of(piece) else None
        return tag

    def _following(self, at: int, tag: str) -> dict[str, Any]:
        """Return the token of the next page of rows that are made from all files."""
        starts = "".join(_start(file.etag) for file in self.files)
        return {"at": at, "tag": tag, "size": self.question.size, "tags": starts}

    def _note(self, piece: Piece | None, snapshot: Snapshot) -> None:
        """Note the file of a used day, and when its rows were read."""
        day = None if piece is None else piece.day
        reading = self.question.token is not None
        self.files.append(ReadFile(snapshot.key, (day, day), snapshot.etag, reading, self._tag(piece)))
        self._costs[snapshot.key] = snapshot.times.cost
        rows = snapshot.times.rows
        if rows is not None:
            self.oldest = rows.oldest if self.oldest is None else min(self.oldest, rows.oldest)

    @property
    def cost(self) -> ReadCost | None:
        """Return what it took to read the rows of all files; None if it is not known of one."""
        known = [cost for cost in self._costs.values() if cost is not None]
        return sum(known, ReadCost()) if known and len(known) == len(self._costs) else None

    def _day(self, token: Mapping[str, Any]) -> int:
        days = [day_of(piece) for piece in self.question.days]
        if token.get("day") not in days:
            raise _gone()
        return days.index(token["day"])

    def _take(
        self, snapshot: Snapshot, place: int, begin: int, skip: int, room: int
    ) -> tuple[pa.Table, int, int | None]:
        """Return at most `room` rows after the skipped ones, the number skipped, and the place of the next row."""
        taken: list[pa.Table] = []
        skipped = 0
        for rows in self._matching(snapshot, place, begin):
            here = min(skip - skipped, rows.num_rows)
            skipped += here
            rest = rows.slice(here)
            if rest.num_rows > room:
                taken.append(rest.slice(0, room))
                return self._table(taken), skipped, _place(rest, room, key_of(self.question.table))
            room -= rest.num_rows
            taken.append(rest)
        return self._table(taken), skipped, None

    def _all(self, snapshot: Snapshot, place: int, end: int | None) -> tuple[pa.Table, int]:
        """Return the rows of a day that can be among the first ones, and the number of its rows."""
        tables: list[pa.Table] = []
        matched = collected = 0
        for rows in self._matching(snapshot, place, 0):
            matched += rows.num_rows
            collected += rows.num_rows
            tables.append(rows)
            if collected > MOST_SORTED:
                if end is None:
                    raise too_many()
                tables = [self._first(tables, end)]
                collected = tables[0].num_rows
        return self._table(tables), matched

    def _any(self, snapshot: Snapshot, place: int) -> bool:
        """Return whether the filter matches any row of a day."""
        return any(rows.num_rows for rows in self._matching(snapshot, place, 0))

    def _count(self, snapshot: Snapshot, place: int) -> int:
        if self.question.filter is None:
            return int(pq.read_metadata(snapshot.path).num_rows)
        return sum(rows.num_rows for rows in self._matching(snapshot, place, 0))

    def _matching(self, snapshot: Snapshot, place: int, begin: int) -> Iterator[pa.Table]:
        """Yield the matching rows of a day from a place on, with their keys."""
        question = self.question
        day = day_of(question.days[place])
        with pq.ParquetFile(snapshot.path) as file:
            at = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                if at + size > begin:
                    rows = file.read_row_group(group, columns=question.columns)
                    for start in range(max(begin - at, 0), size, _SLICE):
                        piece = rows.slice(start, _SLICE) if question.columns else None
                        length = min(_SLICE, size - start)
                        yield self._filtered(piece, day, at + start, length)
                at += size

    def _filtered(self, rows: pa.Table | None, day: str, begin: int, length: int) -> pa.Table:
        keys = _keys(day, begin, length)
        name = key_of(self.question.table)
        found = pa.table({name: keys}) if rows is None else rows.append_column(name, keys)
        return found if self.question.filter is None else self._taken(found, self.question.filter)

    def _taken(self, rows: pa.Table, condition: Filter) -> pa.Table:
        """Return the rows that a filter takes, unless filters have taken too long."""
        if self.filtering > self.answers.filter_seconds:
            raise _too_long(self.answers.filter_seconds)
        began = time.monotonic()
        taken = rows.filter(condition.mask(rows))
        self.filtering += time.monotonic() - began
        return taken

    def _table(self, tables: list[pa.Table]) -> pa.Table:
        names = self.schema.names
        return pa.concat_tables([self.schema.empty_table(), *(one.select(names).cast(self.schema) for one in tables)])

    def _selected(self, tables: list[pa.Table]) -> pa.Table:
        return self._table(tables).select(self.question.select)

    def _first(self, tables: list[pa.Table], end: int | None) -> pa.Table:
        """Return the first rows in sorted order."""
        rows = self._table(tables).combine_chunks()
        indices = ordering.indices(rows, self.question.order, kinds_of(self.question.table))
        return rows.take(indices if end is None else indices.slice(0, end))


def _cut(results: Sequence[ResultRows], skip: int, size: int) -> list[ResultRows]:
    """Return some of the rows of results."""
    found = []
    for result in results:
        rows = result.rows.slice(skip, size)
        skip, size = max(skip - result.rows.num_rows, 0), size - rows.num_rows
        found.append(replace(result, rows=rows))
    return found


def too_many() -> RequestError:
    """Return the error for more rows than may be sorted in memory."""
    return bad(
        f"$orderby sorts {MOST_SORTED:,} rows at most, and there are more: take a $top, a narrower window or a "
        "$filter, or read it as it is and sort it yourself."
    )


def _too_long(seconds: float) -> RequestError:
    return RequestError(
        400,
        "DEADLINE_EXCEEDED",
        f"$filter was compared with rows for {seconds:g} seconds, which is how long it may take: take a narrower "
        "window or a shorter $filter.",
    )


def _keys(day: str, begin: int, length: int) -> pa.Array:
    return texts([f"{day}.{number:0{_PLACE_DIGITS}}" for number in range(begin, begin + length)])


def _place(rows: pa.Table, index: int, key: str) -> int:
    return int(rows[key][index].as_py().rpartition(".")[2])


def _by_day(days: Sequence[Piece | None], starts: str) -> dict[Piece | None, str]:
    """Return the beginnings of the hashes of files in a token, by the days of the files."""
    return {day: starts[place * _START : (place + 1) * _START] for place, day in enumerate(days)}


def _start(etag: str) -> str:
    """Return the beginning of a hash for a token."""
    return base64.urlsafe_b64encode(bytes.fromhex(etag[:_DIGITS])).decode()


def _digits(start: str) -> str:
    """Return the beginning of a hash from a token. Raises RequestError."""
    try:
        return base64.urlsafe_b64decode(start).hex()
    except ValueError:
        raise _gone() from None


def _gone() -> RequestError:
    return RequestError(
        410, "GONE", "The rows have been read anew since the first page: begin again with the first page."
    )
