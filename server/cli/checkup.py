"""The checkup of `gamehub-graph check`: call each system once and describe what is wrong.

The systems are the upstreams, and the Redis and the token issuer of the settings.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from server.gateway import Gateway, Probe
from server.settings.settings import Settings
from upstream.errors import (
    ContractBroken,
    Incomplete,
    Insecure,
    Malformed,
    NotFound,
    Overloaded,
    Unauthenticated,
    Unavailable,
    UpstreamError,
    UpstreamFailed,
)
from upstream.transport.secure import Secure

# A problem and the next step, in words.
_Problem = tuple[str, str]
# The next step for each kind of failure.
ADVICE: dict[type[UpstreamError], str] = {
    Unauthenticated: "The token was refused: ask for a new one, and set it in the settings or in the token's file.",
    Overloaded: "Too many calls of this server wait for the upstream: try again later, and look at its other callers.",
    Insecure: "Look at the settings that end in _CA_FILE, _CLIENT_CERT_FILE and _TLS_MINIMUM.",
    Unavailable: "The system did not answer: check the address, the network and the timeout.",
    Malformed: "The answer is not this system's: the address may be another program's, or a proxy's login page.",
    ContractBroken: "The system does not know this report: the address may lack a part, or be another system's.",
    NotFound: "The system does not know this request: it may be another version.",
    Incomplete: "The system cut its own answer short: try again. If it happens again, write to the vendor.",
    UpstreamFailed: "The system reports a failure: write to the vendor. "
    "`gamehub-graph errors --export FILE` has the details.",
}
_REDIS_ADVICE = "Look at CACHE_URL, at Redis, and at the network between; without it each server reads for itself."


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one probe."""

    title: str
    wrong: str | None
    advice: str
    seconds: float

    def described(self) -> dict[str, Any]:
        """Return the result for programs. `problem` and `advice` are None if the system answers."""
        fine = self.wrong is None
        return {
            "system": self.title,
            "ok": fine,
            "seconds": round(self.seconds, 3),
            "problem": self.wrong,
            "advice": None if fine else self.advice,
        }

    def line(self) -> str:
        if self.wrong is None:
            return f"{self.title}: answers ({self.seconds * 1000:.0f} ms)"
        return f"{self.title}: {self.wrong} {self.advice}".rstrip()


async def examine(gateway: Gateway) -> list[CheckResult]:
    """Call each upstream once, one after the other, so that none slows another down."""
    async with gateway.open():
        return [await _examine(gateway, probe) for probe in gateway.probes()]


async def examine_others(settings: Settings) -> list[CheckResult]:
    """Call Redis and the token issuer, if they are set, and compare the clock with that of Redis."""
    others: list[tuple[str, Callable[[], Awaitable[_Problem | None]]]] = []
    if settings.cache_in_redis:
        others.append(("Redis", lambda: _redis(settings)))
    if settings.jwt_jwks_url is not None:
        url, secure = settings.jwt_jwks_url, settings.secure("jwks")
        others.append(("Token issuer", lambda: _issuer(url, secure)))
    found = []
    for title, check in others:
        began = time.perf_counter()
        wrong, advice = await check() or (None, "")
        sentence = None if wrong is None else f"{wrong.rstrip('.')}."
        found.append(CheckResult(title, sentence, advice, time.perf_counter() - began))
    return found


async def _redis(settings: Settings) -> _Problem | None:
    redis = settings.redis_connection()
    assert redis is not None
    try:
        wrong = await redis.wrong("gamehub-graph:check")
        if wrong is not None:
            return wrong, _REDIS_ADVICE
        clock = await redis.clock_wrong()
        return None if clock is None else (clock, "Let both machines take their time from the network (NTP).")
    finally:
        await redis.aclose()


async def _issuer(url: str, secure: Secure) -> _Problem | None:
    from server.auth.jwks import KeySet

    wrong = await KeySet(url, secure=secure).wrong()
    return None if wrong is None else (wrong, "Look at JWT_JWKS_URL; without the keys no token lets anybody in.")


async def _examine(gateway: Gateway, probe: Probe) -> CheckResult:
    began = time.perf_counter()
    wrong, advice = None, ""
    try:
        await gateway.fetch(probe.call)
    except UpstreamError as error:
        wrong = error.message if error.message.endswith(".") else f"{error.message}."
        configured = probe.call.report.system not in gateway.missing
        advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), "") if configured else ""
    return CheckResult(probe.title, wrong, advice, time.perf_counter() - began)
