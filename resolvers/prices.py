"""The prices of calls, learnt from the calls that were made, with priors for a cold start.

A call costs its latency, and a time for each row. How many rows it returns is learnt for each scope and day.
"""

import time
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import itemgetter
from typing import Any

from resolvers.prediction.samples import MOST_OF_ONE, Sample, Samples
from upstream.call import Answer, Call
from upstream.errors import NotFound
from upstream.reports.table import Report, System
from upstream.resilience.bucket import Bucket

# The weight of a new figure against all earlier ones. Figures of a whole kind of calls move more slowly, since calls of
# a kind differ. The prior weighs like so many observations.
WEIGHT = 0.2
KIND_WEIGHT = 0.005
PRIOR = 0.5

LATENCY = 0.05  # seconds to the first row, until it is known better
PER_ROW = 1e-5  # seconds to read a row: transfer and decoding
# If answers differ by fewer rows than this, their times say more about the network than about the price of a row.
SIGNIFICANT_ROWS = 1_000
# How many calls a system answers at the same time, as its transport allows.
PARALLEL = {System.GAMEHUB: 16, System.GAMELOG: 8}
MOST_SCOPES = 10_000
# A report is learnt and sampled again after so many seconds: the figures are means, and more calls tell nothing new.
# The first call of a scope counts at once. Copies of rows cost more, so they are made less often.
PAUSE = 0.02
COPY_PAUSE = 0.5


@dataclass(slots=True)
class LineFit:
    """The seconds of a call as a line over its rows: least squares with exponential forgetting and a prior.

    The prior latency weighs less than one observation and is soon forgotten; the prior slope weighs like answers that
    differ by `SIGNIFICANT_ROWS`.
    """

    weight: float = PRIOR
    rows: float = 0.0
    seconds: float = PRIOR * LATENCY
    rows_rows: float = 0.0
    rows_seconds: float = 0.0
    figures: tuple[float, float] | None = (
        None  # the latency, and the seconds for each row, until the next call is learnt
    )

    def learn(self, rows: int, seconds: float) -> None:
        """Learn from one call: its rows and its seconds."""
        keep = 1 - WEIGHT
        self.weight = self.weight * keep + 1
        self.rows = self.rows * keep + rows
        self.seconds = self.seconds * keep + seconds
        self.rows_rows = self.rows_rows * keep + rows * rows
        self.rows_seconds = self.rows_seconds * keep + rows * seconds
        self.figures = None

    def fit(self) -> tuple[float, float]:
        """Return the seconds of a call without rows, and those for each row."""
        if self.figures is None:
            per_row = self._slope()
            self.figures = max((self.seconds - per_row * self.rows) / self.weight, 1e-4), per_row
        return self.figures

    @property
    def per_row(self) -> float:
        """Return the seconds for each row."""
        return self.fit()[1]

    def _slope(self) -> float:
        mean = self.rows / self.weight
        variance = self.rows_rows / self.weight - mean * mean
        covariance = self.rows_seconds / self.weight - mean * self.seconds / self.weight
        pull = SIGNIFICANT_ROWS * SIGNIFICANT_ROWS
        slope = (covariance + pull * PER_ROW) / (variance + pull)
        # Noise can turn the line upside down. A row is neither free nor does it take milliseconds.
        return min(max(slope, PER_ROW / 5), PER_ROW * 100)

    @property
    def latency(self) -> float:
        """Return the seconds of a call without rows."""
        return self.fit()[0]


@dataclass(slots=True)
class Mean:
    """A mean of all values at first, later a moving mean in which a new value has this weight."""

    weight: float = WEIGHT
    value: float = 0.0
    count: int = 0

    def learn(self, value: float) -> None:
        """Learn one more value."""
        self.count += 1
        self.value += max(self.weight, 1 / self.count) * (value - self.value)


@dataclass(slots=True)
class Prices:
    """The prices of all reports. A server has one object for all operations, which learn from each other.

    Calls cost the same for every caller. `scope` selects the samples where callers see different rows. `buckets` belong
    to the systems that limit the calls per minute. `ahead` counts calls that are only predicted and took no token yet.

    The scope of a call is its parameters and its agent, whatever the period. Its kind is the names of its parameters.
    `_rows` has the rows of a day by the report and one of both.
    """

    parallel: Mapping[System, int] = field(default_factory=lambda: PARALLEL)
    buckets: Mapping[System, Bucket] = field(default_factory=dict)
    ahead: Counter[System] = field(default_factory=Counter)
    taken: dict[Hashable, str] = field(default_factory=dict)
    samples: Samples = field(default_factory=Samples)
    scope: Hashable = None
    _learnt: dict[str, float] = field(default_factory=dict)  # until when a report is not learnt again
    _sampled: dict[str, float] = field(default_factory=dict)
    _lines: dict[str, LineFit] = field(default_factory=dict)
    _rows: dict[Hashable, Mean] = field(default_factory=dict)
    _distinct: dict[Hashable, Mean] = field(default_factory=dict)
    _lists: dict[Hashable, Mean] = field(default_factory=dict)

    def learn(self, call: Call, rows: int, seconds: float, typical: bool = True) -> None:
        """Learn from an answered call. `seconds` count from the moment at which it got a slot of its system.

        A call that is not `typical` says nothing about other scopes.
        """
        report = call.report
        line = self._lines.get(report.code)
        if line is None:
            line = self._lines[report.code] = LineFit()
        line.learn(rows, seconds)
        days = length(call)
        kind = tuple(map(_NAME, call.params))
        for scope, weight in (((call.params, call.agent), WEIGHT), (kind, KIND_WEIGHT))[: 1 + typical]:
            key = (report.code, scope)
            mean = self._rows.get(key)
            if mean is None:
                if len(self._rows) >= MOST_SCOPES:
                    self._rows.pop(next(iter(self._rows)))
                mean = self._rows[key] = Mean(weight)
            mean.learn(rows / days)

    def observe(self, call: Call, rows: int, seconds: float, typical: bool = True) -> None:
        """Learn from an answered call, unless calls of its report and scope were learnt a moment ago."""
        code, now = call.report.code, time.monotonic()
        if now >= self._learnt.get(code, 0.0) or (code, (call.params, call.agent)) not in self._rows:
            self._learnt[code] = now + PAUSE
            self.learn(call, rows, seconds, typical)

    def keep(self, call: Call, answer: Answer[Any]) -> None:
        """Keep the answer of a call, also a cached one, as a sample for predictions."""
        code, now = call.report.code, time.monotonic()
        if now >= self._sampled.get(code, 0.0) or not self.samples.has(call, self.scope):
            self._sampled[code] = now + (PAUSE if len(answer.rows) <= MOST_OF_ONE else COPY_PAUSE)
            self.samples.keep(call, answer, scope=self.scope)

    def keep_unknown(self, call: Call, error: NotFound) -> None:
        """Keep that the upstream knows no such entity."""
        self.samples.keep(call, Answer([]), error, self.scope)

    def sample(self, call: Call) -> Sample | None:
        """Return the last answer of exactly this call."""
        return self.samples.of(call, self.scope)

    def sample_like(self, call: Call) -> Sample | None:
        """Return the last answer of the most similar call."""
        return self.samples.like(call, self.scope)

    def expected(self, call: Call, prior: float) -> float:
        """Return how many rows of a call the caller will probably see: fewer than all where a scope is set."""
        if self.scope is None:
            return self.rows(call, prior)
        like = self.sample_like(call)
        return prior * length(call) if like is None else float(like.count)

    def rows_of_list(self, place: Hashable) -> float | None:
        """Return how many rows a list has in a day; None if it was never added up."""
        mean = self._lists.get(place)
        return None if mean is None else mean.value

    def learn_list(self, place: Hashable, rows: float) -> None:
        """Learn how many rows a list had in a day."""
        if place not in self._lists and len(self._lists) >= MOST_SCOPES:
            self._lists.pop(next(iter(self._lists)))
        self._lists.setdefault(place, Mean()).learn(rows)

    def latency(self, report: Report) -> float:
        """Return the seconds of a call of this report without rows."""
        return self._line(report).latency

    def per_row(self, report: Report) -> float:
        """Return the seconds that a row of this report adds."""
        return self._line(report).per_row

    def rows(self, call: Call, prior: float) -> float:
        """Return how many rows a call will probably return: as its scope, as such scopes, or `prior` per day."""
        known = self.rows_of_scope(call)
        return self.rows_of_kind(call, prior) if known is None else known

    def rows_of_scope(self, call: Call) -> float | None:
        """Return how many rows a call of exactly this scope will probably return; None if there was none yet."""
        mean = self._rows.get((call.report.code, (call.params, call.agent)))
        return None if mean is None else mean.value * length(call)

    def rows_of_kind(self, call: Call, prior: float) -> float:
        """Return how many rows a call of this kind will probably return, whatever its key."""
        mean = self._rows.get((call.report.code, tuple(map(_NAME, call.params))))
        rows = prior if mean is None else mean.value
        return rows if call.interval is None else rows * length(call)

    def seconds(self, report: Report, calls: int, rows: float) -> float:
        """Return the price of calls with these rows in all. Calls run at the same time, rows are read one by one.

        If the vendor does not allow so many calls now, the wait for the last of them is part of the price.
        """
        line = self._lines.get(report.code, _UNKNOWN)
        latency, per_row = line.figures or line.fit()
        price = calls * latency / self.parallel[report.system] + rows * per_row
        bucket = self.buckets.get(report.system) if self.buckets else None
        if bucket is None:
            return price
        ahead = self.ahead[report.system]
        return price + bucket.wait(ahead + calls) - bucket.wait(ahead)

    def distinct(self, edge: Hashable, prior: float) -> float:
        """Return how many distinct keys an edge is likely to have that is read without a key."""
        mean = self._distinct.get(edge)
        return prior if mean is None else mean.value

    def learn_distinct(self, edge: Hashable, keys: int) -> None:
        """Learn how many distinct keys an edge had. There is one figure for each declared edge."""
        self._distinct.setdefault(edge, Mean()).learn(keys)

    def _line(self, report: Report) -> LineFit:
        return self._lines.get(report.code, _UNKNOWN)

    def remember(self, place: Hashable, way: str) -> None:
        """Remember the way that was taken, so that the next plan does not flap."""
        if len(self.taken) >= MOST_SCOPES:
            self.taken.pop(next(iter(self.taken)))
        self.taken[place] = way

    def within(self, scope: Hashable) -> "Prices":
        """Return the same prices for a caller that sees the rows of this scope only."""
        return replace(self, scope=scope)

    def still(self) -> "Prices":
        """Return the same prices, which learn nothing."""
        return _FrozenPrices(**{each.name: getattr(self, each.name) for each in fields(Prices)} | {"ahead": Counter()})


class _FrozenPrices(Prices):
    __slots__ = ()

    def observe(self, call: Call, rows: int, seconds: float, typical: bool = True) -> None:
        pass

    def learn(self, call: Call, rows: int, seconds: float, typical: bool = True) -> None:
        pass

    def keep(self, call: Call, answer: Answer[Any]) -> None:
        pass

    def keep_unknown(self, call: Call, error: NotFound) -> None:
        pass

    def remember(self, place: Hashable, way: str) -> None:
        pass

    def learn_distinct(self, edge: Hashable, keys: int) -> None:
        pass

    def learn_list(self, place: Hashable, rows: float) -> None:
        pass


_UNKNOWN = LineFit()
_NAME = itemgetter(0)


def length(call: Call) -> float:
    """Return the length of a call's interval in days, at least a minute; 1 for a report without a period."""
    if call.interval is None:
        return 1.0
    return max((call.interval.end - call.interval.start).total_seconds(), 60.0) / 86_400
