"""Collect how much of the capacity of the server is in use: operations, connections, files of tables, SQL, limits."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.http.admission import AdmissionCounts
from server.http.connection_counts import REASONS, ConnectionCounts
from server.metrics.families import Merge, counter, gauge, histogram
from server.sql.config import StatementCounts
from server.tables.config import FileCounts


class CapacityFigures(Collector):
    """The collector. `limits` are numbers from the settings, by the names of the settings."""

    def __init__(
        self,
        admission: AdmissionCounts,
        connections: ConnectionCounts,
        files: FileCounts,
        statements: StatementCounts,
        limits: Callable[[], Mapping[str, float]],
    ) -> None:
        self._admission = admission
        self._connections = connections
        self._files = files
        self._statements = statements
        self._limits = limits

    def collect(self) -> Iterable[Metric]:
        """Return the current figures."""
        yield from self._operations()
        yield from self._of_connections()
        yield counter(
            "table_files",
            "Files of tables: `made` were written, `reused` answered another request, `failed` could not be written.",
            ["event"],
            {(name,): getattr(self._files, name) for name in ("made", "reused", "failed")},
        )
        statements = self._statements
        yield gauge(
            "sql_statements_running",
            "SQL statements that run now, each in a process.",
            [],
            {(): statements.running},
            Merge.SUM,
        )
        yield counter("sql_statements", "SQL statements that have begun.", [], {(): statements.begun})
        yield counter("sql_rows", "Rows that SQL statements returned.", [], {(): statements.rows})
        yield gauge(
            "limit",
            "Limits of this server by the name of the setting, in the unit of the setting; 0 often means no limit.",
            ["setting"],
            {(name,): value for name, value in self._limits().items()},
            Merge.LARGEST,  # each worker knows the limit of the whole server
        )

    def _operations(self) -> Iterable[Metric]:
        counts = self._admission
        yield gauge(
            "operations_running",
            "Requests that run now in one of the places of MAX_OPERATIONS. Probes and /metrics need none. Scale on it.",
            [],
            {(): counts.running},
            Merge.SUM,
        )
        yield gauge(
            "operations_waiting",
            "Requests that wait for a place. Beyond MAX_WAITING_OPERATIONS, requests are answered 503.",
            [],
            {(): counts.waiting},
            Merge.SUM,
        )
        yield counter(
            "operations_shed", "Requests that were answered 503, because too many waited.", [], {(): counts.refused}
        )

    def _of_connections(self) -> Iterable[Metric]:
        counts = self._connections
        yield gauge("connections_open", "Connections of clients that are open.", [], {(): len(counts.open)}, Merge.SUM)
        yield gauge(
            "connections_limit", "Connections that may be open (MAX_CONNECTIONS).", [], {(): counts.most}, Merge.SUM
        )
        yield counter(
            "connections_closed",
            "Connections that the server closed, by reason. `no_place`: all were taken, `made_room`: another one "
            "needed its place, `no_request`: the request was not complete in time, `idle`: no further request came, "
            "`not_read`: the client did not read its answer, `not_http`: not HTTP, or too large a head.",
            ["reason"],
            {(reason,): counts.closed[reason] for reason in REASONS},
        )
        yield histogram(
            "event_loop_late_seconds",
            "Seconds by which a timer of the event loop came too late, a few times a second while connections are "
            "open. So long did all requests wait for one piece of work.",
            [],
            {(): counts.late},
        )
