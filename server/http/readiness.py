"""The readiness of the server: whether it takes requests itself. The state of the upstreams does not count.

If it did, the failure of one report would make a load balancer remove every server at once, although each of them
still answers from its cache and from the other upstream.
"""

from collections.abc import Callable, Mapping, Sequence


class Readiness:
    """The state of the server. A check describes what is wrong with a part of it, or returns None.

    `notes` are shown but do not count: open circuit breakers, an upstream that is not configured. `draining` is True
    when the server is about to end.
    """

    def __init__(
        self, checks: Mapping[str, Callable[[], str | None]] | None = None, notes: Callable[[], Sequence[str]] = tuple
    ) -> None:
        self.draining = False
        self._checks = checks or {}
        self._notes = notes

    def drain(self) -> None:
        """Make the server unready, because it is about to end."""
        self.draining = True

    @property
    def notes(self) -> list[str]:
        """Return the current notes."""
        return list(self._notes())

    @property
    def wrong(self) -> dict[str, str]:
        """Describe what is wrong, by the part of the server; empty if nothing is."""
        if self.draining:
            return {"server": "is stopping"}
        found = ((name, check()) for name, check in self._checks.items())
        return {name: why for name, why in found if why is not None}
