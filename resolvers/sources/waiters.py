"""The tasks that wait for one event."""

import asyncio


class Waiters:
    """Tasks that wait until they are woken. A task that is cancelled leaves the others untouched.

    It costs a fraction of `asyncio.Event` and `asyncio.Lock`, and there are two for each call. It does not remember
    that it woke anybody.
    """

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait until the next `wake`."""
        future = asyncio.get_running_loop().create_future()
        self._futures.append(future)
        await future

    def wake(self, most: int | None = None) -> bool:
        """Wake all tasks, or the first of them. Return whether others still wait."""
        futures = self._futures if most is None else self._futures[:most]
        self._futures = self._futures[len(futures) :]
        for future in futures:
            if not future.done():
                future.set_result(None)
        return bool(self._futures)
