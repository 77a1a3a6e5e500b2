"""Write the code that reads the answers of a level from rows, with no object between.

The code is one comprehension over the rows. A row that breaks the promise of an expression makes it raise. In that case
the engine reads the objects, which report the error.

An object of the answer is a dict. If the answer will only be written as JSON, rows that contain lists of items become
structs instead, and each of them is written as soon as it is made: that needs less memory and less time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from graphql import (
    GraphQLBoolean,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)

from engine.batch_hint import Expression, Items, Nested, RowField
from engine.values import Completer, Leaf, ListOf, Objects, completer

TYPENAME = "__typename"
INDENT = " " * 12  # of the fields of an item, in the printed code
INT32 = "-2147483648 <= {v} <= 2147483647"
# How a value whose type is proved is written into an answer, and the check that it still needs.
_PROVED: dict[tuple[GraphQLScalarType, type], tuple[str, str]] = {
    (GraphQLString, str): ("{v}", ""),
    (GraphQLID, str): ("{v}", ""),
    (GraphQLID, int): ("str({v})", ""),
    (GraphQLInt, int): ("{v}", INT32),
    (GraphQLBoolean, bool): ("{v}", ""),
}

# Encodes texts, whole numbers and booleans as `orjson` does, which writes the rest of an answer.
_encode = msgspec.json.Encoder().encode

Subfields = Callable[[GraphQLObjectType, Any], Mapping[str, Any]]


class NeedsObject(Exception):
    """A field cannot be read from the row, so its object is needed."""


@dataclass(slots=True)
class Projection:
    """The code that reads one selection from rows. `names` has the objects that the code refers to.

    `leaves` is the number of values that are written for one row, or for one of its items. `left` are the keys of a
    level that its rows do not contain. If `written`, objects are structs, for rows that are written as JSON.
    """

    schema: GraphQLSchema
    subfields: Subfields
    written: bool = False
    names: dict[str, Any] = field(default_factory=lambda: {"wrong": _wrong, "encode": _encode})
    leaves: int = 0
    left: list[str] = field(default_factory=list)

    def level(
        self,
        type: GraphQLObjectType,
        selected: Mapping[str, Any],
        read: Callable[[str], RowField | None],
        may_follow: Callable[[str], bool],
    ) -> str:
        """Return the expression of the answer of a row of a level. Raise `NeedsObject` if a field needs the object.

        Fields that may follow are left open: their keys are in `left`.
        """
        values = {}
        for number, (key, details) in enumerate(selected.items()):
            if may_follow(details[0].node.name.value):
                self.left.append(key)
                values[key] = "None"
            else:
                values[key] = self.value(type, details, read, f"v{number}")
        return self._object(type, values, INDENT[4:])

    def answer(
        self,
        type: GraphQLObjectType,
        selected: Mapping[str, Any],
        read: Callable[[str], RowField | None],
        prefix: str = "v",
        *,
        strict: bool = False,
    ) -> dict[str, str]:
        """Return the expressions of an answer by their keys. Raise `NeedsObject` if one of them needs the object.

        If `strict`, no value may be None.
        """
        return {
            key: self.value(type, details, read, f"{prefix}{number}", strict=strict)
            for number, (key, details) in enumerate(selected.items())
        }

    def _object(self, type: GraphQLObjectType, values: Mapping[str, str], indent: str = "") -> str:
        """Return the expression of an object. With an indent, each of its values has a line of its own."""
        if self.written:
            struct, name = row_struct(tuple(values)), f"{type.name}Answer"
            while self.names.setdefault(name, struct) is not struct:
                name += "_"  # the same type with other fields
            begin, end, lines = f"{name}(", ")", [(code, f"  # {key}") for key, code in values.items()]
        else:
            begin, end, lines = "{", "}", [(f"{key!r}: {code}", "") for key, code in values.items()]
        if not indent:
            return begin + ", ".join(code for code, _ in lines) + end
        return begin + "".join(f"\n{indent}{code},{key}" for code, key in lines) + f"\n{indent[4:]}{end}"

    def value(
        self,
        type: GraphQLObjectType,
        details: Any,
        read: Callable[[str], RowField | None],
        name: str,
        *,
        strict: bool = False,
    ) -> str:
        """Return the expression of one field. `name` begins the names of its values."""
        self.leaves += 1
        field = details[0].node.name.value
        if field == TYPENAME:
            return repr(type.name)
        definition = self.schema.get_field(type, field)
        found = read(field)
        if definition is None or definition.args or found is None:
            raise NeedsObject
        part = completer(definition.type, _nothing, _nothing)
        if isinstance(found, Expression):
            self._refer(found.names)
            return _leaf(part, found, name, strict)
        if isinstance(found, Nested):
            return self._nested(part, details, found, f"{name}_")
        return self._items(part, details, found, f"{name}_")

    def _refer(self, names: Mapping[str, Any]) -> None:
        if any(self.names.get(known, meant) is not meant for known, meant in names.items()):
            raise NeedsObject  # two expressions use one name for different objects
        self.names.update(names)

    def _nested(self, part: Completer, details: Any, nested: Nested, prefix: str) -> str:
        if not isinstance(part, Objects):
            raise NeedsObject
        selected = self.subfields(part.type, details)
        values = self.answer(part.type, selected, nested.fields.get, prefix, strict=not nested.complete)
        inner = self._object(part.type, values)
        if not nested.null:
            return inner
        return f"{'wrong()' if part.required else 'None'} if {nested.null} else {inner}"

    def _items(self, part: Completer, details: Any, items: Items, prefix: str) -> str:
        if not isinstance(part, ListOf) or not isinstance(part.item, Objects):
            raise NeedsObject
        leaves, self.leaves = self.leaves, 0
        row = f"{prefix}row"

        def read(name: str) -> RowField | None:
            found = items.field(name)
            return None if found is None else found.over(row)

        values = self.answer(part.item.type, self.subfields(part.item.type, details), read, prefix)
        # The leaves of an item count once for each item: `RowList.weights` says how many there are.
        self.leaves = max(leaves, self.leaves)
        return f"[{self._object(part.item.type, values, INDENT)} for {row} in {items.rows}]"


@lru_cache(maxsize=512)
def row_struct(keys: tuple[str, ...]) -> Any:
    """Return the struct of an object of the answer that has these keys. Its fields have names that Python allows."""
    names = {f"value{number}": key for number, key in enumerate(keys)}
    return msgspec.defstruct("AnswerRow", [(name, Any) for name in names], rename=names, gc=False)


def bound(check: str, name: str, read: str) -> str:
    """Return a condition on a value that is bound to a name where the condition first uses it."""
    return check.replace("{v}", f"({name} := {read})", 1).replace("{v}", name)


def _leaf(leaf: Completer, expression: Expression, value: str, strict: bool) -> str:
    """Return an expression as a part of an answer. Raise `NeedsObject` if the type has to serialize the value."""
    if not isinstance(leaf, Leaf):
        raise NeedsObject
    kind: Any = leaf.type
    if expression.serialized:
        part, check = "{v}", ""
    elif (kind, expression.proves) in _PROVED:
        part, check = _PROVED[kind, expression.proves]  # type: ignore[index]
    elif expression.proves is str and _serializes(kind) is str:
        part, check = "{v}", ""
    else:
        raise NeedsObject
    read = expression.code
    required = leaf.required or strict
    if expression.nullable and (required or part != "{v}" or check):
        null = "wrong()" if required else "None"
        rest = part.replace("{v}", value) + (f" if {check.replace('{v}', value)} else wrong()" if check else "")
        return f"{null} if ({value} := {read}) is None else {rest}"
    if check:
        return f"{part.replace('{v}', value)} if {bound(check, value, read)} else wrong()"
    return part.replace("{v}", read)


def _serializes(kind: GraphQLScalarType) -> Any:
    """Return the function that serializes a scalar's values."""
    definition: Any = kind.extensions.get("strawberry-definition")
    return getattr(definition, "serialize", None)


def _wrong() -> Any:
    raise ValueError


def _nothing(*_: Any) -> Any:
    raise AssertionError("what is projected is not selected from")
