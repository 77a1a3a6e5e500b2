"""Collect what happens at the upstreams and in the days cache."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.metrics.families import Merge, counter, gauge, histogram
from upstream.caching.cache import DayCache
from upstream.caching.store import MemoryStore, Store, StoreStats
from upstream.call_counts import BREAKER_OPEN, OK, ReportCalls
from upstream.durations import Durations
from upstream.errors import FAULTS
from upstream.journal import Journal
from upstream.reports.table import REPORTS

# The systems by the codes of their reports.
_SYSTEMS = {report.code: report.system.value for report in REPORTS}
# The counts of a transport: name of the metric, the help, and whether the figure also falls.
FIGURES = {
    "busy": ("upstream_busy", "HTTP requests to an upstream that are under way.", True),
    "waiting": ("upstream_waiting", "HTTP requests that wait for a slot of an upstream, or for its rate.", True),
    "overloaded": (
        "upstream_overloaded",
        "Calls that were not made, because the waiting room was full or the vendor's rate would make them too late.",
        False,
    ),
    "retried": ("upstream_retried", "HTTP requests that the retry budget allowed after a failure.", False),
    "not_retried": ("upstream_not_retried", "Retries that the retry budget refused.", False),
    "hedged": ("upstream_hedged", "HTTP requests that were sent a second time because the first was late.", False),
}
# A rate finds the first failure only if the count began with 0.
_BEGUN = (OK, BREAKER_OPEN, *sorted(FAULTS))
_DAY_EVENTS = ("hits", "misses", "joined", "stale", "renewed", "changed")


class ClockCounts(Protocol):
    """The comparison of the clock of this process with that of Redis."""

    ahead: float


class RedisCounts(Protocol):
    """The connection to Redis. Its library is loaded only by servers that have one."""

    commands: Durations
    failures: int

    @property
    def clock(self) -> ClockCounts:
        """Return the comparison of the clocks."""

    @property
    def down(self) -> bool:
        """Return whether the last command failed."""


Stats = Callable[[], Mapping[str, Mapping[str, Any]]]


class UpstreamFigures(Collector):
    """The collector: the state of each system (`stats`), the calls by report, the days cache, Redis, the journal."""

    def __init__(
        self,
        stats: Stats,
        calls: Callable[[], Mapping[str, ReportCalls]],
        cache: Callable[[], DayCache | None],
        redis: Callable[[], RedisCounts | None],
        journal: Callable[[], Journal | None],
    ) -> None:
        self._stats = stats
        self._calls = calls
        self._cache = cache
        self._redis = redis
        self._journal = journal

    def collect(self) -> Iterable[Metric]:
        """Return the current figures."""
        stats = self._stats()
        yield from _transport(stats)
        reports = [report for report, system in _SYSTEMS.items() if system in stats]
        yield from _calls(self._calls(), reports)
        cache = self._cache()
        if cache is not None:
            yield from _answers(cache, reports)
            yield from _store(cache.store)
        journal = self._journal()
        if journal is not None:
            yield counter(
                "journal_entries", "Failed upstream calls for `gamehub-graph errors`.", [], {(): journal.recorded}
            )
            yield counter(
                "journal_lost",
                "Entries and notes of the error journal that could not be written: its disk may be full.",
                [],
                {(): journal.dropped},
            )
        redis = self._redis()
        if redis is not None:
            yield from _redis(redis)


def _transport(stats: Mapping[str, Mapping[str, Any]]) -> Iterable[Metric]:
    for key, (name, text, falls) in FIGURES.items():
        values = {(system,): found[key] for system, found in stats.items()}
        if falls:
            yield gauge(name, text, ["system"], values, Merge.SUM)
        else:
            yield counter(name, text, ["system"], values)
    yield counter(
        "upstream_irregular_values",
        "Values that the upstream sent in a form that its document does not allow.",
        ["system", "report", "column"],
        {
            (system, report, column): count
            for system, found in stats.items()
            for (report, column), count in found["irregular"].items()
        },
    )
    yield gauge(
        "breaker_open",
        "1 while a circuit breaker is open: its upstream failed repeatedly and is not called. 0: closed.",
        ["system", "breaker"],
        {
            (system, breaker["name"]): float(breaker["state"] != "closed")
            for system, found in stats.items()
            for breaker in found["breakers"]
        },
        Merge.LARGEST,
    )


def _calls(calls: Mapping[str, ReportCalls], reports: Sequence[str]) -> Iterable[Metric]:
    begun = {(_SYSTEMS[report], report, outcome): 0 for report in reports for outcome in _BEGUN}
    by_report = {(_SYSTEMS[code], code): found for code, found in calls.items()}
    labels = ["system", "report"]
    yield counter(
        "upstream_calls",
        "Calls of each report by outcome: `ok`, an error code, or `breaker_open` (not made). OVERLOADED: not made, "
        "because too many wait.",
        [*labels, "outcome"],
        begun
        | {(*key, outcome): count for key, found in by_report.items() for outcome, count in found.outcomes.items()},
    )
    yield histogram(
        "upstream_call_seconds",
        "Seconds that calls of each report took, with waiting, retries and further pages.",
        labels,
        {key: found.durations for key, found in by_report.items()},
    )
    for name, text in (
        ("joined", "Calls that were not made, because an equal call was under way: its answer served both."),
        ("requests", "HTTP requests of these calls. A call has several if it was retried or has several pages."),
        ("retried", "HTTP requests that repeated a failed one."),
        ("hedged", "HTTP requests that repeated a late one."),
        ("rows", "Rows that these calls brought."),
        ("bytes", "Bytes that these calls brought, decompressed."),
        ("waited", "Seconds in which requests of these calls waited for a slot of the upstream or for its rate."),
    ):
        unit = "waited_seconds" if name == "waited" else name
        yield counter(
            f"upstream_call_{unit}", text, labels, {key: getattr(found, name) for key, found in by_report.items()}
        )


def _answers(cache: DayCache, reports: Sequence[str]) -> Iterable[Metric]:
    yield counter(
        "cache_answers",
        "Answers of the days cache by report: `hit` (no call), `partial` (some days were cached), `miss`, `stale` "
        "(the upstream failed, and old rows replace its answer), `off` (read without the cache), `error`. Answers that "
        "were stored as a whole have no report.",
        ["report", "outcome"],
        {(report, outcome): 0 for report in reports for outcome in ("hit", "partial", "miss", "stale", "error")}
        | cache.outcomes,
    )
    yield counter(
        "cache_day_events",
        "Days by what happened to them in the cache: `hits` were fresh, `misses` were fetched, `joined` were being "
        "fetched for another answer, `stale` were served although out of date, `renewed` were trusted again after a "
        "check, `changed` had other rows when they were read again.",
        ["event"],
        {(event,): cache.counted[event] for event in _DAY_EVENTS},
    )


def _store(store: Store | None) -> Iterable[Metric]:
    found = store.now() if isinstance(store, MemoryStore) else StoreStats("none", 0, 0, 0)
    where = "in the memory of this process; 0 if the cache is in Redis"
    yield gauge("cache_entries", f"Days in the cache {where}.", [], {(): found.entries}, Merge.SUM)
    yield gauge("cache_bytes", f"Bytes of the days in the cache {where}.", [], {(): found.bytes}, Merge.SUM)
    yield gauge("cache_limit_bytes", f"Bytes that the cache may have {where}.", [], {(): found.limit or 0}, Merge.SUM)
    yield counter("cache_evictions", "Days that were dropped for lack of space.", [], {(): found.evictions})


def _redis(redis: RedisCounts) -> Iterable[Metric]:
    yield gauge(
        "redis_up",
        "1 if Redis answered the last command, 0 if it did not: then this server reads, counts and polls for itself.",
        [],
        {(): float(not redis.down)},
        Merge.LEAST,  # Redis is down if one worker does not reach it
    )
    yield histogram(
        "redis_command_seconds",
        "Seconds that commands to Redis took, if it answered. One command may be a whole pipeline.",
        [],
        {(): redis.commands},
    )
    yield gauge(
        "redis_clock_ahead_seconds",
        "Seconds by which the clock of this server is ahead of that of Redis (below 0: behind it), once a minute.",
        [],
        {(): redis.clock.ahead},
        Merge.LARGEST,  # the workers of a machine have one clock
    )
    yield counter("redis_failures", "Commands that Redis did not answer, or not in time.", [], {(): redis.failures})
