"""Compile an operation to Python: one function for each selection set, over all objects of a level at once.

One comprehension reads all plain attributes of the objects and checks the class of each value. A value of another class
becomes a `SlowValue`, which is completed afterwards. Every other field is resolved and completed for all objects
together. Fields that may have to wait, wait together.
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

from engine.batch_hint import BATCH_HINT, BatchHint, Expression, Nested, RowList
from engine.direct import DirectCall
from engine.execution import Field, finish_level, read_one_by_one
from engine.values import FLAT, Completer, Leaf, Objects, ProjectFunction, SelectFunction, completer

TYPENAME = "__typename"
_INT32 = "-2147483648 <= {v} <= 2147483647"
# The check that recognises a plain value, which its scalar would leave as it is.
_PLAIN: dict[GraphQLScalarType, str] = {
    GraphQLString: "{v}.__class__ is str",
    GraphQLID: "{v}.__class__ is str",
    GraphQLInt: "{v}.__class__ is int and " + _INT32,
    GraphQLFloat: "{v}.__class__ is float and -1.8e308 < {v} < 1.8e308",
    GraphQLBoolean: "{v}.__class__ is bool",
}
# How a value whose type is proved is written into an answer, and the check that it still needs.
_PROVED: dict[tuple[GraphQLScalarType, type], tuple[str, str]] = {
    (GraphQLString, str): ("{v}", ""),
    (GraphQLID, str): ("{v}", ""),
    (GraphQLID, int): ("str({v})", ""),
    (GraphQLInt, int): ("{v}", _INT32),
    (GraphQLBoolean, bool): ("{v}", ""),
}


class NotCompiled(Exception):
    """The reason why the engine leaves an operation to graphql-core, in the words of the metrics."""


class Compiler:
    """Compiles one operation. A level's function is made when the level is first reached; `sources` has its code."""

    def __init__(
        self,
        schema: Schema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        variables: VariableValues,
        ways: DirectCall,
    ) -> None:
        self.schema = schema
        self._direct_calls = ways
        self.operation = operation
        self.fragments = fragments
        self.sources: list[str] = []
        self._details = {name: FragmentDetails(node) for name, node in fragments.items()}
        # Only the variables that @skip and @include read matter here: they are the same in every execution of this
        # code.
        self._variables = variables

    def compile_operation(self, type: GraphQLObjectType) -> SelectFunction:
        """Return the function that answers the operation, given the operation's root type."""
        collected = collect_fields(self.schema._schema, self._details, self._variables, type, self.operation)
        return self._compile_selection_set(type, collected.grouped_field_set, "operation")

    def _completer(self, type: Any, details: Any, where: str) -> Completer:
        def select(kind: GraphQLObjectType) -> SelectFunction:
            return self._compile_selection_set(kind, self._collect_subfields(kind, details), where)

        def projection(kind: GraphQLObjectType, rows: RowList) -> tuple[ProjectFunction, int] | None:
            return self._compile_projection(kind, self._collect_subfields(kind, details), rows, where)

        return completer(type, select, projection)

    def _collect_subfields(self, type: GraphQLObjectType, details: Any) -> Any:
        return collect_subfields(
            self.schema._schema, self._details, self._variables, self.operation, type, details
        ).grouped_field_set

    def _collect_fields(self, type: GraphQLObjectType, grouped: Any, where: str) -> list[Field | str]:
        """Return the fields of a selection set. `__typename` is represented by its key alone."""
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
            hint = strawberry.metadata.get(BATCH_HINT) if strawberry is not None else None
            fields.append(
                Field(
                    order, key, name, nodes, definition, type, strawberry,
                    hint if isinstance(hint, BatchHint) else None,
                    _attribute(strawberry), *self._direct_calls.call_of(definition, strawberry),
                    self._completer(definition.type, details, f"{where}.{key}"),
                )
            )  # fmt: skip
        return fields

    def _compile_selection_set(self, type: GraphQLObjectType, grouped: Any, where: str) -> SelectFunction:
        fields = self._collect_fields(type, grouped, where)
        names: dict[str, Any] = {
            "finish_level": finish_level,
            "read_one_by_one": read_one_by_one,
            "gather": asyncio.gather,
        }
        leaves: dict[str, Field] = {}
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
                leaves[field.key] = field
                names[f"field{number}"] = field
                items.append(f"{field.key!r}: {guard}")
        names |= {"leaves": leaves, "attributes": list(leaves.values()), "keys": keys}
        names |= {f"rest{number}": field for number, field in enumerate(rest)}
        display = _display(items, 12)
        lines = [f"# {where}: {type.name}", "async def select(execution, sources, paths):"]
        if leaves:
            lines += [
                "    slow_value = execution.slow_value",
                "    def read(sources):",
                f"        return [{display} for source in sources]",
                "    try:",
                "        answers = await execution.in_turns(read, sources)",
                "    except Exception:",
                "        answers = read_one_by_one(execution, attributes, keys, sources)",
            ]
        else:
            lines += [f"    answers = [{display} for source in sources]"]
        lines += ["    failed = {}"]
        if leaves:
            lines += [
                "    if execution.slow_values:",
                "        await execution.complete_slow_values(leaves, paths, answers, failed)",
            ]
            lines += [f"    await execution.breathe(len(answers) * {len(leaves)})"]
        waiting = []
        for number, field in enumerate(rest):
            call = f"execution.execute_field(rest{number}, sources, paths, answers, failed)"
            if field.waits:
                waiting.append(call)
            else:
                lines += [f"    await {call}"]
        if len(waiting) == 1:
            lines += [f"    await {waiting[0]}"]
        elif waiting:
            lines += ["    await gather(", *(f"        {call}," for call in waiting), "    )"]
        lines += ["    return finish_level(answers, failed)"]
        selected: SelectFunction = self._make_function("select", lines, names)
        flat = all(isinstance(field, str) or isinstance(field.completer, Leaf) for field in fields)
        setattr(selected, FLAT, flat)
        return selected

    def _compile_projection(
        self, type: GraphQLObjectType, grouped: Any, rows: RowList, where: str
    ) -> tuple[ProjectFunction, int] | None:
        names: dict[str, Any] = {"wrong": _wrong}
        items = self._projected(type, grouped, rows.expression, names, False, where, "v")
        if items is None:
            return None
        lines = [
            f"# {where}: {type.name} on rows",
            "def project(rows):",
            f"    return [{_display(items, 8)} for row in rows]",
        ]
        project: ProjectFunction = self._make_function("project", lines, names)
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
        """Return the items of the dict display of an answer, or None if one of them needs the object.

        If `strict`, no item may be None.
        """
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
                    return None  # two expressions use one name for different objects
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
        grouped = self._collect_subfields(part.type, details)
        items = self._projected(part.type, grouped, nested.fields.get, names, not nested.complete, where, prefix)
        if items is None:
            return None
        inner = "{" + ", ".join(items) + "}"
        if not nested.null:
            return inner
        return f"{'wrong()' if part.required else 'None'} if {nested.null} else {inner}"

    def _make_function(self, name: str, lines: Sequence[str], names: dict[str, Any]) -> Any:
        text = "\n".join(lines) + "\n"
        self.sources.append(text)
        exec(compile(text, f"<{lines[0][2:]}>", "exec"), names)
        # Without this, the function and its names would refer to each other until the garbage collector runs.
        return names.pop(name)


def _display(items: Sequence[str], indent: int) -> str:
    inner = "".join(f"\n{' ' * indent}{item}," for item in items)
    return f"{{{inner}\n{' ' * (indent - 4)}}}"


def _attribute(field: StrawberryField | None) -> str | None:
    """Return the attribute that a field reads, if the field does nothing else."""
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
    """Return the expression that reads a leaf from an object or makes a `SlowValue`; None if the field needs more."""
    if field.attribute is None or not isinstance(field.completer, Leaf):
        return None
    read = f"source.{field.attribute}"
    check = _PLAIN.get(field.completer.type)  # type: ignore[arg-type]
    if check is None:
        return f"slow_value(field{number}, {read})"
    if not field.completer.required:
        check = f"{{v}} is None or {check}"
    return f"v{number} if {_bound(check, f'v{number}', read)} else slow_value(field{number}, v{number})"


def _projected(leaf: Completer, expression: Expression, value: str, strict: bool) -> str | None:
    """Return an expression as a part of an answer, or None if the type has to serialize the value."""
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
    """Return a condition on a value that is bound to a name where the condition first uses it."""
    return check.replace("{v}", f"({name} := {read})", 1).replace("{v}", name)


def _serializes(kind: GraphQLScalarType) -> Any:
    """Return the function that serializes a scalar's values."""
    definition: Any = kind.extensions.get("strawberry-definition")
    return getattr(definition, "serialize", None)


def _wrong() -> Any:
    raise ValueError


def _nothing(*_: Any) -> Any:
    raise AssertionError("what is projected is not selected from")
