"""How prizes that several reports list are recognised as the same prize."""

from collections.abc import Hashable
from typing import Any

from upstream.reports import rows


def _id(row: Any) -> Hashable | None:
    """R2 and R3 tell the ids of the prizes that were won; R4 does not."""
    found: int | None = getattr(row, "id", None)
    return found


def _name(row: Any) -> Hashable | None:
    """A prize that one card won is the only one of its name."""
    return ("name", row.prize_name)


def _tickets(row: Any) -> Hashable | None:
    tickets = frozenset(winner.ticket_id for winner in getattr(row, "winners", None) or ())
    return ("tickets", row.prize_name, tickets) if tickets and None not in tickets else None


def _amount(row: Any) -> Hashable | None:
    amount = row.amount if isinstance(row, rows.GameSummaryPrize) else row.paid
    return None if amount is None else ("amount", row.prize_name, amount)


PRIZE_KEYS = (_id, _name, _tickets, _amount, _name)
