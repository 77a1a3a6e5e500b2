"""Compile an operation to Python: one function for each selection set, over all objects of a level at once.

One comprehension reads all plain attributes of the objects and checks the class of each value. A value of another class
becomes a `SlowValue`, which is completed afterwards. Every other field is resolved and completed for all objects
together. Fields that may have to wait, wait together.
"""

from collections.abc import Sequence
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

from engine.batch_hint import BATCH_HINT, BatchHint, Items, RowList
from engine.direct import DirectCall
from engine.divide import LateFieldNode
from engine.execution import Field, finish_level, read_one_by_one
from engine.projection import INT32, TYPENAME, NeedsObject, Projection, bound
from engine.values import FLAT, Completer, Leaf, OnRows, SelectFunction, completer

# The check that recognises a plain value, which its scalar would leave as it is.
_PLAIN: dict[GraphQLScalarType, str] = {
    GraphQLString: "{v}.__class__ is str",
    GraphQLID: "{v}.__class__ is str",
    GraphQLInt: "{v}.__class__ is int and " + INT32,
    GraphQLFloat: "{v}.__class__ is float and -1.8e308 < {v} < 1.8e308",
    GraphQLBoolean: "{v}.__class__ is bool",
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

        def on_rows(kind: GraphQLObjectType, rows: RowList, written: bool) -> OnRows | None:
            return self._compile_on_rows(kind, self._collect_subfields(kind, details), rows, where, written)

        return completer(type, select, on_rows)

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
                    all(isinstance(node, LateFieldNode) for node in nodes),
                )
            )  # fmt: skip
        return fields

    def _compile_selection_set(self, type: GraphQLObjectType, grouped: Any, where: str) -> SelectFunction:
        fields = self._collect_fields(type, grouped, where)
        names: dict[str, Any] = {
            "finish_level": finish_level,
            "read_one_by_one": read_one_by_one,
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
        lines += _follow(rest)
        lines += ["    return finish_level(answers, failed)"]
        selected: SelectFunction = self._make_function("select", lines, names)
        flat = all(isinstance(field, str) or isinstance(field.completer, Leaf) for field in fields)
        setattr(selected, FLAT, flat)
        return selected

    def _compile_on_rows(
        self, type: GraphQLObjectType, grouped: Any, rows: RowList, where: str, written: bool
    ) -> OnRows | None:
        """Return the functions that answer a selection from rows. None means that a field needs the object.

        If `written`, rows that contain lists of items are written as JSON.
        """
        fields = self._collect_fields(type, grouped, where)
        following = {field.name for field in fields if isinstance(field, Field) and field.many is not None}
        read = [rows.expression(field.name) for field in fields if isinstance(field, Field)]
        written = written and not following and any(isinstance(found, Items) for found in read)
        projection = Projection(self.schema._schema, self._collect_subfields, written)
        try:
            answer = projection.level(type, grouped, rows.expression, following.__contains__)
        except NeedsObject:
            return None
        lines = [
            f"# {where}: {type.name} on rows",
            "def project(rows):",
            f"    return [{f'encode({answer})' if written else answer} for row in rows]",
        ]
        project = self._make_function("project", lines, projection.names)
        rest = [field for field in fields if isinstance(field, Field) and field.key in projection.left]
        if not rest:
            return OnRows(project, projection.leaves, written=written)
        names: dict[str, Any] = {"finish_level": finish_level}
        names |= {f"rest{number}": field for number, field in enumerate(rest)}
        lines = [
            f"# {where}: {type.name} on rows, what follows",
            "async def follow(execution, sources, paths, answers):",
            "    failed = {}",
            *_follow(rest),
            "    return finish_level(answers, failed)",
        ]
        return OnRows(project, projection.leaves, self._make_function("follow", lines, names))

    def _make_function(self, name: str, lines: Sequence[str], names: dict[str, Any]) -> Any:
        text = "\n".join(lines) + "\n"
        self.sources.append(text)
        exec(compile(text, f"<{lines[0][2:]}>", "exec"), names)
        # Without this, the function and its names would refer to each other until the garbage collector runs.
        return names.pop(name)


def _follow(rest: Sequence[Field]) -> list[str]:
    """Return the code that fills the fields of a level which need more than one expression."""
    # Late fields begin first, so that their keys are read in one batch with those of the other fields.
    lines = [
        f"    execution.execute_late(rest{number}, sources, paths, answers, failed)"
        for number, field in enumerate(rest)
        if field.late
    ]
    waiting = []
    for number, field in enumerate(rest):
        if field.late:
            continue
        call = f"execution.execute_field(rest{number}, sources, paths, answers, failed)"
        if field.waits:
            waiting.append(call)
        else:
            lines += [f"    await {call}"]
    if len(waiting) == 1:
        lines += [f"    await {waiting[0]}"]
    elif waiting:
        lines += ["    await execution.together(", *(f"        {call}," for call in waiting), "    )"]
    return lines


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
    return f"v{number} if {bound(check, f'v{number}', read)} else slow_value(field{number}, v{number})"
