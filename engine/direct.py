"""Call Strawberry's resolvers directly. The steps between the engine and the function are prepared once."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLField
from strawberry import ID, Schema
from strawberry.schema import schema_converter
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from engine.bounded_cache import BoundedCache

Resolver = Callable[..., Any]
Converter = Callable[[dict[str, Any], Any], dict[str, Any]]

# Arguments of these types need no conversion.
_PLAIN = (ID, str, int, float, bool)
# The converted values that a field keeps.
_KNOWN = 16


class DirectCall:
    """The resolvers and the argument converters of a schema's fields, each made once."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._found: dict[int, tuple[GraphQLField, Resolver, Converter | None]] = {}

    def call_of(self, definition: GraphQLField, field: StrawberryField | None) -> tuple[Resolver, Converter | None]:
        """Return the resolver of a field, and the converter of its arguments if it is a Strawberry field."""
        found = self._found.get(id(definition))
        if found is None or found[0] is not definition:
            taken = converter(self._schema, field) if field is not None else None
            # The definition is stored too, so that no other definition can get its id.
            found = definition, resolver(self._schema, definition, field), taken
            self._found[id(definition)] = found
        return found[1:]


def resolver(schema: Schema, definition: GraphQLField, field: StrawberryField | None) -> Resolver:
    """Return the resolver that graphql-core would call; for a plain Strawberry resolver, a shorter way to it."""
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
        strawberry_info = info_class(_raw_info=info, _field=field)
        given = taken(arguments, strawberry_info)
        for name in as_source:
            given[name] = source
        if as_info is not None:
            given[as_info] = strawberry_info
        return function(source, **given) if takes_self else function(**given)

    return called


def converter(schema: Schema, field: StrawberryField) -> Converter:
    """Return the function that converts a field's arguments from graphql-core's form to the form that its resolver
    takes.
    """
    registry, config = schema.schema_converter.scalar_registry, schema.config
    name_of = config.name_converter.from_argument
    taken = [
        (name_of(argument), argument.python_name, None if _stays(argument.type) else argument.type)
        for argument in field.arguments
    ]

    # Input objects that are kept (literals, and the last variables) are converted once. They are stored with their
    # conversion, so that no other value can get their id. Resolvers only read what they are given.
    known: BoundedCache[tuple[str, int], tuple[Any, Any]] = BoundedCache(_KNOWN)

    def converted(arguments: dict[str, Any], info: Any) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, python_name, kind in taken:
            if name in arguments:
                value = arguments[name]
                if kind is not None:
                    found = known.get((name, id(value)))
                    if found is None or found[0] is not value:
                        found = value, convert_argument(value, kind, registry, config, info, path=(name,))
                        if value.__class__ is dict:
                            known.keep((name, id(value)), found)
                    value = found[1]
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
