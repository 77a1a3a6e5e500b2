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
    options.add_argument("--json", action="store_true", help="print the counts as JSON")
    options.add_argument("--bounds", action="store_true", help=f"write {BOUNDS.name} anew; needs kinds calls and loop")
    arguments = options.parse_args()
    upstream = Upstream(world.record())
    try:
        found, missing = await counting.counts(upstream, arguments.kinds.split(","))
    finally:
        upstream.close()
    sys.stdout.write((json.dumps(found) if arguments.json else counting.table(found, missing)) + "\n")
    if arguments.bounds:
        BOUNDS.write_text(json.dumps(counting.bounds(found), indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
