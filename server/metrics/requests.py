"""Count requests by interface: how they ended, how long they took, and how much was sent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from server.http.request_facts import FAILED, FAULTS, OK
from server.metrics.families import counter, histogram
from upstream.durations import Durations

GRAPHQL = "graphql"
SUBSCRIPTIONS = "subscriptions"
PAGES = "pages"
# Paths, and the interface of each with all paths below it. The first that fits counts.
_PATHS = (
    ("/graphql/stream", SUBSCRIPTIONS),
    ("/graphql", GRAPHQL),
    ("/tables/page", PAGES),
    ("/tables", "tables"),
    ("/odata", "odata"),
    ("/sql/page", PAGES),
    ("/sql", "sql"),
    ("/mcp", "mcp"),
    ("/healthz", "probes"),
    ("/readyz", "probes"),
    ("/metrics", "metrics"),
)
# All interfaces. Flight SQL and subscriptions say it themselves.
INTERFACES = (GRAPHQL, SUBSCRIPTIONS, "tables", "odata", "sql", "flight", "mcp", PAGES, "probes", "metrics")
# Callers after these are counted together.
MOST_CALLERS = 100
LONGEST_NAME = 64
OTHERS = "(others)"
MOST_CODES = 100
# The formats of a table have names that this program gives, so only tables multiply.
MOST_TABLES = 1000


def interface_of(path: str) -> str:
    """Return the interface of a path."""
    for beginning, interface in _PATHS:
        if path.startswith(beginning) and (len(path) == len(beginning) or path[len(beginning)] in "/."):
            return interface
    return PAGES


# A rate finds the first failure only if the count began with 0. So these begin with the server.
_BEGUN = (("200", OK), ("200", FAILED), ("500", FAILED), ("502", FAILED), ("503", FAILED))
_STORES = ("STORAGE_UNAVAILABLE", "ISSUER_UNAVAILABLE", "SQL_PROCESS_LOST")
_GUARDS = ("UNAUTHENTICATED", "FORBIDDEN", "TOO_MANY_REQUESTS")
BEGUN_CODES = (*sorted(FAULTS), *_STORES, *_GUARDS)


class InterfaceCounts:
    """The counts of one interface.

    `ended` are the requests by status and outcome (`ok`, `refused`, `failed`, `gone`). `at_once` are the durations of
    requests that were answered in one part. `first` and `last` are those of other answers, to their first byte and to
    their end.
    """

    __slots__ = ("at_once", "bytes", "codes", "ended", "first", "last")

    def __init__(self) -> None:
        self.ended: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.at_once = Durations()
        self.first = Durations()
        self.last = Durations()
        self.bytes = 0
        self.codes: dict[str, int] = {}

    def note_codes(self, codes: dict[str, int]) -> None:
        """Count errors by their codes."""
        for code, count in codes.items():
            place = code if code in self.codes or len(self.codes) < MOST_CODES else OTHERS
            self.codes[place] = self.codes.get(place, 0) + count


class CallerCounts(dict[str, list[float]]):
    """The requests of each caller, and their seconds: of the first hundred callers, and of all others together."""

    def __missing__(self, name: str) -> list[float]:
        """Return the counts of a new caller."""
        short = name[:LONGEST_NAME] if len(self) < MOST_CALLERS else OTHERS
        if short in self:
            return self[short]
        found = self[short] = [0, 0.0]
        return found


class RequestCounts(Collector):
    """The counts of all requests of one server, and their collector."""

    def __init__(self) -> None:
        self.interfaces = {name: InterfaceCounts() for name in INTERFACES}
        self.callers = CallerCounts()
        # Answers, rows and bytes by table and format.
        self.tables: dict[tuple[str, str], list[int]] = {}
        self.slow = 0

    def note_table(self, line: Mapping[str, Any]) -> None:
        """Count the answer with the rows of a table, by the facts of its line."""
        key = (line["table"], line.get("format", ""))
        if key not in self.tables and len(self.tables) >= MOST_TABLES:
            key = (OTHERS, OTHERS)
        found = self.tables.setdefault(key, [0, 0, 0])
        found[0] += 1
        found[1] += line.get("rows", 0)
        found[2] += line["bytes"]

    def collect(self) -> Iterable[Metric]:
        """Return the current figures."""
        yield from self._by_interface()
        yield from self._latency()
        yield counter(
            "caller_requests",
            "Requests by caller: the name of the key or the token. After the first hundred callers, the others are "
            "counted together.",
            ["caller"],
            {(name,): found[0] for name, found in self.callers.items()},
        )
        yield counter(
            "caller_request_seconds",
            "Seconds that the requests of each caller took, added up: who causes the load.",
            ["caller"],
            {(name,): found[1] for name, found in self.callers.items()},
        )
        for place, name, text in (
            (0, "table_answers", "Answers with the rows of a table, by table and format."),
            (1, "table_rows", "Rows that these answers had. Rows of a file that was made before are not counted."),
            (2, "table_bytes", "Bytes that these answers had, as they were sent: compressed, if the client asked."),
        ):
            yield counter(name, text, ["table", "format"], {key: found[place] for key, found in self.tables.items()})
        yield CounterMetricFamily(
            "gamehub_graph_slow_requests",
            "Requests that took longer than SLOW_SECONDS. The log has a line with the plan of each.",
            value=self.slow,
        )

    def _by_interface(self) -> Iterable[Metric]:
        begun = dict.fromkeys(((name, *how) for name, how in product(INTERFACES, _BEGUN)), 0)
        ended = begun | {
            (name, str(status), outcome): count
            for name, found in self.interfaces.items()
            for (status, outcome), count in found.ended.items()
        }
        yield counter(
            "requests",
            "Requests by interface, HTTP status and outcome. `ok`: answered. `refused`: the request was wrong or not "
            "allowed (its caller can change that). `failed`: a fault of this server or of an upstream, also in an "
            "answer with the status 200. `gone`: the client left before its answer. The share of `failed` is the "
            "error rate of a service level.",
            ["interface", "status", "outcome"],
            ended,
        )
        yield counter(
            "errors",
            "Errors in answers by interface and error code, also in answers of GraphQL with the status 200. "
            "docs/reference/errors.md explains the codes. OVERLOADED: shed, TOO_MANY_REQUESTS: above the rate of "
            "the caller, UNAUTHENTICATED and FORBIDDEN: no or not enough permission. The codes of faults, and these, "
            "begin with 0.",
            ["interface", "code"],
            dict.fromkeys(product(INTERFACES, BEGUN_CODES), 0)
            | {(name, code): count for name, found in self.interfaces.items() for code, count in found.codes.items()},
        )
        yield counter(
            "sent_bytes",
            "Bytes of the bodies of answers by interface.",
            ["interface"],
            {(name,): found.bytes for name, found in self.interfaces.items()},
        )

    def _latency(self) -> Iterable[HistogramMetricFamily]:
        yield histogram(
            "request_first_byte_seconds",
            "Seconds from the head of a request to the first byte of its answer. For an answer that is not streamed, "
            "this is the whole time.",
            ["interface"],
            {(name,): found.at_once + found.first for name, found in self.interfaces.items()},
        )
        yield histogram(
            "request_seconds",
            "Seconds from the head of a request to the end of its answer. Subscriptions have none: they end when the "
            "client leaves.",
            ["interface"],
            {(name,): found.at_once + found.last for name, found in self.interfaces.items() if name != SUBSCRIPTIONS},
        )
