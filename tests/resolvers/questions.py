"""Generated queries: random selections over the schema, with arguments that fit a sandbox's world."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
)

PERIODS = (
    "{frame: TODAY}",
    "{frame: YESTERDAY}",
    '{between: {from: "2026-03-15T11:00:00Z", until: "2026-03-15T11:30:00Z"}}',
    '{between: {from: "2026-03-15T10:00:00Z", until: "2026-03-15T10:20:00Z"}}',
)
CONDITIONS = {
    "TransactionConnection": (
        '{type: {startsWith: "Bingo - W"}}',
        '{amount: {gt: "0"}}',
        '{currency: {eq: "Real USD"}}',
    ),
    "GameLogConnection": ('{bet: {gt: "1"}}', '{userCode: {startsWith: "a"}}'),
    "GameConnection": ("{status: PLAYED}", '{room: {eq: "1"}, paid: {gt: "0"}}'),
    "FinancialMovementConnection": ("{type: [1, 3]}", '{group: {in: ["382", "383"]}}'),
}
# Connections are gone through to their items; federation's own fields are not a question of people.
WRAPPERS = ("nodes", "edges", "node")
LEFT_OUT = ("_entities", "_service", "node")


@dataclass
class Questions:
    """Draws queries; the same seed draws the same ones. `ids` are those of the world, by the type's name."""

    schema: GraphQLSchema
    ids: Mapping[str, Sequence[str]]
    seed: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def draw(self) -> str:
        """A query of one or two fields at the root, four or five levels deep."""
        query = self.schema.query_type
        assert query is not None
        names = [name for name in query.fields if name not in LEFT_OUT]
        chosen = self.random.sample(names, self.random.choice((1, 1, 1, 2)))
        parts = (self._field(name, query.fields[name], "Query", self.random.choice((3, 4))) for name in chosen)
        return "{ " + " ".join(part for part in parts if part) + " }"

    def _field(self, name: str, field: GraphQLField, owner: str, depth: int) -> str | None:
        kind = get_named_type(field.type)
        arguments = self._arguments(field, kind, owner)
        if is_leaf_type(kind):
            return f"{name}{arguments}"
        below = self._selection(kind, depth)
        return f"{name}{arguments} {{ {below} }}" if below else None

    def _selection(self, kind: GraphQLNamedType, depth: int) -> str:
        assert isinstance(kind, GraphQLObjectType)
        if kind.name.endswith("Connection"):
            items = self._field("nodes", kind.fields["nodes"], kind.name, depth)
            if self.random.random() < 0.2:
                edges = self._selection_of_edge(kind, depth)
                return f"edges {{ {edges} }}"
            return " ".join(part for part in (items, self.random.choice(("", "totalCount"))) if part)
        leaves = [name for name, field in kind.fields.items() if is_leaf_type(get_named_type(field.type))]
        others = [name for name in kind.fields if name not in leaves]
        chosen = self.random.sample(leaves, min(len(leaves), self.random.randint(1, 4)))
        if depth > 0 and others:
            chosen += self.random.sample(others, min(len(others), self.random.choice((0, 1, 1, 2))))
        parts = [self._field(name, kind.fields[name], kind.name, depth - 1) for name in chosen]
        return " ".join(part for part in parts if part)

    def _selection_of_edge(self, kind: GraphQLObjectType, depth: int) -> str:
        edge = get_named_type(kind.fields["edges"].type)
        assert isinstance(edge, GraphQLObjectType)
        return f"cursor {self._field('node', edge.fields['node'], edge.name, depth)}"

    def _arguments(self, field: GraphQLField, kind: GraphQLNamedType, owner: str) -> str:
        given = {}
        for name, argument in field.args.items():
            required = str(argument.type).endswith("!")
            value = self._value(name, kind, owner)
            if value is not None and (required or name == "first" or self.random.random() < 0.5):
                given[name] = value
        return f"({', '.join(f'{name}: {value}' for name, value in given.items())})" if given else ""

    def _value(self, name: str, kind: GraphQLNamedType, owner: str) -> str | None:
        draw = self.random
        match name:
            case "id":
                return f'"{draw.choice(self.ids[kind.name])}"'
            case "ids":
                ids = self.ids[kind.name.removesuffix("Connection")]
                return "[" + ", ".join(f'"{id}"' for id in draw.sample(ids, draw.randint(1, 3))) + "]"
            case "groupId" | "inGroup":
                return f'"{draw.choice(self.ids["Group"])}"'
            case "roomId":
                return f'"{draw.choice(self.ids["Room"])}"'
            case "during":
                return draw.choice(PERIODS)
            case "first":
                return str(draw.choice((0, 1, 2, 3, 5)))
            case "status":
                return draw.choice(("PLAYED", "SELLING", "PRESELLING"))
            case "where":
                return draw.choice(CONDITIONS[kind.name])
            case "username":
                return '"a"'
            case _:
                return None
