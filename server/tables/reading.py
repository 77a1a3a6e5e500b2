"""Read a table: run its document once per day, in order, with at most two days in memory."""

import asyncio
import datetime
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pyarrow as pa

from resolvers.trace import Step
from server.execution import freshness
from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.execution.request_options import RequestOptions
from server.http.request_error import error
from server.tables.arrow import Absent, Shape, Unfit, as_read, record_batch, slices
from server.tables.config import CachedSince
from server.tables.table import DURING, Table
from server.tables.window import TableWindow, during
from upstream.call import Call, Reading
from upstream.errors import NotFound
from upstream.values.days import Piece
from upstream.values.interval import Interval

# Small enough for an early first byte, large enough to keep the cost per batch low.
BATCH_ROWS = 16_384

Run = Callable[[Operation], Awaitable[Outcome]]


class TableFailed(Exception):
    """A table cannot be read to its end. It has the code and message of the failure, and the day if there are days."""

    def __init__(self, code: str, message: str, day: datetime.date | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.day = day


@dataclass(frozen=True, slots=True)
class ReadCost:
    """The cost of reading rows: upstream calls, calls that the cache answered, rows, and seconds of all calls."""

    calls: int = 0
    held: int = 0
    rows: int = 0
    seconds: float = 0.0

    def __add__(self, other: "ReadCost") -> "ReadCost":
        return ReadCost(
            self.calls + other.calls, self.held + other.held, self.rows + other.rows, self.seconds + other.seconds
        )

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "ReadCost":
        """Return the cost of calls."""
        made = [step for step in steps if step.outcome != "hit"]
        return cls(
            len(made), len(steps) - len(made), sum(step.rows for step in steps), sum(step.seconds for step in made)
        )

    @property
    def header(self) -> str:
        """Return the cost as the value of `Server-Timing`."""
        said = f"{self.calls} calls, {self.held} held, {self.rows} rows"
        return f'upstream;dur={self.seconds * 1000:.1f};desc="{said}"'


@dataclass(frozen=True, slots=True)
class TableDay:
    """The rows of one day of a table (or all rows without time), when they were read, and by which calls."""

    rows: pa.RecordBatch
    readings: Sequence[Reading]
    steps: Sequence[Step]

    @property
    def calls(self) -> list[Call]:
        """Return the calls that brought the rows."""
        return [step.call for step in self.steps]

    def before(self, moment: datetime.datetime | None) -> bool:
        """Return whether a row was read before a moment."""
        return moment is not None and any(reading.read_at < moment for reading in self.readings)


class Log:
    """The log of reading a table: when its rows were read, at which cost, and a moment before which no row was read.

    `cached` returns the age of the cached rows. With it, `oldest` is known after the first day, for the header of a
    stream. A row that is older is read again.
    """

    def __init__(self, cached: CachedSince | None = None) -> None:
        self.readings: list[Reading] = []
        self.cost = ReadCost()
        self.oldest: datetime.datetime | None = None
        self.known = asyncio.Event()
        self._cached = cached
        self._rest: Sequence[Piece | None] = ()

    async def begin(
        self, day: TableDay, piece: Piece | None, rest: Sequence[Piece | None], not_before: datetime.datetime | None
    ) -> None:
        """Note the first day, and find the age of the cached rows of the other days."""
        self.note(day, rest)
        moments = [reading.read_at for reading in day.readings]
        if self._cached is not None and moments:
            calls = [
                replace(call, interval=_span(rest)) for call in day.calls if piece and call.interval == piece.interval
            ]
            cached = await self._cached(calls, not_before) if rest and calls else None
            self.oldest = min(moments if cached is None else [*moments, cached])
        self.known.set()

    def note(self, day: TableDay, rest: Sequence[Piece | None]) -> None:
        """Note a day that was read. `rest` are the days that were not."""
        self.readings += day.readings
        self.cost += ReadCost.of(day.steps)
        self._rest = rest

    def text(self) -> str:
        """Return what is known, for the metadata of files. Unread days have the moment before which none was read."""
        known = freshness.described(self.readings)
        if self.oldest is not None and self._rest:
            first, last = self._rest[0], self._rest[-1]
            assert first is not None
            assert last is not None
            bound = {"from": first.text, "to": last.text, "readAt": self.oldest.isoformat()}
            reports = dict.fromkeys(one["report"] for one in known if "from" in one)
            known += [{"report": report, **bound} for report in reports]
        return orjson.dumps(known).decode()


@dataclass(frozen=True, slots=True)
class RowOptions:
    """The form of the rows of a table, their largest number, and the moment before which none may have been read."""

    limit: int | None = None
    shape: Shape = as_read
    not_before: datetime.datetime | None = None


async def batches(
    table: Table,
    variables: Mapping[str, Any],
    window: TableWindow | None,
    run: Run,
    options: RowOptions = RowOptions(),
    log: Log | None = None,
) -> AsyncGenerator[pa.RecordBatch]:
    """Yield the rows, days ascending, each in the order of the document. Raises TableFailed.

    The next day is read while the caller uses this one. An empty table has no batch; the table has its schema. The
    `log` receives the reading times.
    """
    days: list[Piece | None] = [None] if window is None else list(window.pieces)
    log = log or Log()
    left, shape, not_before = options.limit, options.shape, options.not_before
    ahead: asyncio.Task[TableDay] | None = None

    def read_ahead(place: int) -> None:
        nonlocal ahead
        if ahead is None and place < len(days) and (left is None or left > 0):
            ahead = asyncio.create_task(one_day(table, variables, days[place], run, shape, not_before))

    try:
        for place in range(len(days)):
            read_ahead(place)
            if ahead is None:
                return
            day = await ahead
            while place and day.before(log.oldest):
                # A read that was running when the first day was read returned it.
                day = await one_day(table, variables, days[place], run, shape, not_before)
            ahead = None
            batch = day.rows
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            rest = days[place + 1 :] if left is None or left > 0 else []
            if place:
                log.note(day, rest)
            else:
                await log.begin(day, days[place], rest, not_before)
                if log.oldest is not None:
                    not_before = log.oldest if not_before is None else max(log.oldest, not_before)
            for number, piece in enumerate(slices(batch, BATCH_ROWS)):
                if place or number:  # send the first rows before anything else begins
                    read_ahead(place + 1)
                yield piece
    finally:
        if ahead is not None:
            ahead.cancel()
            with suppress(asyncio.CancelledError, TableFailed):
                await ahead


async def one_day(
    table: Table,
    variables: Mapping[str, Any],
    piece: Piece | None,
    run: Run,
    shape: Shape = as_read,
    not_before: datetime.datetime | None = None,
) -> TableDay:
    """Read one day of a table, or all rows without time, in the form of a format. Raises TableFailed."""
    day = None if piece is None else piece.day
    outcome = await run(_operation(table, variables, piece, RequestOptions(not_before=not_before)))
    if outcome.errors or outcome.data is None:
        raise _failed(outcome, day)
    if stale := outcome.extensions.get("stale"):
        reports = ", ".join(sorted({one["report"] for one in stale}))
        raise TableFailed(
            "UPSTREAM_UNAVAILABLE", f"Only rows that are out of date could be read ({reports}): try again later.", day
        )
    try:
        rows = await asyncio.to_thread(lambda: shape(table, record_batch(table, outcome.data)))
    except Absent as absent:
        what = absent.args[0]
        given = f"{what} {variables[what]}" if what in variables else what
        raise TableFailed("NOT_FOUND", f"{table.name}: there is no {given}. {NotFound.advice}", day) from None
    except Unfit as unfit:
        raise TableFailed("UPSTREAM_CONTRACT", f"{table.name}: {unfit}.", day) from None
    return TableDay(rows, outcome.readings, outcome.steps)


async def foresee_day(
    table: Table, variables: Mapping[str, Any], piece: Piece | None, run: Run, not_before: datetime.datetime | None
) -> Mapping[str, Any]:
    """Return the upstream calls that `one_day` would make, as `extensions.explain` has them. Raises TableFailed."""
    outcome = await run(_operation(table, variables, piece, RequestOptions(explain=True, not_before=not_before)))
    if outcome.errors or "explain" not in outcome.extensions:
        raise _failed(outcome, None if piece is None else piece.day)
    found: Mapping[str, Any] = outcome.extensions["explain"]
    return found


def _operation(table: Table, variables: Mapping[str, Any], piece: Piece | None, options: RequestOptions) -> Operation:
    given = dict(variables) if piece is None else {**variables, DURING: during(piece)}
    return Operation(table.document, table.name, given, whole=True, options=options)


def _failed(outcome: Outcome, day: datetime.date | None) -> TableFailed:
    first = outcome.errors[0] if outcome.errors else error("There is no data.", "INTERNAL_SERVER_ERROR")
    return TableFailed(first.get("extensions", {}).get("code", "INTERNAL_SERVER_ERROR"), first["message"], day)


def _span(pieces: Sequence[Piece | None]) -> Interval | None:
    """Return the interval of neighbouring pieces."""
    if not pieces:
        return None
    first, last = pieces[0], pieces[-1]
    assert first is not None
    assert last is not None
    days = (first.day, last.day) if first.whole and last.whole else None
    return Interval(first.interval.start, last.interval.end, days)
