"""Decide when a late request is made a second time: after so many seconds, or later than most of its report."""

import math
from collections import deque

_REMEMBERED = 200
_ENOUGH = 20


class Hedge:
    """Decide by `after`: a number of seconds, a share of the calls of the same report (`p95`), or empty: never.

    Raise ValueError for anything else. `never` says that no request is made again.
    """

    def __init__(self, after: str = "") -> None:
        self._seconds: float | None = None
        self._share: float | None = None
        self._taken: dict[str, deque[float]] = {}
        self.never = not after
        number = float(after.removeprefix("p")) if after else 0.0
        if not after:
            return
        if after.startswith("p"):
            self._share = number / 100
        else:
            self._seconds = number
        if not math.isfinite(number) or number <= 0 or (self._share is not None and self._share >= 1):
            raise ValueError("is neither seconds above 0 nor a share such as p95")

    def learn(self, report: str, seconds: float) -> None:
        """Note how long an answer took."""
        if self._share is not None:
            self._taken.setdefault(report, deque(maxlen=_REMEMBERED)).append(seconds)

    def delay(self, report: str) -> float | None:
        """Return after how many seconds a request of this report is made again; None: never."""
        if self._share is None:
            return self._seconds
        taken = self._taken.get(report, ())
        if len(taken) < _ENOUGH:
            return None
        return sorted(taken)[min(int(self._share * len(taken)), len(taken) - 1)]
