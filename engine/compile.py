"""From an operation to Python: one function a selection, over all objects of a level at once.

What can be read off an object plainly is read in one comprehension, guarded by the type that it should have; what is
not plainly of that type becomes a hole, which is filled with care. Every other field is resolved and completed for all
objects together, and fields that may wait, wait together.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLString,
    OperationDefinitionNode,
)
from graphql.execution.collect_fields import FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from strawberry import Schema
from strawberry.types.field import StrawberryField

from engine.direct import DirectCall
from engine.offer import OFFER, BatchHint, Expression, Nested, RowList
from engine.run import Field, answered, carefully
from engine.values import FLAT, Completer, Leaf, Objects, Project, Selected, completer

TYPENAME = "__typename"
_INT32 = "-2147483648 <= {v} <= 2147483647"
# How a plain value is recognised, so that its scalar need not serialise it.
_PLAIN: dict[GraphQLScalarType, str] = {
    GraphQLString: "{v}.__class__ is str",
    GraphQLID: "{v}.__class__ is str",
    GraphQLInt: "{v}.__class__ is int and " + _INT32,
    GraphQLFloat: "{v}.__class__ is float and -1.8e308 < {v} < 1.8e308",
    GraphQLBoolean: "{v}.__class__ is bool",
}
# What a value of a proved type reads as in an answer, and the condition that is still to be met.
_PROVED: dict[tuple[GraphQLScalarType, type], tuple[str, str]] = {
    (GraphQLString, str): ("{v}", ""),
    (GraphQLID, str): ("{v}", ""),
    (GraphQLID, int): ("str({v})", ""),
    (GraphQLInt, int): ("{v}", _INT32),
    (GraphQLBoolean, bool): ("{v}", ""),
}


class NotCompiled(Exception):
    """What the engine leaves to graphql-core; the text says why, as the metrics name it."""


class Compiler:
    """Compiles one operation. Functions are made when a level is first reached; `sources` are their texts."""

    def __init__(
        self,
        schema: Schema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        variables: VariableValues,
        ways: DirectCall,
    ) -> None:
        self.schema = schema
        self._ways = ways
        self.operation = operation
        self.fragments = fragments
        self.sources: list[str] = []
        self._details = {name: FragmentDetails(node) for name, node in fragments.items()}
        # Of the variables only those count that @skip and @include read: they are the same in every run of this text.
        self._variables = variables

    def root(self, type: GraphQLObjectType) -> Selected:
        """The function that answers the operation, given its root type."""
        collected = collect_fields(self.schema._schema, self._details, self._variables, type, self.operation)
        return self._selection(type, collected.grouped_field_set, "operation")

    def _completer(self, type: Any, details: Any, where: str) -> Completer:
        def select(kind: GraphQLObjectType) -> Selected:
            return self._selection(kind, self._below(kind, details), where)

        def projection(kind: GraphQLObjectType, rows: RowList) -> tuple[Project, int] | None:
            return self._projection(kind, self._below(kind, details), rows, where)

        return completer(type, select, projection)

    def _below(self, type: GraphQLObjectType, details: Any) -> Any:
        return collect_subfields(
            self.schema._schema, self._details, self._variables, self.operation, type, details
        ).grouped_field_set

    def _fields(self, type: GraphQLObjectType, grouped: Any, where: str) -> list[Field | str]:
        """The fields of a selection; a mere key where the type's own name is asked for."""
        fields: list[Field | str] = []
        for order, (key, details) in enumerate(grouped.items()):
            nodes: list[FieldNode] = [detail.node for detail in details]
            name = nodes[0].name.value
            if name == TYPENAME:
                fields.append(key)
                continue
            definition = self.schema._schema.get_field(type, name)
            if definition is None or name.startswith("__"):
                raise NotCompiled("introspection")
            strawberry: StrawberryField | None = definition.extensions.get("strawberry-definition")
            offer = strawberry.metadata.get(OFFER) if strawberry is not None else None
            fields.append(
                Field(
                    order, key, name, nodes, definition, type, strawberry,
                    offer if isinstance(offer, BatchHint) else None,
                    _attribute(strawberry), *self._ways.to(definition, strawberry),
                    self._completer(definition.type, details, f"{where}.{key}"),
                )
            )  # fmt: skip
        return fields

    def _selection(self, type: GraphQLObjectType, grouped: Any, where: str) -> Selected:
        fields = self._fields(type, grouped, where)
        names: dict[str, Any] = {"answered": answered, "carefully": carefully, "gather": asyncio.gather}
        plain: dict[str, Field] = {}
        rest: list[Field] = []
        items = []
        keys: dict[str, Any] = {}
        for number, field in enumerate(fields):
            if isinstance(field, str):
                items.append(f"{field!r}: {type.name!r}")
                keys[field] = type.name
                continue
            keys[field.key] = None
            guard = _guard(field, number)
            if guard is None:
                items.append(f"{field.key!r}: None")
                rest.append(field)
            else:
                plain[field.key] = field
                names[f"f{number}"] = field
                items.append(f"{field.key!r}: {guard}")
        names |= {"plain": plain, "attributes": list(plain.values()), "keys": keys}
        names |= {f"rest{number}": field for number, field in enumerate(rest)}
        display = _display(items, 12)
        lines = [f"# {where}: {type.name}", "async def select(run, sources, paths):"]
        if plain:
            lines += [
                "    hole = run.hole",
                "    def read(sources):",
                f"        return [{display} for source in sources]",
                "    try:",
                "        answers = await run.in_turns(read, sources)",
                "    except Exception:",
                "        answers = carefully(run, attributes, keys, sources)",
            ]
        else:
            lines += [f"    answers = [{display} for source in sources]"]
        lines += ["    failed = {}"]
        if plain:
            lines += ["    if run.holes:", "        await run.fill(plain, paths, answers, failed)"]
            lines += [f"    await run.breathe(len(answers) * {len(plain)})"]
        waiting = []
        for number, field in enumerate(rest):
            call = f"run.field(rest{number}, sources, paths, answers, failed)"
            if field.waits:
                waiting.append(call)
            else:
                lines += [f"    await {call}"]
        if len(waiting) == 1:
            lines += [f"    await {waiting[0]}"]
        elif waiting:
            lines += ["    await gather(", *(f"        {call}," for call in waiting), "    )"]
        lines += ["    return answered(answers, failed)"]
        selected: Selected = self._made("select", lines, names)
        flat = all(isinstance(field, str) or isinstance(field.completer, Leaf) for field in fields)
        setattr(selected, FLAT, flat)
        return selected

    def _projection(
        self, type: GraphQLObjectType, grouped: Any, rows: RowList, where: str
    ) -> tuple[Project, int] | None:
        names: dict[str, Any] = {"wrong": _wrong}
        items = self._projected(type, grouped, rows.expression, names, False, where, "v")
        if items is None:
            return None
        lines = [
            f"# {where}: {type.name} on rows",
            "def project(rows):",
            f"    return [{_display(items, 8)} for row in rows]",
        ]
        project: Project = self._made("project", lines, names)
        return project, len(items)

    def _projected(
        self,
        type: GraphQLObjectType,
        grouped: Any,
        expression: Callable[[str], Expression | Nested | None],
        names: dict[str, Any],
        strict: bool,
        where: str,
        prefix: str,
    ) -> list[str] | None:
        """The items of an answer's display; None if one of them takes the object. Not one may be None if `strict`."""
        items = []
        for number, (key, details) in enumerate(grouped.items()):
            name = details[0].node.name.value
            if name == TYPENAME:
                items.append(f"{key!r}: {type.name!r}")
                continue
            definition = self.schema._schema.get_field(type, name)
            found = expression(name)
            if definition is None or definition.args or found is None:
                return None
            part = completer(definition.type, _nothing, _nothing)
            value = f"{prefix}{number}"
            if isinstance(found, Nested):
                code = self._nested(part, details, found, names, f"{where}.{key}", f"{value}_")
            else:
                if any(names.get(known, meant) is not meant for known, meant in found.names.items()):
                    return None  # two expressions mean different things by one name
                names |= found.names
                code = _projected(part, found, value, strict)
            if code is None:
                return None
            items.append(f"{key!r}: {code}")
        return items

    def _nested(
        self, part: Completer, details: Any, nested: Nested, names: dict[str, Any], where: str, prefix: str
    ) -> str | None:
        if not isinstance(part, Objects):
            return None
        grouped = self._below(part.type, details)
        items = self._projected(part.type, grouped, nested.fields.get, names, not nested.complete, where, prefix)
        if items is None:
            return None
        inner = "{" + ", ".join(items) + "}"
        if not nested.null:
            return inner
        return f"{'wrong()' if part.required else 'None'} if {nested.null} else {inner}"

    def _made(self, name: str, lines: Sequence[str], names: dict[str, Any]) -> Any:
        text = "\n".join(lines) + "\n"
        self.sources.append(text)
        exec(compile(text, f"<{lines[0][2:]}>", "exec"), names)
        # Otherwise the function and its names would refer to each other, and wait for the garbage collector.
        return names.pop(name)


def _display(items: Sequence[str], indent: int) -> str:
    inner = "".join(f"\n{' ' * indent}{item}," for item in items)
    return f"{{{inner}\n{' ' * (indent - 4)}}}"


def _attribute(field: StrawberryField | None) -> str | None:
    """The attribute that a field reads, if it does no more than that."""
    if (
        field is None
        or not field.is_basic_field
        or type(field).get_result is not StrawberryField.get_result
        or field.default_resolver is not getattr
        or not field.python_name.isidentifier()
    ):
        return None
    return field.python_name


def _guard(field: Field, number: int) -> str | None:
    """The expression that reads a leaf off an object, or makes a hole; None if the field takes more than that."""
    if field.attribute is None or not isinstance(field.completer, Leaf):
        return None
    read = f"source.{field.attribute}"
    check = _PLAIN.get(field.completer.type)  # type: ignore[arg-type]
    if check is None:
        return f"hole(f{number}, {read})"
    if not field.completer.required:
        check = f"{{v}} is None or {check}"
    return f"v{number} if {_bound(check, f'v{number}', read)} else hole(f{number}, v{number})"


def _projected(leaf: Completer, expression: Expression, value: str, strict: bool) -> str | None:
    """The code of an expression as a part of an answer, or None if the part's type would have to look at it."""
    if not isinstance(leaf, Leaf):
        return None
    kind: Any = leaf.type
    if expression.serialized:
        part, check = "{v}", ""
    elif (kind, expression.proves) in _PROVED:
        part, check = _PROVED[kind, expression.proves]  # type: ignore[index]
    elif expression.proves is str and _serializes(kind) is str:
        part, check = "{v}", ""
    else:
        return None
    read = expression.code
    required = leaf.required or strict
    if expression.nullable and (required or part != "{v}" or check):
        null = "wrong()" if required else "None"
        rest = part.replace("{v}", value) + (f" if {check.replace('{v}', value)} else wrong()" if check else "")
        return f"{null} if ({value} := {read}) is None else {rest}"
    if check:
        return f"{part.replace('{v}', value)} if {_bound(check, value, read)} else wrong()"
    return part.replace("{v}", read)


def _bound(check: str, name: str, read: str) -> str:
    """A condition on a value that is read where the condition first looks at it, and has a name from then on."""
    return check.replace("{v}", f"({name} := {read})", 1).replace("{v}", name)


def _serializes(kind: GraphQLScalarType) -> Any:
    """What a scalar serialises its values with."""
    definition: Any = kind.extensions.get("strawberry-definition")
    return getattr(definition, "serialize", None)


def _wrong() -> Any:
    raise ValueError


def _nothing(*_: Any) -> Any:
    raise AssertionError("what is projected is not selected from")
