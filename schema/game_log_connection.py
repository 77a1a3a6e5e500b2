"""Pages of game logs, with their totals and buckets."""

from decimal import Decimal as ExactDecimal
from enum import Enum

import strawberry
from strawberry import ID

from resolvers.totals import BucketSums, Sum
from schema.game_log import GameLog
from schema.mapping.lazy import lazy
from schema.mapping.lists.relay import Connection
from schema.mapping.totals.fields import buckets_of, totals_of
from schema.mapping.totals.figures import (
    TotalsObject,
    count,
    difference,
    distinct,
    earliest,
    latest,
    quotient,
    sure_amount,
)
from schema.mapping.totals.keys import BucketKeyObject, day_key, entity_key, hour_key, identity_key, value_key
from schema.mapping.totals.list_totals import BucketValue, ListTotals
from schema.scalars import Date, DateTime, Decimal
from upstream.values.figures import EXACT

_BET, _WIN = Sum("bet"), Sum("win")
_NOTHING = ExactDecimal(0)
_USER = ("userCode", "agentCode")


@strawberry.enum
class GameLogBucketBy(Enum):
    """A part of the key of a bucket of game logs."""

    DAY = strawberry.enum_value("day", description="The business day.")
    HOUR = strawberry.enum_value("hour", description="The hour on the clock of the business.")
    PROVIDER = strawberry.enum_value("provider", description="The provider of the game.")
    GAME = strawberry.enum_value("game", description="The code of the game.")
    TYPE = strawberry.enum_value("type", description="The kind of transaction.")
    USER = strawberry.enum_value("user", description="The user, by the user code as the log spells it.")
    AGENT = strawberry.enum_value("agentCode", description="The agent who handled the transaction.")


@strawberry.enum
class GameLogBucketOrder(Enum):
    """The order of buckets of game logs."""

    KEY = strawberry.enum_value("key", description="By the parts of the key, in the order of `by`.")
    COUNT_DESC = strawberry.enum_value("count", description="The most transactions first.")
    BET_DESC = strawberry.enum_value("-bet", description="The largest sum of bets first.")
    WIN_DESC = strawberry.enum_value("-win", description="The largest sum of wins first.")
    GGR_DESC = strawberry.enum_value("-ggr", description="The largest gross gaming revenue first.")
    GGR_ASC = strawberry.enum_value("ggr", description="The smallest gross gaming revenue first.")


@strawberry.type
class GameLogTotals(TotalsObject):
    """The totals of game logs, over all of them. Game History names no currency: an agent has one."""

    count: int = count("The number of transactions.")
    users: int | None = distinct("userCode", "The number of different user codes of each agent.", within="agentCode")
    bet: Decimal = sure_amount("bet", "The sum of all bets.")
    win: Decimal = sure_amount("win", "The sum of all wins.")
    ggr: Decimal = difference("bet", "win", "The gross gaming revenue: `bet` less `win`.")
    rtp: Decimal | None = quotient(
        "win", "bet", "The return to players: `win` divided by `bet`, with six decimals; null if `bet` is zero."
    )
    first: DateTime | None = earliest("createdAt", "The moment of the first transaction; null if there is none.")
    last: DateTime | None = latest("createdAt", "The moment of the last transaction; null if there is none.")


@strawberry.federation.type(keys=["userKey"])
class GameLogBucketKey(BucketKeyObject):
    """The key of a bucket of game logs. Only the parts that `by` names are set."""

    day: Date | None = day_key("createdAt", "The business day.")
    hour: DateTime | None = hour_key("createdAt", "The start of the hour on the clock of the business.")
    provider: str | None = value_key("providerCode", "The provider of the game.")
    game: str | None = value_key("gameCode", "The code of the game.")
    type: str | None = value_key("type", "The kind of transaction.")
    user: str = entity_key(
        "user",
        lazy("User"),
        "The GameHub user of the transactions; null if GameHub knows no such user.",
        columns=_USER,
    )
    user_key: ID | None = identity_key(
        "user",
        "The user code and the agent, which identify the user. Only federation gateways see it.",
        columns=_USER,
    )
    agent_code: str | None = value_key("agentCode", "The agent who handled the transactions.")


@strawberry.type
class GameLogBucket:
    """Game logs with equal keys."""

    key: GameLogBucketKey = strawberry.field(description="What these transactions have in common.")
    totals: GameLogTotals = strawberry.field(description="Their totals.")


@strawberry.type
class GameLogConnection(Connection[GameLog]):
    """A page of a list."""

    totals = totals_of("GameLog", GameLogTotals)
    buckets = buckets_of("GameLog", GameLogBucket, GameLogBucketBy, GameLogBucketOrder)


def _sum_of(aggregate: Sum, bucket: BucketSums) -> ExactDecimal:
    return bucket.figures[aggregate] or _NOTHING


ListTotals(
    "GameLog",
    GameLogTotals,
    GameLogBucketKey,
    {
        "COUNT": BucketValue((), lambda bucket: bucket.count),
        "BET": BucketValue((_BET,), lambda bucket: _sum_of(_BET, bucket)),
        "WIN": BucketValue((_WIN,), lambda bucket: _sum_of(_WIN, bucket)),
        "GGR": BucketValue((_BET, _WIN), lambda bucket: EXACT.subtract(_sum_of(_BET, bucket), _sum_of(_WIN, bucket))),
    },
)
