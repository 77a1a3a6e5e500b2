"""The options of a request: headers, or the same options in its `extensions`.

| header               | `extensions` | the request                                                  |
|----------------------|--------------|---------------------------------------------------------------|
| `X-Graph-Trace: 1`   | `trace`      | every upstream call that was made, in `extensions.trace`      |
| `X-Graph-Explain: 1` | `explain`    | the plan in `extensions.explain`, and nothing is called       |
| `X-Graph-Max-Calls`  | `maxCalls`   | to be refused if the plan needs more upstream calls than this |
| `Cache-Control`      |              | `no-cache`, `max-age=N`: rows that are not older than this    |
| `Pragma: no-cache`   |              | the same as `no-cache`, for clients without `Cache-Control`   |

`Apollo-Federation-Include-Trace: ftv1` is for federation gateways: `extensions.ftv1` has a trace in their own format.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.http.request_error import RequestError

TRACE = "X-Graph-Trace"
# The header of federation gateways. Another value asks for a trace that is not known here, so it is ignored.
FEDERATION_TRACE = "Apollo-Federation-Include-Trace"
EXPLAIN = "X-Graph-Explain"
MAX_CALLS = "X-Graph-Max-Calls"

_HEADERS = frozenset(
    {*(name.lower() for name in (TRACE, EXPLAIN, MAX_CALLS, FEDERATION_TRACE)), "cache-control", "pragma"}
)
_TRUTH = {"1": True, "true": True, "0": False, "false": False}
_MOST_DIGITS = 9
# A directive of Cache-Control: a name, and a value that may be quoted (RFC 9111, section 5.2).
_DIRECTIVE = re.compile(r"""([^\s=,;"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?[^,]*(?:,|$)""")
# A longer time is equal to no limit (RFC 9111).
_LONGEST_AGE = 2**31


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The options of a request.

    Rows that were read more than `max_age` seconds before the operation, or before `not_before`, are read again. With
    None, the trust in the rows decides.
    """

    trace: bool = False
    explain: bool = False
    federation_trace: bool = False
    max_calls: int | None = None
    max_age: float | None = None
    not_before: datetime.datetime | None = None

    def oldest(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the earliest allowed reading time of a row; None if any age is allowed."""
        if self.max_age is None:
            return self.not_before
        bound = now - datetime.timedelta(seconds=self.max_age)
        return bound if self.not_before is None else max(bound, self.not_before)

    @property
    def limits_age(self) -> bool:
        """Return whether rows of some age are read again although they are trusted."""
        return self.max_age is not None or self.not_before is not None

    @property
    def plan(self) -> bool:
        """Return whether the operation must be planned before it runs."""
        return self.explain or self.max_calls is not None


NOTHING = RequestOptions()


def read(headers: Mapping[str, str], extensions: Mapping[str, Any]) -> RequestOptions:
    """Read the options from headers (in lower case) and extensions. The lower limit wins. Raises RequestError."""
    if not extensions and _HEADERS.isdisjoint(headers):
        return NOTHING
    bounds = [bound for bound in (_bound(headers), _most(extensions)) if bound is not None]
    return RequestOptions(
        _header(headers, TRACE) or _flag(extensions, "trace"),
        _header(headers, EXPLAIN) or _flag(extensions, "explain"),
        headers.get(FEDERATION_TRACE.lower(), "").strip().lower() == "ftv1",
        min(bounds, default=None),
        max_age(headers),
    )


def max_age(headers: Mapping[str, str]) -> float | None:
    """Return the greatest age in seconds that a request accepts; None if it has no limit.

    A `max-age` that is not a whole number demands fresh rows: a mistyped limit must not return older rows.
    """
    control = headers.get("cache-control")
    if control is None:
        return 0 if "no-cache" in _directives(headers.get("pragma", "")) else None
    given = _directives(control)
    if "no-cache" in given:
        return 0
    ages = [_seconds(value) for value in given.get("max-age", ())]
    return min(ages, default=None)


def _directives(header: str) -> dict[str, list[str]]:
    """Return the values of each directive, by its name in lower case."""
    found: dict[str, list[str]] = {}
    for name, quoted, plain in _DIRECTIVE.findall(header):
        found.setdefault(name.lower(), []).append(quoted or plain)
    return found


def _seconds(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        return 0
    return min(int(value), _LONGEST_AGE) if len(value) <= _MOST_DIGITS + 1 else _LONGEST_AGE


def _header(headers: Mapping[str, str], name: str) -> bool:
    value = headers.get(name.lower(), "0").strip().lower()
    if value not in _TRUTH:
        raise _bad(f"The header {name} must be 1 or 0.")
    return _TRUTH[value]


def _flag(extensions: Mapping[str, Any], name: str) -> bool:
    value = extensions.get(name)
    if value is not None and not isinstance(value, bool):
        raise _bad(f"extensions.{name} must be true or false.")
    return bool(value)


def _bound(headers: Mapping[str, str]) -> int | None:
    value = headers.get(MAX_CALLS.lower())
    if value is None:
        return None
    value = value.strip()
    if not value.isascii() or not value.isdigit() or len(value) > _MOST_DIGITS:
        raise _bad(f"The header {MAX_CALLS} must be a whole number from 0.")
    return int(value)


def _most(extensions: Mapping[str, Any]) -> int | None:
    value = extensions.get("maxCalls")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise _bad("extensions.maxCalls must be a whole number from 0.")
    return value


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_USER_INPUT", message)
