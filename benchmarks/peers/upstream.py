"""The replay server as a process of its own, and servers that ask it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from peers import servers, world
from peers.replay import Served
from peers.servers import HOST

BENCHMARKS = Path(__file__).resolve().parent.parent


class Upstream:
    """The replay server, on core 1."""

    def __init__(self, recorded: world.Recorded) -> None:
        self.port = servers.free_port()
        self._process = subprocess.Popen(
            [*servers.pinned(servers.OTHER_CORE), sys.executable, "-m", "peers.replay", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{BENCHMARKS}:{BENCHMARKS.parent}"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(recorded)).encode())
        self._process.stdin.close()
        self._process.stdout.readline()

    def environment(self) -> dict[str, str]:
        """Return the settings by which servers reach it, with the names of our settings."""
        address = f"http://{HOST}:{self.port}"
        return {
            "GAMEHUB_URL": f"{address}/api/v1/",
            "GAMEHUB_TOKEN": world.TOKEN,
            "GAMELOG_URL": f"{address}{world.GAMELOG_PATH}",
            "GAMELOG_AGENT_CODE": world.AGENT,
            "GAMELOG_AGENT_TOKEN": world.AGENT_TOKEN,
            "MOVEMENT_JOIN": "trust",
            "CACHE_URL": "off",
        }

    def calls(self) -> Counter[str]:
        """Return the calls since the last call of this method or of `served`, by report."""
        return Counter(each.report for each in self.served())

    def served(self) -> list[Served]:
        """Return the answers since the last call of this method or of `calls`."""
        return [Served(*each) for each in self._ask("work")]

    def pace(self, latency: float, slots: int) -> None:
        """Let each answer take so many seconds, and so many requests be answered at a time."""
        self._ask(f"pace?latency={latency}&slots={slots}")

    def _ask(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{HOST}:{self.port}/{path}") as answer:
            return json.load(answer)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(
    names: Sequence[str], upstream: Upstream, extra: Mapping[str, str] | None = None
) -> Iterator[list[servers.Running]]:
    """The servers, all of them started."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = upstream.environment() | {"ERROR_JOURNAL": str(folder / "errors.sqlite"), **(extra or {})}
        yield [stack.enter_context(servers.run(name, settings, folder)) for name in names]
