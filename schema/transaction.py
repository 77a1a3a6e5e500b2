"""Transactions."""

import strawberry
from strawberry import ID

from resolvers import edges
from schema.mapping.columns import EntityLink, column, link, moment
from schema.mapping.entity import Entity, EntitySource
from schema.mapping.node import Node
from schema.mapping.reading.transaction import WALLET_AMOUNT, group_id, moment_of, user_id
from schema.scalars import DateTime, Decimal
from upstream.reports import rows


@strawberry.federation.type(keys=["id"])
class Transaction(Node, Entity):
    """A movement of money. Two reports each know a part of it, and the movement's id joins the parts (R5 and R7).

    Use `node(nodeId:)` to find a transaction again: it reads the report of the user who made it. An entity reference by
    id alone is searched for in the movements of all groups in the last month.
    """

    sources = (
        EntitySource(
            rows.UserTransactionRow,
            edges.TRANSACTIONS_OF_USER,
            key=user_id,
            column="movement_id",
            interval=lambda entity: entity.interval,
        ),
        EntitySource(
            rows.GroupMovementRow,
            edges.MOVEMENTS_OF_GROUP,
            key=group_id,
            column="movement_id",
            interval=lambda entity: entity.interval,
            after=(rows.UserTransactionRow,),
        ),
    )

    id: ID = column(
        {rows.GroupMovementRow: "movement_id", rows.UserTransactionRow: "movement_id"}, "The movement's id."
    )
    timestamp: DateTime = moment(
        {rows.GroupMovementRow: "timestamp", rows.UserTransactionRow: "timestamp"},
        "The moment of the movement.",
        during="past",
    )
    type: str = column(
        {rows.GroupMovementRow: "type", rows.UserTransactionRow: "movement_type"},
        'The kind of movement: "Bingo - Wager".',
    )
    amount: Decimal | None = column(
        {
            rows.GroupMovementRow: WALLET_AMOUNT,
            rows.UserTransactionRow: "currency_amount",
        },
        "The amount in `currency`, as the user's wallet sees it: a wager is negative. Null, with an error, for a type "
        "without a known sign, if the user's own report (R7) does not have the movement.",
        unsure=True,
    )
    currency: str | None = column({rows.UserTransactionRow: "currency_id"}, "The currency of `amount`.")
    base_amount: Decimal | None = column(
        {rows.UserTransactionRow: "base_currency_amount"}, "The amount in `baseCurrency`, with the sign of `amount`."
    )
    base_currency: str | None = column({rows.UserTransactionRow: "base_currency_id"}, "The currency of `baseAmount`.")
    group: EntityLink = link(
        "Group",
        {
            kind: {"id": "group_id", "name": "group_name", "external_id": "external_group_id"}
            for kind in (rows.GroupMovementRow, rows.UserTransactionRow)
        },
        "The group that the movement was made in. It may be another group than the user's own.",
    )
    user: EntityLink = link(
        "User",
        {rows.GroupMovementRow: {"id": "user_id", "username": "username", "external_id": "external_user_id"}},
        "The user who made the movement.",
    )
    ticket_id: ID | None = column(
        {rows.GroupMovementRow: "ticket_id"}, "The ticket that the movement was made for, if any."
    )
    game: EntityLink = link(
        "Game", {rows.GroupMovementRow: {"id": "game_id"}}, "The game that the movement was made in, if any."
    )

    def place(self) -> tuple[object, ...]:
        return (self.identity, user_id(self) or 0, group_id(self) or 0, moment_of(self))
