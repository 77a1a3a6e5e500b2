"""One subscription: the answers to its events, as JSON, in their order."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from typing import Any

import msgspec
import orjson

from resolvers.nodes import TOO_LARGE, AnswerTooLarge
from resolvers.topics.poll import Poll
from resolvers.topics.topic import Resume
from schema.mapping.errors import shown
from schema.subscription import resume_point, resume_point_of
from server.execution.execution import Executor, Outcome
from server.execution.operation import Operation
from server.http.request_error import error
from server.http.writing import encode, in_turns, too_long
from server.subscriptions.ending import SubscriptionEnded
from server.subscriptions.hub import TURN, Channel, Hub
from server.subscriptions.subscriber import Subscriber
from upstream.errors import NotFound, UpstreamError
from upstream.resilience.queue import Queue

# The session of an operation for one event.
SessionOf = Callable[[Operation, Poll], Any]


class EventAnswer(msgspec.Struct):
    """The answer to one event: its JSON, and the codes of its errors."""

    body: bytes
    codes: frozenset[str]
    outcome: Outcome


class Events:
    """Answers events. Equal operations of callers who see the same rows share one answer."""

    def __init__(self, executor: Executor, session_of: SessionOf, most: int) -> None:
        self._executor = executor
        self._session_of = session_of
        self._running = Queue(most)

    async def answer(self, operation: Operation, poll: Poll, row: int | None, who: str) -> EventAnswer:
        """Return the answer of an operation to an event: a new row, or the whole poll if `row` is None."""
        key = _alike(operation, row)
        shared: _Shared | None = poll.shared.get(key)
        if shared is None:
            shared = poll.shared[key] = _Shared(asyncio.create_task(self._answer(operation, poll, row, who)))
        return await shared.wait()

    async def _answer(self, operation: Operation, poll: Poll, row: int | None, who: str) -> EventAnswer:
        await self._running.take(who)
        try:
            session = self._session_of(operation, poll)
            session.polled_interval, session.polled_row = poll.call.interval, row
            outcome = await self._executor.run_event(operation, session)
            answer = outcome.answer()
            most = self._executor.most_bytes(operation)
            try:
                body = encode(answer) if outcome.small else b"".join(await in_turns(answer, most))
                if most is not None and len(body) > most:
                    raise too_long(most)
            except AnswerTooLarge as problem:
                outcome = Outcome(errors=[error(problem.message, TOO_LARGE)])
                body = encode(outcome.answer())
            codes = frozenset(one["extensions"]["code"] for one in outcome.errors)
            return EventAnswer(body, codes, outcome)
        finally:
            self._running.give()


class _Shared:
    """An answer that several subscribers wait for. They are woken in turns of the event loop."""

    def __init__(self, task: "asyncio.Task[EventAnswer]") -> None:
        self._task = task
        self._turn = 0

    async def wait(self) -> EventAnswer:
        if not self._task.done():
            self._turn += 1
            behind = self._turn // TURN
            await asyncio.wait((self._task,))
            for _ in range(behind):
                await asyncio.sleep(0)
        return self._task.result()


class RunningSubscription:
    """One subscription. `answers` is taken once; `aclose` releases it in any case."""

    def __init__(self, operation: Operation, who: str, subscriber: Subscriber, events: Events, hub: Hub) -> None:
        self._operation = operation
        self._who = who
        self._subscriber = subscriber
        self._events = events
        self._hub = hub
        self._channel: Channel | None = None
        self._resume: Resume | None = None
        self._after: str | None = None

    def join(self, channel: Channel, resume: Resume | None, after: str | None) -> None:
        """Take the events of a channel, after a place if one is given."""
        self._channel, self._resume, self._after = channel, resume, after
        if after is None and channel.place is not None:
            self._after = resume_point_of(channel.topic, channel.place)

    def end(self, ending: SubscriptionEnded) -> None:
        """End the subscription, for this reason."""
        self._subscriber.end(ending)

    def __aiter__(self) -> AsyncGenerator[bytes]:
        return self.answers()

    async def answers(self) -> AsyncGenerator[bytes]:
        """Yield the answers as JSON. Raises SubscriptionEnded, with the place after which the client can go on."""
        try:
            async for body in self._answers():
                yield body
        except SubscriptionEnded as ending:
            raise ending.after(self._after) from None

    async def _answers(self) -> AsyncGenerator[bytes]:
        assert self._channel is not None
        caught: set[int] = set()
        if self._resume is not None:
            while not self._channel.known.done():
                poll = await self._subscriber.next()
                if poll.error is not None:
                    yield (await self._whole(poll)).body
            for poll in await self._caught_up(self._channel, self._resume):
                caught.update(poll.added or ())
                async for body in self._rows(poll, poll.added or ()):
                    yield body
        last: bytes | None = None
        while True:
            poll = await self._subscriber.next()
            if self._after is None and poll.newest is not None:  # the first poll, which has no rows
                self._after = resume_point_of(self._channel.topic, poll.newest)
            if poll.added is not None and poll.error is None:
                async for body in self._rows(poll, [row for row in poll.added if row not in caught]):
                    yield body
                continue
            answer = await self._whole(poll)
            if answer.body != last:
                last = answer.body if poll.added is None else None
                yield answer.body

    async def _whole(self, poll: Poll) -> EventAnswer:
        """Return the answer to a state or to a failure. Raises SubscriptionEnded if the topic does not exist."""
        answer = await self._events.answer(self._operation, poll, None, self._who)
        if isinstance(poll.error, NotFound):
            raise SubscriptionEnded(answer.outcome.errors)
        return answer

    async def _rows(self, poll: Poll, rows: Any) -> AsyncGenerator[bytes]:
        for row in rows:
            answer = await self._events.answer(self._operation, poll, row, self._who)
            if (ending := self._subscriber.ending) is not None:
                raise ending
            if answer.codes == {"NOT_FOUND"} and answer.outcome.data is None:
                continue  # a row that the caller may not see
            yield answer.body
            self._after = resume_point(poll.rows[row], restricted=self._operation.caller.groups is not None)

    async def _caught_up(self, channel: Channel, resume: Resume) -> Sequence[Poll]:
        """Return the polls with the rows after a place. Raises SubscriptionEnded."""
        try:
            return await self._hub.since(channel, resume)
        except UpstreamError as problem:
            plain = problem if self._operation.caller.groups is None else problem.plainly(channel.topic.report.code)
            message, extensions = shown(plain)
            raise SubscriptionEnded([{"message": message, "extensions": extensions}]) from None

    async def aclose(self) -> None:
        """Leave the topic."""
        if self._channel is not None:
            self._hub.leave(self._channel.topic, self._subscriber)
            self._channel = None


def _alike(operation: Operation, row: int | None) -> Hashable:
    """Return a key that is equal for operations with equal answers to an event."""
    groups = operation.caller.groups
    variables = orjson.dumps(operation.variables, default=str, option=orjson.OPT_SORT_KEYS)
    return row, operation.text, operation.name, variables, groups, operation.options.trace
