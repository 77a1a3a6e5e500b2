"""Tables are read a day at a time, one ahead at most, and never from rows that are out of date."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.tables.reading import BATCH_ROWS, RowOptions, TableFailed, batches
from server.tables.table import Tables
from server.tables.window import TableWindow, window_of
from tests.server.tables import library
from tests.server.tables.conftest import NOW, saved

LOANS = Tables([saved(library.LOANS)], library.schema)["Loans"]


class Lending:
    """Runs the document of a day, and keeps which days were begun."""

    def __init__(self, rows: int = 1, **extensions: Any) -> None:
        self.rows = rows
        self.extensions = extensions
        self.begun: list[str] = []

    async def __call__(self, operation: Operation) -> Outcome:
        assert operation.whole
        day = operation.variables["during"]["dates"]["from"]
        self.begun.append(day)
        rows = [{"id": f"{day}/{number}", "price": None} for number in range(self.rows)]
        return Outcome({"loans": rows}, extensions=self.extensions)


def window() -> TableWindow:
    found = window_of(LOANS, {"since": "2026-03-01", "until": "2026-03-08"}, NOW, ZoneInfo("UTC"))
    assert found is not None
    return found


async def test_one_day_is_read_ahead_and_no_more() -> None:
    lending, seen = Lending(), 0
    async for batch in batches(LOANS, {}, window(), lending):
        assert batch.column("id").to_pylist() == [f"2026-03-0{seen + 1}/0"]
        seen += 1
        assert len(lending.begun) <= seen + 1
        if seen == 1:  # the first rows are on their way before the second day is begun
            assert lending.begun == ["2026-03-01"]
    assert seen == len(lending.begun) == 7


async def test_a_long_day_comes_in_batches() -> None:
    sizes = [
        batch.num_rows
        async for batch in batches(LOANS, {}, window(), Lending(BATCH_ROWS + 5), RowOptions(BATCH_ROWS + 6))
    ]
    assert sizes == [BATCH_ROWS, 5, 1]


async def test_who_stops_early_leaves_nothing_running() -> None:
    lending = Lending()
    rows = batches(LOANS, {}, window(), lending)
    await anext(rows)
    await anext(rows)
    await rows.aclose()
    assert len(lending.begun) <= 3


async def test_rows_that_are_out_of_date_are_none() -> None:
    stale = Lending(stale=[{"report": "R5", "since": "2026-03-01", "fields": []}])
    with pytest.raises(TableFailed, match=r"Only rows that are out of date could be read \(R5\)") as failed:
        await anext(batches(LOANS, {}, window(), stale))
    assert failed.value.code == "UPSTREAM_UNAVAILABLE"
