"""Totals of a table: its rows in groups, added up exactly, batch after batch, in bounded memory.

    totals = TableTotals(table, [GroupKey("timestamp", "day")], [Aggregate("amount", "sum")], zone)
    fold = totals.fold()
    for batch in batches:  # as they are read, or typed
        fold.add(totals.prepared(table, batch))
    rows = fold.rows()  # as rows are read; `totals.table` has their columns

Decimals and integers are added as decimals of 76 digits, so that no sum overflows. Every value must fit the type of its
column, as in typed formats (Unfit). The calendar is that of the business time zone. An hour is the moment at which it
begins, so both hours of a repeated hour have a row.

Currencies are never mixed (C30). `TableColumn.currency` names the column with the currency of an amount. This column is
a key of every sum, min and max of the amount, also if nobody asked for it: it follows the other keys. A query that does
not select the currency of an amount has no totals of this amount.

Groups are in ascending order of their keys, nulls last. Nulls are not added, compared or counted as distinct values.
Without keys there is one row, also for an empty table. Its sum, min and max are null, and its counts are 0.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.acero import AggregateNodeOptions, Declaration, TableSourceNodeOptions

from server.http.request_error import RequestError
from server.tables.arrow import fitted, integers, texts
from server.tables.table import Table, TableColumn, ValueKind
from upstream.values.money import written

FUNCTIONS = ("sum", "min", "max", "count", "countdistinct")
PARTS = ("day", "hour", "week", "month", "year")
# The memory for the groups of one request, and for their distinct values.
MOST_BYTES = 64 << 20

_DIGITS = 76
_WIDE_INTEGER = pa.decimal256(_DIGITS, 0)
_ADDED = ("decimal", "int64")
_COMPARED = ("decimal", "int64", "float64", "timestamp", "date", "string")
_DIFFERENT = (*_COMPARED, "bool", "enum")
# Parts are merged when they take as much memory as the merged groups, but not before they take this much.
_LEAST_MERGED = 4 << 20
_QUARTER_HOUR = 15
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class GroupKey:
    """A key of groups: a column, or a part of the calendar of a time column. `name` is its name in the answer."""

    column: str
    part: str = ""
    name: str = ""

    @property
    def title(self) -> str:
        """Return the name in the answer."""
        return self.name or (f"{self.column}_{self.part}" if self.part else self.column)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A figure of a group: a function of FUNCTIONS over a column. `count` counts rows and has no column."""

    column: str
    function: str
    name: str = ""

    @property
    def title(self) -> str:
        """Return the name in the answer."""
        return self.name or (f"{self.column}_{self.function}" if self.column else self.function)

    @property
    def source(self) -> str:
        """Return the name of the prepared column. Integers are wider for sums."""
        return f"{'wide' if self.function == 'sum' else 'value'} {self.column}"


class TableTotals:
    """The totals of a table: `keys` (with the implied currencies), `aggregates`, and the `table` of the answer.

    Raises RequestError for names, functions and kinds that do not fit.
    """

    def __init__(self, table: Table, keys: Sequence[GroupKey], aggregates: Sequence[Aggregate], zone: ZoneInfo) -> None:
        self.source = table
        self.zone = zone
        self.aggregates = tuple(aggregates)
        self._columns = {column.name: column for column in table.columns}
        for key in keys:
            self._check_key(key)
        for aggregate in aggregates:
            self._check_aggregate(aggregate)
        self.keys = (*keys, *self._currencies(keys))
        if not (self.keys or self.aggregates):
            raise _bad("Totals need a key or a figure.")
        self.table = self._table()

    @property
    def text(self) -> str:
        """Return a text that differs for different totals of one table."""
        return repr((self.keys, self.aggregates, str(self.zone)))

    def fold(self, most_bytes: int = MOST_BYTES) -> "TotalsFold":
        """Return an empty sum, to which batches can be added."""
        return TotalsFold(self, most_bytes)

    def prepared(self, table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the keys and the values of rows, for `TotalsFold.add`. Raises Unfit.

        The rows are as they are read or typed, with any other columns. This function is a `Shape`.
        """
        found: dict[str, pa.Array] = {}
        for number, key in enumerate(self.keys):
            values = self._values(key.column, batch)
            found[f"key {number}"] = calendar(values, key.part, self.zone) if key.part else values
        for aggregate in self.aggregates:
            if aggregate.column and aggregate.source not in found:
                values = self._values(aggregate.column, batch)
                found[aggregate.source] = _widened(values) if aggregate.function == "sum" else values
        found["rows"] = integers([1] * batch.num_rows, pa.int64())
        return pa.RecordBatch.from_arrays(list(found.values()), names=list(found))

    def _values(self, name: str, batch: pa.RecordBatch) -> pa.Array:
        column = self._columns[name]
        values = fitted(batch.column(name), column) if column.kind.name == "decimal" else batch.column(name)
        return values.dictionary_decode() if column.kind.name == "enum" else values

    def _check_key(self, key: GroupKey) -> None:
        column = self._column(key.column)
        if column.kind.name == "list":
            raise _bad(f"The column {column.name} is a list; groups need one value per row.")
        if not key.part:
            return
        if key.part not in PARTS:
            raise _bad(f"There is no part {key.part[:40]!r} of a time; there are {', '.join(PARTS)}.")
        if column.kind.name not in ("timestamp", "date"):
            raise _bad(f"The column {column.name} is no time, so it has no {key.part}.")
        if column.kind.name == "date" and key.part == "hour":
            raise _bad(f"The column {column.name} has dates, so it has no hour.")

    def _check_aggregate(self, aggregate: Aggregate) -> None:
        if aggregate.function not in FUNCTIONS:
            raise _bad(f"There is no function {aggregate.function[:40]!r}; there are {', '.join(FUNCTIONS)}.")
        if aggregate.function == "count":
            return
        column = self._column(aggregate.column)
        kinds = {"sum": _ADDED, "min": _COMPARED, "max": _COMPARED}.get(aggregate.function, _DIFFERENT)
        if column.kind.name not in kinds:
            fit = [one.name for one in self.source.columns if one.kind.name in kinds]
            raise _bad(
                f"There is no {aggregate.function} of the column {column.name} ({column.graphql})"
                + (f"; it can be of {', '.join(fit)}." if fit else ".")
            )

    def _column(self, name: str) -> TableColumn:
        if name not in self._columns:
            raise _bad(f"The table {self.source.name} has no column {name[:60]!r}; it has {', '.join(self._columns)}.")
        return self._columns[name]

    def _currencies(self, keys: Sequence[GroupKey]) -> list[GroupKey]:
        """Return the currencies of the amounts that are not among the keys. Raises RequestError."""
        needed: dict[str, None] = {}
        for aggregate in self.aggregates:
            if aggregate.function not in ("sum", "min", "max"):
                continue
            column = self._columns[aggregate.column]
            if column.currency.startswith("."):
                raise _bad(
                    f"The amounts of the column {column.name} may be of several currencies, and the table "
                    f"{self.source.name} does not say which: add {column.currency[1:]} to its query, beside it."
                )
            if column.currency:
                needed[column.currency] = None
        there = {key.column for key in keys}
        return [GroupKey(name) for name in needed if name not in there]

    def _table(self) -> Table:
        """Return the answer as a table. Raises RequestError for two columns of one name."""
        columns = [
            *(self._key_column(key) for key in self.keys),
            *(self._figure_column(aggregate) for aggregate in self.aggregates),
        ]
        names: set[str] = set()
        for column in columns:
            if column.name.lower() in names:
                raise _bad(f"Two columns of the totals are called {column.name[:60]}.")
            names.add(column.name.lower())
        return replace(self.source, columns=tuple(columns), variables=(), spine=())

    def _key_column(self, key: GroupKey) -> TableColumn:
        column = self._columns[key.column]
        currency = self._carried(column.currency)
        made = replace(column, name=key.title, path=(key.title,), level=0, during="", currency=currency)
        if not key.part:
            return made
        kind = ValueKind("timestamp" if key.part == "hour" else "date")
        text = f"The first day of the {key.part}" if kind.name == "date" else "The moment at which the hour begins"
        text = "The day" if key.part == "day" else text
        type_name = "DateTime" if key.part == "hour" else "Date"
        return replace(made, kind=kind, graphql=type_name, description=f"{text}, in the business time zone.")

    def _figure_column(self, aggregate: Aggregate) -> TableColumn:
        title = aggregate.title
        if aggregate.function in ("count", "countdistinct"):
            what = f"different values of {aggregate.column}" if aggregate.column else "rows"
            return TableColumn(title, ValueKind("int64"), False, f"The number of {what}.", (title,), 0, "Int!")
        column = self._columns[aggregate.column]
        said = {"sum": "The sum", "min": "The least value", "max": "The greatest value"}[aggregate.function]
        return replace(
            column,
            name=title,
            path=(title,),
            level=0,
            during="",
            nullable=column.nullable or not self.keys,
            graphql=column.graphql.removesuffix("!"),
            description=f"{said} of {aggregate.column}.",
            currency=self._carried(column.currency),
        )

    def _carried(self, currency: str) -> str:
        """Return `TableColumn.currency` for a column of the answer. Totals of totals do not mix currencies either."""
        if not currency or currency.startswith("."):
            return currency
        return next((key.title for key in self.keys if key.column == currency), f".{currency}")


class TotalsFold:
    """The groups of the rows that were added so far. Raises RequestError if they need too much memory."""

    def __init__(self, totals: TableTotals, most_bytes: int) -> None:
        self._totals = totals
        self._most_bytes = most_bytes
        keys = [f"key {number}" for number in range(len(totals.keys))]
        figures = [one for one in totals.aggregates if one.function in ("sum", "min", "max")]
        self._figures = list(dict.fromkeys((one.source, one.function) for one in figures))
        self._groups = _Groups(keys, [*self._figures, ("rows", "sum")])
        self._distinct = {
            one.source: _Groups([*keys, one.source], []) for one in totals.aggregates if one.function == "countdistinct"
        }
        self._keys = keys
        schema = totals.source.read_schema
        nothing = pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)
        self.add(totals.prepared(totals.source, nothing))  # so that there are totals without rows, too

    def add(self, prepared: pa.RecordBatch) -> None:
        """Add rows, which `TableTotals.prepared` returned."""
        rows = pa.Table.from_batches([prepared])
        size = 0
        for groups in (self._groups, *self._distinct.values()):
            groups.add(rows)
            size += groups.bytes
        if size > self._most_bytes:
            for groups in (self._groups, *self._distinct.values()):
                groups.merge()
            self._check_size()

    def rows(self) -> pa.RecordBatch:
        """Return the totals as rows of `TableTotals.table`, as they are read. More rows can be added afterwards."""
        totals = self._totals
        found = self._with_distinct()
        self._check_size()
        if self._keys and found.num_rows > 1:
            order = [(key, "ascending") for key in self._keys]
            found = found.take(pc.sort_indices(found, sort_keys=order))
        made = {key.title: f"key {number}" for number, key in enumerate(totals.keys)}
        made |= {one.title: _made(one) for one in totals.aggregates}
        columns = [_as_read(found.column(made[column.name]), column) for column in totals.table.columns]
        return pa.RecordBatch.from_arrays(columns, schema=totals.table.read_schema)

    def _with_distinct(self) -> pa.Table:
        """Return the groups with the numbers of distinct values."""
        tables = [self._groups.merge()]
        tables += [_grouped(groups.merge(), self._keys, [(name, "count")]) for name, groups in self._distinct.items()]
        if len(tables) == 1:
            return tables[0]
        # Every group has one row in each of the tables.
        whole = pa.concat_tables(tables, promote_options="default")
        steps = [(name, "max") for name in whole.column_names if name not in self._keys]
        return _renamed(_grouped(whole, self._keys, steps), {f"{name}_max": name for name, _ in steps})

    def _check_size(self) -> None:
        if sum(groups.bytes for groups in (self._groups, *self._distinct.values())) > self._most_bytes:
            raise _bad(
                f"These totals have too many groups: they take more than {self._most_bytes >> 20} MiB. Group by fewer "
                "columns, count distinct values of fewer columns, or take a shorter window."
            )


class _Groups:
    """Rows in groups. `figures` are columns and the functions that are called with them."""

    def __init__(self, keys: Sequence[str], figures: Sequence[tuple[str, str]]) -> None:
        self._keys = keys
        self._figures = figures
        self._parts: list[pa.Table] = []
        self._merged_bytes = 0
        self.bytes = 0

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        self._parts.append(_grouped(rows, self._keys, self._figures))
        self.bytes += self._parts[-1].nbytes
        if self.bytes > 2 * self._merged_bytes + _LEAST_MERGED:
            self.merge()

    def merge(self) -> pa.Table:
        """Return one row per group."""
        if len(self._parts) > 1:
            steps = [(f"{column}_{function}", function) for column, function in self._figures]
            found = _grouped(pa.concat_tables(self._parts), self._keys, steps)
            self._parts = [_renamed(found, {f"{name}_{function}": name for name, function in steps})]
            self.bytes = self._merged_bytes = self._parts[0].nbytes
        return self._parts[0]


def calendar(times: pa.Array, part: str, zone: ZoneInfo) -> pa.Array:
    """Return the day, the hour, or the first day of the week, month or year, of each time in a time zone.

    A week begins on Monday. An hour is the moment at which it begins.
    """
    if times.type != pa.date32():
        offsets = _offsets(times, zone)
        local = pc.add(times.cast(pa.timestamp("us")), offsets)
        if part == "hour":
            return pc.subtract(pc.floor_temporal(local, 1, "hour"), offsets).cast(times.type)
        times = local.cast(pa.date32())
    return times if part == "day" else pc.floor_temporal(times, 1, part, week_starts_monday=True)


def _offsets(times: pa.Array, zone: ZoneInfo) -> pa.Array:
    """Return the offset of a time zone at each moment. Clocks change at whole quarters of an hour."""
    quarters = pc.floor_temporal(times.cast(pa.timestamp("us")), _QUARTER_HOUR, "minute").cast(pa.int64())
    found = quarters.dictionary_encode()
    offsets = integers((_offset(quarter, zone) for quarter in found.dictionary.to_pylist()), pa.int64())
    return offsets.take(found.indices).cast(pa.duration("us"))


@lru_cache(maxsize=65_536)
def _offset(moment: int, zone: ZoneInfo) -> int:
    """Return the offset of a time zone at a moment, both in microseconds. At the ends of the calendar it is 0."""
    try:
        offset = (_EPOCH + moment * _MICROSECOND).astimezone(zone).utcoffset()
    except OverflowError:
        return 0
    assert offset is not None
    return offset // _MICROSECOND


def _widened(values: pa.Array) -> pa.Array:
    decimal = pa.types.is_decimal(values.type)
    return values.cast(pa.decimal256(_DIGITS, values.type.scale) if decimal else _WIDE_INTEGER)


def _grouped(table: pa.Table, keys: Sequence[str], steps: Iterable[tuple[str, str]]) -> pa.Table:
    """Return one row per group: the keys, and each step as a column called COLUMN_FUNCTION."""
    prefix = "hash_" if keys else ""
    options = [([column], prefix + function, None, f"{column}_{function}") for column, function in steps]
    plan = [
        Declaration("table_source", TableSourceNodeOptions(table)),
        Declaration("aggregate", AggregateNodeOptions(options, keys=list(keys))),
    ]
    return Declaration.from_sequence(plan).to_table(use_threads=False)


def _renamed(table: pa.Table, names: dict[str, str]) -> pa.Table:
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def _made(aggregate: Aggregate) -> str:
    """Return the name of a figure in the groups."""
    if aggregate.function == "count":
        return "rows_sum"
    return f"{aggregate.source}_{aggregate.function.removesuffix('distinct')}"


def _as_read(values: pa.ChunkedArray, column: TableColumn) -> pa.Array:
    """Return values in the form of rows as they are read."""
    found: Any = values.combine_chunks()
    match column.kind.name:
        case "decimal":
            return texts([None if value is None else written(value) for value in found.to_pylist()])
        case "enum":
            known = texts(column.kind.values)
            return pa.DictionaryArray.from_arrays(pc.index_in(found, value_set=known).cast(pa.int32()), known)
        case "int64":
            return _whole(found, column)
    return found


def _whole(values: pa.Array, column: TableColumn) -> pa.Array:
    """Return whole numbers. The number of no rows is null in a sum, and 0 in the answer."""
    try:
        found = values.cast(pa.int64())
    except pa.ArrowInvalid:
        raise _bad(f"A sum in the column {column.name} does not fit 64 bits.") from None
    return found if column.nullable else pc.fill_null(found, integers([0], pa.int64())[0])


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_USER_INPUT", message)
