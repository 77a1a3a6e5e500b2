"""Measure several servers together: a soak, rolling restarts, killed processes, a cold key, and workers.

    python benchmarks/scale_bench.py [--only soak,restarts,kill,cold,workers] [--seconds 600] [--restarts 20]

Two replicas share a Redis behind nginx. Every answer is compared with the first one. Prints, and exits with 1 where a
bound is missed:

- soak: 70 % of the capacity: errors (0), memory growth per minute after the warm-up (1 MiB), p99 (3 × p50, which is
  printed beside that of a plain loop on the machine alone);
- restarts: replicas restart one after the other under load: failed requests (0);
- kill: SIGKILL of a replica, of Redis and of the upstreams, one after the other under load: wrong answers (0), and
  seconds until no request fails any more, once the victim is back (10);
- cold: 200 clients ask both replicas for a key that no cache has: upstream calls (1);
- workers: cached queries of `--workers 2` against `--workers 1` (1.8 ×), on a machine with two processors. One worker
  has one of them; the load generator and Redis have the other. Two workers share both with these: the processor time of
  the load generator and of Redis is taken out of the time of the run.
"""

# ruff: noqa: T201

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import process
from benchmarks.replicas.pressure import Plan, Question, Result, reasons
from benchmarks.replicas.stand import Load, Stand, answered, wait_ready

SHARE = 0.7
GROWTH_MIB = 1.0
QUANTILES = 3.0
NORMAL_SECONDS = 10.0
AWAY_SECONDS = 3.0
COLD_CLIENTS = 200
WORKERS = 1.8
CONNECTIONS = 16  # of a worker
DAYS = [f'{{from: "2026-03-{day:02}", to: "2026-03-{day:02}"}}' for day in range(2, 12)]


def mixed(port: int) -> list[Question]:
    """Return small and large queries on closed days, with their answers."""
    small = [f'{{ user(id: "{number}") {{ id username group {{ name }} }} }}' for number in range(2001, 2021)]
    middle = [
        f'{{ group(id: "382") {{ transactions(during: {{dates: {day}}}, first: 20) {{ totalCount nodes {{ id }} }}}}}}'
        for day in DAYS
    ]
    walks = [
        f'{{ group(id: "382") {{ users(first: 20) {{ nodes {{ username transactions(during: {{dates: {day}}}) '
        f"{{ nodes {{ amount }} }} }} }} }} }}"
        for day in DAYS[:2]
    ]
    return [answered(port, each) for each in [*small, *middle, *middle, *walks]]


def cached(port: int) -> list[Question]:
    """Return pages of transactions of cached days. Without stored answers, the server makes each from the rows."""
    wanted = (
        '{{ group(id: "383") {{ transactions(during: {{dates: {}}}, first: {}) {{ nodes {{ id amount type }} }} }} }}'
    )
    return [answered(port, wanted.format(day, count)) for day in DAYS for count in range(93, 101)]


def walks(port: int) -> list[Question]:
    """Return walks from a group over about 30 users to their transactions of a cached day."""
    wanted = (
        '{{ group(id: "382") {{ users(first: {}) {{ nodes {{ username transactions(during: {{dates: {}}}) '
        "{{ nodes {{ id amount }} }} }} }} }} }}"
    )
    return [answered(port, wanted.format(count, day)) for day in DAYS for count in (28, 29, 30)]


def noise(seconds: float = 15.0) -> float:
    """Return by which factor the slowest hundredth of equal pieces of work is slower than the median.

    The work is a loop of about 5 ms, 30 times a second, while nothing else runs. No server can be steadier than this.
    """
    words = {number: str(number) for number in range(200_000)}
    times = []
    began = time.perf_counter()
    for turn in range(int(seconds * 30)):
        time.sleep(max(0.0, began + turn / 30 - time.perf_counter()))
        start = time.perf_counter()
        sum(len(words[number]) for number in range(0, 200_000, 7))
        times.append(time.perf_counter() - start)
    return quantile(times, 0.99) / quantile(times, 0.5)


def quantile(seconds: list[float], share: float) -> float:
    """Return the value below which that share lies."""
    return sorted(seconds)[min(int(share * len(seconds)), len(seconds) - 1)]


def capacity(stand: Stand, questions: list[Question], connections: int = 32, seconds: float = 8.0) -> float:
    """Return the answers per second of clients that ask again at once."""
    found = stand.press(questions, 0, seconds, connections).result()
    if found.failures or found.wrong:
        raise RuntimeError(f"failures without a fault: {reasons(found)} {found.wrong[:1]}")
    return len(found.times) / found.elapsed


def soak(folder: Path, options: argparse.Namespace) -> bool:
    """Load two replicas for a long time. Each answer is made from rows that they share in Redis.

    The capacity is that of two requests at a time for each replica: more of them would share work.
    """
    alone = noise()
    with Stand(folder, 2, ANSWER_CACHE_MEBIBYTES="0") as stand:
        questions = walks(stand.ports[0])
        capacity(stand, questions)  # warm
        most = capacity(stand, questions, 4)
        rate = SHARE * most
        loading = stand.press(questions, rate, options.seconds)
        warm = min(120.0, options.seconds / 3)
        time.sleep(warm)
        memories = [(time.monotonic(), stand.memory())]
        while loading.runs and time.monotonic() < memories[0][0] + options.seconds - warm - 2:
            time.sleep(5)
            memories.append((time.monotonic(), stand.memory()))
        found = loading.result()
        minutes = [(at - memories[0][0]) / 60 for at, _ in memories]
        growth = [
            statistics.linear_regression(minutes, [each[number] for _, each in memories]).slope
            for number in range(len(stand.replicas))
        ]
    times = [seconds for _, seconds in found.times]
    p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
    ok = not found.failures and not found.wrong and max(growth) <= GROWTH_MIB and p99 <= QUANTILES * p50
    print(
        f"soak: {rate:.0f}/s of at most {most:.0f}/s for {found.elapsed:.0f} s: {len(times):,} answers, "
        f"{len(found.failures)} failed, {len(found.wrong)} wrong; p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms "
        f"({p99 / p50:.1f} ×, at most {QUANTILES:g}; a loop on this machine alone {alone:.1f} × before, "
        f"{noise():.1f} × after); "
        f"memory {', '.join(f'{each:+.2f}' for each in growth)} MiB a "
        f"minute after {warm:.0f} s (at most {GROWTH_MIB:g}), now {', '.join(f'{m:.0f}' for m in memories[-1][1])} MiB"
    )
    say_failures(found)
    return ok


def restarts(folder: Path, options: argparse.Namespace) -> bool:
    """Restart the replicas, one after the other, under load."""
    with Stand(folder, 2, DRAIN_SECONDS="1") as stand:
        questions = mixed(stand.ports[0])
        rate = 0.3 * capacity(stand, questions)
        loading = stand.press(questions, rate, options.restarts * 6.0)
        done = 0
        while done < options.restarts and loading.runs:
            number = done % len(stand.replicas)
            stand.replicas[number].end()
            stand.replicas[number].start()
            wait_ready(stand.ports[number])
            done += 1
        found = loading.result()
    print(
        f"restarts: {done} under {rate:.0f}/s: {len(found.times):,} answers, {len(found.failures)} failed, "
        f"{len(found.wrong)} wrong"
    )
    say_failures(found)
    return done == options.restarts and not found.failures and not found.wrong


def kill(folder: Path, options: argparse.Namespace) -> bool:
    """Kill a replica, Redis and the upstreams under load."""
    ok = True
    with Stand(folder, 2) as stand:
        questions = mixed(stand.ports[0])
        rate = 0.3 * capacity(stand, questions)

        def replica() -> None:
            stand.replicas[0].end(signal.SIGKILL)
            stand.replicas[0].start()
            wait_ready(stand.ports[0])

        def redis() -> None:
            stand.redis.end(signal.SIGKILL)
            time.sleep(AWAY_SECONDS)
            stand.redis.start()

        def upstreams() -> None:
            stand.sandbox.process.kill()
            time.sleep(AWAY_SECONDS)
            stand.replace_sandbox()

        victims: dict[str, Callable[[], None]] = {"a replica": replica, "Redis": redis, "the upstreams": upstreams}
        for name, strike in victims.items():
            loading = stand.press(questions, rate, 30)
            time.sleep(4)
            strike()
            at = time.time()
            found = loading.result()
            last = max((found.began + each.at - at for each in found.failures), default=0.0)
            print(
                f"kill: {name} under {rate:.0f}/s: {len(found.times):,} answers, {len(found.failures)} failed, "
                f"{len(found.wrong)} wrong, {found.stale} stale, the last failure {last:.1f} s after "
                f"it was back (at most {NORMAL_SECONDS:g})"
            )
            say_failures(found)
            ok = ok and not found.wrong and last <= NORMAL_SECONDS
    return ok


def cold(folder: Path, options: argparse.Namespace) -> bool:
    """Ask both replicas for the same key that no cache has."""
    with Stand(folder, 2, latency=0.5) as stand:
        wanted = f'{{ group(id: "383") {{ transactions(during: {{dates: {DAYS[0]}}}) {{ totalCount }} }} }}'
        for port in stand.ports:  # each replica learns what it learns once
            answered(port, wanted.replace("-02", "-03"))
        truth = answered(stand.ports[0], wanted.replace("-02", "-04"))
        stand.sandbox.reset()
        # The body has the answer of another day, so every answer differs from it: only their number counts.
        question = Question(truth.body.replace("-04", "-02"), "")
        loads = [
            Load(Plan("127.0.0.1", port, [question], COLD_CLIENTS * 5, 0.1, COLD_CLIENTS // 2)) for port in stand.ports
        ]
        found = [each.result() for each in loads]
        calls = stand.sandbox.calls()
    answers = {text for each in found for text in each.wrong}
    failures = sum(len(each.failures) for each in found)
    print(
        f"cold: {sum(len(each.wrong) for each in found)} clients of two replicas: {len(calls)} upstream calls (1), "
        f"{len(answers)} different answers (1), {failures} failed"
    )
    return len(calls) == 1 and len(answers) == 1 and not failures


def workers(folder: Path, options: argparse.Namespace) -> bool:
    """Compare one worker with two. Both get the same load, in turns."""
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(3):
        for count in speeds:
            place = folder / f"{turn}-{count}"
            place.mkdir()
            with Stand(place, 1, count, ANSWER_CACHE_MEBIBYTES="0") as stand:
                questions = cached(stand.ports[0])
                # A worker reads rows once for the requests that run at the same time: each gets as many of them.
                plan = Plan("127.0.0.1", stand.ports[0], questions, 0, 6.0, CONNECTIONS * count)
                Load(plan).result()  # warm
                redis = process.cpu(stand.redis.pid)
                found = Load(plan).result()
                others = found.cpu + process.cpu(stand.redis.pid) - redis
                if found.failures or found.wrong:
                    raise RuntimeError(f"{reasons(found)} {found.wrong[:1]}")
                # One worker has a processor of two for itself. Two have what the other processes leave of both.
                whole = found.elapsed if count == 1 else found.elapsed - others / 2
                speeds[count].append(len(found.times) / whole)
    one, two = (statistics.median(speeds[count]) for count in (1, 2))
    print(f"workers: one {one:.0f}/s, two {two:.0f}/s on two processors: {two / one:.2f} × (at least {WORKERS:g})")
    return two / one >= WORKERS


def say_failures(found: Result) -> None:
    """Print how requests failed."""
    for why, count in reasons(found).items():
        print(f"    {count} × {why}")
    for text in found.wrong[:2]:
        print(f"    wrong: {text[:200]}")


PARTS: dict[str, Callable[[Path, argparse.Namespace], bool]] = {
    "soak": soak,
    "restarts": restarts,
    "kill": kill,
    "cold": cold,
    "workers": workers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, separated by commas")
    parser.add_argument("--seconds", type=float, default=600, help="how long the soak is")
    parser.add_argument("--restarts", type=int, default=20, help="how many restarts")
    options = parser.parse_args()
    ok = True
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            ok = PARTS[name](Path(folder), options) and ok
        sys.stdout.flush()
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
