"""Count what an answer of this server costs: frames, C calls, allocations, handles, timers, tasks, system calls.

    python benchmarks/counts_bench.py
    python benchmarks/counts_bench.py --kinds calls,loop --bounds

The numbers hardly depend on the machine, so tests/test_counts.py holds them below the bounds of counts.json.
`--bounds` writes that file anew, from today's numbers.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers import counting, world  # noqa: E402  # found by the path above
from peers.upstream import Upstream  # noqa: E402

BOUNDS = ROOT / "benchmarks" / "counts.json"


async def main() -> None:
    """Count, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kinds", default=",".join(counting.KINDS), help="separated by commas; default: %(default)s")
    options.add_argument(
        "--on-demand", action="store_true", help="start servers, print a line, count for each line read"
    )
    options.add_argument("--bounds", action="store_true", help=f"write {BOUNDS.name} anew; needs kinds calls and loop")
    arguments = options.parse_args()
    upstream = Upstream(world.record())
    try:
        if arguments.on_demand:
            await count_on_demand(upstream, arguments.kinds.split(","))
            return
        found, missing = await counting.counts(upstream, arguments.kinds.split(","))
    finally:
        upstream.close()
    _print(counting.table(found, missing))
    if arguments.bounds:
        BOUNDS.write_text(json.dumps(counting.bounds(found), indent=2) + "\n")


async def count_on_demand(upstream: Upstream, kinds: list[str]) -> None:
    """Print a line when the servers are ready, then one line of JSON for each line of standard input."""
    async with counting.counters(upstream, kinds) as count:
        _print("ready")
        while await asyncio.to_thread(sys.stdin.readline):
            _print(json.dumps(await count()))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
