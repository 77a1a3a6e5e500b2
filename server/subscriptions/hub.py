"""The topics that have subscribers. Each is polled once for all of them, and not at all without subscribers."""

import asyncio
import datetime
from collections.abc import Sequence
from contextlib import aclosing

import structlog

from resolvers.topics.poll import Poll
from resolvers.topics.topic import Resume, Topic
from server.execution.execution import FAULT
from server.logs import LOG_CONTEXT
from server.subscriptions.ending import ended, too_many
from server.subscriptions.poller import Poller
from server.subscriptions.subscriber import Subscriber
from upstream.resilience.queue import QUEUE_CALLER, QueueCaller

# The name under which polls wait for a slot of the upstream: they belong to no caller.
POLLS = QueueCaller("subscriptions")
# The subscribers that are woken in one turn of the event loop.
TURN = 50

log = structlog.get_logger(__name__)


class Channel:
    """A topic that is polled, and its subscribers.

    `newest` is for those who join: the state, or the failure of the last poll. `known` is the moment of the first poll
    without a failure. `place` is the place after all rows that were published; None for a state.
    """

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.subscribers: dict[Subscriber, None] = {}
        self.newest: Poll | None = None
        self.place: Resume | None = None
        self.known: asyncio.Future[datetime.datetime] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None
        self._last: Poll | None = None

    async def run(self, poller: Poller) -> None:
        """Give each poll to the subscribers, until the task is cancelled."""
        QUEUE_CALLER.set(POLLS)
        LOG_CONTEXT.set({"topic": str(self.topic)})
        try:
            polls = poller.polls(self.topic)
            async with aclosing(polls):
                async for poll in polls:
                    await self._publish(poll)
        except Exception:
            log.exception("the poll of a topic ended")
            for subscriber in list(self.subscribers):
                subscriber.end(ended(FAULT, "INTERNAL_SERVER_ERROR"))

    async def _publish(self, poll: Poll) -> None:
        if self._last is not None:
            self._last.shared.clear()  # a slow subscriber answers old events itself
        self._last = poll
        self.place = poll.newest or self.place
        self.newest = poll if poll.added is None or poll.error is not None else None
        if poll.error is None and not self.known.done():
            self.known.set_result(poll.read_at)
        for number, subscriber in enumerate(list(self.subscribers), 1):
            subscriber.put(poll)
            if number % TURN == 0:
                await asyncio.sleep(0)


class Hub:
    """The channels of one server."""

    def __init__(self, poller: Poller, most: int) -> None:
        self._poller = poller
        self._most = most
        self._channels: dict[Topic, Channel] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def join(self, topic: Topic, subscriber: Subscriber) -> Channel:
        """Add a subscriber to a topic, and poll the topic from now on. Raises SubscriptionEnded for too many topics."""
        channel = self._channels.get(topic)
        if channel is None:
            if len(self._channels) >= self._most:
                raise too_many(
                    f"{self._most} different topics are polled, and may not be more: subscribe to one that is polled, "
                    "or later."
                )
            channel = self._channels[topic] = Channel(topic)
            channel.task = asyncio.create_task(channel.run(self._poller), name=f"poll of {topic}")
        channel.subscribers[subscriber] = None
        if channel.newest is not None:
            subscriber.put(channel.newest)
        return channel

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        """Remove a subscriber. A topic without subscribers is not polled any longer."""
        channel = self._channels.get(topic)
        if channel is None:
            return
        channel.subscribers.pop(subscriber, None)
        if not channel.subscribers:
            del self._channels[topic]
            assert channel.task is not None
            channel.task.cancel()

    async def since(self, channel: Channel, resume: Resume) -> Sequence[Poll]:
        """Return the rows of a topic after a place, given that the topic was polled. Raises UpstreamError."""
        return await self._poller.since(channel.topic, resume, channel.known.result())
