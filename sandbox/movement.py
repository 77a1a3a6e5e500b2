"""The kinds of money movement, and their names in each report.

Amounts are stored without signs. Each report that shows an amount decides its sign and its type.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MovementKind:
    """`text` is the type in R5 and R7, (`type`, `subtype`) are those of R11, `sign` is the sign in the user's wallet
    (R7).
    """

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
