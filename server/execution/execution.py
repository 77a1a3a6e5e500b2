"""How an operation runs: its document prepared once, a context of its own, an answer that shows nothing internal."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import structlog
from graphql import GraphQLError, OperationType
from strawberry import Schema
from strawberry.types import ExecutionContext

from engine.engine import Engine
from resolvers.nodes import TOO_LARGE
from server.execution.documents import Document, Documents, DocumentText, PreparedOperation
from server.execution.limits import ORDINARY, Limits
from server.execution.operation import Operation
from server.execution.request_options import EXPLAIN
from server.execution.validation import coded, without_suggestion
from server.http.request_error import Errors, error, without_names
from server.http.writing import WrittenAnswer, too_long
from upstream.call import Call, Reading
from upstream.resilience.deadline import within
from upstream.resilience.queue import ASKER, Queue

FAULT = "A fault of this server; its log says more."

TOO_MANY = "TOO_MANY_ERRORS"

# Plans that are made at the same time: each runs the whole query on made-up rows. Callers take turns.
MOST_PLANS = 2

# An operation whose days changed while it ran is run again, so many times in all.
MOST_RUNS = 3

_MAY = {"calls": "make", "rows": "read"}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outcome:
    """What running an operation came to. Without `ran`, it failed before its first field, and there is no `data`.

    `readings` say when the upstream rows in it were read; there are none if it holds no upstream rows. `calls` are the
    calls that the rows came from. `small` says that so few nodes are in it that it may be written in one go.
    """

    data: Any = None
    errors: Errors = field(default_factory=list)
    extensions: dict[str, Any] = field(default_factory=dict)
    ran: bool = True
    readings: Sequence[Reading] = ()
    calls: Sequence[Call] = ()
    small: bool = True

    def answer(self) -> dict[str, Any]:
        """The answer's members, in the order in which the specification would have them."""
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
        """Whether this server is to blame, so that nothing ran."""
        return not self.ran and any(e["extensions"]["code"] == "INTERNAL_SERVER_ERROR" for e in self.errors)


class ForeseenPlan(Protocol):
    """What an operation is going to call."""

    @property
    def calls(self) -> int:
        """How many calls that is."""

    @property
    def rows(self) -> int:
        """How many rows they are going to bring."""

    def told(self) -> dict[str, Any]:
        """As `extensions.explain` has it."""


Settled = Callable[[Any], Awaitable[bool]]
Finish = Callable[[Operation, Any, Outcome], None]
Foresee = Callable[[Any, Callable[[Any], Awaitable[None]]], Awaitable[ForeseenPlan]]


class Executor:
    """Runs operations on one schema, each with a context of its own.

    `context` makes that context from the operation. What is added to answers (a trace, say) goes into
    `Outcome.extensions`, by way of `finish`, which sees the operation, its context and its outcome. `foresee` says what
    an operation of this context would call, given what runs it in another. Queries run on compiled code unless
    `compiled` is False; what the engine cannot compile runs on graphql-core, and is counted in `engine.counts`.
    `settled` says of a context whether its answer may be sent; if not, the operation runs again.
    `leave` is told of each context whose operation is over, also of one that was cancelled. What an operation asks of
    the upstreams ends after `seconds`, so that the rest of its answer can still be given.
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
        self._context = context
        self._finish = finish
        self._foresee = foresee
        self._plans = Queue(MOST_PLANS)
        self._leave = leave
        self._settled = settled

    def kind(self, operation: Operation) -> OperationType | None:
        """Whether it is a query, a mutation or a subscription; None if that cannot be told."""
        node = self.documents.prepare(operation.text).operation(operation.name)
        return node.operation if node else None

    async def run(self, operation: Operation, *, written: bool = False) -> Outcome:
        """Run a query or a mutation. Nothing is raised but cancellation.

        Where the outcome is only going to be encoded, long lists of it may be `written` already.
        """
        document = self.documents.prepare(operation.text)
        if document.errors:
            return Outcome(errors=document.errors, ran=False)
        node = document.operation(operation.name)
        if node is None:
            return _failed(_which(operation.name, len(document.operations)), "OPERATION_RESOLUTION_FAILURE")
        if node.operation is OperationType.SUBSCRIPTION:
            return _failed("Subscriptions are not served here.", "OPERATION_RESOLUTION_FAILURE")
        planned = operation.asked.plan or self.limits.calls or self.limits.rows
        try:
            with within(self.limits.seconds):
                for _ in range(MOST_RUNS):
                    # Each run has a context of its own.
                    context = self._context(operation)
                    try:
                        if planned and (ended := await self._plan(document, operation, context)) is not None:
                            return ended
                        outcome = await self._execute(document, operation, context, written)
                        outcome.small = _small(context)
                        settled = self._settled is None or await self._settled(context)
                        self._finish(operation, context, outcome)
                    finally:
                        self._leave(context)
                    if settled:
                        break
        except Exception:
            log.exception("an operation failed outside its fields")
            return _failed(FAULT, "INTERNAL_SERVER_ERROR")
        return outcome

    def code(self, operation: Operation) -> str:
        """The Python that an operation is compiled into, as far as runs have reached; a comment if it is not."""
        document = self.documents.prepare(operation.text)
        node = document.operation(operation.name)
        if self.engine is None or document.tree is None or node is None:
            return ""
        program = self.engine.program_of(document.tree, node, operation.variables)
        if program is None:
            return ""
        return program.code if program.selected is not None else f"# not compiled: {program.reason}"

    async def _execute(self, document: Document, operation: Operation, context: Any, written: bool = False) -> Outcome:
        node = document.operation(operation.name)
        assert document.tree is not None
        assert node is not None
        if self.engine is not None:
            write = _AnswerWriter(self.most_bytes(operation)) if written else None
            found = await self.engine.run(document.tree, node, operation.variables, context, write=write)
            if found is not None:
                if (ended := _too_large(found.errors)) is not None:
                    return ended
                if found.errors:
                    told = ExecutionContext(operation.text, self.schema, (), context, operation.variables)
                    self.schema.process_errors(found.errors[: self.limits.field_errors], told)
                return Outcome(data=found.data, errors=self._told(found.errors, found.ran), ran=found.ran)
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
        # What failed before it ran has no data, and errors that belong to no field.
        ran = result.data is not None or not errors or any(problem.path is not None for problem in errors)
        return Outcome(
            data=result.data,
            errors=self._told(errors, ran),
            extensions=dict(result.extensions or {}),
            ran=ran,
        )

    def most_bytes(self, operation: Operation) -> int | None:
        """Return how long the answer of an operation may be as it is written; None if that has no bound here."""
        return None if operation.whole else self.limits.answer_bytes

    def _told(self, problems: Sequence[GraphQLError], ran: bool) -> Errors:
        if ran:
            told = list(map(_safe, problems[: self.limits.field_errors]))
            if left := len(problems) - len(told):
                told.append(error(f"{left} more errors are left out: what is null may be for want of one.", TOO_MANY))
            if not self.limits.introspection:
                for one in told:
                    one["message"] = without_names(one["message"])
            return told
        told = [_safe(problem) for problem in problems[: self.limits.errors]]
        if not self.limits.introspection:
            for one in told:
                one["message"] = without_suggestion(one["message"])
        return told

    async def _plan(self, document: Document, operation: Operation, context: Any) -> Outcome | None:
        """The explanation, or the refusal, that the request asked for; None if it is to run."""
        if self._foresee is None:
            return _failed("This graph cannot tell beforehand what it is going to call.", "BAD_USER_INPUT")
        rehearsals: list[Outcome] = []

        async def rehearse(context: Any) -> None:
            rehearsals.append(await self._execute(document, operation, context))

        await self._plans.take(ASKER.get().name)
        try:
            plan = await self._foresee(context, rehearse)
        finally:
            self._plans.give()
        first = rehearsals[0]
        if not first.ran:
            return first
        bounds = [most for most in (operation.asked.max_calls, self.limits.calls or None) if most is not None]
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
            if operation.asked.explain:
                refused.extensions["explain"] = plan.told()
            return refused
        if not operation.asked.explain:
            return None
        # What the rows would bring is made up; that an argument is wrong is not.
        wrong = [problem for problem in first.errors if problem["extensions"]["code"] in ("BAD_USER_INPUT", TOO_LARGE)]
        return Outcome(errors=wrong, extensions={"explain": plan.told()})


# Fewer items than this are written with the rest.
MANY = 16


class _AnswerWriter:
    """Writes the long lists of one answer, and counts their bytes. Raises AnswerTooLarge once there are too many."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._bytes = 0

    def __call__(self, part: list[Any]) -> Any:
        if len(part) < MANY:
            return part
        try:
            text = orjson.dumps(part, default=str)
        except TypeError:  # what `encode` has to write in its own way
            return part
        self._bytes += len(text)
        if self._most is not None and self._bytes > self._most:
            raise too_long(self._most)
        return WrittenAnswer(text)


# Answers of so many nodes are written in some milliseconds.
_FEW_NODES = 5_000


def _small(context: Any) -> bool:
    """Return whether an operation built so few nodes that its answer may be written in one go."""
    nodes = getattr(context, "nodes", None)
    return nodes is not None and nodes.count <= _FEW_NODES


def _too_large(problems: Sequence[GraphQLError]) -> Outcome | None:
    """Return the outcome of an operation that ended because its answer became too large; None if it did not."""
    for problem in problems:
        if (problem.extensions or {}).get("code") == TOO_LARGE:
            return Outcome(errors=[error(problem.message, TOO_LARGE)])
    return None


def _safe(problem: GraphQLError) -> dict[str, Any]:
    cause = problem.original_error
    foreign = cause is not None and not isinstance(cause, GraphQLError)
    if foreign and problem.path is None and not problem.nodes:
        # Strawberry turned an exception of its own machinery into an error, text and all.
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
