"""Name what the arguments of the graph take (groups, users, rooms, games), and the queries that read what there is.

The kind follows from the schema: `id` and `ids` of a field at the root name what the field returns, other arguments and
conditions on ids go by their names. The explorer offers choices for them, and examples are checked by them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    GraphQLInputObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_named_type,
    visit,
)

ARGUMENTS = {"groupId": "Group", "inGroup": "Group", "roomId": "Room", "userId": "User", "gameId": "Game"}
# Conditions are objects, so only those on an id (`IdFilter`) name an entity.
CONDITIONS = {"group": "Group", "room": "Room", "user": "User", "game": "Game"}
CONDITION = "IdFilter"
ITSELF = ("id", "ids")


@dataclass(frozen=True, slots=True)
class Choices:
    """The queries of one kind: `all` there are, or those with `$text` in their name if it `searches`, and `one` by id.

    They are ordinary queries, which the page sends as its caller. Without `one`, it is looked for in `all`.
    """

    all: str
    one: str | None = None
    searches: bool = False


CHOICES: Mapping[str, Choices] = {
    "Group": Choices(
        "query Choices { all: groups(first: 1000) { nodes { id name type } } }",
        "query Choice($id: ID!) { one: group(id: $id) { id name type } }",
    ),
    "User": Choices(
        "query Choices($text: String) "
        "{ all: users(username: $text, first: 50) { nodes { id username group { id name } } } }",
        "query Choice($id: ID!) { one: user(id: $id) { id username group { id name } } }",
        searches=True,
    ),
    "Room": Choices("query Choices { all: rooms { id name } }"),
    "Game": Choices("query Choices { all: games(first: 1000) { nodes { id startsAt status room { name } } } }"),
}


def choice_documents() -> list[str]:
    """Return the texts of all queries of choices."""
    return [text for each in CHOICES.values() for text in (each.all, each.one) if text is not None]


def named(schema: GraphQLSchema) -> dict[str, dict[str, str]]:
    """Return the kinds by field and argument: `Query.group` has `{"id": "Group"}`, `GameWhere` has `room`."""
    return {place: kinds for place, kinds in _places(schema) if kinds}


def kinds_of_variables(operation: OperationDefinitionNode, schema: GraphQLSchema) -> Mapping[str, str]:
    """Return the kind of each variable of an operation that is used as an argument that names one."""
    finder = _KindsOfVariables(TypeInfo(schema), named(schema))
    visit(operation, TypeInfoVisitor(finder.types, finder))
    return finder.found


def _places(schema: GraphQLSchema) -> Iterator[tuple[str, dict[str, str]]]:
    roots = (schema.query_type, schema.subscription_type)
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLInputObjectType):
            conditions = (one for one, input in kind.fields.items() if get_named_type(input.type).name == CONDITION)
            yield name, {one: CONDITIONS[one] for one in conditions if one in CONDITIONS}
        for field, definition in getattr(kind, "fields", {}).items():
            target = get_named_type(definition.type).name.removesuffix("Connection")
            own = ITSELF if kind in roots and target in CHOICES else ()
            arguments = getattr(definition, "args", {})
            yield (
                f"{name}.{field}",
                {one: target if one in own else ARGUMENTS[one] for one in arguments if one in own or one in ARGUMENTS},
            )


class _KindsOfVariables(Visitor):
    def __init__(self, types: TypeInfo, kinds: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__()
        self.types = types
        self.found: dict[str, str] = {}
        self._kinds = kinds

    def enter_argument(self, node: object, *_: object) -> None:
        value = getattr(node, "value", None)
        parent = self.types.get_parent_type()
        field = self.types.get_field_def()
        if not isinstance(value, VariableNode) or parent is None or field is None:
            return
        name = next((name for name, one in getattr(parent, "fields", {}).items() if one is field), "")
        kind = self._kinds.get(f"{parent.name}.{name}", {}).get(node.name.value)  # type: ignore[attr-defined]
        if kind is not None:
            self.found[value.name.value] = kind
