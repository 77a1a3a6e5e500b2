"""The cost of a query, counted in the real server: frames, calls of C functions, handles, timers and tasks.

The upstream replays recorded answers over loopback HTTP. The bounds are a ratchet: a change that makes them higher says
why in its commit. `make counts ARGS=--bounds` writes them anew; benchmarks/peers/counting.py says what is counted, and
how.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BOUNDS = ROOT / "benchmarks" / "counts.json"
# A count includes a little work that time starts, of which a busy machine has more: then it is made again.
TRIES = 3

Counts = dict[str, dict[str, float]]


def counted() -> Counts:
    """Return the counts of today, by query and name."""
    command = [sys.executable, str(ROOT / "benchmarks" / "counts_bench.py"), "--kinds", "calls,loop", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def above(counts: Counts, bounds: Counts) -> list[str]:
    """Return a line for each count above its bound."""
    return [
        f"{query}: {counts[query][name]:,.1f} {name}, and at most {most:,.1f} are allowed"
        for query, limits in bounds.items()
        for name, most in limits.items()
        if counts[query][name] > most
    ]


@pytest.mark.alone
def test_a_query_costs_no_more_than_before() -> None:
    bounds: Counts = json.loads(BOUNDS.read_text())
    assert bounds.keys() == {"small", "medium", "walk50", "walk50, key of some groups", "walk50 again, days cached"}
    assert all(limits.keys() == {"frames", "C calls", "handles", "timers", "tasks"} for limits in bounds.values())
    for _ in range(TRIES):
        found = above(counted(), bounds)
        if not found:
            return
    raise AssertionError("\n".join(found))
