"""Whether the server is ready: each upstream, asked for little, now or a moment ago."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

Probe = Callable[[], Awaitable[str | None]]

KEPT_SECONDS = 10.0
DEADLINE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found: nothing wrong, or what is wrong, in words."""

    wrong: str | None
    at: float


class Readiness:
    """Asks every upstream at most once in `kept` seconds, however often it is asked itself.

    A probe returns what is wrong in words, or None; a wait that ends does not end the probe others wait for. `notes`
    are said as well, but do not count: whoever runs one system alone is ready without the other. `draining` says that
    the server is about to end, and takes no new work.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        notes: Callable[[], Sequence[str]] = tuple,
        kept: float = KEPT_SECONDS,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self.draining = False
        self._notes = notes
        self._probes = probes
        self._kept = kept
        self._deadline = deadline
        self._found: dict[str, Finding] = {}
        self._asking: dict[str, asyncio.Task[Finding]] = {}

    def drain(self) -> None:
        """From now on the server is not ready, since it is about to end."""
        self.draining = True

    @property
    def notes(self) -> list[str]:
        """What there is to say now."""
        return list(self._notes())

    async def wrong(self) -> dict[str, str]:
        """What is wrong, by upstream; empty when all is well."""
        if self.draining:
            return {"server": "is stopping"}
        findings = await asyncio.gather(*(self._look(name) for name in self._probes))
        return {name: f.wrong for name, f in zip(self._probes, findings, strict=True) if f.wrong is not None}

    async def _look(self, name: str) -> Finding:
        found = self._found.get(name)
        if found is not None and time.monotonic() - found.at < self._kept:
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
