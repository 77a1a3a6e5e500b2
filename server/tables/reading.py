"""How a table is read: one execution of its document a day, whole, in order, and never more than two days in memory."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa

from server.execution import Outcome
from server.operation import Operation
from server.refusal import error
from server.tables.arrow import Absent, Shape, Unfit, as_read, record_batch, slices
from server.tables.table import DURING, Table
from server.tables.window import Window, during
from upstream.days import Piece

# Small enough for a first byte at once, large enough that a batch costs nothing by itself.
BATCH_ROWS = 16_384

Run = Callable[[Operation], Awaitable[Outcome]]


class TableFailed(Exception):
    """A table that cannot be read to its end: the code and message of what failed, and the day, if it has days."""

    def __init__(self, code: str, message: str, day: datetime.date | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.day = day


async def batches(
    table: Table,
    variables: Mapping[str, Any],
    window: Window | None,
    run: Run,
    *,
    limit: int | None = None,
    shape: Shape = as_read,
) -> AsyncIterator[pa.RecordBatch]:
    """The rows, days ascending and each in the document's order; at most `limit` of them. Raises TableFailed.

    The next day is read while the caller deals with this one. An empty table has no batch: its schema is the table's.
    """
    days: list[Piece | None] = [None] if window is None else list(window.pieces)
    left = limit
    ahead: asyncio.Task[pa.RecordBatch] | None = None

    def read_ahead(place: int) -> None:
        nonlocal ahead
        if ahead is None and place < len(days) and (left is None or left > 0):
            ahead = asyncio.create_task(one_day(table, variables, days[place], run, shape))

    try:
        for place in range(len(days)):
            read_ahead(place)
            if ahead is None:
                return
            batch = await ahead
            ahead = None
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            for number, piece in enumerate(slices(batch, BATCH_ROWS)):
                if place or number:  # the very first rows are on their way before anything else is begun
                    read_ahead(place + 1)
                yield piece
    finally:
        if ahead is not None:
            ahead.cancel()
            with suppress(asyncio.CancelledError, TableFailed):
                await ahead


async def one_day(
    table: Table, variables: Mapping[str, Any], piece: Piece | None, run: Run, shape: Shape = as_read
) -> pa.RecordBatch:
    """The rows of one day of a table, or all of one without time, in the shape of a format. Raises TableFailed."""
    asked = dict(variables) if piece is None else {**variables, DURING: during(piece)}
    day = None if piece is None else piece.day
    outcome = await run(Operation(table.document, table.name, asked, whole=True))
    if outcome.errors or outcome.data is None:
        first = outcome.errors[0] if outcome.errors else error("There is no data.", "INTERNAL_SERVER_ERROR")
        raise TableFailed(first.get("extensions", {}).get("code", "INTERNAL_SERVER_ERROR"), first["message"], day)
    if stale := outcome.extensions.get("stale"):
        reports = ", ".join(sorted({one["report"] for one in stale}))
        raise TableFailed(
            "UPSTREAM_UNAVAILABLE", f"Only rows that are out of date could be read ({reports}): try again later.", day
        )
    try:
        return await asyncio.to_thread(lambda: shape(table, record_batch(table, outcome.data)))
    except Absent as absent:
        given = ", ".join(f"{name}: {value}" for name, value in variables.items())
        raise TableFailed("NOT_FOUND", f"{table.name}: there is no {absent.args[0]} ({given}).", day) from None
    except Unfit as unfit:
        raise TableFailed("UPSTREAM_CONTRACT", f"{table.name}: {unfit}.", day) from None
