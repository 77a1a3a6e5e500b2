"""Batches: several operations in one request (a JSON array), answered by one array in their order.

The operations run one after the other, in the place of one request, so that a batch occupies what one operation may.
The limits of a request hold for all of them together: complexity, variables, time, and the bytes of the answer. In the
limits of the caller, each operation is a request. The status of a batch that was served is 200.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from starlette.types import Receive, Scope

from resolvers.nodes import TOO_LARGE, AnswerTooLarge
from server.auth.middleware import COUNT
from server.execution import request_options
from server.execution.complexity import TooComplex, check_together
from server.execution.execution import FAULT, Executor, Outcome
from server.execution.operation import Operation
from server.http.operation_reader import Batch
from server.http.request_error import RequestError, error
from server.http.request_facts import bounded, facts_of
from server.http.request_headers import RequestHeaders
from server.http.watch import Watch
from server.http.writing import encode, in_turns, too_long
from server.usage import Count
from upstream.call import Reading

Resolve = Callable[[Operation], Awaitable[Operation]]
# The errors of an answer that JSON cannot write, for example because of deep nesting.
UNWRITABLE = (TypeError, ValueError, RecursionError)
_JOINED = 256 * 1024  # up to this many bytes are sent at once


class BatchAnswer(msgspec.Struct):
    """The answer to a batch: its JSON in pieces, its errors and their number, and when its rows were read."""

    pieces: list[bytes] = msgspec.field(default_factory=list)
    size: int = 0
    answered: int = 0
    errors: int = 0
    failures: list[dict[str, Any]] = msgspec.field(default_factory=list)
    readings: list[Reading] = msgspec.field(default_factory=list)

    def add(self, outcome: Outcome, pieces: list[bytes]) -> None:
        """Add the JSON of the next outcome."""
        self.pieces += (b"," if self.answered else b"[", *pieces)
        self.size += sum(map(len, pieces)) + 1
        self.answered += 1
        self.errors += len(outcome.errors)
        self.failures += outcome.errors
        self.readings += outcome.readings

    def close(self) -> None:
        """End the array."""
        self.pieces.append(b"]")
        self.size += 1
        if self.size <= _JOINED:
            self.pieces = [b"".join(self.pieces)]


class BatchRunner:
    """Answer batches. `resolve` returns an operation with its text, or raises RequestError; `count` counts it."""

    def __init__(self, executor: Executor, resolve: Resolve, watch: Watch, count: Count) -> None:
        self._executor = executor
        self._resolve = resolve
        self._watch = watch
        self._count = count

    async def answer(self, batch: Batch, scope: Scope, receive: Receive) -> BatchAnswer:
        """Return the answer. Raises ClientGone, and RequestError for the whole batch."""
        headers = RequestHeaders.of(scope)
        ready = [await self._ready(one, scope, headers) for one in batch]
        self._check([one for one in ready if isinstance(one, Operation)])
        if COUNT in scope:
            for _ in ready[1:]:
                await scope[COUNT]()
        names = ",".join(one.name for one in ready if isinstance(one, Operation) and one.name)
        facts = facts_of(scope)
        facts.line["batch"] = len(ready)
        if names:
            facts.line["operation"] = bounded(names)
        answer = BatchAnswer()
        try:
            # It ends when its time is over or its client has gone; shared work goes on.
            await self._watch.over(self._run(ready, answer), receive)
        except TimeoutError:
            seconds = self._executor.limits.seconds
            late = f"The batch was not done after {seconds:g} seconds; ask for less at a time."
            outcome = Outcome(errors=[error(late, "DEADLINE_EXCEEDED")])
            for _ in ready[answer.answered :]:
                answer.add(outcome, [encode(outcome.answer())])
        answer.close()
        if answer.failures:
            facts.note_errors(answer.failures)
        return answer

    async def _ready(self, one: Operation | RequestError, scope: Scope, headers: RequestHeaders) -> Operation | Outcome:
        try:
            if isinstance(one, RequestError):
                raise one
            operation = await self._resolve(one)
            operation = operation.by(scope["caller"], request_options.read(headers, operation.extensions))
            self._count(operation, headers)
        except RequestError as refusal:
            return Outcome(errors=refusal.errors, ran=False)
        self._executor.documents.prepare(operation.text)
        await asyncio.sleep(0)  # other tasks run between the documents
        return operation

    def _check(self, operations: Sequence[Operation]) -> None:
        """Raise RequestError if the operations are too complex together."""
        found = []
        for operation in operations:
            document = self._executor.documents.prepare(operation.text)
            node = document.operation(operation.name)
            if document.tree is not None and node is not None:
                found.append((document.tree, node))
        try:
            check_together(found, self._executor.limits)
        except TooComplex as problem:
            raise RequestError(422, problem.code, str(problem)) from None

    async def _run(self, ready: Sequence[Operation | Outcome], answer: BatchAnswer) -> None:
        most = self._executor.limits.answer_bytes
        for one in ready:
            outcome = one if isinstance(one, Outcome) else await self._executor.run(one, written=True)
            answer.add(*await _written(outcome, most, max(most - answer.size, 0)))


async def _written(outcome: Outcome, most: int, left: int) -> tuple[Outcome, list[bytes]]:
    """Return the JSON of an outcome in pieces, or of the error that replaces it.

    `most` limits the bytes of a whole answer, `left` those of this outcome.
    """
    try:
        pieces = [encode(outcome.answer())] if outcome.small else await in_turns(outcome.answer(), left)
        if outcome.ran and sum(map(len, pieces)) > left:
            raise too_long(most)
    except (AnswerTooLarge, *UNWRITABLE) as problem:
        outcome = unwritable(too_long(most) if isinstance(problem, AnswerTooLarge) else problem)
        pieces = [encode(outcome.answer())]
    return outcome, pieces


def unwritable(problem: Exception) -> Outcome:
    """Return the outcome of an operation whose answer cannot be written."""
    if isinstance(problem, AnswerTooLarge):
        return Outcome(errors=[error(problem.message, TOO_LARGE)])
    return Outcome(errors=[error(FAULT, "INTERNAL_SERVER_ERROR")], ran=False)
