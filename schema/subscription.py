"""The root of all subscriptions.

Each field is resolved once for every event, like a field of a query, in a session that answers the topic's call from
the poll. `topic_of` says which topic a field stands for, and from where it is resumed.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.lookup import Lookup
from resolvers.session import Session
from resolvers.topics.topic import Resume, Topic, today
from schema.game import Game
from schema.group import Group
from schema.jackpot import ProgressiveJackpot
from schema.mapping.errors import BadUserInput
from schema.mapping.lists import order
from schema.mapping.lists.whole import whole_each
from schema.mapping.loading import complete
from schema.mapping.node import decode, encode
from schema.mapping.selection import select
from schema.room import Room
from schema.scalars import parse_id
from schema.transaction import Transaction
from upstream.errors import NotFound
from upstream.reports import table as reports

# A client that was away for longer reads `Group.transactions` of the days before.
RESUMED_DAYS = 7
AFTER = strawberry.argument(
    description="The `nodeId` of the last transaction that the client received. What came after it is sent first, each "
    f"transaction once. It may be up to {RESUMED_DAYS} days old."
)
_MICROSECOND = datetime.timedelta(microseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@strawberry.type
class Subscription:
    """The root of all subscriptions. The server polls a report for all subscribers together and sends what changed."""

    @strawberry.field
    async def progressive_jackpots(self, info: Info[Session, Any]) -> list[ProgressiveJackpot]:
        """All progressive jackpots, now and whenever a value moves (Progressive Jackpots Summary, R10)."""
        found = await info.context.all(reports.PROGRESSIVE_JACKPOTS, field="Subscription.progressiveJackpots")
        info.context.nodes.take(len(found))
        return [ProgressiveJackpot.on(row, session=info.context) for row in found]

    @strawberry.field
    async def games_on_sale(self, info: Info[Session, Any], room_id: ID) -> list[Game]:
        """The games of a room that are on sale or on presale today, ordered by their start: now, and whenever one
        opens, sells or closes (Selling and pre-selling games, R6).
        """
        session, id = info.context, parse_id(room_id, "roomId")
        interval = session.polled_interval or today(session.now, session.zone)
        lookup = Lookup(edges.GAMES_ON_SALE_OF_ROOM, interval)
        found: Any = await session.rows_of(lookup, [id], field="Subscription.gamesOnSale")
        given = [{"room": Room.of({"id": id}, session=session)}]
        (games,) = await whole_each(info, "Game", found, order.GAMES.sorted, interval=interval, given=given)
        if isinstance(games, Exception):
            raise games
        return games

    @strawberry.field
    async def transaction_added(
        self, info: Info[Session, Any], group_id: ID, after: Annotated[ID | None, AFTER] = None
    ) -> Transaction:
        """New transactions of a group, each once, oldest first (Retails Movements, R5).

        A transaction is new if its id was not in the report before, also if it was booked late, for today or for the
        day before. `after` resumes a subscription without a gap.
        """
        session, id = info.context, parse_id(group_id, "groupId")
        interval = session.polled_interval or today(session.now, session.zone)
        found = await session.all(reports.GROUP_MOVEMENTS, interval, "Subscription.transactionAdded", group_id=id)
        row = found.find("movement_id", session.polled_row) if session.polled_row is not None else None
        if row is None and session.rehearsal:
            row = next(iter(found), None)
        if row is None:
            raise NotFound(f"R5: {NotFound.plain}", report="R5")
        session.nodes.take(1)
        given = {"group": Group.of({"id": id}, session=session)}
        added = Transaction.on(row, session=session, interval=interval, given=given)
        await complete([added], select(info))
        return added


def _transactions(arguments: Mapping[str, Any]) -> Topic:
    group = parse_id(arguments["groupId"], "groupId")
    return Topic(reports.GROUP_MOVEMENTS, (("group_id", group),), each_row=True)


def _games_on_sale(arguments: Mapping[str, Any]) -> Topic:
    return Topic(reports.GAMES_ON_SALE, (("bs_room_id", parse_id(arguments["roomId"], "roomId")),))


_TOPICS: dict[str, Callable[[Mapping[str, Any]], Topic]] = {
    "progressiveJackpots": lambda arguments: Topic(reports.PROGRESSIVE_JACKPOTS),
    "gamesOnSale": _games_on_sale,
    "transactionAdded": _transactions,
}


def topic_of(field: str, arguments: Mapping[str, Any], now: datetime.datetime) -> tuple[Topic, Resume | None]:
    """Return the topic of a field of `Subscription` with these arguments, and the place from which it goes on.

    Raise `BadUserInput` for an argument that cannot be used.
    """
    topic = _TOPICS[field](arguments)
    after = arguments.get("after")
    return topic, None if after is None else _resume(after, now)


def _resume(node_id: str, now: datetime.datetime) -> Resume:
    kind, *place = decode(node_id)
    try:
        id, _, _, microseconds = map(int, place)
        moment = _EPOCH + microseconds * _MICROSECOND
    except (ValueError, OverflowError):
        kind = ""
    if kind != "Transaction":
        raise BadUserInput("after: take the `nodeId` of the last transaction that the subscription sent.")
    if moment < now - datetime.timedelta(days=RESUMED_DAYS):
        raise BadUserInput(
            f"after: this transaction is older than {RESUMED_DAYS} days. Read `Group.transactions` for the days since "
            f"{moment.date()}, then subscribe after the newest of them."
        )
    return Resume(id, moment)


def resume_point_of(topic: Topic, place: Resume) -> str:
    """Return what `after` takes to go on after a place of a topic."""
    moment = (place.moment - _EPOCH) // _MICROSECOND
    return encode("Transaction", place.id, 0, dict(topic.params)["group_id"], moment)


def resume_point(row: Any, *, restricted: bool) -> str:
    """Return what `after` takes to go on after a row of `transactionAdded`. A restricted caller learns of no user."""
    user = 0 if restricted else row.user_id or 0
    return encode("Transaction", row.movement_id, user, row.group_id or 0, row.timestamp)
