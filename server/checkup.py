"""The checkup of `gamehub-graph check`: each upstream called once, and what is wrong with it in words."""

import time
from dataclasses import dataclass

from server.gateway import Gateway, Probe
from upstream.errors import (
    ContractBroken,
    Failed,
    Incomplete,
    Insecure,
    Malformed,
    NotFound,
    Overloaded,
    Unauthenticated,
    Unavailable,
    UpstreamError,
)

# What to look at, by the kind of failure.
ADVICE: dict[type[UpstreamError], str] = {
    Unauthenticated: "The token was refused: ask for a new one, and set it in the settings or in the token's file.",
    Overloaded: "This server has more calls waiting than it may: look at what else it is asked.",
    Insecure: "Look at the settings that end in _CA_FILE, _CLIENT_CERT_FILE and _TLS_MINIMUM.",
    Unavailable: "Nobody answered: look at the address, at the network between, and at the timeout.",
    Malformed: "The answer is not this system's: the address may be another program's, or a proxy's login page.",
    ContractBroken: "The system does not know this report: the address may lack a part, or be another system's.",
    NotFound: "The system does not know what was asked for: it may be another version.",
    Incomplete: "The system cut its own answer short: try again, and tell the vendor if it goes on.",
    Failed: "The system is in trouble: tell the vendor; `gamehub-graph errors --export FILE` has the details.",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one probe."""

    title: str
    wrong: str | None
    advice: str
    seconds: float

    def line(self) -> str:
        if self.wrong is None:
            return f"{self.title}: answers ({self.seconds * 1000:.0f} ms)"
        return f"{self.title}: {self.wrong} {self.advice}".rstrip()


async def examine(gateway: Gateway) -> list[Result]:
    """Call each upstream once, one after the other, so that one does not slow the other down."""
    async with gateway.open():
        return [await _examine(gateway, probe) for probe in gateway.probes()]


async def _examine(gateway: Gateway, probe: Probe) -> Result:
    began = time.perf_counter()
    wrong, advice = None, ""
    try:
        await gateway.fetch(probe.call)
    except UpstreamError as error:
        wrong = error.message if error.message.endswith(".") else f"{error.message}."
        configured = probe.call.report.system not in gateway.missing
        advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), "") if configured else ""
    return Result(probe.title, wrong, advice, time.perf_counter() - began)
