"""The kinds of money movement, and what each report calls them.

Amounts are kept as magnitudes; the sign and the type belong to the report that shows them (C19).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MovementKind:
    """`text` is R5's and R7's type, (`type`, `subtype`) are R11's, `sign` is the user's wallet's (R7)."""

    id: int
    text: str
    type: int
    subtype: int
    sign: int


WAGER = MovementKind(1, "Bingo - Wager", 1, 1, -1)
REFUND = MovementKind(2, "Bingo - Refund", 3, 1, 1)  # the player gave the ticket back
API_REFUND = MovementKind(3, "Bingo - Refund", 3, 2, 1)  # the game was cancelled
PRIZE = MovementKind(4, "Bingo - Prize", 100, 2, 1)
JACKPOT = MovementKind(5, "Bingo - Jackpot", 100, 2, 1)

KINDS = (WAGER, REFUND, API_REFUND, PRIZE, JACKPOT)
REFUNDS = (REFUND, API_REFUND)
PAYMENTS = (PRIZE, JACKPOT)
