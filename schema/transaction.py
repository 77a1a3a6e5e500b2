"""Transactions."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import strawberry
from strawberry import ID

from resolvers import edges
from resolvers.movement import wallet_amount
from schema.mapping.entity import UNKNOWN, Entity, EntitySource, column, link, moment
from schema.mapping.expression import ColumnReader
from schema.mapping.links import GameLink, GroupLink, UserLink
from schema.mapping.node import Node
from schema.scalars import DateTime, Decimal
from upstream.decoding.partial_row import values
from upstream.reports import rows


class _WalletAmounts(dict[tuple[str, str], Any]):
    """The amounts of types of movement as a wallet sees them: the same few again and again."""

    def __missing__(self, place: tuple[str, str]) -> Any:
        amount = wallet_amount(*place)
        if len(self) >= _MOST_AMOUNTS:
            self.clear()
        self[place] = UNKNOWN if amount is None else amount
        return self[place]


_MOST_AMOUNTS = 100_000
_AMOUNTS = _WalletAmounts()


def _wallet_amount(row: rows.GroupMovementRow) -> Any:
    """UNKNOWN for a type whose sign is not known: then R7, which carries the sign, has to tell."""
    return _AMOUNTS[row.type, row.currency_amount]


def _signed(movements: Sequence[rows.GroupMovementRow]) -> bool:
    """Whether the wallet's sign of every row is known."""
    kinds, amounts = set(map(attrgetter("type"), movements)), set(values(movements, "currency_amount"))
    # A minus sorts before every digit.
    return all(wallet_amount(kind, "1.00") for kind in kinds) and min(amounts) > "-~"


@strawberry.federation.type(keys=["id"])
class Transaction(Node, Entity):
    """A movement of money. Two reports each know a part of it, and its id joins them (R5 and R7).

    A transaction is found again through the user who made it, so `node(nodeId:)` is the way to one; an entity reference
    by id alone is searched for in the movements of all groups in the last month.
    """

    sources = (
        EntitySource(
            rows.UserTransactionRow,
            edges.TRANSACTIONS_OF_USER,
            key=lambda window: window.user_id,
            column="movement_id",
            interval=lambda window: window.interval,
        ),
        EntitySource(
            rows.GroupMovementRow,
            edges.MOVEMENTS_OF_GROUP,
            key=lambda window: window.group_id,
            column="movement_id",
            interval=lambda window: window.interval,
            after=(rows.UserTransactionRow,),
        ),
    )

    id: ID = column(
        {rows.GroupMovementRow: "movement_id", rows.UserTransactionRow: "movement_id"}, "The movement's id."
    )
    timestamp: DateTime = moment(
        {rows.GroupMovementRow: "timestamp", rows.UserTransactionRow: "timestamp"},
        "When the movement was made.",
        during="past",
    )
    type: str = column(
        {rows.GroupMovementRow: "type", rows.UserTransactionRow: "movement_type"},
        'The kind of movement: "Bingo - Wager".',
    )
    amount: Decimal | None = column(
        {
            rows.GroupMovementRow: ColumnReader(
                _wallet_amount,
                ("type", "currency_amount"),
                str,
                nullable=False,
                code="wallet[row.type, row.currency_amount]",
                names={"wallet": _AMOUNTS},
                sure=_signed,
            ),
            rows.UserTransactionRow: "currency_amount",
        },
        "The amount in `currency`, seen from the user's wallet: a wager is negative. Null, with an error, for a type "
        "without a known sign, if the user's own report (R7) does not have the movement.",
        unsure=True,
    )
    currency: str | None = column({rows.UserTransactionRow: "currency_id"}, "The currency of `amount`.")
    base_amount: Decimal | None = column(
        {rows.UserTransactionRow: "base_currency_amount"}, "The amount in `baseCurrency`, with the sign of `amount`."
    )
    base_currency: str | None = column({rows.UserTransactionRow: "base_currency_id"}, "The currency of `baseAmount`.")
    group: GroupLink | None = link(
        "Group",
        {
            kind: {"id": "group_id", "name": "group_name", "external_id": "external_group_id"}
            for kind in (rows.GroupMovementRow, rows.UserTransactionRow)
        },
        "The group that the movement was made in, which need not be the user's own.",
    )
    user: UserLink | None = link(
        "User",
        {rows.GroupMovementRow: {"id": "user_id", "username": "username", "external_id": "external_user_id"}},
        "The user who made the movement.",
    )
    ticket_id: ID | None = column({rows.GroupMovementRow: "ticket_id"}, "The ticket that it was made for, if any.")
    game: GameLink | None = link(
        "Game", {rows.GroupMovementRow: {"id": "game_id"}}, "The game that it was made in, if any."
    )

    @property
    def user_id(self) -> int | None:
        """The id of the user who made it, as far as it is known here."""
        told = self.told.get("user")
        if isinstance(told, Entity):
            identity: int | None = told.identity
            return identity
        return next((row.user_id for row in self.rows if isinstance(row, rows.GroupMovementRow)), None)

    @property
    def group_id(self) -> int | None:
        """The id of the group it was made in, as far as it is known here."""
        for row in self.rows:
            if isinstance(row, rows.GroupMovementRow | rows.UserTransactionRow) and row.group_id is not None:
                identity: int | None = row.group_id
                return identity  # which may be a bad value: whoever needs it gets its error
        told = self.told.get("group")
        return told.identity if isinstance(told, Entity) else None

    def place(self) -> tuple[object, ...]:
        moments = (
            row.timestamp for row in self.rows if isinstance(row, rows.GroupMovementRow | rows.UserTransactionRow)
        )
        return (self.identity, self.user_id or 0, self.group_id or 0, next(moments, 0))
