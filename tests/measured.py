"""A server that measures itself: how long its event loop and its garbage collector keep everything else waiting.

`python -m tests.measured` serves as `gamehub-graph serve --port 0` does. `GET /measured` returns the measurements since
its last call, and begins anew. `loop` is the longest time between two turns of the event loop. `work` is the processor
time that the loop's thread took in one of these gaps, and `collection` that of one collection: a busy machine makes the
first longer, and not these.
"""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

PATH = "/measured"
# How often the loop is looked at. It counts as part of each gap.
TICK = 0.002


@dataclass(frozen=True, slots=True)
class Found:
    """The measurements of a server, in milliseconds; `memory` is its resident memory in MiB."""

    loop: float
    work: float
    collection: float
    memory: float


class Measured:
    """An application with a task beside it that looks at the loop, and with a look at the garbage collector."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._loop = self._work = self._collection = self._began = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the application, and `/measured`."""
        if self._task is None:
            gc.callbacks.append(self._collected)
            self._task = asyncio.create_task(self._look())
        if scope.get("path") != PATH:
            await self._app(scope, receive, send)
            return
        body = orjson.dumps(self._tell())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def _look(self) -> None:
        while True:
            wall, work = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK)
            self._loop = max(self._loop, time.perf_counter() - wall - TICK)
            self._work = max(self._work, time.thread_time() - work)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            self._collection = max(self._collection, time.thread_time() - self._began)

    def _tell(self) -> dict[str, float]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        figures = {
            "loop": self._loop * 1000,
            "work": self._work * 1000,
            "collection": self._collection * 1000,
            "memory": pages * os.sysconf("SC_PAGESIZE") / (1 << 20),
        }
        self._loop = self._work = self._collection = 0.0
        return figures


@contextmanager
def measured(folder: Path, **settings: str) -> Iterator[str]:
    """Yield the address of a server that measures itself, for as long as the block lasts."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.measured"],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "ERROR_JOURNAL": str(folder / "errors.sqlite"),
            "LOG_LEVEL": "error",
            "PORT": "0",
            **settings,
        },
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        for line in iter(server.stdout.readline, ""):
            address = next((word for word in line.split() if word.startswith("http://")), None)
            if address is not None:
                yield address.rstrip("/")
                return
        raise RuntimeError("the server did not start")
    finally:
        server.terminate()
        server.communicate(timeout=30)


def found(address: str) -> Found:
    """Return the measurements of a server since the last call of this function."""
    return Found(**httpx.get(address + PATH, trust_env=False, timeout=60).json())


def main() -> None:
    """Serve, and measure."""
    from server import serve
    from server.workers import serving

    plain = serving.configure  # type: ignore[attr-defined]
    serving.configure = lambda app, *rest: plain(Measured(app), *rest)  # type: ignore[attr-defined]
    serve.main()


if __name__ == "__main__":
    main()
