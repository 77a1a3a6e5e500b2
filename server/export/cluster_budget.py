"""One budget of upstream calls for all workers of a cluster: the command hands out the tokens.

The command takes a token from its own bucket and puts it into a queue of the scheduler, one at a time for each system.
A worker takes it just before a request. So all workers together send as many requests a minute as one process may.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from distributed import Client, Queue

from upstream.resilience.bucket import MINUTE, Bucket

# A token that a worker has not used for so long is lost: its request would fall into another minute.
UNUSED_SECONDS = 1.0
_POLL_SECONDS = 0.02

# The name of the queue with the tokens of a system, and its calls per minute.
Budgets = Mapping[str, tuple[str, int]]


class ClusterBucket(Bucket):
    """The bucket of a worker: its tokens come from the command."""

    __slots__ = ("_got", "_queue")

    def __init__(self, most: int, queue: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(most, clock=clock)
        self._queue = queue
        self._got = -UNUSED_SECONDS

    @property
    def free(self) -> int:
        """Return 1 if there is a token for this worker now."""
        if self._clock() - self._got < UNUSED_SECONDS:
            return 1
        try:
            # The scheduler logs each time-out, so nobody waits for an empty queue.
            if not self._queue.qsize():
                return 0
            self._queue.get(timeout=0.1)
        except TimeoutError:
            return 0
        self._got = self._clock()
        return 1

    def take(self) -> bool:
        """Take the token, and return whether there was one."""
        if not self.free:
            return False
        self._got = -UNUSED_SECONDS
        return True

    def wait(self, tokens: int = 1) -> float:
        """Return the seconds in which the command hands out so many tokens."""
        return 0.0 if tokens <= 0 else max(tokens * self._minute / self.most, 0.05)


@contextmanager
def handed_out(client: Client, name: str, rates: Mapping[str, int]) -> Iterator[Budgets]:
    """Hand out tokens during the block. Yield the queue and the rate of each system with a limit."""
    ended = threading.Event()
    queues = {system: f"{name}-{system}" for system in rates}
    threads = [
        threading.Thread(target=_hand_out, args=(queue_of(queues[system], client), most, ended))
        for system, most in rates.items()
    ]
    for thread in threads:
        thread.daemon = True
        thread.start()
    try:
        yield {system: (queues[system], most) for system, most in rates.items()}
    finally:
        ended.set()
        for thread in threads:
            thread.join(2.0)


def queue_of(name: str, client: Any) -> Any:
    """Return the queue of a name, with room for one token."""
    return Queue(name, client=client, maxsize=1)  # type: ignore[no-untyped-call]


def _hand_out(queue: Any, most: int, ended: threading.Event) -> None:
    # One token may lie in the queue for a while, and a worker may use one up to a second later.
    bucket = Bucket(max(1, most - 1), minute=MINUTE + 2 * UNUSED_SECONDS)
    while not ended.is_set():
        if queue.qsize():
            ended.wait(_POLL_SECONDS)
        elif bucket.take():
            queue.put(1)
        else:
            ended.wait(min(bucket.wait(), 1.0))
