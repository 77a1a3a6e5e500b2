"""The real server with a sampler in it: where the CPU time of its main thread goes, part by part.

A signal every millisecond of CPU time notes the innermost frame that belongs to a part; what a C function takes is its
caller's. SIGUSR2 writes the samples since the last one to the file PROFILE.
"""

import gc
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from peers.ours import serve

# The first that a frame's file holds; a frame of none, or of "", belongs to the one that called it.
PARTS = (
    ("/upstream/decode", "decoding rows"),
    ("/upstream/rows", "decoding rows"),
    ("/upstream/money", "decoding rows"),
    ("/upstream/moment", "decoding rows"),
    ("/upstream/transport", "HTTP client"),
    ("/upstream/auth", "HTTP client"),
    ("/upstream/request", "HTTP client"),
    ("/httpx/", "HTTP client"),
    ("/httpcore/", "HTTP client"),
    ("/pyreqwest/", "HTTP client"),
    ("/stamina/", "HTTP client"),
    ("/tenacity/", "HTTP client"),
    ("/upstream/", "calls: cache, days, deadlines"),
    ("/resolvers/", "planner and loaders"),
    ("/engine/", "engine"),
    ("<frozen", ""),
    ("<string", ""),
    ("<", "compiled code"),
    ("/schema/", "resolvers of the schema"),
    ("/strawberry/", "Strawberry"),
    ("/graphql/", "graphql-core"),
    ("/server/", "operation: documents, limits, encoding"),
    ("/starlette/", "HTTP server"),
    ("/uvicorn/", "HTTP server"),
    ("/structlog/", "logs"),
    ("/asyncio/", "asyncio"),
)

samples: Counter[str] = Counter()
functions: Counter[str] = Counter()
collecting = [0.0, 0.0]  # when the collection under way began; seconds of all since the last report
last = [0.0, 0.0]  # CPU seconds of the process and of the main thread at the last report


def sample(number: int, frame: FrameType | None) -> None:
    """Note where the main thread is."""
    if frame is not None:
        file = "/".join(frame.f_code.co_filename.rsplit("/", 2)[-2:])
        functions[f"{file}:{frame.f_lineno} {frame.f_code.co_name}"] += 1
    while frame is not None:
        name = frame.f_code.co_filename
        part = next((part for word, part in PARTS if word in name), "")
        if part:
            samples[part] += 1
            return
        frame = frame.f_back
    samples["event loop"] += 1


def collected(phase: str, info: dict[str, Any]) -> None:
    """Time the garbage collector."""
    if phase == "start":
        collecting[0] = time.thread_time()
    else:
        collecting[1] += time.thread_time() - collecting[0]


def report(number: int, frame: FrameType | None) -> None:
    """Write what was noted, and begin anew."""
    whole, main = time.process_time(), time.thread_time()
    profile: dict[str, Any] = {"samples": samples, "functions": functions, "gc": collecting[1]}
    profile |= {"process": whole - last[0], "main": main - last[1]}
    last[:] = [whole, main]
    collecting[1] = 0.0
    target = Path(os.environ["PROFILE"])
    target.with_suffix(".part").write_text(json.dumps(profile))
    target.with_suffix(".part").rename(target)
    samples.clear()
    functions.clear()


if __name__ == "__main__":
    gc.callbacks.append(collected)
    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR2, report)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    sys.setswitchinterval(0.005)
    serve()
