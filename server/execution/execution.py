"""Run operations: prepare the document once, give each run its own context, and hide internal errors."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
import orjson
import structlog
from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    create_source_event_stream,
    located_error,
)
from graphql import Executor as EventSource
from strawberry import Schema
from strawberry.types import ExecutionContext

from engine.divide import DividedOperation, Divider
from engine.engine import DividedRun, Engine
from engine.execution import Writer
from engine.parts import Part, PartCutter
from resolvers.nodes import TOO_LARGE, AnswerTooLarge
from resolvers.trace import Step
from server.execution.complexity import figures
from server.execution.documents import Document, Documents, DocumentText, PreparedOperation
from server.execution.federation_trace import FederationTrace
from server.execution.limits import ORDINARY, Limits
from server.execution.operation import Operation
from server.execution.request_options import EXPLAIN
from server.execution.stored_answers import Sources
from server.execution.validation import coded, without_suggestion
from server.http.request_error import Errors, error, without_names
from server.http.writing import too_long
from upstream.call import Reading
from upstream.resilience.deadline import within
from upstream.resilience.queue import QUEUE_CALLER, Queue

FAULT = "A fault of this server; its log says more."

NO_STREAM = (
    "A subscription needs a stream: open it over WebSocket (graphql-transport-ws), or accept text/event-stream or "
    "multipart/mixed;subscriptionSpec=1.0."
)

TOO_MANY = "TOO_MANY_ERRORS"

# The number of plans that run at the same time. Each runs the whole query on made-up rows. Callers take turns.
MOST_PLANS = 2

# The number of runs of an operation in all: it runs again if its days changed during the run.
MOST_RUNS = 3

_MAY = {"calls": "make", "rows": "read"}

log = structlog.get_logger(__name__)


def _nothing() -> None:
    """Return None: the operation read something else than the cache."""


class Outcome(msgspec.Struct):
    """The outcome of an operation. If `ran` is False, it failed before its first field, and there is no `data`.

    `readings` say when its upstream rows were read, and `steps` are the calls that they came from. `sources` returns
    the entries of the cache that have these rows; None if the operation read anything else. `small` is True if the
    answer has so few nodes that it may be written in one turn of the event loop.
    """

    data: Any = None
    errors: Errors = msgspec.field(default_factory=list)
    extensions: dict[str, Any] = msgspec.field(default_factory=dict)
    ran: bool = True
    readings: Sequence[Reading] = ()
    steps: Sequence[Step] = ()
    sources: Callable[[], Sources | None] = _nothing
    small: bool = True

    def answer(self) -> dict[str, Any]:
        """Return the members of the answer, in the order of the specification."""
        answer: dict[str, Any] = {}
        if self.errors:
            answer["errors"] = self.errors
        if self.ran:
            answer["data"] = self.data
        if self.extensions:
            answer["extensions"] = self.extensions
        return answer

    @property
    def faulty(self) -> bool:
        """Return whether nothing ran because of a fault of this server."""
        return not self.ran and any(e["extensions"]["code"] == "INTERNAL_SERVER_ERROR" for e in self.errors)


class ForeseenPlan(Protocol):
    """The planned upstream calls of an operation."""

    @property
    def calls(self) -> int:
        """The number of planned calls."""

    @property
    def rows(self) -> int:
        """The number of rows that the calls will return."""

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for `extensions.explain`."""


class Deliver(Protocol):
    """Sends parts of an answer as soon as they are there."""

    async def __call__(self, parts: Sequence[Part], extensions: dict[str, Any], /, *, last: bool) -> None:
        """Send parts; the `last` ones with the extensions of the answer."""


Settled = Callable[[Any], Awaitable[bool]]
Finish = Callable[[Operation, Any, Outcome], None]
Foresee = Callable[[Any, Callable[[Any], Awaitable[None]]], Awaitable[ForeseenPlan]]


class Executor:
    """Run operations on one schema, each with a context of its own.

    `context` makes the context of an operation. `finish` adds to the outcome, for example a trace to its extensions.
    `foresee` plans the calls of a context; its second argument runs the operation in another context. `settled` says
    whether the answer of a context may be sent; if not, the operation runs again. `leave` is called with each context
    at the end of its operation, also after a cancellation.

    Queries run as compiled code unless `compiled` is False. An operation that the engine cannot compile runs on
    graphql-core and is counted in `engine.counts`. The upstream calls of an operation end after `limits.seconds`, so
    that the rest of its answer can still be sent.
    """

    def __init__(
        self,
        schema: Schema,
        context: Callable[[Operation], Any],
        finish: Finish = lambda operation, context, outcome: None,
        foresee: Foresee | None = None,
        leave: Callable[[Any], None] = lambda context: None,
        limits: Limits = ORDINARY,
        *,
        settled: Settled | None = None,
        compiled: bool = True,
    ) -> None:
        self.documents = Documents(schema, limits)
        self.engine = Engine(schema, past=(PreparedOperation,)) if compiled else None
        self.limits = limits
        self.schema = schema
        self._divider = Divider(schema._schema)
        self.context = context
        self._finish = finish
        self._foresee = foresee
        self._plans = Queue(MOST_PLANS)
        self._leave = leave
        self._settled = settled

    def kind(self, operation: Operation) -> OperationType | None:
        """Return whether an operation is a query, a mutation or a subscription; None if this is unknown."""
        node = self.documents.prepare(operation.text).operation(operation.name)
        return node.operation if node else None

    async def run(self, operation: Operation, *, written: bool = False, deliver: Deliver | None = None) -> Outcome:
        """Run a query or a mutation. It raises nothing but cancellation.

        With `written`, long lists of the outcome may be JSON already, for a caller that only encodes it. With
        `deliver`, the parts of an operation with `@defer` are sent as soon as they are there. The outcome then has
        only their errors.
        """
        document = self.documents.prepare(operation.text)
        if document.errors:
            return Outcome(errors=document.errors, ran=False)
        node = document.operation(operation.name)
        if node is None:
            return _failed(_which(operation.name, len(document.operations)), "OPERATION_RESOLUTION_FAILURE")
        if node.operation is OperationType.SUBSCRIPTION:
            return _failed(NO_STREAM, "OPERATION_RESOLUTION_FAILURE")
        planned = operation.options.plan or self.limits.calls or self.limits.rows
        divided = None
        if deliver is not None and document.divisible is not None:
            divided = self._divider.divide(document.divisible, operation.name, operation.variables)
        traced = operation.options.federation_trace
        trace = self._trace(document, node, operation) if traced else None
        try:
            with within(self.limits.seconds):
                for number in range(MOST_RUNS):
                    # Each run has a context of its own.
                    context = self.context(operation)
                    try:
                        if (
                            planned
                            and (ended := await self._plan(document, node, operation, context, written)) is not None
                        ):
                            return ended
                        if divided is not None and deliver is not None:
                            run = _RunInParts(self, document, node, operation, context)
                            outcome, settled = await run.deliver(divided, deliver, again=number < MOST_RUNS - 1)
                        else:
                            writer = _AnswerWriter(context, self.most_bytes(operation)) if written else None
                            outcome = await self.execute(document, node, operation, context, writer)
                            outcome.small = _small(context)
                            settled = self._settled is None or await self._settled(context)
                            self.complete(document, node, operation, context, outcome)
                    finally:
                        self._leave(context)
                    if not settled or node.operation is not OperationType.QUERY:
                        outcome.sources = _nothing
                    if settled:
                        break
            if trace is not None:
                outcome.extensions |= trace(outcome)
        except AnswerTooLarge as problem:  # some of its parts were sent
            return Outcome(errors=[error(problem.message, TOO_LARGE)])
        except Exception:
            log.exception("an operation failed outside its fields")
            return _failed(FAULT, "INTERNAL_SERVER_ERROR")
        return outcome

    async def settled(self, context: Any) -> bool:
        """Return whether the answer of a context may be sent."""
        return self._settled is None or await self._settled(context)

    async def subscribe(
        self, operation: Operation, source: Callable[..., Awaitable[AsyncIterable[Any]]]
    ) -> AsyncIterable[Any] | Outcome:
        """Return what `source` returns for the field and the arguments of a subscription, or why it cannot begin.

        An explanation and a refusal of its plan are outcomes, too.
        """
        document = self.documents.prepare(operation.text)
        if document.errors:
            return Outcome(errors=document.errors, ran=False)
        node = document.operation(operation.name)
        if node is None or document.tree is None:
            return _failed(_which(operation.name, len(document.operations)), "OPERATION_RESOLUTION_FAILURE")
        context = self.context(operation)
        try:
            if operation.options.plan or self.limits.calls or self.limits.rows:
                ended = await self._plan(document, node, operation, context, False)
                if ended is not None:
                    return ended
            built = EventSource.build(
                self.schema._schema, document.tree, None, context, operation.variables, operation.name,
                subscribe_field_resolver=source, hide_suggestions=not self.limits.introspection,
            )  # fmt: skip
            if isinstance(built, list):
                return self._not_begun(built, operation, context)
            found = create_source_event_stream(built)
            stream = await found if isinstance(found, Awaitable) else found
        except Exception:
            log.exception("a subscription failed before its first event")
            return _failed(FAULT, "INTERNAL_SERVER_ERROR")
        finally:
            self._leave(context)
        if isinstance(stream, ExecutionResult):
            return self._not_begun(stream.errors or [], operation, context)
        return stream

    def _not_begun(self, problems: list[GraphQLError], operation: Operation, context: Any) -> Outcome:
        self.schema.process_errors(problems, ExecutionContext(operation.text, self.schema, (), context, {}))
        return Outcome(errors=self.client_errors(problems, ran=False), ran=False)

    async def run_event(self, operation: Operation, context: Any) -> Outcome:
        """Run a valid subscription on one event, which the context answers. It raises nothing but cancellation."""
        document = self.documents.prepare(operation.text)
        node = document.operation(operation.name)
        assert node is not None
        try:
            with within(self.limits.seconds):
                async with asyncio.timeout(self.limits.seconds):
                    outcome = await self.execute(document, node, operation, context, None)
            self.complete(document, node, operation, context, outcome)
        except TimeoutError:
            late = f"The answer to an event was not done after {self.limits.seconds:g} seconds; ask for less."
            return Outcome(errors=[error(late, "DEADLINE_EXCEEDED")])
        except Exception:
            log.exception("an event failed outside its fields")
            return Outcome(errors=[error(FAULT, "INTERNAL_SERVER_ERROR")])
        finally:
            self._leave(context)
        return outcome

    def complete(
        self, document: Document, node: OperationDefinitionNode, operation: Operation, context: Any, outcome: Outcome
    ) -> None:
        """Add to the outcome of a run what the request wants to know besides."""
        self._finish(operation, context, outcome)
        if operation.options.trace and document.tree is not None:
            complexity = figures(document.tree, node, self.limits)
            nodes = getattr(context, "nodes", None)
            if nodes is not None:
                complexity["nodes"] = {"found": nodes.count, "most": self.limits.nodes}
            outcome.extensions["complexity"] = complexity

    def code(self, operation: Operation) -> str:
        """Return the generated Python of an operation, as far as runs have reached; a comment if it is not compiled."""
        document = self.documents.prepare(operation.text)
        node = document.operation(operation.name)
        if self.engine is None or document.tree is None or node is None:
            return ""
        program = self.engine.program_of(document.tree, node, operation.variables)
        if program is None:
            return ""
        return program.code if program.selected is not None else f"# not compiled: {program.reason}"

    def _trace(
        self, document: Document, node: OperationDefinitionNode, operation: Operation
    ) -> Callable[[Outcome], dict[str, str]]:
        """Start the trace of a federation gateway. Return what adds it to the extensions of the outcome."""
        if document.tree is None:
            return lambda outcome: {}
        trace = FederationTrace.start(self.schema._schema, document.tree, node, operation.variables)
        return lambda outcome: {"ftv1": trace.finish(outcome.steps, outcome.errors)} if outcome.ran else {}

    async def execute(
        self,
        document: Document,
        node: OperationDefinitionNode,
        operation: Operation,
        context: Any,
        writer: Writer | None,
    ) -> Outcome:
        """Return the outcome of one run in a context."""
        assert document.tree is not None
        if self.engine is not None:
            found = await self.engine.run(document.tree, node, operation.variables, context, writer=writer)
            if found is not None:
                if not found.errors:
                    return Outcome(data=found.data)
                if (ended := _too_large(found.errors)) is not None:
                    return ended
                failed = ExecutionContext(operation.text, self.schema, (), context, operation.variables)
                self.schema.process_errors(found.errors[: self.limits.field_errors], failed)
                return Outcome(data=found.data, errors=self.client_errors(found.errors, found.ran), ran=found.ran)
            if (left := self.engine.program_of(document.tree, node, operation.variables)) is not None:
                log.info("operation.not_compiled", reason=left.reason)
        text = DocumentText(operation.text)
        text.document = document
        result = await self.schema.execute(
            text,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.name,
            operation_extensions=operation.extensions or None,
        )
        errors = result.errors or []
        if (ended := _too_large(errors)) is not None:
            return ended
        # An operation that failed before it ran has no data, and its errors have no path.
        ran = result.data is not None or not errors or any(problem.path is not None for problem in errors)
        return Outcome(
            data=result.data,
            errors=self.client_errors(errors, ran),
            extensions=dict(result.extensions or {}),
            ran=ran,
        )

    def most_bytes(self, operation: Operation) -> int | None:
        """Return the maximum length of the answer of an operation in bytes; None if there is no limit here."""
        return None if operation.whole else self.limits.answer_bytes

    def client_errors(self, problems: Sequence[GraphQLError], ran: bool) -> Errors:
        """Return errors as clients see them. The errors have been logged: their frames are released here."""
        for problem in problems:
            _release_frames(problem)
        if ran:
            errors = list(map(_safe, problems[: self.limits.field_errors]))
            if left := len(problems) - len(errors):
                errors.append(_left_out(left))
            if not self.limits.introspection:
                for one in errors:
                    one["message"] = without_names(one["message"])
            return errors
        errors = [_safe(problem) for problem in problems[: self.limits.errors]]
        if not self.limits.introspection:
            for one in errors:
                one["message"] = without_suggestion(one["message"])
        return errors

    async def _plan(
        self, document: Document, node: OperationDefinitionNode, operation: Operation, context: Any, written: bool
    ) -> Outcome | None:
        """Return the requested explanation or a refusal; None if the operation should run."""
        if self._foresee is None:
            return _failed("This graph cannot predict its upstream calls.", "BAD_USER_INPUT")
        rehearsals: list[Outcome] = []

        async def rehearse(context: Any) -> None:
            # It runs the code that the operation will run.
            writer = _AnswerWriter(context, None) if written else None
            rehearsals.append(await self.execute(document, node, operation, context, writer))

        await self._plans.take(QUEUE_CALLER.get().name)
        try:
            plan = await self._foresee(context, rehearse)
        finally:
            self._plans.give()
        first = rehearsals[0]
        if not first.ran:
            return first
        bounds = [most for most in (operation.options.max_calls, self.limits.calls or None) if most is not None]
        for found, most, what in (
            (plan.calls, min(bounds, default=None), "calls"),
            (plan.rows, self.limits.rows or None, "rows"),
        ):
            if most is None or found <= most:
                continue
            refused = _failed(
                f"The operation needs {found} upstream {what}, and may {_MAY[what]} {most}. Fewer are needed for fewer "
                "items (`first`), for one group, room or user instead of all, or without the fields that "
                f"extensions.explain names for the most {what}: send {EXPLAIN}: 1 to see them.",
                f"TOO_MANY_{what.upper()}",
            )
            refused.errors[0]["extensions"] |= {what: found, f"max{what.capitalize()}": most}
            if operation.options.explain:
                refused.extensions["explain"] = plan.to_dict()
            return refused
        if not operation.options.explain:
            return None
        # The rows are made up, but a wrong argument is a real error.
        wrong = [problem for problem in first.errors if problem["extensions"]["code"] in ("BAD_USER_INPUT", TOO_LARGE)]
        return Outcome(errors=wrong, extensions={"explain": plan.to_dict()})


class _RunInParts:
    """One run of an operation whose parts are sent as soon as they are there."""

    def __init__(
        self, executor: Executor, document: Document, node: OperationDefinitionNode, operation: Operation, context: Any
    ) -> None:
        self._executor = executor
        self._document = document
        self._node = node
        self._operation = operation
        self._context = context
        self._outcome = Outcome()
        self._known: dict[int, tuple[GraphQLError, Errors]] = {}
        self._left_out = 0

    async def deliver(self, divided: DividedOperation, deliver: Deliver, *, again: bool) -> tuple[Outcome, bool]:
        """Return an outcome with the errors of all parts, and True once they are sent.

        False: the answer may not be sent, and the operation may run `again`. Only the first part is checked for that.
        Without the engine, all parts are sent when the whole answer is there.
        """
        executor, operation, context, outcome = self._executor, self._operation, self._context, self._outcome
        running: DividedRun | None = None
        if executor.engine is not None:
            running = await executor.engine.run_divided(divided, operation.variables, context)
        try:
            errors: Errors = []
            if running is None:
                whole = await executor.execute(self._document, self._node, operation, context, None)
                if not whole.ran:
                    return whole, True
                cutter, errors = PartCutter(divided.shape, whole.data), whole.errors
            else:
                cutter = PartCutter(divided.shape, running.data)
            while True:
                if running is not None:
                    if (ended := _too_large(running.errors)) is not None:
                        return ended, True
                    errors = self._client_errors(running.errors)
                parts = [self._finished(part) for part in await cutter.cut(errors)]
                if again and not await executor.settled(context):
                    return outcome, False
                again = False
                last = not cutter.pending
                outcome.errors += [problem for part in parts for problem in part.errors]
                if last:
                    executor.complete(self._document, self._node, operation, context, outcome)
                if self._left_out and last:
                    parts[-1].errors.append(_left_out(self._left_out))
                if parts:
                    await deliver(parts, outcome.extensions, last=last)
                if last:
                    return outcome, True
                assert running is not None
                await running.progress()
        finally:
            if running is not None:
                await running.close()

    def _client_errors(self, problems: Sequence[GraphQLError]) -> Errors:
        """Return errors as clients see them, each time the same objects. Too many of them are only counted."""
        known = self._known
        found: Errors = []
        for problem in problems:
            if id(problem) not in known:
                known[id(problem)] = problem, self._converted(problem)
            found += known[id(problem)][1]
        return found

    def _converted(self, problem: GraphQLError) -> Errors:
        executor, operation = self._executor, self._operation
        if len(self._known) >= executor.limits.field_errors:
            self._left_out += 1
            return []
        context = ExecutionContext(operation.text, executor.schema, (), self._context, operation.variables)
        executor.schema.process_errors([problem], context)
        return executor.client_errors([problem], True)

    def _finished(self, part: Part) -> Part:
        """Return a part with the failure that left it without data as its error."""
        if part.failure is None:
            return part
        failure = part.failure
        problem = failure if isinstance(failure, GraphQLError) else located_error(failure)
        return part._replace(errors=self._converted(problem))


# Lists with fewer items are written with the rest of the answer.
MANY = 16


class _AnswerWriter(msgspec.Struct, eq=False):
    """Write finished parts of one answer and count their bytes. Raises AnswerTooLarge for too many."""

    _context: Any
    _most: int | None
    _bytes: int = 0

    def objects(self, objects: list[Any]) -> Any:
        """Return a list of objects as JSON. A short one stays as it is, and so does each list of a small answer."""
        if len(objects) < MANY or _small(self._context):
            return objects
        try:
            text = orjson.dumps(objects, default=str)
        except TypeError:  # `encode` writes these values
            return objects
        (part,) = self.texts([text])
        return part

    def texts(self, texts: list[bytes]) -> list[Any]:
        """Return parts of the answer whose JSON is given."""
        self._bytes += sum(map(len, texts))
        # The whole of a small answer is measured when it is written.
        if self._most is not None and self._bytes > self._most and not _small(self._context):
            raise too_long(self._most)
        return list(map(orjson.Fragment, texts))


# Answers with this many nodes are written in some milliseconds.
_FEW_NODES = 5_000


def _small(context: Any) -> bool:
    """Return whether an operation built so few nodes that its answer may be written in one turn."""
    nodes = getattr(context, "nodes", None)
    return nodes is not None and nodes.count <= _FEW_NODES


def _too_large(problems: Sequence[GraphQLError]) -> Outcome | None:
    """Return the outcome of an operation that ended because its answer became too large; None if it did not."""
    for problem in problems:
        if (problem.extensions or {}).get("code") == TOO_LARGE:
            return Outcome(errors=[error(problem.message, TOO_LARGE)])
    return None


def _left_out(errors: int) -> dict[str, Any]:
    return error(f"{errors} more errors are left out: what is null may be for want of one.", TOO_MANY)


def _release_frames(problem: BaseException | None) -> None:
    """Release the frames of an error: they hold the operation, which would wait for the garbage collector."""
    released = set()
    while problem is not None and id(problem) not in released:
        released.add(id(problem))
        problem.__traceback__ = None
        problem = getattr(problem, "original_error", None) or problem.__cause__ or problem.__context__


def _safe(problem: GraphQLError) -> dict[str, Any]:
    cause = problem.original_error
    foreign = cause is not None and not isinstance(cause, GraphQLError)
    if foreign and problem.path is None and not problem.nodes:
        # Strawberry turned an internal exception into an error with its text.
        log.error("an operation failed outside its fields", exc_info=cause)
        return error(FAULT, "INTERNAL_SERVER_ERROR")
    if "code" in (problem.extensions or {}):
        return dict(problem.formatted)
    if problem.path is None:
        return coded(problem, "BAD_USER_INPUT")
    if not foreign:
        return coded(problem, "BAD_USER_INPUT")
    log.error("a field failed", path=problem.path, exc_info=cause)
    masked = coded(problem, "INTERNAL_SERVER_ERROR")
    masked["message"] = FAULT
    return masked


def _which(name: str | None, operations: int) -> str:
    if name is not None:
        return f"The document has no operation named {name}."
    if operations == 0:
        return "The document has no operation."
    return "The document has several operations: operationName must say which one to run."


def _failed(message: str, code: str) -> Outcome:
    return Outcome(errors=[error(message, code)], ran=False)
