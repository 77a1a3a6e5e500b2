"""The facts of one request, collected while it runs: for its line in the log, for the metrics, and for its trace.

Endpoints add what they know. No fact is a secret, and each has a limited length.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from resolvers.trace import Step
from server.logs import LOG_CONTEXT, LOG_FACTS
from upstream import errors

# The interface of a request in its scope, where its path does not say it.
INTERFACE = "interface"
LONGEST = 200
MOST_NAMES = 50
OK, REFUSED, FAILED, GONE = "ok", "refused", "failed", "gone"
# Faults of the server or of an upstream. All other codes are those of the caller.
FAULTS = frozenset({"INTERNAL_SERVER_ERROR", "DEADLINE_EXCEEDED", "OVERLOADED"}) | errors.FAULTS


class PlannedCalls:
    """The calls of a request to one report in one way, with the same outcome."""

    __slots__ = ("count", "rows", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.rows = 0
        self.seconds = 0.0


# By report, way and outcome: hit, miss, partial, stale, off or error.
Plan = dict[tuple[str, str, str], PlannedCalls]


class RequestFacts(dict[str, str]):
    """The facts that every line of a request has, such as its id and its caller.

    `line` are further facts for the line of the request itself. `codes` are the codes of its errors with their numbers.
    `plan` are its calls by report; `calls`, `cached` and `stale` count them, and `rows` their rows. `variables` are the
    variables of its operation. `cut` says that its answer has no end. `status` and `size` are those of the answer, and
    `first` are the seconds to its first byte if it was streamed.

    There is no `__init__`, because each request makes one: the values here are those at the beginning.
    """

    codes: dict[str, int] | None = None
    plan: Plan | None = None
    calls = 0
    cached = 0
    stale = 0
    rows = 0
    variables: Iterable[str] = ()
    cut = False
    status = 0
    size = 0
    first: float | None = None
    line: dict[str, Any]

    @classmethod
    def of(cls, request: str) -> "RequestFacts":
        """Return the facts of a request with this id."""
        facts = cls(request=request)
        facts.line = {}
        return facts

    def note_errors(self, errors: Iterable[Mapping[str, Any]]) -> None:
        """Count the errors of an answer by their codes, and keep the message of the first."""
        if self.codes is None:
            self.codes = {}
        for one in errors:
            code = str(one.get("extensions", {}).get("code", ""))[:LONGEST]
            self.codes[code] = self.codes.get(code, 0) + 1
            if "reason" not in self.line:
                self.line["reason"] = bounded(str(one.get("message", "")))

    def note_calls(self, steps: Iterable[Step]) -> None:
        """Count the calls of an operation."""
        plan = self.plan
        if plan is None:
            plan = self.plan = {}
        for step in steps:
            outcome = step.outcome
            key = (step.call.report.code, step.way, outcome)
            if key in plan:
                planned = plan[key]
            else:
                planned = plan[key] = PlannedCalls()
            planned.count += 1
            planned.rows += step.rows
            planned.seconds += step.seconds
            self.rows += step.rows
            if outcome == "hit":
                self.cached += 1
            elif outcome == "stale":
                self.stale += 1
            else:
                self.calls += 1

    def outcome(self) -> str:
        """Return how the request ended, for the service level."""
        if "gone" in self.line:
            return GONE
        codes = self.codes or {}
        if self.cut or self.status >= 500 or not FAULTS.isdisjoint(codes):
            return FAILED
        return REFUSED if self.status >= 400 or codes else OK

    def planned(self) -> list[dict[str, Any]]:
        """Return the calls for the line of a slow request, those that took longest first."""
        ordered = sorted((self.plan or {}).items(), key=lambda one: -one[1].seconds)
        return [
            {
                "report": report,
                "way": way,
                "cache": outcome,
                "calls": found.count,
                "ms": round(found.seconds * 1000, 1),
                "rows": found.rows,
            }
            for (report, way, outcome), found in ordered
        ]


def facts_of(scope: MutableMapping[str, Any]) -> RequestFacts:
    """Return the facts of a request. Outside a server nobody reads them."""
    found = scope.get(LOG_FACTS)
    return found if isinstance(found, RequestFacts) else RequestFacts.of("")


def current() -> RequestFacts | None:
    """Return the facts of the request that this task belongs to; None if it belongs to none."""
    found = LOG_CONTEXT.get()
    return found if isinstance(found, RequestFacts) else None


def bounded(text: str, longest: int = LONGEST) -> str:
    """Return a text on one line with a limited length."""
    text = " ".join(text[: 4 * longest].split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
