"""Document the graph: docstrings become the descriptions that the explorer shows."""

import inspect

from graphql import GraphQLEnumType, GraphQLInterfaceType, GraphQLNamedType, GraphQLObjectType, GraphQLSchema

# An argument has the same meaning everywhere.
ARGUMENTS = {
    "after": "The cursor after which the page starts: `endCursor` of the page before.",
    "by": "The part of the calendar.",
    "during": "The period, in the business time zone.",
    "first": "The size of the page: 100 if not given, 1000 at most.",
    "gameType": "The type of game as Game History names it.",
    "groupId": "Only what belongs to this group.",
    "id": "GameHub's own id.",
    "ids": "Only these ids, 1000 at most.",
    "inGroup": "Only the movements made in this group.",
    "nodeId": "A globally unique id, as a `nodeId` field gives it.",
    "representations": 'Entity references: `{"__typename": "User", "id": "60"}`.',
    "roomId": "Only the games of this room.",
    "status": "Only the games of this status.",
    "where": "Only the items that meet all these conditions. They hold before pages are cut and items are counted.",
    "username": "Only the users whose name contains this text.",
}
FEDERATION = {
    "_entities": "The entities of a list of federation references, in its order.",
    "_service": "This subgraph's schema, for a federation gateway.",
    "_Service": "This subgraph, as a federation gateway sees it.",
    "_Any": "A federation reference: an object with `__typename` and the entity's key.",
    "_Entity": "Every type that a federation reference may name.",
    "sdl": "The schema as a document.",
    "_FieldSet": "A selection of fields, written without its outer braces, such as `id`.",
    "link__Import": "A name that a schema takes over from a linked specification, such as `@key`.",
    "link__Purpose": "The role that a linked specification has for a federation gateway.",
    "SECURITY": "The specification must be supported to resolve fields securely.",
    "EXECUTION": "The specification must be supported to resolve fields at all.",
}
# The directives whose definitions have no description of their own, each with its arguments.
DIRECTIVES: dict[str, tuple[str, dict[str, str]]] = {
    "key": (
        "The fields that identify an entity in all subgraphs.",
        {"fields": "The fields.", "resolvable": "Whether this subgraph finds the entity by them."},
    ),
    "link": (
        "A specification whose directives this schema uses.",
        {
            "url": "The address of the specification, with its version.",
            "as": "The prefix of its names here.",
            "for": "The role that it has for a federation gateway.",
            "import": "The names that are used without a prefix.",
        },
    ),
}


def document(schema: GraphQLSchema) -> None:
    """Describe every type, field, argument and directive of a schema that has no description yet."""
    for directive in schema.directives:
        text, arguments = DIRECTIVES.get(directive.name, (None, {}))
        directive.description = directive.description or text
        for name, argument in directive.args.items():
            argument.description = argument.description or arguments.get(name)
    for kind in schema.type_map.values():
        if kind.name.startswith("__"):
            continue
        kind.description = kind.description or FEDERATION.get(kind.name) or _docstring(kind)
        if isinstance(kind, GraphQLEnumType):
            for name, value in kind.values.items():
                value.description = value.description or FEDERATION.get(name)
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            continue
        for name, field in kind.fields.items():
            definition = field.extensions.get("strawberry-definition")
            resolver = getattr(definition, "base_resolver", None)
            if not field.description:
                field.description = FEDERATION.get(name) or (
                    inspect.getdoc(resolver.wrapped_func) if resolver else None
                )
            for argument_name, argument in field.args.items():
                argument.description = argument.description or ARGUMENTS.get(argument_name)


def _docstring(kind: GraphQLNamedType) -> str | None:
    definition = kind.extensions.get("strawberry-definition")
    origin = getattr(definition, "origin", None) or getattr(definition, "wrapped_cls", None)
    # Python writes the docstring of a dataclass that has none: its name with its arguments.
    return next(
        (
            inspect.cleandoc(text)
            for each in getattr(origin, "__mro__", ())
            if (text := vars(each).get("__doc__")) and not text.startswith(f"{each.__name__}(") and each is not object
        ),
        None,
    )
