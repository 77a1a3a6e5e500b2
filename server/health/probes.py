"""Probes of the upstreams: a small call to each, now or a moment ago."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Probe = Callable[[], Awaitable[str | None]]

CACHED_SECONDS = 10.0
DEADLINE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a probe: a description of what is wrong, or None."""

    wrong: str | None
    at: float


class UpstreamProbes:
    """Probe every upstream at most once in `cached_seconds`, however many requests come.

    A probe describes what is wrong, or returns None. Waiters share a probe; it goes on if one of them leaves.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        cached_seconds: float = CACHED_SECONDS,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self._probes = probes
        self._cached_seconds = cached_seconds
        self._deadline = deadline
        self._found: dict[str, Finding] = {}
        self._asking: dict[str, asyncio.Task[Finding]] = {}

    @property
    def names(self) -> list[str]:
        """Return the names of the upstreams that are probed."""
        return list(self._probes)

    async def look(self, name: str) -> Finding:
        """Return the result of a probe of an upstream that is not too old."""
        found = self._found.get(name)
        if found is not None and time.monotonic() - found.at < self._cached_seconds:
            return found
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._ask(name))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(task)

    async def _ask(self, name: str) -> Finding:
        try:
            async with asyncio.timeout(self._deadline):
                wrong = await self._probes[name]()
        except TimeoutError:
            wrong = f"no answer in {self._deadline:g} seconds"
        found = self._found[name] = Finding(wrong, time.monotonic())
        return found
