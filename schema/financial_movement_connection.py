"""Pages of financial movements, with their totals and buckets."""

from enum import Enum

import strawberry

from resolvers.totals import Signed
from schema.financial_movement import FinancialMovement
from schema.mapping.lazy import lazy
from schema.mapping.lists.relay import Connection
from schema.mapping.totals.fields import buckets_of, totals_of
from schema.mapping.totals.figures import CURRENCY, CurrencyAmount, TotalsObject, count, distinct, plain_sums
from schema.mapping.totals.keys import BucketKeyObject, day_key, entity_key, hour_key, value_key
from schema.mapping.totals.list_totals import BucketValue, ListTotals
from schema.scalars import Date, DateTime

_SUMS = Signed("amount", CURRENCY)


@strawberry.enum
class FinancialMovementBucketBy(Enum):
    """A part of the key of a bucket of financial movements."""

    DAY = strawberry.enum_value("day", description="The business day.")
    HOUR = strawberry.enum_value("hour", description="The hour on the clock of the business.")
    TYPE = strawberry.enum_value("type", description="The type: 1 wager, 3 refund, 100 API transaction.")
    SUBTYPE = strawberry.enum_value("subtype", description="The kind of movement within its type.")
    GROUP = strawberry.enum_value("group", description="The group that the movement was made in.")
    USER = strawberry.enum_value("user", description="The user who made the movement.")
    GAME = strawberry.enum_value("game", description="The game that the movement was made in.")


@strawberry.enum
class FinancialMovementBucketOrder(Enum):
    """The order of buckets of financial movements. Buckets of several currencies are ordered by currency first."""

    KEY = strawberry.enum_value("key", description="By the parts of the key, in the order of `by`.")
    COUNT_DESC = strawberry.enum_value("count", description="The most movements first.")
    AMOUNT_DESC = strawberry.enum_value("-amount", description="The largest sum of amounts first.")


@strawberry.type
class FinancialMovementTotals(TotalsObject):
    """The totals of financial movements, over all of them."""

    count: int = count("The number of movements.")
    users: int | None = distinct("user.id", "The number of different users.")
    sums: list[CurrencyAmount] = plain_sums(
        "amount",
        "The amounts as the report has them, added up for each currency. A wager has no sign, so a sum says something "
        "only for movements of one type. The currency is that of the books of the movement's group.",
    )


@strawberry.type
class FinancialMovementBucketKey(BucketKeyObject):
    """The key of a bucket of financial movements. Only the parts that `by` names are set."""

    day: Date | None = day_key("timestamp", "The business day.")
    hour: DateTime | None = hour_key("timestamp", "The start of the hour on the clock of the business.")
    type: int | None = value_key("type", "1 wager, 3 refund, 100 API transaction.")
    subtype: int | None = value_key("subtype", "The kind of movement within its type.")
    group: str = entity_key("group", lazy("Group"), "The group that the movements were made in.")
    user: str = entity_key("user", lazy("User"), "The user who made the movements.")
    game: str = entity_key("game", lazy("Game"), "The game that the movements were made in; null if none.")


@strawberry.type
class FinancialMovementBucket:
    """Financial movements with equal keys."""

    key: FinancialMovementBucketKey = strawberry.field(description="What these movements have in common.")
    totals: FinancialMovementTotals = strawberry.field(description="Their totals.")


@strawberry.type
class FinancialMovementConnection(Connection[FinancialMovement]):
    """A page of a list."""

    totals = totals_of("FinancialMovement", FinancialMovementTotals)
    buckets = buckets_of(
        "FinancialMovement",
        FinancialMovementBucket,
        FinancialMovementBucketBy,
        FinancialMovementBucketOrder,
    )


ListTotals(
    "FinancialMovement",
    FinancialMovementTotals,
    FinancialMovementBucketKey,
    {
        "COUNT": BucketValue((), lambda bucket: bucket.count),
        "AMOUNT": BucketValue(
            (_SUMS,), lambda bucket: bucket.figures[_SUMS], lambda money: 0 if money is None else money.net
        ),
    },
)
