"""Fingerprints of closed days: one cheap call shows whether days that were exported have changed at the source (C25).

The daily totals of a group (R1) tell of its movements (R5), and the number of rows tells of a log (G1). Other reports
have no such call.
"""

import datetime
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import structlog

from resolvers.trace import Step
from server.export.day import DayPrint, PrintSource
from server.tables.reading import TableDay
from server.tables.table import PRECISION, SCALE, Table
from upstream.caching import day_entry
from upstream.call import Answer, Call
from upstream.errors import UpstreamError
from upstream.reports.table import DAILY_MOVEMENTS, GAME_LOGS, GROUP_MOVEMENTS
from upstream.values import days, figures
from upstream.values.days import Piece
from upstream.values.figures import EXACT, PARTS, NumberForms
from upstream.values.interval import Interval

log = structlog.get_logger("server.export")

Day = datetime.date
_MONEY = pa.decimal128(PRECISION, SCALE)
# Makes a call past the cache. Raises UpstreamError.
Anew = Callable[[Call], Awaitable[Answer[Any]]]


@dataclass(frozen=True, slots=True)
class TakenPrint:
    """The fingerprint of a day as the source tells it now. `totals` are empty if its report has none for the day."""

    value: str
    totals: dict[str, str] | None


@dataclass(slots=True)
class DayPrints:
    """Read fingerprints. Those of a range of days are read at once and kept, so they are never newer than the rows."""

    anew: Anew
    zone: ZoneInfo
    gamehub_zone: ZoneInfo
    _known: dict[tuple[PrintSource, Day], TakenPrint] = field(default_factory=dict)

    async def take(
        self, sources: Iterable[PrintSource], dates: Sequence[Day]
    ) -> dict[PrintSource, dict[Day, TakenPrint]]:
        """Return the fingerprints of days by source. A day that cannot be read now is missing."""
        found = {}
        for source in sources:
            await self._read(source, [day for day in dates if (source, day) not in self._known])
            found[source] = {day: self._known[source, day] for day in dates if (source, day) in self._known}
        return found

    async def same_count(self, source: PrintSource, values: Mapping[Day, str]) -> bool:
        """Return whether a log has as many rows on these days as it had: one call for each run of neighbours."""
        if source.report != GAME_LOGS.code or not all(values.values()):
            return False
        ordered = sorted(values)
        places = {day: (day - ordered[0]).days for day in ordered}
        for run in days.runs(places.values()):
            first, last = (ordered[0] + datetime.timedelta(days=place) for place in (run.start, run.stop - 1))
            interval = Interval(days.start(first, self.zone), days.end(last, self.zone))
            call = Call(GAME_LOGS, source.parameters, interval, source.agent, counting=True)
            try:
                total = (await self.anew(call)).total
            except UpstreamError:
                return True  # it is not known, and the day could not be read either
            if total != sum(int(values[day]) for day in ordered if first <= day <= last):
                return False
        return True

    def forget(self) -> None:
        """Forget what was read: later calls read again."""
        self._known.clear()

    async def _read(self, source: PrintSource, dates: Sequence[Day]) -> None:
        if not dates:
            return
        read = self._totals if source.report == DAILY_MOVEMENTS.code else self._counts
        try:
            taken = await read(source, sorted(dates))
        except UpstreamError as error:
            # The days stay as they are: the next run compares them.
            log.warning("export.not_compared", report=source.report, code=error.code, error=error.message)
            return
        self._known |= {(source, day): one for day, one in taken.items()}

    async def _totals(self, source: PrintSource, dates: Sequence[Day]) -> dict[Day, TakenPrint]:
        """Return the daily totals (R1) of a group, from one call for the whole range."""
        same_days = self.zone.key == self.gamehub_zone.key
        first, last = dates[0], dates[-1]
        interval = Interval(
            days.start(first, self.zone), days.end(last, self.zone), (first, last) if same_days else None
        )
        answer = await self.anew(Call.of(DAILY_MOVEMENTS, interval, **dict(source.parameters)))
        answer.require(DAILY_MOVEMENTS.row.__struct_fields__)
        by_day: dict[Day, list[Any]] = {}
        for row in answer.rows:
            by_day.setdefault(row.timestamp, []).append(row)
        found = {}
        for day in dates:
            covered = [day] if same_days else days.covered(day, self.zone, self.gamehub_zone)
            rows = [row for date in covered for row in by_day.get(date, ())]
            # A day of another time zone is a part of two days of the report.
            totals = _written(figures.of_day(rows[0]) if rows else figures.NOTHING) if same_days else None
            found[day] = TakenPrint(day_entry.fingerprint(rows).hex(), totals if len(rows) <= 1 else None)
        return found

    async def _counts(self, source: PrintSource, dates: Sequence[Day]) -> dict[Day, TakenPrint]:
        """Return the number of rows of a log (G1) on each day."""
        found = {}
        for day in dates:
            interval = Interval(days.start(day, self.zone), days.end(day, self.zone))
            call = Call(GAME_LOGS, source.parameters, interval, source.agent, counting=True)
            count = str((await self.anew(call)).total)
            found[day] = TakenPrint(count, {"rows": count})
        return found


def sources_of(day: TableDay, piece: Piece) -> set[PrintSource]:
    """Return the calls that tell of the rows of a day. Those for other times do not."""
    found = set()
    for call in (step.call for step in _of_day(day, piece)):
        parameters = dict(call.params)
        if call.report is GROUP_MOVEMENTS:
            found.add(PrintSource(DAILY_MOVEMENTS.code, (("groupid", parameters["group_id"]),)))
        elif call.report is DAILY_MOVEMENTS:
            found.add(PrintSource(DAILY_MOVEMENTS.code, call.params))
        elif call.report is GAME_LOGS:
            found.add(PrintSource(GAME_LOGS.code, call.params, call.agent))
    return found


def _of_day(day: TableDay, piece: Piece) -> list[Step]:
    return [step for step in day.steps if step.call.interval == piece.interval]


def printed(
    table: Table, day: TableDay, piece: Piece, taken: Sequence[tuple[PrintSource, TakenPrint | None]]
) -> list[DayPrint]:
    """Return the fingerprints for the record of a day, with the totals of its rows as far as they can be compared."""
    found = []
    for source, one in taken:
        own = _own_totals(table, day, piece, source) if len(taken) == 1 else None
        agrees = None if own is None or one is None or one.totals is None else own == one.totals
        value = "" if one is None else one.value
        found.append(DayPrint(source.report, dict(source.parameters), source.agent, value, own, agrees))
    return found


def _own_totals(table: Table, day: TableDay, piece: Piece, source: PrintSource) -> dict[str, str] | None:
    """Return the totals of the rows that the report has too; None if the rows are not those of one call of it."""
    report = GROUP_MOVEMENTS.code if source.report == DAILY_MOVEMENTS.code else source.report
    steps = [step for step in _of_day(day, piece) if step.call.report.code == report]
    rows = day.rows.num_rows
    if len(steps) != 1 or steps[0].rows != rows:
        return None
    if source.report == GAME_LOGS.code:
        return {"rows": str(rows)}
    places = {column.path: place for place, column in enumerate(table.columns) if column.level == len(table.spine)}
    if ("type",) not in places or ("amount",) not in places:
        return None
    kinds, amounts = (day.rows.column(places[path,]) for path in ("type", "amount"))
    sums = _sums(kinds, amounts)
    return None if sums is None else _written(sums)


def _sums(kinds: pa.Array, amounts: pa.Array) -> NumberForms | None:
    """Add up amounts by the total that their type counts towards; None for a type whose total is not known.

    Amounts of the graph have the sign of the wallet, so a wager is negative.
    """
    try:
        rows = pa.table({"kind": kinds, "amount": amounts.cast(_MONEY)})
    except pa.ArrowInvalid:
        return None  # an amount with more digits
    found = {"wagers": Decimal(0), "refunds": Decimal(0), "paid": Decimal(0)}
    for row in rows.group_by("kind").aggregate([("amount", "sum"), ("amount", "count"), ([], "count_all")]).to_pylist():
        part = PARTS.get((row["kind"] or "").casefold())
        if part is None or row["amount_count"] != row["count_all"]:
            return None
        found[part] = EXACT.add(found[part], row["amount_sum"])
    return NumberForms(EXACT.minus(found["wagers"]), found["refunds"], found["paid"])


def _written(forms: NumberForms) -> dict[str, str]:
    """Return totals as texts that are the same for the same amounts."""
    return {
        name: f"{EXACT.add(getattr(forms, name), Decimal(0)).normalize(EXACT):f}"
        for name in ("wagers", "refunds", "paid")
    }
