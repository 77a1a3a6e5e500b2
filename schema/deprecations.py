"""The fields that will be removed: what to use instead, and from which day on they are gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The sentence that says what to use instead, and the day of the removal."""

    instead: str
    removed: date

    def __str__(self) -> str:
        return f"{self.instead} It is removed on {self.removed}."


# By the name of the field: "User.language": Deprecation("Use `locale`.", date(2027, 3, 1)).
DEPRECATIONS: Mapping[str, Deprecation] = {}


def deprecate(schema: GraphQLSchema, deprecations: Mapping[str, Deprecation] = DEPRECATIONS) -> None:
    """Mark the fields of a schema that will be removed. Raises KeyError for a field that is not there."""
    for place, deprecation in deprecations.items():
        kind, _, name = place.partition(".")
        found = schema.type_map[kind]
        assert isinstance(found, GraphQLObjectType | GraphQLInterfaceType)
        found.fields[name].deprecation_reason = str(deprecation)
