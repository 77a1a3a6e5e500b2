"""The graph that clients are written against, from its own documents: not the schema that the product prints."""

from pathlib import Path

from graphql import GraphQLSchema, build_schema

LISTS = ("Group", "User", "Game", "GameLog", "Transaction", "FinancialMovement")
ENTITIES = ("Group", "User", "Room", "Game", "Transaction", "GameLog")


def _document() -> str:
    parts = [Path(__file__).with_name(name).read_text("utf-8") for name in ("graph.graphql", "aggregates.graphql")]
    parts += [
        f"type {name}Connection {{ edges: [{name}Edge!]! nodes: [{name}!]! totalCount: Int! pageInfo: PageInfo! }} "
        f"type {name}Edge {{ cursor: String! node: {name}! }}"
        for name in LISTS
    ]
    parts.append(
        "type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }\n"
        "directive @key(fields: String!) on OBJECT\n"
        f"scalar _Any\nunion _Entity = {' | '.join(ENTITIES)}\n"
        "extend type Query { _entities(representations: [_Any!]!): [_Entity]! }"
    )
    return "\n".join(parts)


GRAPH: GraphQLSchema = build_schema(_document())
