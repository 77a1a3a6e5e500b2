"""A prize that one card won, and the form in which R2 writes a game's prizes and winners."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from sandbox.money import money
from sandbox.play import JACKPOT_PRIZE, PRIZES

PRIZE_NAMES = (*PRIZES, JACKPOT_PRIZE)
JACKPOT = len(PRIZES)


@dataclass(frozen=True)
class SandboxWin:
    """One card's share of a prize, in cents. `prize` indexes PRIZE_NAMES; `ordinal` is the card's place in the game."""

    id: int
    game: int
    ticket: int
    card: int
    prize: int
    amount: int
    call: int
    ordinal: int
    user: int
    external_user: int
    username: str
    group: int
    paper: bool
    won_at: int
    paid_at: int

    @property
    def name(self) -> str:
        """Return the prize's name."""
        return PRIZE_NAMES[self.prize]

    @property
    def card_id(self) -> str:
        """Return the card's id: the strip's number and the card's number in it."""
        return f"{self.ticket}-{self.card}"

    @property
    def printed_ticket(self) -> str | int:
        """Return the printed ticket's number, or 0 for a ticket sold online."""
        return ticket_code(self.ticket) if self.paper else 0

    def row(self) -> tuple[object, ...]:
        """Return the row of table win."""
        return (
            *(self.id, self.game, self.ticket, self.card, self.prize, self.amount, self.call, self.ordinal),
            *(self.user, self.group, self.paper, self.won_at, self.paid_at),
        )


def ticket_code(strip: int) -> str:
    """Return the number printed on a ticket, computed from its strip's number. TICKET_CODE does the same in SQL."""
    return f"{strip}q{strip * 40503 % 4096:03x}"


TICKET_CODE = "printf('%dq%03x', {0}, {0} * 40503 % 4096)"


def prizes_json(wins: Sequence[SandboxWin]) -> bytes:
    """Return R2's `prizes`: one for each winning card."""
    return orjson.dumps(
        [{"id": win.id, "prize_name": win.name, "paid": money(win.amount), "call_number": win.call} for win in wins]
    )


def winners_json(wins: Sequence[SandboxWin]) -> bytes:
    """Return R2's `winners`. A user id is a string as in the document's example, an external id a number as in its
    table.
    """
    return orjson.dumps(
        [
            {
                "user_name": win.username,
                "user_id": str(win.user),
                "external_user_id": win.external_user,
                "card_id": win.card_id,
                "call_number": win.call,
                "card_holder_name": win.username,
                "ticket_id": win.printed_ticket,
                "prize_name": win.name,
            }
            for win in wins
        ]
    )
