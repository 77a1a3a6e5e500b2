"""`/explorer/fields.json`: for each field of the graph the reports that have it and its price, for the query builder.

The reports come from the columns of the types, which also tell a query what it still has to read. The prices are those
of the planner, so they follow the calls that the server made. Arguments have the kind of what they name.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, get_named_type, is_composite_type
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.caller import Caller
from resolvers.edges import Bulk, ReportEdge
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.costs import READS, weight
from schema.mapping.columns import EntityLink, NestedPart
from schema.mapping.entity import ENTITIES, Entity
from server.http.writing import encode
from server.pages.choices import named
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
        """Return the fields for a caller, the kinds of what arguments name, and the titles of the reports."""
        session = self._session(caller)
        try:
            fields = {
                place: {**facts, "milliseconds": _milliseconds(self._ways[place], facts.get("reads"), session)}
                for place, facts in self._facts.items()
            }
        finally:
            session.close()
        return {"fields": fields, "names": self._names, "reports": {each.code: each.title for each in REPORTS}}

    @cached_property
    def _names(self) -> Mapping[str, Mapping[str, str]]:
        return named(self._schema)

    @cached_property
    def _facts(self) -> Mapping[str, Facts]:
        """Return what holds for every caller."""
        reports = _reports_of_rows()
        return {
            f"{name}.{field}": _facts(name, field, definition, reports)
            for name, field, definition in self._definitions()
        }

    @cached_property
    def _ways(self) -> Mapping[str, Sequence["_Way"]]:
        """Return the ways to read each field: its own one, or those of the reports that have it."""
        return {f"{name}.{field}": _ways(name, field, definition) for name, field, definition in self._definitions()}

    def _definitions(self) -> Iterator[tuple[str, str, GraphQLField]]:
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
    read = _own_report(name, field, definition, reports)
    if read is not None:
        facts["reads"] = read.code
        facts["reports"] = [read.code]
    elif column is not None:
        facts["reports"] = _codes(report for kind in column.readers for report in reports[kind])
    if isinstance(column, EntityLink):
        facts["known"] = {
            report.code: [_shown(ENTITIES[column.target], each) for each in known]
            for kind, known in column.links.items()
            for report in reports[kind]
        }
    return facts


def _own_report(
    name: str, field: str, definition: GraphQLField, reports: Mapping[type[Row], set[Report]]
) -> Report | None:
    """Return the report that a field reads for itself; None if it stands in the row of its parent."""
    edge = READS.get(f"{name}.{field}")
    target = ENTITIES.get(get_named_type(definition.type).name)
    if edge is not None:
        return _Way(edge, _is_whole(name, definition)).report
    if name != "Query" or target is None:
        return None
    # All there is, in the only report that has it.
    return next(
        iter({report for column in target.columns.values() for kind in column.readers for report in reports[kind]})
    )


def _is_whole(name: str, definition: GraphQLField) -> bool:
    """Return whether a field lists all there is."""
    return name == "Query" and "id" not in definition.args


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to read a field: an edge for one key, or `whole` without a key."""

    edge: ReportEdge
    whole: bool = False

    @property
    def bulk(self) -> Bulk | None:
        return self.edge.bulk if self.whole or self.edge.by is None else None

    @property
    def report(self) -> Report:
        return self.bulk.report if self.bulk is not None else self.edge.report

    def seconds(self, session: Session) -> float:
        """Return the price of the call, today, as the planner has it."""
        today = interval.resolve(SentFrame.TODAY, session.now, session.zone) if self.report.frame is not None else None
        lookup, prices = Lookup(self.edge, today), session.prices
        if self.bulk is not None:
            return prices.seconds(self.report, 1, prices.rows(lookup.bulk_call(self.bulk, key=0), self.bulk.rows))
        return prices.seconds(self.report, 1, prices.rows_of_kind(lookup.per_key_call(0), self.edge.rows))


def _ways(name: str, field: str, definition: GraphQLField) -> Sequence[_Way]:
    edge = READS.get(f"{name}.{field}")
    if edge is not None:
        return [_Way(edge, _is_whole(name, definition))]
    kind = ENTITIES.get(name)
    column = kind.columns.get(field) if kind is not None else None
    if kind is None or column is None:
        return ()
    return [_Way(source.edge) for source in kind.sources if source.row in column.readers]


def _milliseconds(ways: Sequence[_Way], reads: str | None, session: Session) -> float | None:
    """Return the price of a call for a field by the cheapest way; None if no call is made for it alone."""
    if ways:
        seconds = min(way.seconds(session) for way in ways)
    elif reads is not None:  # a report without an edge, whose rows are few
        seconds = session.prices.latency(next(report for report in REPORTS if report.code == reads))
    else:
        return None
    return round(seconds * 1000, 3)


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
