"""Find types, fields and values of the schema by words."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema

MOST_FOUND = 50
_MOST_WORDS = 20
_WORD = re.compile(r"\w{3,}")  # shorter words are parts of too many others
_NAME = 3  # a word in a name counts as much as so many words in a description


class SchemaPlace(NamedTuple):
    """A type, a field or a value: its name, its signature and its description."""

    name: str
    signature: str
    description: str

    def weight(self, words: list[str]) -> tuple[int, int]:
        """Return how many of the words are found here, and how much they count together."""
        name, description = self.name.lower(), self.description.lower()
        found = [_NAME * (word in name) + (word in description) for word in words]
        return sum(map(bool, found)), sum(found)


class SchemaSearch:
    """The search in one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._places = [place for kind in schema.type_map.values() for place in _places(kind)]

    def find(self, text: str, most: int) -> list[dict[str, str]]:
        """Return the places that fit the words of a text best, the best first."""
        words = [match[0] for match in islice(_WORD.finditer(text.lower()), _MOST_WORDS)]
        ranked = sorted(
            ((place.weight(words), place) for place in self._places),
            key=lambda each: (-each[0][0], -each[0][1], len(each[1].name), each[1].name),
        )
        return [
            {"name": place.name, "signature": place.signature, "description": place.description}
            for (found, _), place in ranked[:most]
            if found
        ]


def _places(kind: Any) -> Iterator[SchemaPlace]:
    if kind.name.startswith("_"):
        return  # introspection and federation
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        yield SchemaPlace(kind.name, f"type {kind.name}", _text(kind))
        for name, field in kind.fields.items():
            if not name.startswith("_"):
                arguments = ", ".join(f"{each}: {argument.type}" for each, argument in field.args.items())
                signature = f"{name}({arguments}): {field.type}" if arguments else f"{name}: {field.type}"
                yield SchemaPlace(f"{kind.name}.{name}", signature, _text(field))
    elif isinstance(kind, GraphQLInputObjectType):
        yield SchemaPlace(kind.name, f"input {kind.name}", _text(kind))
        for name, part in kind.fields.items():
            yield SchemaPlace(f"{kind.name}.{name}", f"{name}: {part.type}", _text(part))
    elif isinstance(kind, GraphQLEnumType):
        yield SchemaPlace(kind.name, f"enum {kind.name}", _text(kind))
        for name, value in kind.values.items():
            yield SchemaPlace(f"{kind.name}.{name}", name, _text(value))


def _text(place: Any) -> str:
    return " ".join((place.description or "").split())
