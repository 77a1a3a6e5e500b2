"""A bell: whoever waits for it is woken when it rings."""

import asyncio


class Bell:
    """Each waits by a future of its own, so that who is cancelled leaves the others untouched. It remembers nothing.

    What `asyncio.Event` and `asyncio.Lock` do besides takes several times as long, and there are two for each call.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait until it rings."""
        rung = asyncio.get_running_loop().create_future()
        self._waiting.append(rung)
        await rung

    def ring(self, most: int | None = None) -> bool:
        """Wake all who wait, or the first of them; say whether others still wait."""
        waiting = self._waiting if most is None else self._waiting[:most]
        self._waiting = self._waiting[len(waiting) :]
        for rung in waiting:
            if not rung.done():
                rung.set_result(None)
        return bool(self._waiting)
