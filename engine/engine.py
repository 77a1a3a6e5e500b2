"""The engine: operations of one schema, each compiled once and kept, the latest used of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

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

from engine.compile import Compiler, NotCompiled
from engine.direct import DirectCall
from engine.kept import MOST, MOST_CHARACTERS, BoundedCache
from engine.run import Execution, FieldFailed, Fixed
from engine.values import Selected
from engine.variables import Variables

_SHAPING = ("skip", "include")


@dataclass(slots=True, eq=False)
class Program:
    """A compiled operation; without `selected`, one that graphql-core has to run, and why."""

    compiler: Compiler
    selected: Selected | None
    reason: str = ""

    @property
    def code(self) -> str:
        """The Python that was written for it so far: levels that no run has reached have none yet."""
        return "\n\n".join(self.compiler.sources)


@dataclass(frozen=True, slots=True)
class CompiledProgram:
    """What is known of an operation before it is compiled: the variables that shape it, and how all are read."""

    operation: OperationDefinitionNode
    shaping: tuple[str, ...]
    variables: Variables


@dataclass(frozen=True, slots=True)
class ExecutionAnswer:
    """What a run came to: data, which is None where the whole answer is, and errors with their places."""

    data: dict[str, Any] | None
    errors: list[GraphQLError]
    ran: bool = True


class Engine:
    """Runs queries of a schema on compiled code.

    It takes the place of graphql-core alone: extensions of the schema that have a part in execution keep it away, but
    for those in `past`, which have nothing to do after validation. `counts` tells how many operations ran compiled, and
    how many did not, by reason.
    """

    def __init__(
        self, schema: Schema, past: Iterable[type[SchemaExtension]] = (), most: int = MOST, size: int = MOST_CHARACTERS
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._schema = schema
        self._ways = DirectCall(schema)
        self._past = tuple(past)
        self._programs: BoundedCache[tuple[int, tuple[object, ...]], tuple[OperationDefinitionNode, Program]]
        self._programs = BoundedCache(most, size)
        self._known: BoundedCache[int, CompiledProgram] = BoundedCache(most, size)
        declared = {directive.name for directive in schema._schema.directives
                    if directive.extensions.get("strawberry-definition") is None}  # fmt: skip
        # Directives without a resolver say something to others, and nothing to whoever runs the operation.
        self._harmless = declared - {"defer", "stream"}

    async def run(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any], context: Any,
        root: Any = None, write: Callable[[list[Any]], Any] | None = None,
    ) -> ExecutionAnswer | None:  # fmt: skip
        """The result of a validated query; None if graphql-core has to run it: then nothing was run here.

        `write` turns a finished list of an answer into what shall stand there instead, so that a long answer need not
        be written all at once in the end.
        """
        known = self._of(document, operation)
        coerced = known.variables.values(variables)
        if isinstance(coerced, list):
            return ExecutionAnswer(None, coerced, ran=False)
        program = self._program(document, known, coerced)
        if program.selected is None:
            self.counts[program.reason] += 1
            return None
        self.counts["compiled"] += 1
        compiler = program.compiler
        run = Execution(Fixed(self._schema, operation, compiler.fragments, coerced, context, root, write))
        (data,) = await program.selected(run, [root], [None])  # type: ignore[list-item]
        if data.__class__ is FieldFailed:
            run.fail(located_error(data.error), None)
            data = None
        return ExecutionAnswer(data, [error for error, _ in run.errors])

    def program_of(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> Program | None:
        """What `run` runs, or would leave to graphql-core and why; None if the variables do not fit."""
        known = self._of(document, operation)
        coerced = known.variables.values(variables)
        return None if isinstance(coerced, list) else self._program(document, known, coerced)

    def program(self, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues) -> Program:
        """The program of an operation, compiled now or before.

        Variables are inputs, but for those that `@skip` and `@include` read: they shape the answer, so each of their
        combinations that is met is a program of its own.
        """
        return self._program(document, self._of(document, operation), variables)

    def _program(self, document: DocumentNode, known: CompiledProgram, variables: VariableValues) -> Program:
        operation = known.operation
        shape = tuple([variables.coerced.get(name) for name in known.shaping])
        place = (id(operation), shape)
        kept = self._programs.get(place)
        if kept is not None and kept[0] is operation:
            return kept[1]
        program = self._compile(document, operation, variables)
        # The node is kept with its program, so that no other can come by its id.
        self._programs.keep(place, (operation, program), _characters(document))
        return program

    def _of(self, document: DocumentNode, operation: OperationDefinitionNode) -> CompiledProgram:
        kept = self._known.get(id(operation))
        if kept is None or kept.operation is not operation:
            names = tuple(sorted(_shaping(document, operation)))
            kept = CompiledProgram(operation, names, Variables(self._schema._schema, operation))
            self._known.keep(id(operation), kept, _characters(document))
        return kept

    def _compile(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
    ) -> Program:
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        compiler = Compiler(self._schema, operation, fragments, variables, self._ways)
        try:
            self._refuse(document, operation)
            root = self._schema._schema.query_type
            assert isinstance(root, GraphQLObjectType)
            return Program(compiler, compiler.root(root))
        except NotCompiled as why:
            return Program(compiler, None, str(why))
        except GraphQLError:
            return Program(compiler, None, "null in @skip or @include")
        except RecursionError:
            return Program(compiler, None, "nested too deeply")

    def _refuse(self, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        if operation.operation is not OperationType.QUERY:
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
    """Return the length of a document's text: what is made of it grows with it."""
    return document.loc.end if document.loc is not None else 0


def _is_past(extension: Any, past: tuple[type[SchemaExtension], ...]) -> bool:
    kind = extension if isinstance(extension, type) else type(extension)
    return issubclass(kind, past) if past else False


def _shaping(document: DocumentNode, operation: OperationDefinitionNode) -> set[str]:
    """The variables that `@skip` and `@include` read in an operation."""
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
    """The operation, its selections and those of the fragments it spreads, each once."""
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
