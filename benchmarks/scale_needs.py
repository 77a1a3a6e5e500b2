"""Calculate the needs of a business: replicas, Redis memory and upstream calls, from figures measured on this machine.

    python benchmarks/scale_needs.py [--figures FILE] [--write docs/explanation/scale.md]

Without `--figures` it measures first: one server with a Redis over the sandbox. It prints the figures as JSON, so that
they can be changed and given with `--figures`, and then the needs. `--write` writes both between the marks of a page.
"""

# ruff: noqa: T201

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import process
from benchmarks.replicas.pressure import Plan, Question
from benchmarks.replicas.stand import Load, Stand, answered
from benchmarks.scale_bench import DAYS

BEGIN, END = "<!-- needs -->", "<!-- /needs -->"
BUSY = 0.7  # the share of its time in which a worker may be busy
# Days by age, and the seconds for which they are trusted (docs/explanation/caching.md).
CLOSED = ((1, 300), (6, 3_600), (24, 86_400))


class Figures(msgspec.Struct):
    """The measurements of this machine: processor time in milliseconds, memory in MiB, bytes."""

    stored_ms: float  # an answer that is sent again
    made_ms: float  # a list of 20 rows from cached days
    walk_ms: float  # a walk over 20 users with their transactions of a cached day
    row_ms: float  # a row of an upstream report, read and cached
    replica_mib: float  # a worker after the load
    row_bytes: float  # a row in Redis
    entry_bytes: float  # a day without rows in Redis


class Business(msgspec.Struct):
    """The load of a business. `active` is the share of the groups that somebody looks at all the time."""

    name: str
    groups: int
    rows: int  # movements, and as many game logs, of a group on one day
    requests: float  # a second, at most
    active: float
    stored: float = 0.5  # the share of the answers that are sent again
    days: int = 31  # that are looked at


class Needs(msgspec.Struct):
    """The needs of a business."""

    workers: int
    redis_mib: float
    open_calls: float  # a second, for rows of today
    closed_calls: float  # a second, for closed days
    reading: float  # workers that only read rows of today


BUSINESSES = (
    Business("10 groups", 10, 2_000, 20, 1.0),
    Business("1,000 requests per second", 100, 2_000, 1_000, 1.0),
    Business("10,000 groups", 10_000, 2_000, 200, 0.1),
)


def needs(figures: Figures, business: Business, open_seconds: float) -> Needs:
    """Return the needs of a business. Rows of today are trusted for `open_seconds`."""
    active = business.groups * business.active
    open_calls = 2 * active / open_seconds  # movements and logs
    closed_calls = 2 * active * sum(days / seconds for days, seconds in CLOSED)
    # In the middle of the day, half of its rows are there.
    reading = open_calls * business.rows / 2 * figures.row_ms / 1000
    answer_ms = business.stored * figures.stored_ms + (1 - business.stored) * figures.made_ms
    answering = business.requests * answer_ms / 1000
    workers = math.ceil((answering + reading) / BUSY) + 1  # one may be away
    days = 2 * business.groups * business.days
    redis_mib = days * (figures.entry_bytes + business.rows * figures.row_bytes) / 2**20
    return Needs(max(workers, 2), redis_mib, open_calls, closed_calls, reading)


def measure(folder: Path) -> Figures:
    """Return the figures of this machine."""
    made = {
        "walk": '{{ group(id: "382") {{ users(first: 20) {{ nodes {{ username transactions(inGroup: "382", '
        "during: {{dates: {day}}}, first: {count}) {{ nodes {{ amount }} }} }} }} }} }}",
        "made": '{{ group(id: "382") {{ transactions(during: {{dates: {day}}}, first: {count}) {{ nodes {{ id '
        "type amount timestamp }} }} }} }}",
    }
    with Stand(place(folder, "made"), 1, ANSWER_CACHE_MEBIBYTES="0") as stand:
        replica, port = stand.replicas[0].pid, stand.ports[0]
        client = redis.Redis(port=stand.redis_port)
        whole = '{{ financialMovements(during: {{dates: {{from: "{0}", to: "{0}"}}}}) {{ totalCount }} }}'
        answered(port, whole.format("2026-02-20"))
        known = days_in(client)
        answered(port, whole.format("2025-01-01"))  # before the sandbox's world begins
        empty = days_in(client) - known
        known |= empty
        rows = 0
        began = process.cpu(replica)
        for day in range(1, 15):
            answer = answered(port, whole.format(f"2026-03-{day:02}")).answer
            rows += int(msgspec.json.decode(answer)["data"]["financialMovements"]["totalCount"])
        row_ms = (process.cpu(replica) - began) / rows * 1000
        full = days_in(client) - known
        entry_bytes = sum(map(client.memory_usage, empty)) / len(empty)
        row_bytes = (sum(map(client.memory_usage, full)) - len(full) * entry_bytes) / rows
        times = {
            name: cpu_ms(replica, port, [answered(port, text.format(day=d, count=c)) for d in DAYS for c in (19, 20)])
            for name, text in made.items()
        }
        mib = process.memory(replica)[0] / 2**20
    with Stand(place(folder, "stored"), 1) as stand:
        replica, port = stand.replicas[0].pid, stand.ports[0]
        stored = cpu_ms(replica, port, [answered(port, made["made"].format(day=d, count=20)) for d in DAYS])
    return Figures(stored, times["made"], times["walk"], row_ms, mib, row_bytes, entry_bytes)


def days_in(client: "redis.Redis") -> set[bytes]:
    """Return the keys of cached days, without the results of calls, which stay for a second."""
    return {key for key in client.scan_iter() if b":lease:" not in key}


def place(folder: Path, name: str) -> Path:
    """Return a new folder."""
    (folder / name).mkdir()
    return folder / name


def cpu_ms(replica: int, port: int, questions: list[Question]) -> float:
    """Return the milliseconds of processor time of an answer."""
    plan = Plan("127.0.0.1", port, questions, 0, 4.0, 8)
    Load(plan).result()
    began = process.cpu(replica)
    found = Load(plan).result()
    return (process.cpu(replica) - began) / len(found.times) * 1000


def table(figures: Figures) -> str:
    """Return the figures and the needs as Markdown."""
    lines = [
        "| measured | figure |",
        "|---|---|",
        f"| processor time of an answer that is sent again | {figures.stored_ms:.2f} ms |",
        f"| of a list of 20 rows from cached days | {figures.made_ms:.2f} ms |",
        f"| of a walk over 20 users with 20 transactions each, from cached days | {figures.walk_ms:.2f} ms |",
        f"| of an upstream row that is read and cached | {figures.row_ms * 1000:.1f} µs |",
        f"| memory of a worker under this load | {figures.replica_mib:.0f} MiB |",
        f"| bytes of a row in Redis | {figures.row_bytes:.0f} |",
        "",
        "| business | today is trusted for | workers | Redis | upstream calls for today | for closed days |",
        "|---|---|---|---|---|---|",
    ]
    for business in BUSINESSES:
        for seconds in (5, 60):
            found = needs(figures, business, seconds)
            lines.append(
                f"| {business.name} | {seconds} s | {found.workers} ({found.reading:.1f} of them read) "
                f"| {found.redis_mib:,.0f} MiB | {found.open_calls:,.1f} a second "
                f"| {found.closed_calls:,.2f} a second |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, help="a file with figures, instead of a measurement")
    parser.add_argument("--write", type=Path, help="the page whose tables are written anew")
    options = parser.parse_args()
    if options.figures:
        figures = msgspec.json.decode(options.figures.read_bytes(), type=Figures)
    else:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder))
        print(f"measured in {time.monotonic() - began:.0f} s:\n{msgspec.json.encode(figures).decode()}\n")
    found = table(figures)
    print(found)
    if options.write:
        text = options.write.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        options.write.write_text(f"{before}{BEGIN}\n\n{found}\n\n{END}{after}")


if __name__ == "__main__":
    main()
