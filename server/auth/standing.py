"""How a caller stands with its limits, as an answer's headers tell it."""

from dataclasses import dataclass

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RateWindow:
    """How a caller stands with one limit: what it is, what is left of it, and in how many seconds it begins anew."""

    kind: str
    limit: int
    left: int
    seconds: int
    over: bool


@dataclass(frozen=True, slots=True)
class RateStatus:
    """How a caller stands with its limits."""

    windows: tuple[RateWindow, ...]

    @property
    def over(self) -> RateWindow | None:
        """The limit that is used up, if one is."""
        return next((window for window in self.windows if window.over), None)

    def headers(self) -> dict[str, str]:
        """As RateLimit headers: all limits as the policy, and of the one nearest to its end what is left."""
        if not self.windows:
            return {}
        near = self.over or min(self.windows, key=lambda window: window.left / window.limit)
        policy = ", ".join(f'{one.limit};w={WINDOW_SECONDS};comment="{one.kind}"' for one in self.windows)
        told = {
            "RateLimit-Limit": str(near.limit),
            "RateLimit-Remaining": str(near.left),
            "RateLimit-Reset": str(near.seconds),
            "RateLimit-Policy": policy,
        }
        return told | ({"Retry-After": str(max(near.seconds, 1))} if near.over else {})
