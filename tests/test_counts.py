"""The cost of a query, counted in the real server: frames, calls of C functions, handles, timers and tasks.

The upstream replays recorded answers over loopback HTTP. The bounds are a ratchet: a change that makes them higher says
why in its commit. `make counts ARGS=--bounds` writes them anew; benchmarks/peers/counting.py says what is counted, and
how.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BOUNDS = ROOT / "benchmarks" / "counts.json"
# A count includes a little work that time starts, of which a busy machine has more: then it is made again.
TRIES = 3

Counts = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def counted() -> Iterator[Callable[[], Counts]]:
    """Start the servers, and return the function that counts."""
    command = [sys.executable, str(ROOT / "benchmarks" / "counts_bench.py"), "--kinds", "calls,loop", "--on-demand"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def count() -> Counts:
            process.stdin.write("\n")
            process.stdin.flush()
            found: Counts = json.loads(process.stdout.readline())
            return found

        yield count
        process.stdin.close()


@pytest.fixture(scope="module")
def bounds() -> Counts:
    found: Counts = json.loads(BOUNDS.read_text())
    return found


def above(counts: Counts, bounds: Counts) -> list[str]:
    """Return a line for each count above its bound."""
    return [
        f"{query}: {counts[query][name]:,.1f} {name}, and at most {most:,.1f} are allowed"
        for query, limits in bounds.items()
        for name, most in limits.items()
        if counts[query][name] > most
    ]


@pytest.mark.usefixtures("counted")
def test_every_count_has_a_bound(bounds: Counts) -> None:
    """The servers start here, beside the tests of other workers. The test that counts runs alone."""
    assert bounds.keys() == {"small", "medium", "walk50", "walk50, key of some groups", "walk50 again, days cached"}
    assert all(limits.keys() == {"frames", "C calls", "handles", "timers", "tasks"} for limits in bounds.values())


@pytest.mark.alone
def test_a_query_costs_no_more_than_before(counted: Callable[[], Counts], bounds: Counts) -> None:
    for _ in range(TRIES):
        found = above(counted(), bounds)
        if not found:
            return
    raise AssertionError("\n".join(found))
