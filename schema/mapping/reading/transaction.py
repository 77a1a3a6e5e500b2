"""Read the rows of transactions: the sign of an amount, and the user and the group of a movement."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from resolvers.rules.movement import wallet_amount
from schema.mapping.entity import UNKNOWN, Entity
from schema.mapping.expression import ColumnReader
from schema.mapping.values import distinct_values
from upstream.reports import rows


class _WalletAmounts(dict[tuple[str, str], Any]):
    """A cache of amounts with the sign that a wallet sees, by type of movement and amount."""

    def __missing__(self, place: tuple[str, str]) -> Any:
        amount = wallet_amount(*place)
        if len(self) >= _MOST_AMOUNTS:
            self.clear()
        self[place] = UNKNOWN if amount is None else amount
        return self[place]


_MOST_AMOUNTS = 100_000
_AMOUNTS = _WalletAmounts()


def _wallet_amount(row: rows.GroupMovementRow) -> Any:
    """Return the signed amount, or UNKNOWN if the type's sign is not known:

    then R7, which has the sign, must be read.
    """
    return _AMOUNTS[row.type, row.currency_amount]


def _signed(movements: Sequence[rows.GroupMovementRow]) -> bool:
    """Return whether the sign of every row is known. A bad amount has no sign: the object raises its error."""
    try:
        kinds, amounts = set(map(attrgetter("type"), movements)), distinct_values(movements, "currency_amount")
        # A minus sign sorts before every digit.
        return all(wallet_amount(kind, "1.00") for kind in kinds) and min(amounts) > "-~"
    except (TypeError, ValueError):
        return False


WALLET_AMOUNT = ColumnReader(
    _wallet_amount,
    ("type", "currency_amount"),
    str,
    nullable=False,
    code="wallet[row.type, row.currency_amount]",
    names={"wallet": _AMOUNTS},
    sure=_signed,
)


def user_id(transaction: Entity) -> int | None:
    """Return the id of the user who made a transaction, as far as it is known here."""
    given = transaction.given.get("user")
    if isinstance(given, Entity):
        identity: int | None = given.identity
        return identity
    return next((row.user_id for row in transaction.rows if isinstance(row, rows.GroupMovementRow)), None)


def group_id(transaction: Entity) -> int | None:
    """Return the id of the group that a transaction was made in, as far as it is known here."""
    for row in transaction.rows:
        if isinstance(row, rows.GroupMovementRow | rows.UserTransactionRow) and row.group_id is not None:
            identity: int | None = row.group_id
            return identity  # perhaps a bad value: its error appears where the id is needed
    given = transaction.given.get("group")
    return given.identity if isinstance(given, Entity) else None


def moment_of(transaction: Entity) -> int:
    """Return the moment of a transaction, in microseconds; 0 if no row has it."""
    known = (rows.GroupMovementRow, rows.UserTransactionRow)
    return next((row.timestamp for row in transaction.rows if isinstance(row, known)), 0)
