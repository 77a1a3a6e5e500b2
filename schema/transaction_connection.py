"""Pages of transactions, with their totals and buckets."""

from enum import Enum

import strawberry

from resolvers.totals import Signed
from schema.mapping.lazy import lazy
from schema.mapping.lists.relay import Connection
from schema.mapping.totals.fields import buckets_of, totals_of
from schema.mapping.totals.figures import (
    CURRENCY,
    CurrencySum,
    TotalsObject,
    count,
    distinct,
    earliest,
    latest,
    signed_sums,
)
from schema.mapping.totals.keys import BucketKeyObject, day_key, entity_key, hour_key, value_key
from schema.mapping.totals.list_totals import BucketValue, ListTotals
from schema.scalars import Date, DateTime
from schema.transaction import Transaction

_SUMS = Signed("amount", CURRENCY)


@strawberry.enum
class TransactionBucketBy(Enum):
    """A part of the key of a bucket of transactions."""

    DAY = strawberry.enum_value("day", description="The business day.")
    HOUR = strawberry.enum_value("hour", description="The hour on the clock of the business.")
    TYPE = strawberry.enum_value("type", description="The kind of movement.")
    USER = strawberry.enum_value("user", description="The user who made the movement.")
    GROUP = strawberry.enum_value("group", description="The group that the movement was made in.")
    GAME = strawberry.enum_value("game", description="The game that the movement was made in.")
    CURRENCY = strawberry.enum_value("currency", description="The currency of the amount.")


@strawberry.enum
class BucketOrder(Enum):
    """The order of buckets of transactions. Buckets of several currencies are ordered by currency first."""

    KEY = strawberry.enum_value("key", description="By the parts of the key, in the order of `by`.")
    COUNT_DESC = strawberry.enum_value("count", description="The most movements first.")
    NET_DESC = strawberry.enum_value("-net", description="The largest sum of all amounts first.")
    NET_ASC = strawberry.enum_value("net", description="The smallest sum of all amounts first.")
    CREDITS_DESC = strawberry.enum_value("-credits", description="The largest sum of positive amounts first.")
    DEBITS_DESC = strawberry.enum_value("-debits", description="The largest sum of negative amounts first.")


@strawberry.type
class TransactionTotals(TotalsObject):
    """The totals of transactions, over all of them."""

    count: int = count("The number of movements.")
    users: int | None = distinct("user.id", "The number of different users.")
    games: int | None = distinct("game.id", "The number of different games.")
    sums: list[CurrencySum] = signed_sums(
        "amount",
        "The amounts as the users' wallets see them, added up for each currency. If the rows name none, it is that "
        "of the books of the group (`Group.currency`).",
    )
    first: DateTime | None = earliest("timestamp", "The moment of the first movement; null if there is none.")
    last: DateTime | None = latest("timestamp", "The moment of the last movement; null if there is none.")


@strawberry.type
class TransactionBucketKey(BucketKeyObject):
    """The key of a bucket of transactions. Only the parts that `by` names are set."""

    day: Date | None = day_key("timestamp", "The business day.")
    hour: DateTime | None = hour_key("timestamp", "The start of the hour on the clock of the business.")
    type: str | None = value_key("type", "The kind of movement.")
    user: str = entity_key("user", lazy("User"), "The user who made the movements.")
    group: str = entity_key("group", lazy("Group"), "The group that the movements were made in.")
    game: str = entity_key("game", lazy("Game"), "The game that the movements were made in; null if none.")
    currency: str | None = value_key(CURRENCY, "The currency of the amounts.")


@strawberry.type
class TransactionBucket:
    """Transactions with equal keys."""

    key: TransactionBucketKey = strawberry.field(description="What these movements have in common.")
    totals: TransactionTotals = strawberry.field(description="Their totals.")


@strawberry.type
class TransactionConnection(Connection[Transaction]):
    """A page of a list."""

    totals = totals_of("Transaction", TransactionTotals)
    buckets = buckets_of("Transaction", TransactionBucket, TransactionBucketBy, BucketOrder)


def _of_sums(name: str) -> BucketValue:
    return BucketValue(
        (_SUMS,), lambda bucket: bucket.figures[_SUMS], lambda money: 0 if money is None else getattr(money, name)
    )


ListTotals(
    "Transaction",
    TransactionTotals,
    TransactionBucketKey,
    {
        "COUNT": BucketValue((), lambda bucket: bucket.count),
        "NET": _of_sums("net"),
        "CREDITS": _of_sums("credits"),
        "DEBITS": _of_sums("debits"),
    },
)
