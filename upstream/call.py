"""One call of a report: what is asked, and what came back."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from upstream.interval import Interval
from upstream.reports import Report
from upstream.rows import Row

RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one report. Two equal calls ask the same thing, so that one answer serves both.

    `params` are sorted name-value pairs, the report's own names. `agent` is the code of the agent whose log is read,
    "" for the default agent. `columns` are those that whoever asks is going to read, all if None: it says nothing
    about what is asked of the upstream, so calls are equal whatever they are. `moment` is when the operation began, to
    which a period that is not over is read if its report grows while it is paged (C28): it makes no call another one.
    """

    report: Report
    params: tuple[tuple[str, str | int], ...] = ()
    interval: Interval | None = None
    agent: str = ""
    columns: frozenset[str] | None = field(default=None, compare=False)
    moment: datetime.datetime | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls, report: Report, interval: Interval | None = None, *, agent: str = "", **params: str | int | None
    ) -> "Call":
        """A call with the parameters that are not None."""
        given = tuple(sorted((name, value) for name, value in params.items() if value is not None))
        return cls(report, given, interval, agent)


@dataclass(frozen=True, slots=True)
class Answer(Generic[RowT]):
    """The rows of one call, complete, in the upstream's order; and what it took to get them."""

    rows: list[RowT]
    requests: int = 1
    bytes: int = 0
    seconds: float = 0.0
    notes: Mapping[str, object] = field(default_factory=dict)
