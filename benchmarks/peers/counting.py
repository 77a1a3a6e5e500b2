"""Count what an answer of this server costs. The counts are the same on a slow machine and on a busy one.

Each question is asked some hundred times, one after the other, and a count is the mean of these answers. Work that time
starts, like a look at the key file four times a second, is in it: the faster the machine, the smaller its share.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from peers import load, world
from peers.agreement import agree
from peers.queries import QUERIES
from peers.servers import Running
from peers.upstream import HOST, Upstream, running

# The counts, each with the kind of run that makes it.
COUNTS = {
    "frames": "calls",
    "C calls": "calls",
    "allocations": "allocations",
    "handles": "loop",
    "timers": "loop",
    "tasks": "loop",
    "system calls": "system calls",
}
KINDS = tuple(dict.fromkeys(COUNTS.values()))
WARM_UP = 40  # answers: programs are compiled, prices are learned, and the connections of pools are open
WARM_UP_AGAIN = 3  # answers before each count: what was kept for a few seconds is read again


@dataclass(frozen=True, slots=True)
class Case:
    """A question to a server, and how many of its answers are counted."""

    query: str
    answers: int
    server: str = "ours"


CASES = {
    "small": Case("small", 300),
    "medium": Case("medium", 200),
    "walk50": Case("walk50", 30),
    "walk50, key of some groups": Case("walk50", 20, "restricted"),
    "walk50 again, days cached": Case("walk50", 30, "warm"),
}

Counts = dict[str, dict[str, float]]  # by case and name


class Uncounted(Exception):
    """A kind of count cannot be made on this machine. The text says why."""


async def counts(upstream: Upstream, kinds: Sequence[str] = KINDS) -> tuple[Counts, list[str]]:
    """Return the counts of all cases, and a line for each kind of count that this machine cannot make."""
    found: Counts = {case: {} for case in CASES}
    missing = []
    for kind in kinds:
        try:
            async with counters(upstream, [kind]) as count:
                for case, numbers in (await count()).items():
                    found[case] |= numbers
        except Uncounted as reason:
            missing.append(f"Not counted: {kind}. {reason}")
    return found, missing


@contextlib.asynccontextmanager
async def counters(upstream: Upstream, kinds: Sequence[str]) -> AsyncIterator[Callable[[], Awaitable[Counts]]]:
    """Start the servers of some kinds of counts. Yield a function that counts: it may be called again and again."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ready = [
            counter
            for kind in kinds
            for server in dict.fromkeys(case.server for case in CASES.values())
            for counter in await _started(kind, server, upstream, folder, stack)
        ]

        async def count() -> Counts:
            found: Counts = {case: {} for case in CASES}
            for counter in ready:
                found[counter.case] |= await counter.count(folder)
            return found

        yield count


@dataclass(frozen=True, slots=True)
class _Counter:
    """A server that is ready to be asked the question of a case."""

    kind: str
    case: str
    process: Running
    target: Path
    questions: Sequence[load.Question]

    async def warm_up(self, answers: int) -> None:
        await load.press(HOST, self.process.port, self.questions, 0, answers)

    async def count(self, folder: Path) -> dict[str, float]:
        """Ask, and return the counts of an answer."""
        pid, answers = self.process.pid, CASES[self.case].answers
        await self.warm_up(WARM_UP_AGAIN)
        counting = _system_calls(pid, folder) if self.kind == "system calls" else _between(pid, self.target)
        with counting as numbers:
            await load.press(HOST, self.process.port, self.questions, 0, answers)
        return {name: number / answers for name, number in numbers.items()}


async def _started(
    kind: str, server: str, upstream: Upstream, folder: Path, stack: contextlib.ExitStack
) -> list[_Counter]:
    """Start a server that counts one kind, and get it ready for its cases."""
    target = folder / f"{kind} {server}.json"
    settings = {"COUNT": kind, "COUNTS": str(target)}
    if kind == "allocations":
        settings["ALLOCATIONS"] = str(_compiled(folder))
    name = server if kind == "system calls" else f"counted-{server}"
    (process,) = stack.enter_context(running([name], upstream, settings))
    found = []
    for case, (query, _, asked) in ((title, astuple(case)) for title, case in CASES.items()):
        if asked == server:
            questions = await agree([process], QUERIES[query], world.worlds(QUERIES[query].size, 1), upstream)
            found.append(_Counter(kind, case, process, target, questions[name]))
            await found[-1].warm_up(WARM_UP)
    return found


@contextlib.contextmanager
def _between(pid: int, target: Path) -> Iterator[dict[str, int]]:
    """Let a counted server count for as long as the block lasts, then fill in its numbers."""
    numbers: dict[str, int] = {}
    _turn(pid, target)
    yield numbers
    numbers.update(_turn(pid, target))


def _turn(pid: int, target: Path) -> dict[str, int]:
    target.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    while not target.exists():
        time.sleep(0.01)
    numbers: dict[str, int] = json.loads(target.read_text())
    return numbers


@contextlib.contextmanager
def _system_calls(pid: int, folder: Path) -> Iterator[dict[str, int]]:
    """Let `strace` count the system calls of all threads for as long as the block lasts."""
    if shutil.which("strace") is None:
        raise Uncounted("`strace` is not installed.")
    table = folder / "strace.txt"
    numbers: dict[str, int] = {}
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-o", str(table), "-p", str(pid)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert tracer.stderr is not None
        if "attached" not in (said := tracer.stderr.readline()):
            raise Uncounted(f"`strace` cannot attach to a process: {said.strip()}")
        yield numbers
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
    total = re.search(r"^\s*100\.00\s+\S+\s+\S+\s+(\d+).*total$", table.read_text(), re.MULTILINE)
    assert total is not None
    numbers["system calls"] = int(total[1])


def _compiled(folder: Path) -> Path:
    """Compile the counter of allocations, once. Raises Uncounted."""
    library = folder / "allocations.so"
    include = Path(sysconfig.get_paths()["include"])
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise Uncounted("There is no C compiler: install one, or set CC.")
    if not (include / "Python.h").exists():
        raise Uncounted(f"The headers of Python are not installed: {include.name}/Python.h.")
    if not library.exists():
        source = Path(__file__).with_name("allocations.c")
        command = [compiler, "-O2", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(library)]
        built = subprocess.run(command, capture_output=True, text=True)
        if built.returncode:
            raise Uncounted(f"The compiler failed: {built.stderr.strip()}")
    return library


def table(found: Counts, missing: Sequence[str]) -> str:
    """The counts as Markdown."""
    lines = ["| a query, on average | " + " | ".join(COUNTS) + " |", "|---" + "|---:" * len(COUNTS) + "|"]
    for case, numbers in found.items():
        cells = (f"{numbers[name]:,.1f}" if name in numbers else "–" for name in COUNTS)
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return "\n".join(["\n".join(lines), *missing])


# A bound is above its count by a share and by a fixed part. A busy machine does more of what time starts.
ROOM = {"frames": (0.02, 5.0), "C calls": (0.02, 5.0), "handles": (0.1, 0.5), "timers": (0.1, 1.5), "tasks": (0.1, 0.5)}


def bounds(found: Counts) -> Counts:
    """Return a bound for each count that every machine can make."""
    return {
        case: {name: round(numbers[name] * (1 + share) + part, 1) for name, (share, part) in ROOM.items()}
        for case, numbers in found.items()
    }
