"""Recognise a prize that several reports list."""

from collections.abc import Hashable
from typing import Any

from upstream.reports import rows


def _id(row: Any) -> Hashable | None:
    """Return the prize's id. R2 and R3 have ids of won prizes; R4 has none."""
    found: int | None = getattr(row, "id", None)
    return found


def _name(row: Any) -> Hashable | None:
    """Return the prize's name. It identifies a prize that only one card won."""
    return ("name", row.prize_name)


def _tickets(row: Any) -> Hashable | None:
    tickets = frozenset(winner.ticket_id for winner in getattr(row, "winners", None) or ())
    return ("tickets", row.prize_name, tickets) if tickets and None not in tickets else None


def _amount(row: Any) -> Hashable | None:
    amount = row.amount if isinstance(row, rows.GameSummaryPrize) else row.paid
    return None if amount is None else ("amount", row.prize_name, amount)


PRIZE_KEYS = (_id, _name, _tickets, _amount, _name)
