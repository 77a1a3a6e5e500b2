"""Find what a statement has to read of each table: the days and the keys that its conditions leave.

A select restricts the sources below it: tables directly, and subqueries and common table expressions by their output
columns. The conditions stay in the statement, so reading too much is harmless. Where a condition could not be moved
to a table without a change of the result, it restricts nothing.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlglot import exp

from server.sql.conditions import (
    EVERYWHERE,
    Kind,
    Region,
    ScanColumn,
    SqlConditions,
    Values,
    both,
    either,
    intersection,
    union,
)

# The demand of the outer query on the columns of an inner one: the values that it needs. None: it needs no row.
Demand = Mapping[str, Values] | None
_NO_DEMAND: Demand = {}
# A condition between two columns: values that the first may have restrict the second.
Equality = tuple[ScanColumn, ScanColumn]


@dataclass(eq=False)
class Scan:
    """One mention of a table in a statement: its columns that can restrict the reading, and what is left of them."""

    name: str
    columns: tuple[str, ...]
    kinds: Mapping[str, Kind]
    needed: Demand = None
    read: bool = False  # whether the statement was found to read it here

    def note(self, needed: Demand) -> None:
        """Add what one place of the statement needs."""
        self.needed = _either(self.needed, needed) if self.read else needed
        self.read = True


@dataclass(eq=False)
class _Common:
    """A common table expression: the demands of all its mentions."""

    query: exp.Expr
    names: tuple[str, ...]
    scope: "_Scope"
    recursive: bool
    demands: list[Demand] = field(default_factory=list)


_Scope = Mapping[str, _Common]


@dataclass(frozen=True)
class _SelectSource:
    """A source of a select: what a name and a column of it mean. `columns` is None if they are not known."""

    name: str
    columns: tuple[str, ...] | None
    kinds: Mapping[str, Kind]
    scan: Scan | None = None
    common: _Common | None = None
    query: exp.Expr | None = None
    sure: Mapping[str, Values] = field(default_factory=dict)  # all values that its columns have, beside null


@dataclass(frozen=True)
class _OutputColumn:
    """A column of the result of a query: the columns of its sources that it is. None: it is something else."""

    name: str
    column: ScanColumn | None


class Windows:
    """Read a checked statement. `scans` has the scan of each table in it."""

    def __init__(self, scans: Mapping[int, Scan], zone: ZoneInfo) -> None:
        self._scans = scans
        self._zone = zone
        # The facts about each query, so that a nested query is read once.
        self._scopes: dict[int, tuple[_Scope, list[_Common]]] = {}
        self._found_sources: dict[int, list[_SelectSource]] = {}
        self._found_outputs: dict[int, list[_OutputColumn] | None] = {}
        self._found_sure: dict[int, Mapping[str, Values]] = {}

    def read(self, statement: exp.Expr) -> None:
        """Note in every scan what the statement needs of it."""
        self._visit(statement, {}, _NO_DEMAND)

    def _visit(self, query: exp.Expr, scope: _Scope, demand: Demand) -> None:
        scope, own = self._with(query, scope)
        if query.args.get("limit") or query.args.get("offset"):
            # The rows that are left out are chosen among all. Only a limit of 0 needs none.
            demand = None if _is_zero(query.args.get("limit")) else _NO_DEMAND
        if isinstance(query, exp.Subquery):
            self._visit(query.this, scope, demand)
        elif isinstance(query, exp.SetOperation):
            self._set_operation(query, scope, demand)
        elif isinstance(query, exp.Select):
            self._select(query, scope, demand)
        else:
            self._inside(query, scope)
        # A later expression can mention an earlier one.
        for common in reversed(own):
            needed: Demand = None if common.demands else _NO_DEMAND
            for one in common.demands:
                needed = _either(needed, one)
            self._visit(common.query, common.scope, _NO_DEMAND if common.recursive else needed)

    def _with(self, query: exp.Expr, scope: _Scope) -> tuple[_Scope, list[_Common]]:
        if id(query) not in self._scopes:
            self._scopes[id(query)] = self._new_scope(query, scope)
        return self._scopes[id(query)]

    def _new_scope(self, query: exp.Expr, scope: _Scope) -> tuple[_Scope, list[_Common]]:
        found: list[_Common] = []
        clause = query.args.get("with_")
        if clause is None:
            return scope, found
        for node in clause.expressions:
            names = tuple(one.name.lower() for one in node.args["alias"].columns)
            common = _Common(node.this, names, scope, recursive=bool(clause.args.get("recursive")))
            scope = {**scope, node.alias.lower(): common}
            if common.recursive:
                common.scope = scope
            found.append(common)
        return scope, found

    def _set_operation(self, query: exp.SetOperation, scope: _Scope, demand: Demand) -> None:
        """Pass the demand to both sides, by the place of the columns."""
        sides = (query.this, query.expression)
        outputs = [self._outputs(side, scope) for side in sides]
        first, second = outputs
        if first is None or second is None or not _matched(first, second) or query.args.get("by_name"):
            demand = _NO_DEMAND
        for side, names in zip(sides, outputs, strict=True):
            passed: Demand = demand
            if demand and first is not None and names is not None:
                places = {output.name: place for place, output in enumerate(first)}
                passed = {names[places[name]].name: values for name, values in demand.items() if name in places}
            self._visit(side, scope, passed)
        self._inside(query, scope)

    def _select(self, query: exp.Select, scope: _Scope, demand: Demand) -> None:
        sources = self._sources(query, scope)
        region, equalities = self._region(query, sources)
        if demand is None:
            region = None
        elif demand and not _is_fixed(query):
            region = both(region, self._inner(query, sources, scope, demand))
        region = _spread(region, equalities, sources)
        for number, source in enumerate(sources):
            needed = None if region is None else {name: one for (at, name), one in region.items() if at == number}
            if source.scan is not None:
                source.scan.note(needed)
            elif source.common is not None:
                source.common.demands.append(needed)
            elif source.query is not None:
                self._visit(source.query, scope, needed)
        self._inside(query, scope)

    def _inner(
        self, query: exp.Select, sources: list[_SelectSource], scope: _Scope, demand: Mapping[str, Values]
    ) -> Region:
        """Return the region of a demand on the output columns."""
        region: Region = EVERYWHERE
        outputs = self._selected(query, sources)
        for name, values in demand.items():
            same = [one for one in outputs or () if one.name == name]
            if len(same) == 1 and same[0].column is not None:
                region = both(region, {same[0].column.place: values})
        return region

    def _inside(self, query: exp.Expr, scope: _Scope) -> None:
        """Visit the queries inside expressions."""
        tables = [query.args.get("from_"), *(query.args.get("joins") or ())]
        known = {id(one.this) for one in tables if one is not None}
        if isinstance(query, exp.SetOperation):
            known = {id(query.this), id(query.expression)}
        for inner in _queries(query, known):
            self._visit(inner, scope, _NO_DEMAND)

    def _sources(self, query: exp.Select, scope: _Scope) -> list[_SelectSource]:
        if id(query) not in self._found_sources:
            tables = [query.args.get("from_"), *(query.args.get("joins") or ())]
            found = [self._source(one.this, scope) for one in tables if one is not None]
            self._found_sources[id(query)] = found
        return self._found_sources[id(query)]

    def _source(self, node: exp.Expr, scope: _Scope) -> _SelectSource:
        name = node.alias_or_name.lower()
        renamed = tuple(one.name.lower() for one in node.args["alias"].columns) if node.args.get("alias") else ()
        if isinstance(node, exp.Table):
            scan = self._scans.get(id(node))
            if scan is not None:
                # New names of columns, as in t(a, b), hide which is which.
                return _SelectSource(name, None if renamed else scan.columns, {} if renamed else scan.kinds, scan)
            common = scope.get(node.name.lower())
            if common is None or common.recursive or renamed:
                return _SelectSource(name, None, {}, common=common)
            outputs = self._outputs(common.query, common.scope)
            sure = self._sure(common.query, common.scope)
            return self._named(name, outputs, common.names, common=common, sure=sure)
        if isinstance(node, exp.Subquery):
            outputs = self._outputs(node, scope)
            return self._named(name, outputs, renamed, query=node, sure=self._sure(node, scope))
        return _SelectSource(name, None, {})

    @staticmethod
    def _named(name: str, outputs: list[_OutputColumn] | None, renamed: tuple[str, ...], **more: Any) -> _SelectSource:
        if outputs is None or renamed:
            return _SelectSource(name, None, {}, **{**more, "sure": {}})
        names = tuple(one.name for one in outputs)
        kinds = {one.name: one.column.kind for one in outputs if one.column is not None and names.count(one.name) == 1}
        return _SelectSource(name, names, kinds, **more)

    def _sure(self, query: exp.Expr, scope: _Scope) -> Mapping[str, Values]:
        """Return the values that the columns of a result can have, beside null."""
        if id(query) not in self._found_sure:
            self._found_sure[id(query)] = self._values(query, scope)
        return self._found_sure[id(query)]

    def _values(self, query: exp.Expr, scope: _Scope) -> Mapping[str, Values]:
        scope, _ = self._with(query, scope)
        outputs = self._outputs(query, scope)
        if outputs is None or len({one.name for one in outputs}) < len(outputs):
            return {}
        if isinstance(query, exp.Subquery):
            return self._sure(query.this, scope)
        if isinstance(query, exp.SetOperation):
            names = self._outputs(query.expression, scope)
            first, second = self._sure(query.this, scope), self._sure(query.expression, scope)
            if names is None or not _matched(outputs, names):
                return {}
            pairs = zip(outputs, names, strict=True)
            return {
                one.name: union(first[one.name], second[other.name])
                for one, other in pairs
                if one.column is not None and one.name in first and other.name in second
            }
        if not isinstance(query, exp.Select):
            return {}
        sources = self._sources(query, scope)
        region, equalities = self._region(query, sources)
        region = _spread(region, equalities, sources)
        if region is None:
            return {}
        found: dict[str, Values] = {}
        for output in outputs:
            if output.column is not None:
                at, name = output.column.place
                values = [one for one in (region.get((at, name)), sources[at].sure.get(name)) if one is not None]
                if values:
                    found[output.name] = functools.reduce(intersection, values)
        return found

    def _outputs(self, query: exp.Expr, scope: _Scope) -> list[_OutputColumn] | None:
        """Return the columns of the result of a query; None if they are not known."""
        if id(query) not in self._found_outputs:
            self._found_outputs[id(query)] = self._new_outputs(query, scope)
        return self._found_outputs[id(query)]

    def _new_outputs(self, query: exp.Expr, scope: _Scope) -> list[_OutputColumn] | None:
        scope, _ = self._with(query, scope)
        if isinstance(query, exp.Subquery):
            return self._outputs(query.this, scope)
        if isinstance(query, exp.SetOperation):
            first, second = self._outputs(query.this, scope), self._outputs(query.expression, scope)
            if first is None or second is None or len(first) != len(second) or query.args.get("by_name"):
                return None
            return [
                one
                if one.column and other.column and one.column.kind == other.column.kind
                else _OutputColumn(one.name, None)
                for one, other in zip(first, second, strict=True)
            ]
        if isinstance(query, exp.Select):
            return self._selected(query, self._sources(query, scope))
        return None

    def _selected(self, query: exp.Select, sources: list[_SelectSource]) -> list[_OutputColumn] | None:
        conditions = SqlConditions(_Columns(query, sources).find, self._zone)
        found: list[_OutputColumn] = []
        for node in query.expressions:
            if node.is_star:
                outputs = _of_star(node, query, sources)
                if outputs is None:
                    return None
                found += outputs
                continue
            inner = node.this if isinstance(node, exp.Alias) else node
            if isinstance(inner, exp.Unnest | exp.Explode | exp.Columns):
                return None
            # Other expressions have a name that no plain identifier has.
            named = isinstance(node, exp.Alias | exp.Column)
            name = node.alias_or_name.lower() if named else f"({len(found)})"
            found.append(_OutputColumn(name, conditions.place(inner)))
        return found

    def _region(self, query: exp.Select, sources: list[_SelectSource]) -> tuple[Region, list[Equality]]:
        """Return the region that the conditions of a select leave, and the columns that must be equal."""
        columns = _Columns(query, sources)
        conditions = SqlConditions(columns.find, self._zone)
        region: Region = EVERYWHERE
        equalities: list[Equality] = []
        where = query.args.get("where")
        if where is not None:
            region = conditions.truth(where.this).true
            equalities += _equal(where.this, columns)
        joins = query.args.get("joins") or ()
        outer = any(join.side in ("RIGHT", "FULL") for join in joins)
        for number, join in enumerate(joins, 0 if query.args.get("from_") is None else 1):
            restricted = _restricted(join, number)
            condition = join.args.get("on")
            if condition is not None:
                found = conditions.truth(condition).true
                if found is None and (restricted is not None or outer):
                    found = {}  # rows of some sources are needed all the same
                if found is not None and restricted is not None:
                    found = {place: values for place, values in found.items() if place[0] in restricted}
                region = both(region, found)
            pairs = [*(_equal(condition, columns) if condition is not None else ()), *columns.using(join, number)]
            equalities += [pair for pair in pairs if restricted is None or (pair[1].place[0] in restricted)]
        return region, equalities


class _Columns:
    """Find the source of a column in a select."""

    def __init__(self, query: exp.Select, sources: list[_SelectSource]) -> None:
        self._sources = sources
        self._shared: set[str] = set()
        for join in query.args.get("joins") or ():
            if join.side in ("", "LEFT") and join.kind in ("", "INNER", "OUTER"):
                self._shared |= {one.name.lower() for one in join.args.get("using") or ()}

    def find(self, node: exp.Column) -> ScanColumn | None:
        """Return the place of a column; None if it is not known or of no interest."""
        name, table = node.name.lower(), node.table.lower()
        if node.args.get("db") or node.args.get("catalog"):
            return None
        if table:
            found = [at for at, source in enumerate(self._sources) if source.name == table]
            if len(found) != 1:
                return None
        else:
            if any(source.columns is None for source in self._sources):
                return None
            found = [at for at, source in enumerate(self._sources) if name in (source.columns or ())]
            if not found or (len(found) > 1 and name not in self._shared):
                return None
        return self._at(found[0], name)

    def using(self, join: exp.Join, number: int) -> Iterator[Equality]:
        """Yield the equalities of `USING`, each in both directions."""
        for one in join.args.get("using") or ():
            name = one.name.lower()
            left = [at for at in range(number) if name in (self._sources[at].columns or ())]
            if len(left) != 1 or any(self._sources[at].columns is None for at in range(number)):
                continue
            here, there = self._at(left[0], name), self._at(number, name)
            if here is not None and there is not None and here.kind == there.kind:
                yield here, there
                yield there, here

    def _at(self, number: int, name: str) -> ScanColumn | None:
        kind = self._sources[number].kinds.get(name)
        return None if kind is None else ScanColumn((number, name), kind)


def _equal(condition: exp.Expr, columns: _Columns) -> Iterator[Equality]:
    """Yield the columns that a condition demands to be equal, each pair in both directions."""
    parts = condition.flatten() if isinstance(condition, exp.And) else (condition,)
    for part in parts:
        while isinstance(part, exp.Paren):
            part = part.this
        if not isinstance(part, exp.EQ):
            continue
        if isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Column):
            here, there = columns.find(part.this), columns.find(part.expression)
            if here is not None and there is not None and here.kind == there.kind:
                yield here, there
                yield there, here


def _restricted(join: exp.Join, number: int) -> frozenset[int] | None:
    """Return the sources whose rows the condition of a join restricts; None: all of them."""
    if join.side == "FULL":
        return frozenset()
    if join.side == "RIGHT":
        return frozenset(range(number))
    if join.side == "LEFT" or join.kind in ("SEMI", "ANTI"):
        return frozenset({number})
    return None


def _spread(region: Region, equalities: list[Equality], sources: list[_SelectSource]) -> Region:
    """Return the region with the values of each column also for the columns that must be equal to it."""
    for _ in range(len(equalities)):
        before = region
        for here, there in equalities:
            if region is None:
                return None
            at, name = here.place
            for values in (region.get(here.place), sources[at].sure.get(name)):
                if values is not None:
                    region = both(region, {there.place: values})
        if region == before:
            break
    return region


def _either(first: Demand, second: Demand) -> Demand:
    """Return a demand that contains two demands."""
    one = None if first is None else {(0, name): values for name, values in first.items()}
    other = None if second is None else {(0, name): values for name, values in second.items()}
    found = either(one, other)
    return None if found is None else {name: values for (_, name), values in found.items()}


def _is_fixed(query: exp.Select) -> bool:
    """Return whether fewer rows below could change the rows that stay: by windows, limits, or a choice of rows."""
    distinct = query.args.get("distinct")
    if query.args.get("qualify") or query.args.get("windows") or (distinct is not None and distinct.args.get("on")):
        return True
    return any(not _is_nested(node, query) for node in query.find_all(exp.Window))


def _matched(first: list[_OutputColumn], second: list[_OutputColumn]) -> bool:
    """Return whether two queries have as many columns, each with a name of its own."""
    return len(first) == len(second) and all(
        len({one.name for one in names}) == len(names) for names in (first, second)
    )


def _is_zero(limit: exp.Expr | None) -> bool:
    number = limit.expression if isinstance(limit, exp.Limit) else None
    return isinstance(number, exp.Literal) and number.is_int and int(number.this) == 0


def _is_nested(node: exp.Expr, query: exp.Select) -> bool:
    """Return whether a node belongs to a query inside the query."""
    return node.parent_select is not query


def _of_star(node: exp.Expr, query: exp.Select, sources: list[_SelectSource]) -> list[_OutputColumn] | None:
    """Return the columns that a star stands for; None if they are not known."""
    star = node if isinstance(node, exp.Star) else node.this
    if not isinstance(star, exp.Star) or any(star.args.values()):
        return None
    table = node.table.lower() if isinstance(node, exp.Column) else ""
    joins = query.args.get("joins") or ()
    if any(join.args.get("using") or join.method or join.kind in ("SEMI", "ANTI") for join in joins):
        return None
    found: list[_OutputColumn] = []
    for number, source in enumerate(sources):
        if table and source.name != table:
            continue
        if source.columns is None:
            return None
        for name in source.columns:
            kind = source.kinds.get(name)
            found.append(_OutputColumn(name, None if kind is None else ScanColumn((number, name), kind)))
    return found


def _queries(query: exp.Expr, known: set[int]) -> Iterator[exp.Expr]:
    """Yield the queries directly inside the expressions of a query, without its sources and its `WITH`."""
    waiting: list[exp.Expr] = [child for key, child in _children(query) if key != "with_"]
    while waiting:
        node = waiting.pop()
        if id(node) in known:
            continue
        if isinstance(node, exp.Query) and not isinstance(node, exp.Table):
            yield node
            continue
        waiting += [child for _, child in _children(node)]


def _children(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    for key, value in node.args.items():
        for child in value if isinstance(value, list) else (value,):
            if isinstance(child, exp.Expr):
                yield key, child
