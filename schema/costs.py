"""The costs of fields for federation gateways (`@cost`, `@listSize`), from what the planner expects of a cold start.

The unit is a tenth of an upstream call. A field that makes a call for each of its parents costs ten. A field whose rows
are read for all parents at once costs one, because the call is shared. The planner learns better figures while a server
runs: `X-Graph-Explain` has them.
"""

from collections.abc import Iterator, Mapping

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from resolvers import edges
from resolvers.edges import ReportEdge
from schema.documents import Directives
from schema.mapping.entity import ENTITIES
from schema.mapping.lists.connection import DEFAULT_FIRST
from upstream.reports import table as reports

CALL, SHARED = 10, 1
# The days of the longest month: what a period holds for fields that have an item for each day.
_DAYS = 31


def _edge(report: reports.Report) -> ReportEdge:
    """Return the edge of a report that only one relation reads."""
    return next(edge for edge in edges.EDGES if edge.report is report and edge.by is not None)


# The fields that read rows of their own, each with its edge.
READS: Mapping[str, ReportEdge] = {
    "Query.group": edges.GROUP_BY_ID,
    "Query.groups": edges.GROUP_BY_ID,
    "Query.user": edges.USER_BY_ID,
    "Query.users": edges.USER_BY_ID,
    "Query.room": edges.GAMES_OF_ROOM,
    "Query.rooms": edges.GAMES_OF_ROOM,
    "Query.game": edges.GAME_SUMMARY_BY_ID,
    "Query.games": edges.GAMES_OF_PERIOD,
    "Query.gameLogs": edges.LOGS_OF_USER,
    "Query.financialMovements": _edge(reports.FINANCIAL_MOVEMENTS),
    "Group.currency": edges.TRANSACTIONS_OF_USER,
    "Group.users": edges.USERS_OF_GROUP,
    "Group.transactions": edges.MOVEMENTS_OF_GROUP,
    "Group.dailyMovements": edges.DAILY_MOVEMENTS_OF_GROUP,
    "Group.dailyTotals": edges.DAILY_MOVEMENTS_OF_GROUP,
    "Group.financialMovements": _edge(reports.FINANCIAL_MOVEMENTS),
    "User.transactions": edges.TRANSACTIONS_OF_USER,
    "User.gameLogs": edges.LOGS_OF_USER,
    "Room.games": edges.GAMES_OF_ROOM,
    "Room.gamesOnSale": edges.GAMES_ON_SALE_OF_ROOM,
    "GameLog.user": edges.USER_BY_USERNAME,
}


def costs(schema: GraphQLSchema) -> Directives:
    """Return the directives of the fields of a schema."""
    return {
        f"{name}.{field}": tuple(_directives(name, field, definition))
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and not name.startswith("_")
        for field, definition in kind.fields.items()
        if not field.startswith("_")
    }


def _directives(name: str, field: str, definition: GraphQLField) -> Iterator[str]:
    own = weight(name, field, is_composite_type(get_named_type(definition.type)))
    if own is not None:
        yield f"@cost(weight: {own})"
    if get_named_type(definition.type).name.endswith("Connection"):
        size = min(DEFAULT_FIRST, _rows(name, field))
        yield (
            f'@listSize(assumedSize: {size}, slicingArguments: ["first"], sizedFields: ["nodes", "edges"], '
            "requireOneSlicingArgument: false)"
        )
    elif "first" in definition.args:
        # The argument has a default, so no size is assumed.
        yield '@listSize(slicingArguments: ["first"], requireOneSlicingArgument: false)'
    elif f"{name}.{field}" in READS and _is_list(definition):
        yield f"@listSize(assumedSize: {_rows(name, field)})"


def weight(name: str, field: str, composite: bool) -> int | None:
    """Return the cost of a field for one parent; None for the default of federation: one for objects, else nothing."""
    edge = READS.get(f"{name}.{field}")
    if name == "Query" or (edge is not None and (edge.bulk is None or not edge.bulk.exact)):
        return CALL
    if edge is not None:
        return SHARED
    kind = ENTITIES.get(name)
    column = kind.columns.get(field) if kind is not None else None
    if kind is None or column is None or not composite:
        return None
    # A part of an entity that only reports of a single entity have.
    known = [source.edge for source in kind.sources if source.row in column.readers]
    alone = known and len(known) == len(column.readers) and all(edge.one and edge.bulk is None for edge in known)
    return CALL if alone else None


def _rows(name: str, field: str) -> int:
    """Return how many items a field is expected to have in a day; in a month if it has one for each day."""
    edge = READS[f"{name}.{field}"]
    if edge is edges.DAILY_MOVEMENTS_OF_GROUP:
        return _DAYS
    return round(edge.bulk.rows if name == "Query" and edge.bulk is not None else edge.rows)


def _is_list(definition: GraphQLField) -> bool:
    kind = definition.type
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)
