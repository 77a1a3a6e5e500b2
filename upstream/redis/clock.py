"""Compare the clock of this process with that of Redis, which all servers have in common."""

import time

import structlog

_log = structlog.get_logger("upstream.redis")
# The clocks of servers that share rows must agree to this.
MOST_SECONDS = 1.0
# So often they are compared.
EVERY_SECONDS = 60.0


class ClockComparison:
    """Hold how far the clock of this process is ahead of that of Redis.

    One line in the log reports that they differ, and one that they agree again.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        self.differs = False
        self._compared: float | None = None

    @property
    def due(self) -> bool:
        """Return whether it is time for the next comparison."""
        return self._compared is None or time.monotonic() - self._compared >= EVERY_SECONDS

    @property
    def wrong(self) -> str | None:
        """Return in words that the clocks differ; None if they agree."""
        if not self.differs:
            return None
        where = "ahead of" if self.ahead > 0 else "behind"
        return f"The clock of this machine is {abs(self.ahead):.1f} s {where} that of Redis"

    def note(self, before: float, redis: float, seconds: float) -> None:
        """Note the time of Redis, for which it was asked at `before`. The answer took `seconds`.

        All are in seconds, and the first two are Unix times. Redis looked at its clock at some moment of the answer, so
        a slow answer may show neither that the clocks differ nor that they agree.
        """
        self._compared = time.monotonic()
        unsure = seconds / 2
        self.ahead = before + unsure - redis
        if abs(self.ahead) > MOST_SECONDS + unsure and not self.differs:
            self.differs = True
            _log.warning("redis.clock_differs", ahead=round(self.ahead, 3))
        elif abs(self.ahead) <= MOST_SECONDS - unsure and self.differs:
            self.differs = False
            _log.info("redis.clock_agrees", ahead=round(self.ahead, 3))
