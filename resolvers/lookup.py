"""A lookup names the rows that are wanted, whatever the keys: an edge, a period, an agent and further parameters."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resolvers.edges import Bulk, ReportEdge
from upstream.call import Call
from upstream.reports.table import Report
from upstream.values.interval import Interval


@dataclass(eq=False, init=False, slots=True)
class Lookup:
    """Name the rows of one edge. Keys of equal lookups are read together. Never change a lookup.

    `agent` is the Game History agent whose log is read, "" for the default agent. If `exact` is False, the rows may be
    those of a report that substitutes the edge's own report. `params` are further parameters as sorted pairs. `key` is
    equal for equal lookups, and hashes faster than a lookup.
    """

    edge: ReportEdge
    interval: Interval | None = None
    agent: str = ""
    exact: bool = True
    params: tuple[tuple[str, str | int], ...] = ()
    key: Hashable = field(init=False, repr=False)

    def __init__(
        self,
        edge: ReportEdge,
        interval: Interval | None = None,
        agent: str = "",
        exact: bool = True,
        params: tuple[tuple[str, str | int], ...] = (),
    ) -> None:
        self.edge = edge
        self.interval = interval
        self.agent = agent
        self.exact = exact
        self.params = params
        period = None if interval is None else (interval.start, interval.end)
        self.key = (edge, period, agent, exact, params)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Lookup) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    @classmethod
    def of(
        cls,
        edge: ReportEdge,
        interval: Interval | None = None,
        agent: str = "",
        exact: bool = True,
        **params: str | int | None,
    ) -> "Lookup":
        """Return the lookup with those parameters that are not None."""
        given = tuple(sorted((name, value) for name, value in params.items() if value is not None))
        return cls(edge, interval, agent, exact, given)

    @property
    def fixed(self) -> Mapping[str, str | int]:
        """Return the further parameters by name."""
        return dict(self.params)

    def per_key_call(self, key: Any, columns: Collection[str] | None = None) -> Call:
        """Return the call that reads one key. It names the columns that are read, and those that identify rows."""
        edge = self.edge
        assert edge.by is not None
        params: tuple[tuple[str, str | int], ...] = ((edge.by, key),)
        if self.params:
            params = tuple(sorted((self._sent(edge.report) | {edge.by: key}).items()))
        read = None
        if columns is not None:
            read = frozenset(columns).union((edge.column, edge.keep[0] if edge.keep else edge.column))
        return Call(edge.report, params, self.interval, self.agent, read)

    def bulk_call(self, bulk: Bulk, columns: Collection[str] | None = None, key: Any = None) -> Call:
        """Return the call that reads many keys at once. `key` is the key of the other edge, where there is one."""
        fixed = dict(self.params)
        sent = self._sent(bulk.report) | {name: fixed[source] for name, source in bulk.params.items()}
        if bulk.by is not None:
            sent[bulk.by] = key
        return self._call(bulk.report, sent, columns, bulk.column)

    def of_other_keys(self, each: ReportEdge) -> "Lookup":
        """Return the lookup of an edge whose keys a bulk way takes: of the same period, if its report has one."""
        interval = self.interval if each.report.frame is not None else None
        return Lookup(each, interval, self.agent, True, self.params)

    def _sent(self, report: Report) -> dict[str, str | int]:
        return {name: value for name, value in self.params if name in report.parameters}

    def _call(
        self, report: Report, params: Mapping[str, str | int], columns: Collection[str] | None, *own: str
    ) -> Call:
        read = None if columns is None else frozenset(columns).union(own)
        return Call(report, tuple(sorted(params.items())), self.interval, self.agent, read)
