"""Define one call of a report, and the answer to it."""

import datetime
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import msgspec

from upstream.decoding.lazy_rows import LazyRows, head, joined
from upstream.decoding.partial_row import getter
from upstream.decoding.veiled_rows import NONE, HiddenColumns, veiled
from upstream.reports.rows import Row
from upstream.reports.table import Report
from upstream.values.bad_value import veil
from upstream.values.interval import Interval

RowT = TypeVar("RowT", bound=Row)
# An entry of the cache that rows were read from: its key, its day (None: rows without a day), and the first of its
# bytes, which describe it.
ReadEntry = tuple[tuple[str, str], datetime.date | None, bytes]


@dataclass(init=False, eq=False, slots=True)
class Call:
    """Name what one call of a report requests. One answer serves all equal calls. Never change a call.

    `params` are sorted name-value pairs, with the report's own names. `agent` is the code of the agent whose log is
    read, "" for the default agent. `columns` are the columns that the caller reads, all if None; they do not change the
    request, so they do not count when calls are compared. `moment` is the start of the operation: if a report grows
    while its pages are read (C28), the rows until this moment are read; it does not count either. A `counting` call
    (G1) requests only the number of rows: its answer has no rows, and a `total`. `checked` says that `checked()` in
    `reports/request.py` has accepted this very object; `dataclasses.replace` resets it. `key` is equal for equal calls,
    and hashes faster than a call.
    """

    report: Report
    params: tuple[tuple[str, str | int], ...] = ()
    interval: Interval | None = None
    agent: str = ""
    columns: frozenset[str] | None = None
    moment: datetime.datetime | None = None
    counting: bool = False
    checked: bool = field(default=False, init=False, repr=False)
    key: Hashable = field(init=False, repr=False)

    def __init__(
        self,
        report: Report,
        params: tuple[tuple[str, str | int], ...] = (),
        interval: Interval | None = None,
        agent: str = "",
        columns: frozenset[str] | None = None,
        moment: datetime.datetime | None = None,
        counting: bool = False,
    ) -> None:
        self.report = report
        self.params = params
        self.interval = interval
        self.agent = agent
        self.columns = columns
        self.moment = moment
        self.counting = counting
        self.checked = False
        period = None if interval is None else (interval.start, interval.end)
        self.key = (report, params, period, agent, counting)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Call) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    @classmethod
    def of(
        cls, report: Report, interval: Interval | None = None, *, agent: str = "", **params: str | int | None
    ) -> "Call":
        """Return a call with the parameters that are not None."""
        given = tuple(sorted((name, value) for name, value in params.items() if value is not None))
        return cls(report, given, interval, agent)

    def with_columns(self, columns: frozenset[str] | None) -> "Call":
        """Return the same call for a reader of other columns. It stays checked."""
        call = Call(self.report, self.params, self.interval, self.agent, columns, self.moment, self.counting)
        call.checked = self.checked
        return call

    def at(self, moment: datetime.datetime) -> "Call":
        """Return the same call for an operation that started at this moment. It stays checked."""
        call = Call(self.report, self.params, self.interval, self.agent, self.columns, moment, self.counting)
        call.checked = self.checked
        return call


class Reading(msgspec.Struct, frozen=True):
    """Say when rows of a report were read from the upstream, and until when they are trusted.

    `first` and `last` are business days, both included; None where the rows have no days. `read_at` is the moment just
    before the call was sent, so that the rows are never older than it says.
    """

    report: str
    first: datetime.date | None
    last: datetime.date | None
    read_at: datetime.datetime
    until: datetime.datetime


class MadeCall(msgspec.Struct, frozen=True):
    """Describe an upstream call that an answer needed.

    `joined` says that another answer had begun the call, and counts its cost. `error` is the code of a failed call.
    """

    call: Call
    requests: int
    rows: int
    bytes: int
    seconds: float
    joined: bool = False
    error: str | None = None
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class CachedShare:
    """Say how much of a call is in the cache: the number of its days, and the missing days as `days.spans` writes them.

    A call without days counts as one day, which has no name. `oldest` is the time of reading of its oldest cached rows.
    """

    days: int
    cached: int
    in_flight: int
    missing: tuple[str, ...]
    oldest: datetime.datetime | None = None

    @property
    def fraction(self) -> float:
        """Return the share of the days that needs no call, from 0 to 1."""
        return (self.cached + self.in_flight) / self.days


class Provenance(msgspec.Struct, frozen=True):
    """Say where the rows of an answer come from.

    `outcome` is "hit", "miss", "partial" (some days were cached), "stale" (the upstream was out of reach, and cached
    days past their time replace its answer) or "off" (read without the cache). `stale_since` is the time of reading of
    the oldest such day. `calls` are the upstream calls that were made. `cached` and `missing` are the days that were,
    and were not, in the cache, in the form of `days.spans`. `readings` cover all rows; there are none for rows that are
    `made_up` for a prediction, or that come from memory of the operation itself.
    """

    outcome: str = "off"
    stale_since: datetime.datetime | None = None
    readings: tuple[Reading, ...] = ()
    calls: tuple[MadeCall, ...] = ()
    cached: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    made_up: bool = False


_UNKNOWN = Provenance()


class Answer(msgspec.Struct, Generic[RowT], frozen=True):
    """Hold the rows of one call, complete, in the upstream's order, with their cost and origin.

    Read a column only after `read` or `require` has made it readable. `waited` is the part of the `seconds` in which
    the requests waited for their turn. `entries` are the entries of the cache that have all its rows; None if there are
    rows that no entry has, or whose time is over. `call` is the call that the cache answered.

    Three fields describe what was hidden from a caller of some groups: `nameless` is the number of rows that
    have no user because the user is hidden, `without_group` the number of rows left out because they have no group, and
    `undecided` the user codes of rows left out because a visible or a hidden user may own them.
    """

    rows: list[RowT]
    requests: int = 1
    bytes: int = 0
    seconds: float = 0.0
    provenance: Provenance = _UNKNOWN
    total: int | None = None
    waited: float = 0.0
    nameless: int = 0
    without_group: int = 0
    undecided: frozenset[str] = frozenset()
    entries: tuple[ReadEntry, ...] | None = None
    call: Call | None = None

    def read(self, columns: Collection[str] | None) -> list[RowT]:
        """Return the rows with these columns readable, all of them if None. Raise Malformed.

        A bad value raises its error where it is used, not here.
        """
        rows = self.rows
        if rows.__class__ is LazyRows:
            rows.read(columns)
        return rows

    def take(self, columns: Collection[str] | None) -> list[RowT]:
        """Return the rows like `read`, for a caller who checks every amount that it uses. Raise Malformed."""
        rows = self.rows
        if rows.__class__ is LazyRows:
            rows.take(columns)
        return rows

    def require(self, columns: Collection[str]) -> list[RowT]:
        """Return the rows with these columns readable. Raise the error of the first bad value in them."""
        rows = self.rows
        if rows.__class__ is LazyRows:
            rows.require(columns)
        return rows

    @property
    def partial(self) -> bool:
        """Return whether its rows are partial rows."""
        rows = self.rows
        return rows.__class__ is LazyRows and rows.partial

    def values(self, columns: Sequence[str]) -> Iterable[Any]:
        """Return the values of columns of its partial rows, row by row. Equal values may come in several forms."""
        return map(getter(type(self.rows[0]), *columns), self.rows)

    def veiled(self) -> "Answer[RowT]":
        """Return it for a caller who may not see all rows: its bad values reveal nothing of the others.

        Other callers may read more columns of the same rows meanwhile.
        """
        rows: Any = self.rows
        if rows.__class__ is not LazyRows:
            return self
        if rows.partial:
            return msgspec.structs.replace(self, rows=veiled(rows))
        wrong = rows.read().irregular
        return msgspec.structs.replace(self, rows=rows.like(veil(rows, wrong))) if wrong else self

    def part(self, places: Sequence[int], hidden: HiddenColumns = NONE) -> "Answer[RowT]":
        """Return this veiled answer with the rows at these rising places alone. Columns of partial rows can be hidden.

        The keys of `hidden` count the returned rows.
        """
        rows: Any = self.rows
        if self.partial:
            return msgspec.structs.replace(self, rows=veiled(rows, places, hidden))
        return self.like([rows[place] for place in places])

    def some(self, places: Sequence[int]) -> "Answer[RowT]":
        """Return this answer with the rows at these rising places alone. They keep no other row in memory."""
        rows: Any = self.rows
        some = rows.some(places) if rows.__class__ is LazyRows else [rows[place] for place in places]
        return msgspec.structs.replace(self, rows=some)

    def like(self, rows: list[RowT]) -> "Answer[RowT]":
        """Return this answer with only some of its readable rows, or with copies of them."""
        own, some = self.rows, cast("Any", rows)
        if own.__class__ is LazyRows and own.irregular:
            some = own.like(some)
        return msgspec.structs.replace(self, rows=some)

    @property
    def excerpt(self) -> bool:
        """Return whether its rows keep a longer answer in memory."""
        rows = self.rows
        return rows.__class__ is LazyRows and rows.excerpt

    def head(self, count: int) -> list[RowT]:
        """Return the first rows as copies, to be stored apart from the answer."""
        return cast("list[RowT]", head(cast("Any", self.rows), count))

    @staticmethod
    def joined(parts: Sequence[list[Any]]) -> "Answer[Any]":
        """Return an answer with the readable rows of several answers of one report."""
        return Answer(joined(parts))

    def whole(self, rows: list[RowT]) -> list[RowT]:
        """Return the whole rows of some of its rows, which may be partial. Raise Malformed."""
        own, some = self.rows, cast("Any", rows)
        return cast("list[RowT]", own.whole(some) if own.__class__ is LazyRows else rows)

    @property
    def irregular(self) -> Collection[str]:
        """Return the columns in which a bad value was found so far."""
        rows = self.rows
        return rows.bad.columns if rows.__class__ is LazyRows else ()

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Return when the rows were read."""
        return self.provenance.readings
