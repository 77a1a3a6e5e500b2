"""Compare a movement of money in its two reports: R7 has the sign of the user's wallet, R5 does not (C19, C20, C23)."""

from collections.abc import Iterable

from upstream.reports.rows import GroupMovementRow, UserTransactionRow
from upstream.reports.table import GROUP_MOVEMENTS

SIGNS = GROUP_MOVEMENTS.signs


def wallet_amount(kind: str, amount: str) -> str | None:
    """Return the amount of a group's movement with the sign of the user's wallet; None if the sign is not known."""
    sign = SIGNS.get(kind.casefold())
    if sign is None or amount.startswith("-"):
        return None
    return f"{sign}{amount}" if amount.strip("0.") else amount


def same(of_users: Iterable[UserTransactionRow], of_group: Iterable[GroupMovementRow]) -> bool:
    """Return whether two reports list the same movements: equal ids, times, types and amounts."""
    wallets = {row.movement_id: (row.timestamp, row.movement_type, row.currency_amount) for row in of_users}
    others = {row.movement_id: row for row in of_group}
    if wallets.keys() != others.keys():
        return False
    for id, (timestamp, kind, amount) in wallets.items():
        row = others[id]
        wallet = wallet_amount(row.type, row.currency_amount)
        if wallet is None:
            # The sign of this type is not known, so the amounts are compared without it.
            wallet, amount = row.currency_amount.lstrip("-"), amount.lstrip("-")
        if (row.timestamp, row.type, wallet) != (timestamp, kind, amount):
            return False
    return True
