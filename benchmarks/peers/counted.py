"""The real server with counters in it.

COUNT names what it counts, so that no counter counts another one:

- `calls`: the Python frames that were entered or resumed and the C functions that Python code called, by the profiler
  of the standard library. In the main thread alone.
- `allocations`: the blocks that the main thread asked of Python's allocators. ALLOCATIONS is the library that
  `allocations.c` was compiled to.
- `loop`: the handles, the timers and the tasks that the event loop was given.

SIGUSR1 begins a count, the next one ends it. Each writes the file COUNTS: first `{}`, then the numbers as JSON.
"""

import cProfile
import ctypes
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol

import uvloop

from peers.ours import serve


class Count(Protocol):
    """A counter that can be switched on and off."""

    def begin(self) -> None:
        """Count from now on."""

    def end(self) -> dict[str, int]:
        """Stop, and return the numbers."""


class Calls:
    """Counts frames and calls of C functions."""

    def begin(self) -> None:
        self._profile = cProfile.Profile()
        self._profile.enable()

    def end(self) -> dict[str, int]:
        self._profile.disable()
        counts = Counter({"frames": 0, "C calls": 0})
        for entry in self._profile.getstats():
            counts["frames" if isinstance(entry.code, CodeType) else "C calls"] += entry.callcount
        return dict(counts)


class Allocations:
    """Counts blocks of memory."""

    def __init__(self) -> None:
        # PyDLL keeps the GIL.
        self._library = ctypes.PyDLL(os.environ["ALLOCATIONS"])
        self._library.end.restype = ctypes.c_long

    def begin(self) -> None:
        self._library.begin()

    def end(self) -> dict[str, int]:
        return {"allocations": self._library.end()}


class CountedLoop(uvloop.Loop):
    """An event loop that counts what it is given."""

    counts: Counter[str] = Counter()

    def call_soon(self, callback: Callable[..., Any], *args: Any, **context: Any) -> Any:
        self.counts["handles"] += 1
        return super().call_soon(callback, *args, **context)

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, **context: Any) -> Any:
        self.counts["handles"] += 1
        return super().call_soon_threadsafe(callback, *args, **context)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **context: Any) -> Any:
        # `call_at` calls this, too.
        self.counts["timers"] += 1
        return super().call_later(delay, callback, *args, **context)

    def create_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
        self.counts["tasks"] += 1
        return super().create_task(coroutine, **options)


class Loop:
    """Counts what the event loop is given. To be made before the event loop."""

    def __init__(self) -> None:
        uvloop.Loop = CountedLoop  # type: ignore[misc]

    def begin(self) -> None:
        CountedLoop.counts.clear()

    def end(self) -> dict[str, int]:
        return {name: CountedLoop.counts[name] for name in ("handles", "timers", "tasks")}


KINDS: dict[str, Callable[[], Count]] = {"calls": Calls, "allocations": Allocations, "loop": Loop}


def main() -> None:
    """Serve, and count between two signals."""
    count = KINDS[os.environ["COUNT"]]()
    target = Path(os.environ["COUNTS"])
    counting = False

    def tell(numbers: dict[str, int]) -> None:
        target.with_suffix(".part").write_text(json.dumps(numbers))
        target.with_suffix(".part").rename(target)

    def turn(number: int, frame: FrameType | None) -> None:
        nonlocal counting
        if counting:
            tell(count.end())
        else:
            tell({})
            count.begin()
        counting = not counting

    signal.signal(signal.SIGUSR1, turn)
    serve()


if __name__ == "__main__":
    main()
