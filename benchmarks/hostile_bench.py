"""What hostile requests cost.

How long each kind blocks the event loop, what different documents keep of the memory, the median time of each request,
and the 99th percentile of an ordinary query meanwhile.

Against a server of its own over its sandbox: `python benchmarks/hostile_bench.py`. Figures are of one run on this
machine; the ratios are what counts.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
import typer

from tests.hostile.corpus import CASES, Case, ask, http
from tests.hostile.kinds import CROWD, KINDS, document
from tests.hostile.wire import connect, read, send
from tests.measured import found, measured
from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

ORDINARY = ask('{ group(id: "382") { id name } }').replace(b"Connection: close\r\n", b"")
ALIVE = http("GET", "/healthz", {"Connection": "keep-alive"})
LARGE = 900_000
GOAL_BLOCK = 50
GOAL_ALIVE = 100
GOAL_MEMORY = 150
SLOW = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15, help="how often each request is sent")
    parser.add_argument("--seconds", type=float, default=10, help="how long each percentile is measured")
    parser.add_argument("--documents", type=int, default=10_000, help="how many different documents are sent")
    options = parser.parse_args()
    with Sandbox(**CROWD) as crowd, tempfile.TemporaryDirectory() as folder:
        with measured(Path(folder), **settings(crowd)) as address:
            blocks(address)
        with measured(Path(folder), **settings(crowd)) as address:
            memory(address, options.documents)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address:
        percentile(address, 2)  # warm
        each(address, options.times)
        quiet = percentile(address, options.seconds)
        tell("quiet", quiet)
        refused = [case for case in CASES if len(case.request) < LARGE]
        tell(
            "while the corpus runs, one after the other",
            during(address, options.seconds, corpus(address, refused)),
            quiet,
        )
        tell(f"while {SLOW} slow sockets drip", during(address, options.seconds, slow(address)), quiet)
        tell("quiet again", percentile(address, options.seconds), quiet)


def blocks(address: str) -> None:
    """How long each kind of request keeps everything else waiting, and the longest answer of `/healthz` meanwhile."""
    for path in ("/odata/Users?$top=1", "/tables/Users.csv"):  # what is imported at the first request
        send(address, http("GET", path))
    typer.echo(
        f"{'while these are answered':36} loop blocked  processor  /healthz  ({GOAL_BLOCK} ms, {GOAL_ALIVE} ms allowed)"
    )
    for name, make in KINDS.items():
        requests = make()
        found(address)
        took = alive_during(address, requests)
        seen = found(address)
        verdict = "" if seen.work <= GOAL_BLOCK and took <= GOAL_ALIVE else "  over"
        typer.echo(f"  {name:36} {seen.loop:8.1f} ms {seen.work:7.1f} ms {took:6.1f} ms{verdict}")


def alive_during(address: str, requests: Sequence[bytes]) -> float:
    """The longest answer of `/healthz` while requests are answered, in milliseconds."""

    def work() -> None:
        for request in requests:
            send(address, request, timeout=120)

    sender = threading.Thread(target=work)
    longest = 0.0
    with connect(address, timeout=120) as connection:
        sender.start()
        while sender.is_alive():
            began = time.perf_counter()
            connection.sendall(ALIVE)
            read(connection)
            longest = max(longest, time.perf_counter() - began)
            time.sleep(0.002)
    sender.join()
    return longest * 1000


def memory(address: str, count: int) -> None:
    """Print the memory that different documents take, and the longest garbage collection meanwhile."""
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        for number in range(20):  # warm
            client.post("/graphql", json={"query": document(number)})
        found(address)
        before = found(address).memory
        collection = 0.0
        for number in range(20, 20 + count):
            client.post("/graphql", json={"query": document(number)}).raise_for_status()
            if number % 500 == 0:
                collection = max(collection, found(address).collection)
        after = found(address)
    collection = max(collection, after.collection)
    typer.echo(
        f"{count:,} different documents of 1 KB: {after.memory - before:.0f} MiB more ({GOAL_MEMORY} allowed), the "
        f"longest collection {collection:.1f} ms ({GOAL_BLOCK} allowed)"
    )


def each(address: str, count: int) -> None:
    """The medians of the corpus, the slowest first."""
    medians = [
        (statistics.median(timed(address, fresh(case.request, n)) for n in range(count)), case) for case in CASES
    ]
    medians.sort(key=lambda pair: -pair[0])
    typer.echo(f"{len(medians)} hostile requests, {count} times each; the slowest medians:")
    for seconds, case in medians[:10]:
        typer.echo(
            f"  {seconds * 1000:6.1f} ms  {case.status} {case.code or '-':24} {case.name} ({len(case.request)} bytes)"
        )
    over = [case for seconds, case in medians if seconds > 0.02 and len(case.request) < LARGE]
    typer.echo(
        f"  {len(over)} of them over 20 ms; the median of all {statistics.median(s for s, _ in medians) * 1000:.1f} ms"
    )


def fresh(request: bytes, number: int) -> bytes:
    """The request with a number in its document, so that the server has not seen it before."""
    head, end, body = request.partition(b"\r\n\r\n")
    place = b'"query": "'
    if place not in body or b"sha256Hash" in body:
        return request
    longer = body.replace(place, place + b"#%d-%d\\n" % (number, time.monotonic_ns()), 1)
    return head.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(longer)) + end + longer


def timed(address: str, request: bytes) -> float:
    began = time.perf_counter()
    answer = send(address, request)
    assert answer.status < 500
    return time.perf_counter() - began


def percentile(address: str, seconds: float) -> tuple[float, float, int]:
    """Return median and 99th percentile of an ordinary query, sent every ten milliseconds, and their number."""
    took: list[float] = []
    end = time.monotonic() + seconds
    with connect(address) as connection:
        while time.monotonic() < end:
            began = time.perf_counter()
            connection.sendall(ORDINARY)
            assert read(connection).status == 200
            took.append(time.perf_counter() - began)
            time.sleep(0.01)
    took.sort()
    return statistics.median(took), took[int(len(took) * 0.99)], len(took)


def during(address: str, seconds: float, work: Callable[[threading.Event], None]) -> tuple[float, float, int]:
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,))
    thread.start()
    time.sleep(1)
    try:
        return percentile(address, seconds)
    finally:
        over.set()
        thread.join()


def corpus(address: str, cases: Sequence[Case]) -> Callable[[threading.Event], None]:
    """All hostile requests, over and over, with a pause between two: the server needs the processor, too."""

    def work(over: threading.Event) -> None:
        while not over.is_set():
            for case in cases:
                if over.is_set():
                    return
                send(address, fresh(case.request, 0))
                time.sleep(0.02)

    return work


def slow(address: str) -> Callable[[threading.Event], None]:
    """Sockets that send a sign a second, of a head or of a body, and come again when they are closed."""
    head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    starts = (b"", b"POST /gr", head + b"X-A: ", head + b"Content-Length: 1000\r\n\r\n")

    def work(over: threading.Event) -> None:
        sockets = [connect(address) for _ in range(SLOW)]
        for number, one in enumerate(sockets):
            one.sendall(starts[number % len(starts)])
        while not over.is_set():
            for number in range(len(sockets)):
                if over.wait(1 / SLOW):
                    break
                try:
                    if number % len(starts):
                        sockets[number].sendall(b"a")
                except OSError:
                    sockets[number].close()
                    sockets[number] = connect(address)
                    sockets[number].sendall(starts[number % len(starts)])
        for one in sockets:
            one.close()

    return work


def tell(what: str, found: tuple[float, float, int], quiet: tuple[float, float, int] | None = None) -> None:
    median, high, count = found
    ratio = f", {high / quiet[1]:.2f} × quiet" if quiet else ""
    typer.echo(f"{what}: median {median * 1000:.2f} ms, p99 {high * 1000:.2f} ms{ratio} ({count} queries)")


if __name__ == "__main__":
    main()
