"""Count what the cache does, and describe how an answer was put together."""

import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from upstream.caching.cut import CutCall
from upstream.caching.day_entry import HEAD, DayEntry
from upstream.caching.store import Key, StoreStats
from upstream.call import Answer, Call, MadeCall, Provenance, ReadEntry, Reading
from upstream.reports.order import Share
from upstream.values import days

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Count days since the start, by what happened to them, and describe the store.

    Days were found fresh (`hits`), fetched (`misses`), shared with another answer that fetched them (`joined`), served
    stale, trusted again after a check (`renewed`), or found changed.
    """

    hits: int
    misses: int
    joined: int
    stale: int
    renewed: int
    changed: int
    calls: Mapping[str, int]  # answers by outcome
    store: StoreStats | None


def nothing() -> None:
    """Do nothing: no other server waits."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Say which answer of another server may be used.

    It was complete after `since`, when the work on the own answer began. With `not_before`, it was requested at that
    moment or later. An own answer stays for `keep` seconds, for servers that will demand it later.
    """

    since: datetime.datetime
    not_before: datetime.datetime | None = None
    keep: float = 0.0


@dataclass(slots=True)
class ReadDays:
    """Hold the result of one upstream call: its answer or error, and its rows by day if they can be divided.

    `requested_at` is the moment before the call was sent. `until` is the moment until which each day is trusted.
    `values` are the entries that were written. `shared` says that another server made the call. `give` gives an own
    answer to other servers: it is called when the entries are written.
    """

    requested_at: datetime.datetime
    made: MadeCall | None = None
    error: Exception | None = None
    answer: Answer[Any] | None = None
    shares: dict[datetime.date, Share] | None = None
    until: dict[datetime.date, datetime.datetime] = field(default_factory=dict)
    values: dict[Key, bytes] = field(default_factory=dict)
    shared: bool = False
    give: Callable[[], None] = nothing

    def rows(self) -> list[Any]:
        """Return the rows. Raise the error."""
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer.rows


@dataclass(slots=True)
class ReadSummary:
    """Collect the provenance of an answer while it is put together. `demand` is for its upstream calls."""

    demand: Demand
    started: float = field(default_factory=time.monotonic)
    hit: list[datetime.date] = field(default_factory=list)
    missed: list[datetime.date] = field(default_factory=list)
    made: list[MadeCall] = field(default_factory=list)
    since: list[datetime.datetime] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    entries: list[ReadEntry] = field(default_factory=list)
    unkept: bool = False  # whether rows were read that no entry has

    def read(
        self, report: str, day: datetime.date | None, read_at: datetime.datetime, until: datetime.datetime
    ) -> None:
        """Note when the rows of a day were read. Neighbouring days that were read together become one reading."""
        last = self.readings[-1] if self.readings else None
        if (
            last is not None
            and day is not None
            and last.last is not None
            and (last.read_at, last.until) == (read_at, until)
            and day - last.last == _DAY
        ):
            self.readings[-1] = msgspec.structs.replace(last, last=day)
        else:
            self.readings.append(Reading(report, day, day, read_at, until))

    def keep(self, key: Key, day: datetime.date | None, value: bytes | None) -> None:
        """Note the entry that has the rows of a day; None if no entry has them."""
        if value is None:
            self.unkept = True
        else:
            # Without its rows: they need not stay in memory.
            self.entries.append((key, day, value[:HEAD]))

    def forget_days(self) -> None:
        """Forget the days that were noted: the whole call is made instead."""
        self.readings, self.entries, self.unkept = [], [], False

    def read_days(
        self, cut: CutCall, entries: Mapping[int, DayEntry], fetched: Mapping[int, ReadDays] = MappingProxyType({})
    ) -> None:
        """Note the readings of the days that were cached or fetched, by their places in the cut call."""
        report = cut.call.report.code
        for place in sorted({*entries, *fetched}):
            piece = cut.pieces[place]
            day, key = piece.day, cut.key(piece)
            if place in entries:
                self.read(report, day, entries[place].since, entries[place].until)
                self.keep(key, day, entries[place].value)
            else:
                one = fetched[place]
                self.read(report, day, one.requested_at, one.until.get(day, one.requested_at))
                self.keep(key, day, one.values.get(key))

    def add(self, fetched: ReadDays, joined: bool = False) -> None:
        """Note an upstream call."""
        if fetched.made is not None:
            self.made.append(msgspec.structs.replace(fetched.made, joined=joined or fetched.shared))

    def answer(self, call: Call, rows: list[Any], outcome: str) -> Answer[Any]:
        """Return the answer to a call with its provenance."""
        own = [made for made in self.made if not made.joined]
        provenance = Provenance(
            outcome,
            min(self.since, default=None),
            tuple(self.readings),
            tuple(self.made),
            days.spans(tuple(sorted(self.hit))),
            days.spans(tuple(sorted(self.missed))),
        )
        return Answer(
            rows,
            sum(made.requests for made in own),
            sum(made.bytes for made in own),
            time.monotonic() - self.started,
            provenance,
            # The calls run side by side.
            waited=max((made.waited for made in own), default=0.0),
            entries=None if self.unkept or outcome == "stale" else tuple(self.entries),
            call=call,
        )
