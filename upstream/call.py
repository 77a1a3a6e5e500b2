"""One call of a report: what is asked, and what came back."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from upstream.interval import Interval
from upstream.reports.rows import Row
from upstream.reports.table import Report

RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one report. Two equal calls ask the same thing, so that one answer serves both.

    `params` are sorted name-value pairs, the report's own names. `agent` is the code of the agent whose log is read,
    "" for the default agent. `columns` are those that whoever asks is going to read, all if None: it says nothing
    about what is asked of the upstream, so calls are equal whatever they are. `moment` is when the operation began, to
    which a period that is not over is read if its report grows while it is paged (C28): it makes no call another one.
    A `counting` call (G1) asks only how many rows there are: its answer has no rows, and a `total`.
    """

    report: Report
    params: tuple[tuple[str, str | int], ...] = ()
    interval: Interval | None = None
    agent: str = ""
    columns: frozenset[str] | None = field(default=None, compare=False)
    moment: datetime.datetime | None = field(default=None, compare=False)
    counting: bool = False

    @classmethod
    def of(
        cls, report: Report, interval: Interval | None = None, *, agent: str = "", **params: str | int | None
    ) -> "Call":
        """A call with the parameters that are not None."""
        given = tuple(sorted((name, value) for name, value in params.items() if value is not None))
        return cls(report, given, interval, agent)


@dataclass(frozen=True, slots=True)
class Reading:
    """When rows of a report were read from the upstream, and until when they are trusted.

    `first` and `last` are business days, both included; None where the rows have no days. `read_at` is the moment
    just before the call was sent, so that the rows are never older than it says.
    """

    report: str
    first: datetime.date | None
    last: datetime.date | None
    read_at: datetime.datetime
    until: datetime.datetime


@dataclass(frozen=True, slots=True)
class Answer(Generic[RowT]):
    """The rows of one call, complete, in the upstream's order; what it took to get them; and how old they are.

    `readings` cover all rows. They are empty where rows are made up or come from memory of the operation itself.
    `waited` are those of its `seconds` in which its requests waited for their turn.
    """

    rows: list[RowT]
    requests: int = 1
    bytes: int = 0
    seconds: float = 0.0
    notes: Mapping[str, object] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    total: int | None = None
    waited: float = 0.0
