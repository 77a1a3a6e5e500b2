"""The subscriptions of one server: who may open how many, and when they end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from resolvers.topics.topic import named
from schema.subscription import topic_of
from server.execution.execution import Executor, Outcome
from server.execution.operation import Operation
from server.subscriptions.config import SubscriptionConfig
from server.subscriptions.ending import SubscriptionEnded, credential_over, draining, too_many
from server.subscriptions.hub import Hub
from server.subscriptions.poller import Poller
from server.subscriptions.stream import Events, RunningSubscription, SessionOf
from server.subscriptions.subscriber import Subscriber

# A revoked key ends its subscriptions after this time.
LOOK_SECONDS = 1.0
# The time in which clients are told that the server stops.
DRAINING_SECONDS = 5.0
# The time in which a WebSocket is closed after its last query.
CLOSING_SECONDS = 1.0


class Subscribing(msgspec.Struct, frozen=True):
    """A subscribing caller: the name under which its subscriptions are counted, and whether its credential is over."""

    name: str
    over: Callable[[], bool] = bool


class Subscriptions:
    """Opens subscriptions, and ends those of credentials that are over, or of a server that stops."""

    def __init__(
        self,
        executor: Executor,
        session_of: SessionOf,
        poller: Poller,
        config: SubscriptionConfig,
    ) -> None:
        self.config = config
        self.executor = executor
        self.stopping: asyncio.Event | None = None
        self._events = Events(executor, session_of, config.events)
        self._hub = Hub(poller, config.most_topics)
        self._open: dict[RunningSubscription, Subscribing] = {}
        self._of_callers: Counter[str] = Counter()
        self._sockets: Counter[str] = Counter()
        self._connections = 0
        self._queries = 0
        self._draining = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Look after the subscriptions inside the block."""
        looking = asyncio.create_task(self._look(), name="credentials of subscriptions")
        try:
            yield
        finally:
            looking.cancel()
            await self.drain()

    async def subscribe(self, operation: Operation, who: Subscribing) -> RunningSubscription | Outcome:
        """Return the subscription of an operation, or why it did not begin: an outcome that is sent as it is.

        Raises SubscriptionEnded for one subscription too many, and for an argument that cannot be used.
        """
        if self._draining:
            raise draining()
        most, each = self.config.most, self.config.most_of_caller
        if len(self._open) >= most:
            raise too_many(f"This server has {most} subscriptions, and may not have more: try again later.")
        if self._of_callers[who.name] >= each:
            raise too_many(f"This caller has {each} subscriptions, and may not have more: end one of them.")
        subscriber = Subscriber(self.config.waiting)
        subscription = RunningSubscription(operation, who.name, subscriber, self._events, self._hub)
        self._open[subscription] = who
        self._of_callers[who.name] += 1

        refused: list[SubscriptionEnded] = []

        async def source(root: Any, info: Any, **arguments: Any) -> RunningSubscription:
            topic, resume = topic_of(info.field_name, arguments, datetime.now(UTC))
            named(operation.caller, topic)
            try:
                channel = self._hub.join(topic, subscriber)
            except SubscriptionEnded as problem:
                refused.append(problem)
                raise
            subscription.join(channel, resume, arguments.get("after"))
            return subscription

        try:
            found = await self.executor.subscribe(operation, source)
        except BaseException:
            await self.close(subscription)
            raise
        if isinstance(found, Outcome):
            await self.close(subscription)
            if refused:
                raise refused[0]
            return found
        return subscription

    async def close(self, subscription: RunningSubscription) -> None:
        """Release a subscription. A second call does nothing."""
        who = self._open.pop(subscription, None)
        if who is not None:
            self._of_callers[who.name] -= 1
            if not self._of_callers[who.name]:
                del self._of_callers[who.name]
        await subscription.aclose()

    async def drain(self) -> None:
        """End all subscriptions because the server stops. Wait a little until their clients know, and for queries."""
        self._draining = True
        for subscription in list(self._open):
            subscription.end(draining())
        if self.stopping is not None:
            self.stopping.set()
        loop = asyncio.get_running_loop()
        end = loop.time() + DRAINING_SECONDS
        while (self._open or self._connections) and loop.time() < end:
            if self._queries:
                end = max(end, loop.time() + CLOSING_SECONDS)
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncio.Event]:
        """Count a connection that waits for the event inside the block. The event says that the server stops."""
        if self.stopping is None:
            self.stopping = asyncio.Event()
        if self._draining:
            self.stopping.set()
        self._connections += 1
        try:
            yield self.stopping
        finally:
            self._connections -= 1

    @contextmanager
    def query(self) -> Iterator[None]:
        """Count a query that runs on a WebSocket inside the block."""
        self._queries += 1
        try:
            yield
        finally:
            self._queries -= 1

    @contextmanager
    def socket(self, name: str, most: int) -> Iterator[None]:
        """Count a WebSocket of a caller or an address inside the block. Raises SubscriptionEnded for one too many."""
        if self._sockets[name] >= most:
            raise too_many(f"This caller has {most} connections, and may not have more: close one of them.")
        self._sockets[name] += 1
        try:
            yield
        finally:
            self._sockets[name] -= 1
            if not self._sockets[name]:
                del self._sockets[name]

    @property
    def count(self) -> int:
        """Return the number of subscriptions."""
        return len(self._open)

    @property
    def topics(self) -> int:
        """Return the number of topics that are polled."""
        return len(self._hub)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for subscription, who in list(self._open.items()):
                if who.over():
                    subscription.end(credential_over())
