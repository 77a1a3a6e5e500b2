"""A movement of money as its two reports tell it: R7 from the user's wallet, R5 without that sign (C19, C20, C23)."""

from collections.abc import Iterable

from upstream.reports.rows import GroupMovementRow, UserTransactionRow

# "Bingo - Wager Cancelled" moves money the other way, and who knows what another type does: only these are known.
SIGNS = {"bingo - wager": "-", "bingo - refund": "", "bingo - prize": "", "bingo - jackpot": ""}


def wallet_amount(kind: str, amount: str) -> str | None:
    """The amount of a group's movement as its user's wallet sees it, or None for a type whose sign is not known."""
    sign = SIGNS.get(kind.casefold())
    if sign is None or amount.startswith("-"):
        return None
    return f"{sign}{amount}" if amount.strip("0.") else amount


def same(of_users: Iterable[UserTransactionRow], of_group: Iterable[GroupMovementRow]) -> bool:
    """Whether two reports tell the same movements: the same ids, with the same times, types and amounts."""
    told = {row.movement_id: (row.timestamp, row.movement_type, row.currency_amount) for row in of_users}
    others = {row.movement_id: row for row in of_group}
    if told.keys() != others.keys():
        return False
    for id, (timestamp, kind, amount) in told.items():
        row = others[id]
        wallet = wallet_amount(row.type, row.currency_amount)
        if wallet is None:
            # No sign is claimed for this type, so the amounts need only be alike without it.
            wallet, amount = row.currency_amount.lstrip("-"), amount.lstrip("-")
        if (row.timestamp, row.type, wallet) != (timestamp, kind, amount):
            return False
    return True
