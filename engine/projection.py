"""Write the code that reads the answers of a level from rows, with no object between.

The code is one comprehension over the rows. A row that breaks the promise of an expression makes it raise. In that case
the engine reads the objects, which report the error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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

Subfields = Callable[[GraphQLObjectType, Any], Mapping[str, Any]]


class NeedsObject(Exception):
    """A field cannot be read from the row, so its object is needed."""


@dataclass(slots=True)
class Projection:
    """The code that reads one selection from rows. `names` has the objects that the code refers to.

    `leaves` is the number of values that are written for one row, or for one of its items. `left` are the keys of a
    level that its rows do not contain.
    """

    schema: GraphQLSchema
    subfields: Subfields
    names: dict[str, Any] = field(default_factory=lambda: {"wrong": _wrong})
    leaves: int = 0
    left: list[str] = field(default_factory=list)

    def level(
        self,
        type: GraphQLObjectType,
        selected: Mapping[str, Any],
        read: Callable[[str], RowField | None],
        may_follow: Callable[[str], bool],
    ) -> list[str]:
        """Return the items of the dict display of a level. Raise `NeedsObject` if a field needs the object.

        Fields that may follow are left open: their keys are in `left`.
        """
        items = []
        for number, (key, details) in enumerate(selected.items()):
            if may_follow(details[0].node.name.value):
                self.left.append(key)
                items.append(f"{key!r}: None")
            else:
                items.append(f"{key!r}: {self.value(type, details, read, f'v{number}')}")
        return items

    def answer(
        self,
        type: GraphQLObjectType,
        selected: Mapping[str, Any],
        read: Callable[[str], RowField | None],
        prefix: str = "v",
        *,
        strict: bool = False,
    ) -> list[str]:
        """Return the items of the dict display of an answer. Raise `NeedsObject` if one of them needs the object.

        If `strict`, no item may be None.
        """
        return [
            f"{key!r}: {self.value(type, details, read, f'{prefix}{number}', strict=strict)}"
            for number, (key, details) in enumerate(selected.items())
        ]

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
        items = self.answer(part.type, selected, nested.fields.get, prefix, strict=not nested.complete)
        inner = "{" + ", ".join(items) + "}"
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

        display = self.answer(part.item.type, self.subfields(part.item.type, details), read, prefix)
        # The leaves of an item count once for each item: `RowList.weights` says how many there are.
        self.leaves = max(leaves, self.leaves)
        lines = "".join(f"\n{INDENT}{item}," for item in display)
        return f"[{{{lines}\n{INDENT[4:]}}} for {row} in {items.rows}]"


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
