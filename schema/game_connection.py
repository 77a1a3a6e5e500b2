"""Pages of games, with their totals and buckets."""

from enum import Enum
from typing import Any

import strawberry

from resolvers.totals import BucketSums, Distinct, Sum
from schema.game import Game, GameConfiguration
from schema.mapping.errors import BadUserInput
from schema.mapping.lazy import lazy
from schema.mapping.lists.relay import Connection
from schema.mapping.totals.fields import buckets_of, totals_of
from schema.mapping.totals.figures import TotalsObject, amount, count, number
from schema.mapping.totals.keys import BucketKeyObject, day_key, entity_key, hour_key, value_key
from schema.mapping.totals.list_totals import BucketValue, ListTotals
from schema.scalars import Date, DateTime, Decimal
from schema.status import GameStatus

_WAGERED, _PAID = Sum("wagered"), Sum("paid")
_ROOM = "room"
_ROOMS = Distinct("room.id")


@strawberry.enum
class GameBucketBy(Enum):
    """A part of the key of a bucket of games."""

    DAY = strawberry.enum_value("day", description="The business day of the start.")
    HOUR = strawberry.enum_value("hour", description="The hour of the start, on the clock of the business.")
    ROOM = strawberry.enum_value("room", description="The room.")
    CONFIGURATION = strawberry.enum_value("configuration", description="The configuration.")
    STATUS = strawberry.enum_value("status", description="The status.")


@strawberry.enum
class GameBucketOrder(Enum):
    """The order of buckets of games."""

    KEY = strawberry.enum_value("key", description="By the parts of the key, in the order of `by`.")
    COUNT_DESC = strawberry.enum_value("count", description="The most games first.")
    WAGERED_DESC = strawberry.enum_value("-wagered", description="The largest sum of wagers first.")
    PAID_DESC = strawberry.enum_value("-paid", description="The largest sum of payments first.")


@strawberry.type
class GameTotals(TotalsObject):
    """The totals of games, over all of them. A game that does not have a figure does not count in its sum.

    The amounts of several rooms may have different currencies. They have no sum: use buckets by ROOM.
    """

    count: int = count("The number of games.")
    cards_bought: int | None = number("cardsBought", "The number of cards that were bought.")
    players: int | None = number("players", "The number of players of each game, added up.")
    wagered: Decimal | None = amount("wagered", "All money wagered.", within=_ROOM)
    paid: Decimal | None = amount("paid", "All money paid to the winners.", within=_ROOM)
    profit: Decimal | None = amount("profit", "The wagers, less the parts for prizes and for jackpots.", within=_ROOM)
    net_win: Decimal | None = amount("netWin", "The net win.", within=_ROOM)
    refunds: Decimal | None = amount("refunds", "All money refunded.", within=_ROOM)


@strawberry.type
class GameBucketKey(BucketKeyObject):
    """The key of a bucket of games. Only the parts that `by` names are set."""

    day: Date | None = day_key("startsAt", "The business day of the start.")
    hour: DateTime | None = hour_key("startsAt", "The start of the hour, on the clock of the business.")
    room: str = entity_key("room", lazy("Room"), "The room that the games are played in.")
    configuration: str = entity_key(
        "configuration",
        GameConfiguration,
        "The configuration of the games.",
        columns=("configuration.id", "configuration.name"),
    )
    status: GameStatus | None = value_key("status", "The status of the games.")


@strawberry.type
class GameBucket:
    """Games with equal keys."""

    key: GameBucketKey = strawberry.field(description="What these games have in common.")
    totals: GameTotals = strawberry.field(description="Their totals.")


@strawberry.type
class GameConnection(Connection[Game]):
    """A page of a list."""

    totals = totals_of("Game", GameTotals)
    buckets = buckets_of("Game", GameBucket, GameBucketBy, GameBucketOrder)


def _of_room(aggregate: Sum) -> BucketValue:
    def value(bucket: BucketSums) -> Any:
        if len(bucket.figures[_ROOMS]) > 1:
            raise BadUserInput(
                "orderBy: a bucket has games of several rooms, whose amounts may have different currencies. Add ROOM "
                "to `by`, or ask for one room."
            )
        return bucket.figures[aggregate] or 0

    return BucketValue((aggregate, _ROOMS), value)


ListTotals(
    "Game",
    GameTotals,
    GameBucketKey,
    {
        "COUNT": BucketValue((), lambda bucket: bucket.count),
        "WAGERED": _of_room(_WAGERED),
        "PAID": _of_room(_PAID),
    },
)
