"""The engine: it compiles each operation of a schema once and stores the programs that were used last."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    Node,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    located_error,
)
from graphql.execution.values import VariableValues
from strawberry import Schema
from strawberry.extensions import SchemaExtension

from engine.bounded_cache import MOST, MOST_CHARACTERS, BoundedCache
from engine.compile import Compiler, NotCompiled
from engine.direct import DirectCall
from engine.divide import DividedOperation
from engine.execution import Execution, FieldFailed, Fixed, Writer
from engine.values import SelectFunction
from engine.variables import Variables

_SHAPING = ("skip", "include")


@dataclass(slots=True, eq=False)
class Program:
    """A compiled operation. If `selected` is None, graphql-core has to run the operation, for this `reason`."""

    compiler: Compiler
    selected: SelectFunction | None
    reason: str = ""

    @property
    def code(self) -> str:
        """Return the Python code that was written so far. A level that was never reached has no code yet."""
        return "\n\n".join(self.compiler.sources)


@dataclass(frozen=True, slots=True)
class CompiledProgram:
    """The facts about an operation before it is compiled: its shaping variables, and how all are coerced."""

    operation: OperationDefinitionNode
    shaping: tuple[str, ...]
    variables: Variables


class ExecutionAnswer(msgspec.Struct, frozen=True):
    """The result of an execution: the data (None if the whole answer is null) and the errors with their paths."""

    data: dict[str, Any] | None
    errors: list[GraphQLError]
    ran: bool = True


class DividedRun(msgspec.Struct, eq=False):
    """A divided operation whose first part is there. Its late fields are being executed."""

    data: dict[str, Any] | None
    execution: Execution

    @property
    def errors(self) -> list[GraphQLError]:
        """Return the errors until now."""
        return [error for error, _ in self.execution.errors]

    async def progress(self) -> None:
        """Wait until another late field is there."""
        late = self.execution.late
        assert late, "no field is missing"
        done, _ = await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)
        late -= done
        for task in done:
            task.result()

    async def close(self) -> None:
        """Cancel what is still being executed."""
        await self.execution.cancel_late()


class Engine:
    """Runs the queries of a schema on compiled code, and the events of subscriptions.

    The engine replaces graphql-core only if no extension of the schema takes part in the execution. The extensions in
    `past` are allowed, because they do nothing after validation. `counts` has the number of compiled operations, and
    the number of operations that graphql-core had to run, by reason.
    """

    def __init__(
        self, schema: Schema, past: Iterable[type[SchemaExtension]] = (), most: int = MOST, size: int = MOST_CHARACTERS
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._schema = schema
        self._direct_calls = DirectCall(schema)
        self._past = tuple(past)
        self._programs: BoundedCache[tuple[int, tuple[object, ...]], tuple[OperationDefinitionNode, Program]]
        self._programs = BoundedCache(most, size)
        self._known: BoundedCache[int, CompiledProgram] = BoundedCache(most, size)
        declared = {directive.name for directive in schema._schema.directives
                    if directive.extensions.get("strawberry-definition") is None}  # fmt: skip
        # Directives without a resolver mean something to other readers, and nothing to the execution.
        self._harmless = declared - {"defer", "stream"}

    async def run(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any], context: Any,
        root: Any = None, writer: Writer | None = None,
    ) -> ExecutionAnswer | None:  # fmt: skip
        """Return the result of a validated query, or of an event of a subscription; None if graphql-core has to run it.
        In that case nothing was run here.

        `writer` converts finished parts of the answer to the form in which they will be sent. So a long answer need not
        be written all at once at the end.
        """
        known = self._of(document, operation)
        coerced = known.variables.coerce_variable_values(variables)
        if isinstance(coerced, list):
            return ExecutionAnswer(None, coerced, ran=False)
        program = self._program(document, known, coerced)
        if program.selected is None:
            self.counts[program.reason] += 1
            return None
        self.counts["compiled"] += 1
        compiler = program.compiler
        execution = Execution(Fixed(self._schema, operation, compiler.fragments, coerced, context, root, writer))
        (data,) = await program.selected(execution, [root], [None])
        if data.__class__ is FieldFailed:
            execution.add_error(located_error(data.error), None)
            data = None
        return ExecutionAnswer(data, [error for error, _ in execution.errors] if execution.errors else [])

    async def run_divided(
        self, divided: DividedOperation, variables: dict[str, Any], context: Any, root: Any = None
    ) -> "DividedRun | None":
        """Return the run of a divided operation when its first part is there; None if graphql-core has to run it.

        The caller closes the run.
        """
        known = self._of(divided.document, divided.operation)
        coerced = known.variables.coerce_variable_values(variables)
        if isinstance(coerced, list):
            return None
        program = self._program(divided.document, known, coerced)
        if program.selected is None:
            return None
        self.counts["compiled"] += 1
        execution = Execution(Fixed(self._schema, divided.operation, {}, coerced, context, root))
        try:
            (data,) = await program.selected(execution, [root], [None])
        except BaseException:
            await execution.cancel_late()
            raise
        if data.__class__ is FieldFailed:
            execution.add_error(located_error(data.error), None)
            data = None
        return DividedRun(data, execution)

    def program_of(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> Program | None:
        """Return the program that `run` would use, or None if the variables are not valid."""
        known = self._of(document, operation)
        coerced = known.variables.coerce_variable_values(variables)
        return None if isinstance(coerced, list) else self._program(document, known, coerced)

    def program(self, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues) -> Program:
        """Return the program of an operation, from the cache or compiled now.

        The variables are inputs of the program, except those that `@skip` and `@include` read. These shape the answer,
        so each combination of their values has its own program.
        """
        return self._program(document, self._of(document, operation), variables)

    def _program(self, document: DocumentNode, known: CompiledProgram, variables: VariableValues) -> Program:
        operation = known.operation
        shape = tuple(map(variables.coerced.get, known.shaping))
        place = (id(operation), shape)
        cached = self._programs.get(place)
        if cached is not None and cached[0] is operation:
            return cached[1]
        program = self._compile(document, operation, variables)
        # The node is stored with its program, so that no other node can get its id.
        self._programs.keep(place, (operation, program), _characters(document))
        return program

    def _of(self, document: DocumentNode, operation: OperationDefinitionNode) -> CompiledProgram:
        cached = self._known.get(id(operation))
        if cached is None or cached.operation is not operation:
            names = tuple(sorted(_shaping(document, operation)))
            cached = CompiledProgram(operation, names, Variables(self._schema._schema, operation))
            self._known.keep(id(operation), cached, _characters(document))
        return cached

    def _compile(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
    ) -> Program:
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        compiler = Compiler(self._schema, operation, fragments, variables, self._direct_calls)
        try:
            self._check_supported(document, operation)
            root = self._schema._schema.get_root_type(operation.operation)
            assert isinstance(root, GraphQLObjectType)
            return Program(compiler, compiler.compile_operation(root))
        except NotCompiled as why:
            return Program(compiler, None, str(why))
        except GraphQLError:
            return Program(compiler, None, "null in @skip or @include")
        except RecursionError:
            return Program(compiler, None, "nested too deeply")

    def _check_supported(self, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        if operation.operation is OperationType.MUTATION:
            raise NotCompiled(operation.operation.value)
        if any(not _is_past(extension, self._past) for extension in self._schema.extensions):
            raise NotCompiled("extensions")
        for node in _nodes(document, operation):
            for directive in getattr(node, "directives", None) or ():
                if directive.name.value not in self._harmless:
                    raise NotCompiled("directives")
            if node.kind == "field" and node.name.value in ("__schema", "__type"):  # type: ignore[attr-defined]
                raise NotCompiled("introspection")
            if isinstance(node, FragmentDefinitionNode) and node.variable_definitions:
                raise NotCompiled("fragment variables")


def _characters(document: DocumentNode) -> int:
    """Return the length of a document's text. The size of a program grows with it."""
    return document.loc.end if document.loc is not None else 0


def _is_past(extension: Any, past: tuple[type[SchemaExtension], ...]) -> bool:
    kind = extension if isinstance(extension, type) else type(extension)
    return issubclass(kind, past) if past else False


def _shaping(document: DocumentNode, operation: OperationDefinitionNode) -> set[str]:
    """Return the variables that `@skip` and `@include` read in an operation."""
    found: set[str] = set()
    for node in _nodes(document, operation):
        for directive in getattr(node, "directives", None) or ():
            if directive.name.value in _SHAPING:
                found |= {
                    argument.value.name.value
                    for argument in directive.arguments
                    if isinstance(argument.value, VariableNode)
                }
    return found


def _nodes(document: DocumentNode, operation: OperationDefinitionNode) -> Iterator[Node]:
    """Yield the operation, its selections and the selections of the fragments that it spreads, each once."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    waiting: list[Any] = [operation]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        yield node
        if node.kind == "fragment_spread":
            name = node.name.value
            if name not in seen and name in fragments:
                seen.add(name)
                waiting.append(fragments[name])
        elif node.selection_set is not None:
            waiting.extend(node.selection_set.selections)
