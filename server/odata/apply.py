"""`$apply`: groups of the rows and their totals, and what is done with them afterwards.

Filters at the beginning are filters of the rows. Then the rows are grouped as they are read, in bounded memory
(`server/tables/totals.py`). All other transformations work on totals, which are in memory. The whole is tried without
rows first, so that a wrong transformation is refused before any row is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from server.http.request_error import RequestError
from server.odata import filter as filters
from server.odata import grammar, ordering
from server.odata.edm import METHODS, kinds_of
from server.odata.filter import Filter
from server.odata.grammar import APPLY
from server.odata.tree import Aggregation, Cut, Filtered, Grouped, Joint, Logical, Sorted, Transformation
from server.tables.arrow import Unfit, integers
from server.tables.table import Table, ValueKind
from server.tables.totals import MOST_BYTES, Aggregate, GroupKey, TableTotals

MOST_STEPS = 20
MOST_BRANCHES = 4


@dataclass(frozen=True, slots=True)
class ResultRows:
    """Rows of an answer, as they are read, and the table that they are rows of."""

    table: Table
    rows: pa.Table

    @property
    def kinds(self) -> dict[str, ValueKind]:
        """Return the kinds of the columns."""
        return {column.name: column.kind for column in self.table.columns}


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Totals of the rows that the `filter` takes. The first `keys` of the totals are those that were requested."""

    filter: Filter | None
    totals: TableTotals
    keys: int
    after: tuple[Transformation, ...]


@dataclass(frozen=True, slots=True)
class Branches:
    """Several totals of the same rows, one after the other."""

    parts: "tuple[RowGroups | Branches, ...]"
    after: tuple[Transformation, ...]


@dataclass(slots=True)
class Apply:
    """An `$apply` over a table. Raises RequestError.

    `conditions` are the filters of the rows. `columns` are those of the answer, and None if the rows are not grouped.
    """

    text: str
    table: Table
    zone: ZoneInfo
    conditions: list[Any] = field(init=False, default_factory=list)
    groups: list[RowGroups] = field(init=False, default_factory=list)
    columns: Mapping[str, ValueKind] | None = field(init=False, default=None)
    _whole: RowGroups | Branches | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        steps = grammar.parsed(self.text, grammar.APPLY)
        if _count(steps) > MOST_STEPS:
            raise _bad(f"has more than {MOST_STEPS} transformations, which is how many are allowed")
        self.conditions, steps = _leading(steps)
        if steps:
            self._whole = self._grouped(steps)
            self.columns = joined(self.result([group.totals.fold().rows() for group in self.groups])).kinds

    @property
    def condition(self) -> Any:
        """Return the tree of the filter of the rows; None if there is none."""
        return Logical("and", self.conditions) if self.conditions else None

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the columns of the table that the totals need."""
        found: dict[str, None] = {}
        for group in self.groups:
            found |= dict.fromkeys(key.column for key in group.totals.keys)
            found |= dict.fromkeys(one.column for one in group.totals.aggregates if one.column)
            found |= dict.fromkeys(() if group.filter is None else sorted(group.filter.columns))
        return tuple(found)

    @property
    def most_bytes(self) -> int:
        """Return the memory that the groups of one total may take."""
        return MOST_BYTES // len(self.groups)

    def result(self, folded: Sequence[pa.RecordBatch]) -> list[ResultRows]:
        """Return the answer, from the totals of the rows of each of the `groups`. Raises RequestError."""
        assert self._whole is not None
        left = iter(folded)

        def rows(whole: RowGroups | Branches) -> list[ResultRows]:
            if isinstance(whole, RowGroups):
                found = [_settled(whole.totals, whole.keys, pa.Table.from_batches([next(left)]))]
            else:
                found = [one for part in whole.parts for one in rows(part)]
            return self._transformed(found, whole.after)

        try:
            return rows(self._whole)
        except (Unfit, pa.ArrowInvalid) as wrong:
            raise _bad("has a total with more digits than can be compared or added again") from wrong

    def _grouped(self, steps: tuple[Transformation, ...]) -> RowGroups | Branches:
        """Return the totals of rows that transformations begin with."""
        conditions, steps = _leading(steps)
        first, after = (steps[0], steps[1:]) if steps else (None, ())
        if isinstance(first, Joint) and not conditions:
            return Branches(tuple(self._grouped(branch) for branch in first.branches), after)
        if not isinstance(first, Grouped):
            raise _bad("must group the rows, by groupby or aggregate, before concat, orderby, skip and top")
        if len(self.groups) == MOST_BRANCHES:
            raise _bad(f"has more than {MOST_BRANCHES} totals of the same rows, which is how many are allowed")
        kinds = kinds_of(self.table)
        found = filters.of_tree(Logical("and", conditions), kinds, self.zone, option=APPLY) if conditions else None
        self.groups.append(RowGroups(found, _totals(self.table, first, self.zone), len(first.by), after))
        return self.groups[-1]

    def _transformed(self, results: list[ResultRows], steps: Sequence[Transformation]) -> list[ResultRows]:
        for step in steps:
            match step:
                case Joint(branches):
                    results = [one for branch in branches for one in self._transformed(results, branch)]
                    if sum(result.rows.nbytes for result in results) > MOST_BYTES:
                        raise _bad(f"joins rows of more than {MOST_BYTES >> 20} MiB by concat")
                case Cut(0, None):
                    pass
                case _:
                    results = [self._step(joined(results), step)]
        return results

    def _step(self, result: ResultRows, step: Transformation) -> ResultRows:
        rows = result.rows
        match step:
            case Filtered(condition):
                mask = filters.of_tree(condition, result.kinds, self.zone, option=APPLY).mask(rows)
                return replace(result, rows=rows.filter(mask))
            case Sorted(order):
                found = ordering.checked(order, result.kinds)
                return replace(result, rows=rows.take(ordering.indices(rows, found, result.kinds)))
            case Cut(skip, top):
                return replace(result, rows=rows.slice(skip, top))
            case Grouped():
                totals = _totals(result.table, step, self.zone)
                fold = totals.fold()
                for batch in rows.combine_chunks().to_batches():
                    fold.add(totals.prepared(result.table, batch))
                return _settled(totals, len(step.by), pa.Table.from_batches([fold.rows()]))
        raise TypeError(step)


def joined(results: Sequence[ResultRows]) -> ResultRows:
    """Return several rows as one. Columns that some of them do not have are null there. Raises RequestError."""
    if len(results) == 1:
        return results[0]
    columns = {column.name: column for result in results for column in reversed(result.table.columns)}
    for result in results:
        for column in result.table.columns:
            if column.kind != columns[column.name].kind:
                raise _bad(f"has two columns {column.name} of different kinds")
    names = dict.fromkeys(column.name for result in results for column in result.table.columns)
    table = replace(results[0].table, columns=tuple(replace(columns[name], nullable=True) for name in names))
    rows = pa.concat_tables([result.rows for result in results], promote_options="permissive")
    return ResultRows(table, rows.select(list(names)).cast(table.read_schema))


def _leading(steps: tuple[Transformation, ...]) -> tuple[list[Any], tuple[Transformation, ...]]:
    """Return the conditions of the filters at the beginning, and the steps after them."""
    conditions: list[Any] = []
    for place, step in enumerate(steps):
        if isinstance(step, Filtered):
            conditions.append(step.condition)
        elif step != Cut(0, None):
            return conditions, steps[place:]
    return conditions, ()


def _count(steps: Sequence[Transformation]) -> int:
    return sum(1 if not isinstance(one, Joint) else 1 + sum(map(_count, one.branches)) for one in steps)


def _totals(table: Table, step: Grouped, zone: ZoneInfo) -> TableTotals:
    """Return the totals that a step means. Raises RequestError."""
    for name in (*step.by, *(one.column for one in step.aggregates if one.column)):
        if "/" in name:
            raise _bad(f"has a path {name[:60]!r}; a column is named without a path")
    keys = [GroupKey(name, name=name) for name in step.by]
    return TableTotals(table, keys, [_aggregate(one) for one in step.aggregates], zone)


def _aggregate(one: Aggregation) -> Aggregate:
    if one.column is None:
        return Aggregate("", "count", one.alias)
    if one.method == "average":
        raise _bad("has average, which is not exact: take sum and $count, and divide")
    if one.method not in METHODS["decimal"]:
        what = f"has no method {one.method[:40]!r}" if one.method else f"does not say how {one.column} is aggregated"
        raise _bad(f"{what}; write {one.column} with {' or '.join(METHODS['decimal'])} as a name")
    if not one.alias:
        raise _bad(f"gives {one.column} with {one.method} no name: write {one.column} with {one.method} as a name")
    return Aggregate(one.column, one.method, one.alias)


def _settled(totals: TableTotals, keys: int, rows: pa.Table) -> ResultRows:
    """Return totals that name their currency. Raises RequestError if they would need to add several currencies."""
    implied = totals.keys[keys:]
    for key in implied:
        found = pc.unique(rows[key.title]).to_pylist()
        if len(found) > 1:
            there = ", ".join("none" if one is None else str(one) for one in found[:5])
            by = ",".join((*(one.title for one in totals.keys[:keys]), key.title))
            raise _bad(
                f"adds up or compares amounts of several currencies ({there}), which have no common total: group by "
                f"{key.title}, too: groupby(({by}),aggregate(…))"
            )
    if implied and not keys and not rows.num_rows:  # without groups there is one row, also of no rows
        rows = pa.table([_nothing(field) for field in rows.schema], schema=rows.schema)
    return ResultRows(totals.table, rows)


def _nothing(field: pa.Field) -> pa.Array:
    """Return the total of no rows."""
    return pa.nulls(1, field.type) if field.nullable else integers([0], pa.int64())


def _bad(what: str) -> RequestError:
    return grammar.bad(what, grammar.APPLY)
