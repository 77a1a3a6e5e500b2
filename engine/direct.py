"""Strawberry's resolvers, called directly: what lies between the engine and the function is settled beforehand."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLField
from strawberry import ID, Schema
from strawberry.schema import schema_converter
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

Resolver = Callable[..., Any]
Converter = Callable[[dict[str, Any], Any], dict[str, Any]]

# Arguments of these are handed on as they are.
_PLAIN = (ID, str, int, float, bool)


class DirectCall:
    """The ways to call the fields of a schema: what resolves each one and what turns its arguments, made once."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._found: dict[int, tuple[GraphQLField, Resolver, Converter | None]] = {}

    def to(self, definition: GraphQLField, field: StrawberryField | None) -> tuple[Resolver, Converter | None]:
        """Return what resolves a field, and what turns its arguments if it is one of Strawberry's."""
        found = self._found.get(id(definition))
        if found is None or found[0] is not definition:
            taken = converter(self._schema, field) if field is not None else None
            # The definition is kept, so that no other can come by its id.
            found = definition, resolver(self._schema, definition, field), taken
            self._found[id(definition)] = found
        return found[1:]


def resolver(schema: Schema, definition: GraphQLField, field: StrawberryField | None) -> Resolver:
    """What resolves a field, as graphql-core would call it; of a plain Strawberry resolver a shorter way to it."""
    usual: Resolver = definition.resolve  # type: ignore[assignment]
    if field is None or not _is_plain(schema, usual, field):
        return usual
    base = field.base_resolver
    assert base is not None
    function: Resolver = base.wrapped_func  # type: ignore[assignment]
    takes_self = base.self_parameter is not None
    as_source = [one.name for one in (base.parent_parameter, base.root_parameter) if one is not None]
    as_info = None if base.info_parameter is None else base.info_parameter.name
    info_class, taken = schema.config.info_class, converter(schema, field)

    def called(source: Any, info: Any, **arguments: Any) -> Any:
        told = info_class(_raw_info=info, _field=field)
        given = taken(arguments, told)
        for name in as_source:
            given[name] = source
        if as_info is not None:
            given[as_info] = told
        return function(source, **given) if takes_self else function(**given)

    return called


def converter(schema: Schema, field: StrawberryField) -> Converter:
    """What turns a field's arguments, as graphql-core coerces them, into those of its resolver."""
    registry, config = schema.schema_converter.scalar_registry, schema.config
    name_of = config.name_converter.from_argument
    taken = [
        (name_of(argument), argument.python_name, None if _stays(argument.type) else argument.type)
        for argument in field.arguments
    ]

    def converted(arguments: dict[str, Any], info: Any) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, python_name, kind in taken:
            if name in arguments:
                value = arguments[name]
                if kind is not None:
                    value = convert_argument(value, kind, registry, config, info, path=(name,))
                given[python_name] = value
        return given

    return converted


def _is_plain(schema: Schema, usual: Resolver, field: StrawberryField) -> bool:
    return (
        usual.__module__ == schema_converter.__name__  # and wrapped in nothing
        and field.base_resolver is not None
        and callable(field.base_resolver.wrapped_func)
        and not field.extensions
        and not schema.schema_converter.exception_handlers
        and type(field).get_result is StrawberryField.get_result
    )


def _stays(kind: Any) -> bool:
    return (kind.of_type if type(kind) is StrawberryOptional else kind) in _PLAIN
