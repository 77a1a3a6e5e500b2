"""The state of the limits of a caller, and the response headers that show it."""

from dataclasses import dataclass

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RateWindow:
    """The state of one limit: its value, what is left, and the seconds until it starts again."""

    kind: str
    limit: int
    left: int
    seconds: int
    over: bool


@dataclass(frozen=True, slots=True)
class RateStatus:
    """The state of all limits of a caller."""

    windows: tuple[RateWindow, ...]

    @property
    def over(self) -> RateWindow | None:
        """Return the exhausted limit; None if there is none."""
        return next((window for window in self.windows if window.over), None)

    def headers(self) -> dict[str, str]:
        """Return the RateLimit headers: all limits as the policy, and the rest of the limit nearest to its end."""
        if not self.windows:
            return {}
        near = self.over or min(self.windows, key=lambda window: window.left / window.limit)
        policy = ", ".join(f'{one.limit};w={WINDOW_SECONDS};comment="{one.kind}"' for one in self.windows)
        found = {
            "RateLimit-Limit": str(near.limit),
            "RateLimit-Remaining": str(near.left),
            "RateLimit-Reset": str(near.seconds),
            "RateLimit-Policy": policy,
        }
        return found | ({"Retry-After": str(max(near.seconds, 1))} if near.over else {})
