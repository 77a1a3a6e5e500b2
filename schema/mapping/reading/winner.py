"""Recognise a winner that several reports list."""

from collections.abc import Hashable
from typing import Any

from upstream.reports import rows


def _card(row: Any) -> Hashable | None:
    """Return the card and its prize for a game's winner, the ticket for a prize's winner."""
    if isinstance(row, rows.CardWinner):
        return None if row.card_id is None else (row.user_id, row.card_id, row.prize_name)
    return None if row.ticket_id is None else (row.user_id, row.ticket_id)


def _amount(row: Any) -> Hashable | None:
    if isinstance(row, rows.CardWinner):
        return None
    amount = row.amount_won if isinstance(row, rows.PrizeTicket) else row.amount and row.amount.real
    return None if amount is None else ("amount", row.user_id, amount)


def _user(row: Any) -> Hashable | None:
    return ("user", row.user_id)


WINNER_KEYS = (_card, _amount, _user)
