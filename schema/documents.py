"""The schema as a document: for clients, and as a subgraph of Apollo Federation 2."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from graphql import (
    FieldDefinitionNode,
    GraphQLNamedType,
    GraphQLSchema,
    NamedTypeNode,
    NameNode,
    ObjectTypeDefinitionNode,
    is_introspection_type,
    is_object_type,
    is_specified_scalar_type,
    parse,
)
from graphql.utilities.print_schema import print_directive, print_type

# The directives of object types (`User`) and of their fields (`User.gameLogs`), each as text.
Directives = Mapping[str, Sequence[str]]

# The directives that stand in operations and in inputs. All others belong to federation.
_DIRECTIVES = frozenset({"oneOf", "rows"})
_USED = re.compile(r"@\w+")


def api_document(schema: GraphQLSchema) -> str:
    """Return the schema as clients see it, without what only federation gateways need."""
    return _text(_definitions(schema, {}, lambda name: not name.startswith("_")))


def subgraph_document(schema: GraphQLSchema, directives: Directives, version: str) -> str:
    """Return the schema as a subgraph, with directives of this version of federation.

    An object type without a directive is a value type: other subgraphs may have it, too.
    """
    roots = {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": schema.subscription_type}
    operations = {operation: kind.name for operation, kind in roots.items() if kind is not None}
    kinds = [name for name, kind in schema.type_map.items() if is_object_type(kind) and not name.startswith("_")]
    values = {name: ("@shareable",) for name in kinds if name not in operations.values()}
    directives = {**values, **directives}
    used = sorted({name for each in directives.values() for text in each for name in _USED.findall(text)})
    names = ", ".join(f'"{name}"' for name in used)
    link = f'@link(url: "https://specs.apollo.dev/federation/{version}", import: [{names}])'
    lines = "".join(f"  {operation}: {name}\n" for operation, name in operations.items())
    return _text([f"schema {link} {{\n{lines}}}", *_definitions(schema, directives, lambda name: True)])


def _definitions(schema: GraphQLSchema, directives: Directives, shown: Callable[[str], bool]) -> Iterator[str]:
    """Yield the directives of operations, then the types by name, with the types and fields that are shown."""
    yield from (print_directive(each) for each in schema.directives if each.name in _DIRECTIVES)
    for name, kind in sorted(schema.type_map.items()):
        if shown(name) and _is_own(kind):
            text = print_type(kind)
            if is_object_type(kind):
                text = _edited(text, directives, shown)
            elif getattr(kind.extensions.get("strawberry-definition"), "is_one_of", False):
                # Strawberry checks such values itself and does not tell graphql-core.
                text = text.replace(f"\ninput {name} {{", f"\ninput {name} @oneOf {{")
            yield text


def _is_own(kind: GraphQLNamedType) -> bool:
    """Return whether a schema declares the type itself. The types of federation's directives come with their import."""
    federation = kind.name == "_FieldSet" or kind.name.startswith("link__")
    return not (federation or is_specified_scalar_type(kind) or is_introspection_type(kind))


def _edited(text: str, directives: Directives, shown: Callable[[str], bool]) -> str:
    """Return the text of an object type with its directives, and with those of the fields that are shown."""
    (node,) = parse(text).definitions
    assert isinstance(node, ObjectTypeDefinitionNode)
    fields = [each for each in node.fields or () if shown(each.name.value)]
    head = text[: _end([node.name, *(node.interfaces or ())])]
    own = "".join(f" {each}" for each in directives.get(node.name.value, ()))
    blocks = "\n\n".join(
        f"  {_field(text, each, directives.get(f'{node.name.value}.{each.name.value}', ()))}" for each in fields
    )
    return f"{head}{own} {{\n{blocks}\n}}"


def _field(text: str, node: FieldDefinitionNode, directives: Sequence[str]) -> str:
    """Return the text of a field with these directives after its own."""
    assert node.loc is not None
    return " ".join((text[node.loc.start : node.loc.end], *directives))


def _end(nodes: Iterable[NameNode | NamedTypeNode]) -> int:
    return max(node.loc.end for node in nodes if node.loc is not None)


def _text(definitions: Iterable[str]) -> str:
    return "\n\n".join(definitions) + "\n"
