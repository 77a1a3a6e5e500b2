"""A million random amounts through the whole path, digit for digit: `python benchmarks/amounts_bench.py`.

An upstream of its own over HTTP, the served graph, and what comes out as JSON, CSV and Parquet. Exit code 1 if any
amount comes out otherwise than it went in.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import typer
from rich.progress import track

from tests.amounts import amounts

SIZE = 10_000


async def run(count: int) -> int:
    began = time.perf_counter()
    wrong: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with amounts(Path(folder), SIZE) as passage:
            for number in track(range(-(-count // (2 * SIZE))), "amounts"):
                wrong += await passage.check(number)
            done = passage.compared
    took = time.perf_counter() - began
    typer.echo(f"{done:,} amounts, {done // 2:,} of them in CSV and Parquet, too: {len(wrong)} wrong ({took:.0f} s)")
    for sent, found in wrong[:20]:
        typer.echo(f"  sent {sent}, told {found}")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="how many amounts")
    sys.exit(asyncio.run(run(parser.parse_args().count)))
