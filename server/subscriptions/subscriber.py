"""The polls that wait for one subscriber, in a bounded queue."""

import asyncio
from collections import deque

from resolvers.topics.poll import Poll
from server.subscriptions.ending import SubscriptionEnded, slow


class Subscriber:
    """Waits for polls. Of a state, only the newest poll waits; of rows, up to `most` rows."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows = 0
        self._waiting: deque[Poll] = deque()
        self._ending: SubscriptionEnded | None = None
        self._wakened: asyncio.Future[None] | None = None

    def put(self, poll: Poll) -> None:
        """Add a poll. A subscriber for which too much waits is ended."""
        if self._ending is not None:
            return
        if poll.added is None:
            self._waiting.clear()  # the newest state replaces the ones before
        elif self._rows + len(poll.added) > self._most:
            self.end(slow(self._most))
            return
        else:
            self._rows += len(poll.added)
        self._waiting.append(poll)
        self._wake()

    def end(self, ending: SubscriptionEnded) -> None:
        """End the subscriber. What waits is not delivered."""
        if self._ending is None:
            self._ending = ending
            self._waiting.clear()
            self._wake()

    @property
    def ending(self) -> SubscriptionEnded | None:
        """Return why the subscriber was ended; None if it goes on."""
        return self._ending

    async def next(self) -> Poll:
        """Return the next poll. Raises SubscriptionEnded."""
        while not self._waiting:
            if self._ending is not None:
                raise self._ending
            self._wakened = asyncio.get_running_loop().create_future()
            await self._wakened
        poll = self._waiting.popleft()
        self._rows -= len(poll.added or ())
        return poll

    def _wake(self) -> None:
        if self._wakened is not None and not self._wakened.done():
            self._wakened.set_result(None)
