"""Decide whether R5 may substitute R7, by comparing both on a sample once a day for each upstream (C23)."""

import datetime
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import structlog

log = structlog.get_logger("gamehub_graph")


class MovementJoin(Enum):
    """The setting MOVEMENT_JOIN: how far R5 is trusted as a substitute for R7."""

    VERIFY = "verify"
    TRUST = "trust"
    NEVER = "never"


class JoinLedger(Protocol):
    """Stores the result of a comparison, so that a restart does not repeat it."""

    def noted(self, name: str) -> str | None:
        """Return the last text under this name."""

    def note(self, name: str, text: str) -> None:
        """Store a text under a name."""


@dataclass(slots=True)
class Join:
    """The state of the comparison. A server has one object for all operations. `upstream` identifies the upstream."""

    mode: MovementJoin = MovementJoin.VERIFY
    ledger: JoinLedger | None = None
    upstream: str = ""
    _day: datetime.date | None = None
    _agrees: bool = False
    _loaded: bool = field(default=False)

    def settled(self, today: datetime.date) -> bool | None:
        """Return whether the reports agree today; None if they were not compared yet."""
        if self.mode is MovementJoin.NEVER:
            return False
        if self.mode is MovementJoin.TRUST:
            return True
        if not self._loaded and self.ledger is not None:
            self._loaded = True
            noted = self.ledger.noted(self._name)
            if noted is not None:
                day, _, verdict = noted.partition(" ")
                self._day, self._agrees = datetime.date.fromisoformat(day), verdict == "agrees"
        return self._agrees if self._day == today else None

    @property
    def _name(self) -> str:
        return f"movement join {self.upstream}".rstrip()

    def settle(self, today: datetime.date, agrees: bool) -> bool:
        """Store the result of a comparison, and return it."""
        self._day, self._agrees = today, agrees
        if not agrees:
            log.warning("movement_join.differs", detail="R5 and R7 list different movements: R7 is read today")
        if self.ledger is not None:
            self.ledger.note(self._name, f"{today} {'agrees' if agrees else 'differs'}")
        return agrees
