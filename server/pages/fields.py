"""`/explorer/fields.json`: for each field of the graph the reports that have it and its price, for the query builder.

The reports come from the columns of the types, which also tell a query what it still has to read. The prices are those
of the planner, so they follow the calls that the server made. Arguments have the kind of what they name.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.caller import Caller
from resolvers.edges import ReportEdge
from resolvers.lookup import Lookup
from resolvers.prediction.made_up import expected_rows
from resolvers.session import Session
from schema.costs import READS, weight
from schema.mapping.columns import EntityLink, NestedPart
from schema.mapping.entity import ENTITIES, Entity
from server.http.writing import encode
from server.pages.choices import CHOICES, named
from upstream.call import Call
from upstream.reports.rows import Row
from upstream.reports.table import REPORTS, Report
from upstream.values import interval
from upstream.values.interval import SentFrame

PATH = "/explorer/fields.json"

Facts = dict[str, Any]


class Fields:
    """The fields of one schema, each with its reports and its price for a caller. `session` has the caller's prices."""

    def __init__(self, schema: GraphQLSchema, session: Callable[[Caller], Session]) -> None:
        self._schema = schema
        self._session = session

    def route(self) -> Route:
        """Return the route of the fields."""

        async def fields(request: Request) -> Response:
            content = encode(self.of(request.scope["caller"]))
            return Response(content, headers={"Cache-Control": "no-cache"}, media_type="application/json")

        return Route(PATH, fields)

    def of(self, caller: Caller) -> Facts:
        """Return the fields for a caller, what arguments name, the queries of choices, and the titles of reports."""
        session = self._session(caller)
        try:
            fields = {
                # None if no call is made for the field alone.
                place: {
                    **facts,
                    "milliseconds": min(
                        (round(way.seconds(session) * 1000, 3) for way in self._ways[place]), default=None
                    ),
                }
                for place, facts in self._facts.items()
            }
        finally:
            session.close()
        return {
            "fields": fields,
            "names": self._names,
            "choices": self._choices,
            "reports": {each.code: each.title for each in REPORTS},
        }

    @cached_property
    def _names(self) -> Mapping[str, Mapping[str, str]]:
        return named(self._schema)

    @cached_property
    def _choices(self) -> Mapping[str, Facts]:
        """Return the queries of choices that the schema has: a subgraph has a part of them."""
        return {kind: asdict(each) for kind, each in CHOICES.items() if not validate(self._schema, parse(each.all))}

    @cached_property
    def _reports(self) -> Mapping[type[Row], set[Report]]:
        return _reports_of_rows()

    @cached_property
    def _facts(self) -> Mapping[str, Facts]:
        """Return what holds for every caller."""
        return {f"{one[0]}.{one[1]}": _facts(*one, self._reports) for one in self._definitions()}

    @cached_property
    def _ways(self) -> Mapping[str, Sequence["_FieldCall"]]:
        return {f"{one[0]}.{one[1]}": _ways(*one, self._reports) for one in self._definitions()}

    def _definitions(self) -> Iterator[tuple[str, str, GraphQLField]]:
        """Yield the fields that a query may select: the name of the type, of the field, and its definition."""
        for name, kind in self._schema.type_map.items():
            if isinstance(kind, GraphQLObjectType) and not name.startswith("_"):
                yield from ((name, field, definition) for field, definition in kind.fields.items() if field[0] != "_")


def _facts(name: str, field: str, definition: GraphQLField, reports: Mapping[type[Row], set[Report]]) -> Facts:
    """Return the reports that have a field, the report that it reads for itself, and its complexity.

    For a field that leads to another entity, `known` has what each report knows of that entity.
    """
    target = get_named_type(definition.type)
    composite = is_composite_type(target)
    own = weight(name, field, composite)
    facts: Facts = {"reports": [], "complexity": own if own is not None else int(composite)}
    column = ENTITIES[name].columns.get(field) if name in ENTITIES else None
    way = _own_way(name, field, definition, reports)
    if way is not None:
        facts["reads"] = way.report.code
        facts["reports"] = [way.report.code]
    elif column is not None:
        facts["reports"] = _codes(report for kind in column.readers for report in reports[kind])
    if isinstance(column, EntityLink):
        facts["known"] = {
            report.code: [_shown(ENTITIES[column.target], each) for each in known]
            for kind, known in column.links.items()
            for report in reports[kind]
        }
    return facts


def _own_way(
    name: str, field: str, definition: GraphQLField, reports: Mapping[type[Row], set[Report]]
) -> "_FieldCall | None":
    """Return the way in which a field reads rows of its own; None if it stands in the row of its parent."""
    edge = READS.get(f"{name}.{field}")
    if edge is not None:
        return _FieldCall.of(edge, whole=name == "Query" and "id" not in definition.args)
    target = ENTITIES.get(get_named_type(definition.type).name)
    if name != "Query" or target is None:
        return None
    # All there is, in the only report that has it.
    kinds = (kind for column in target.columns.values() for kind in column.readers)
    return _FieldCall(next(report for kind in kinds for report in reports[kind]))


@dataclass(frozen=True, slots=True)
class _FieldCall:
    """The call that reads a field: for one key of an edge, or without an edge for all there is."""

    report: Report
    edge: ReportEdge | None = None

    @classmethod
    def of(cls, edge: ReportEdge, whole: bool = False) -> "_FieldCall":
        """Return the way to read one key of an edge, or `whole` all keys."""
        if edge.by is not None and not whole:
            return cls(edge.report, edge)
        return cls(edge.bulk.report if edge.bulk is not None else edge.report)

    def seconds(self, session: Session) -> float:
        """Return the price of the call, for today, as the planner has it."""
        report, prices = self.report, session.prices
        today = interval.resolve(SentFrame.TODAY, session.now, session.zone) if report.frame is not None else None
        if self.edge is None:
            call = Call(report, (), today)
            return prices.seconds(report, 1, prices.expected(call, expected_rows(call)))
        call = Lookup(self.edge, today).per_key_call(0)
        return prices.seconds(report, 1, prices.rows_of_kind(call, self.edge.rows))


def _ways(
    name: str, field: str, definition: GraphQLField, reports: Mapping[type[Row], set[Report]]
) -> Sequence[_FieldCall]:
    """Return the ways to read a field: its own one, or those of the reports that have it."""
    own = _own_way(name, field, definition, reports)
    if own is not None:
        return [own]
    kind = ENTITIES.get(name)
    column = kind.columns.get(field) if kind is not None else None
    if kind is None or column is None:
        return ()
    return [_FieldCall.of(source.edge) for source in kind.sources if source.row in column.readers]


def _codes(reports: Iterable[Report]) -> list[str]:
    found = set(reports)
    return [each.code for each in REPORTS if each in found]


def _shown(kind: type[Entity], name: str) -> str:
    return next((shown for shown, column in kind.columns.items() if column.name == name), name)


def _reports_of_rows() -> Mapping[type[Row], set[Report]]:
    """Return the reports whose rows are of a kind, or have objects of that kind inside."""
    found: defaultdict[type[Row], set[Report]] = defaultdict(set)
    for report in REPORTS:
        found[report.row].add(report)
    parts = [each for kind in ENTITIES.values() for each in kind.columns.values() if isinstance(each, NestedPart)]
    before = -1
    while before != (before := sum(map(len, found.values()))):
        for part in parts:
            for outer, inner in part.kinds.items():
                found[inner] |= found[outer]
    return found
