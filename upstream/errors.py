"""Define the errors of the upstream, as a tree.

    UpstreamError
    ├── Unauthenticated   UPSTREAM_UNAUTHENTICATED   00001, 10003, any 401, after one re-read of the token
    ├── ContractBroken    UPSTREAM_CONTRACT          10000, 10001, 10012, 10015, 10017, 10019: request not understood
    ├── NotFound          NOT_FOUND                  10011, 10013, 10014, 10016: no such group, user, room or game
    ├── Incomplete        UPSTREAM_INCOMPLETE        10018, `break: true`, a game log that is shorter than its total
    ├── UpstreamFailed    UPSTREAM_ERROR             any other failure the upstream reports
    ├── Unavailable       UPSTREAM_UNAVAILABLE       timeout, refused, reset, circuit open
    │   └── Insecure      UPSTREAM_TLS               no secure connection: certificates, versions, the handshake
    ├── Overloaded        OVERLOADED                 this call is not made: too many wait, or too many were sent
    └── Malformed         UPSTREAM_MALFORMED         not the documented JSON, or one value that is not as documented

No error contains a token: texts and parameters are redacted at the transport (C2).
"""

from collections.abc import Mapping
from typing import ClassVar


class UpstreamError(Exception):
    """Say that an upstream call failed: its parameters, the answer, and the id under which the journal keeps the error.

    `column` is set if one value of an answer is wrong, and not the whole answer. `request` and `caller` are the id of
    the request that made the call, and the name of its caller, for the operator.
    """

    code: ClassVar[str] = "UPSTREAM_ERROR"
    # The message without details of the call, for a caller who may not see all of its rows.
    plain: ClassVar[str] = "the upstream reported a failure of its own"
    # The next step of a caller; empty if the message says it.
    advice: ClassVar[str] = "Try again; if it fails again, tell the operator."

    def __init__(
        self,
        message: str,
        *,
        report: str = "",
        column: str = "",
        params: Mapping[str, object] | None = None,
        status: int | None = None,
        upstream_code: str | None = None,
        correlation_id: str = "",
        payload: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.report = report
        self.column = column
        self.params = dict(params or {})
        self.status = status
        self.upstream_code = upstream_code
        self.correlation_id = correlation_id
        self.payload = payload
        self.request = ""
        self.caller = ""
        self.requests = 0  # the number of HTTP requests of the failed call
        self.waited = 0.0  # the seconds for which they waited for their turn

    def plainly(self, report: str) -> "UpstreamError":
        """Return it for a caller who may not see all rows: the upstream's own words may quote or count rows of others.

        `report` is the code of the report that was called.
        """
        plain = type(self)(f"{report}: {self.plain}", report=self.report)
        plain.correlation_id, plain.requests, plain.waited = self.correlation_id, self.requests, self.waited
        return plain


class Unauthenticated(UpstreamError):
    """Say that the upstream refused the token, also after it was read again."""

    code = "UPSTREAM_UNAUTHENTICATED"
    plain = "the upstream refused the configured token"
    advice = "The operator has to renew the token in the settings of this server."


class ContractBroken(UpstreamError):
    """Say that the upstream did not understand a request that the contract allows."""

    code = "UPSTREAM_CONTRACT"
    plain = "the upstream did not understand a request that its document allows"
    advice = "Tell the operator: the upstream may have changed."


class NotFound(UpstreamError):
    """Say that the upstream knows no group, user, room or game of this id."""

    code = "NOT_FOUND"
    plain = "there is no such group, user, room or game"
    advice = "Check the id, and whether your key shows it."

    def plainly(self, report: str) -> "UpstreamError":
        """Return it as it is: its message names only what the caller asked for."""
        return self


class Incomplete(UpstreamError):
    """Say that the rows are cut short, as the upstream reports."""

    code = "UPSTREAM_INCOMPLETE"
    plain = "the upstream cut the rows short"
    advice = "Ask for a shorter period, or try again."


class UpstreamFailed(UpstreamError):
    """Say that the upstream reported a failure of its own."""

    code = "UPSTREAM_ERROR"


class Unavailable(UpstreamError):
    """Say that the upstream could not be reached, or did not answer in time."""

    code = "UPSTREAM_UNAVAILABLE"
    plain = "the upstream could not be reached, or not in time"
    advice = "Try again later."


class Insecure(Unavailable):
    """Say that no secure connection to the upstream could be made."""

    code = "UPSTREAM_TLS"
    plain = "no secure connection to the upstream could be made"
    advice = "The operator has to change the TLS settings or the upstream."


class Overloaded(UpstreamError):
    """Say that this call is not made: too many calls wait for the upstream, or were sent in this minute."""

    code = "OVERLOADED"
    plain = "more calls wait for the upstream than it may be sent in time"
    advice = ""


class Malformed(UpstreamError):
    """Say that the answer is not the documented JSON, or one of its values is not as documented."""

    code = "UPSTREAM_MALFORMED"
    cut = False  # whether the connection or the text ended before the answer did (C38)
    plain = "the upstream answered with something other than its documented JSON"


def kinds(of: type[UpstreamError] = UpstreamError) -> list[type[UpstreamError]]:
    """Return all kinds of errors below one."""
    return [each for child in of.__subclasses__() for each in (child, *kinds(child))]


# The codes of faults. What does not exist is no fault.
FAULTS = frozenset(kind.code for kind in kinds() if kind is not NotFound)

CODES: Mapping[str, type[UpstreamError]] = {
    "00001": Unauthenticated,
    "10000": ContractBroken,
    "10001": ContractBroken,
    "10003": Unauthenticated,
    "10011": NotFound,
    "10012": ContractBroken,
    "10013": NotFound,
    "10014": NotFound,
    "10015": ContractBroken,
    "10016": NotFound,
    "10017": ContractBroken,
    "10018": Incomplete,
    "10019": ContractBroken,
}
"""The error for each code of the document's "Errors Index"; 10002 is an empty result (C11), others UpstreamFailed."""

STATUSES: Mapping[int, type[UpstreamError]] = {
    401: Unauthenticated,
    404: ContractBroken,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
"""The error for an HTTP status if the answer has no code; any other of 400 and above is UpstreamFailed."""


def refusal(report: str, status: int, code: str | None, message: str, payload: bytes) -> UpstreamError:
    """Return the error of a refused request: by its code, or else by its HTTP status."""
    kind = CODES.get(code or "") or STATUSES.get(status, UpstreamFailed)
    text = f"{report}: the upstream answered {status}"
    if code is not None:
        text += f" with code {code}"
    if message:
        text += f": {message}"
    return kind(text, status=status, upstream_code=code, payload=payload)
