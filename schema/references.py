"""Find an entity again, by the id of a federation reference or by the content of its globally unique id."""

import asyncio
import datetime
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from resolvers import edges
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.game import Game
from schema.game_log import GameLog
from schema.group import Group
from schema.mapping.entity import Entity
from schema.mapping.errors import BadUserInput
from schema.mapping.loading import complete, lookup
from schema.mapping.reading.game_log import DEFAULT_GAME_TYPE, second_of
from schema.mapping.selection import Selection
from schema.room import Room
from schema.scalars import is_id, parse_id
from schema.transaction import Transaction
from schema.user import User
from upstream.call import Call
from upstream.errors import Incomplete, NotFound
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.reports.request import in_years
from upstream.reports.table import Report
from upstream.values.interval import Interval, SentFrame, resolve


class Reference(ABC):
    """The way to find the entities of one type. `id_only` says that nothing but the id of a representation is read."""

    id_only = True

    async def find(self, session: Session, representation: dict[str, Any], selection: Selection) -> Any:
        """Return the entity of a federation representation, such as `{"__typename": "User", "id": "60"}`."""
        if "id" not in representation:
            raise BadUserInput(
                f"representations: a {representation['__typename']} is found by its id, which is missing."
            )
        return await self.by_id(session, parse_id(representation["id"]), selection)

    @abstractmethod
    async def by_id(self, session: Session, id: int, selection: Selection) -> Entity | None:
        """Return the entity of an id. The ids that are requested in one tick are read together."""

    @abstractmethod
    async def by_place(self, session: Session, place: Sequence[str], selection: Selection) -> Entity | None:
        """Return the entity of a globally unique id; `place` has the parts of the id after the type's name."""


class ById(Reference):
    """An entity that a report finds by its id."""

    def __init__(self, kind: type[Entity]) -> None:
        self.kind = kind

    async def by_id(self, session: Session, id: int, selection: Selection) -> Entity | None:
        return await lookup(self.kind.of({"id": id}, session=session), selection)

    async def by_place(self, session: Session, place: Sequence[str], selection: Selection) -> Entity | None:
        (id,) = parts(place, 1)
        return await self.by_id(session, parse_id(id, "nodeId"), selection)


class Searched(Reference):
    """An entity that no report finds by its id alone. It is searched for in the rows of the last month."""

    async def by_id(self, session: Session, id: int, selection: Selection) -> Entity | None:
        # One search serves all references of an operation, because the rows are the same for all ids.
        search = session.memo.get(self)
        if search is None:
            search = session.memo[self] = asyncio.ensure_future(self.search(session, _last_month(session)))
        found = [row for rows in await asyncio.shield(search) if (row := rows.find(self.column, id)) is not None]
        if len(found) > 1:
            raise Incomplete(f"{self.report.code}: {len(found)} {self.lists} have a row of id {id}. {self.advice}")
        if not found:
            return None
        entity = self.entity(session, found[0], _last_month(session))
        await complete((entity,), selection)
        return entity

    column: str
    report: Report
    lists: str
    advice: str

    @abstractmethod
    async def search(self, session: Session, interval: Interval) -> Sequence[KeyRows]:
        """Return all rows that may belong to the entity."""

    @abstractmethod
    def entity(self, session: Session, row: Any, interval: Interval) -> Entity:
        """Return the entity that stands on a found row."""


class TransactionReference(Searched):
    """A transaction:

    by id among the movements of all groups, by place among the movements of its user in its second.
    """

    column = "movement_id"
    report = reports.GROUP_MOVEMENTS
    lists = "groups"
    advice = "A movement's id must be unique: report it to the vendor."

    async def search(self, session: Session, interval: Interval) -> Sequence[KeyRows]:
        groups = await session.all(reports.GROUPS)
        lookup = Lookup(edges.MOVEMENTS_OF_GROUP, interval)
        return await asyncio.gather(*(session.rows(lookup, group.id) for group in groups))

    def entity(self, session: Session, row: Any, interval: Interval) -> Entity:
        return Transaction.on(row, session=session, interval=interval)

    async def by_place(self, session: Session, place: Sequence[str], selection: Selection) -> Entity | None:
        id, user, group, moment = map(number, parts(place, 4))
        given: dict[str, Any] = {"id": id}
        if user:
            given["user"] = User.of({"id": user}, session=session)
        if group:
            given["group"] = Group.of({"id": group}, session=session)
        entity = Transaction.of(given, session=session, interval=_second(session, moment))
        # Nothing is late here: whether the movement exists depends on all reports that are read.
        found = await lookup(entity, Selection(selection))
        # The group may have such a movement, but then it belongs to another user.
        return None if isinstance(entity.failures.get(rows.UserTransactionRow), NotFound) else found


class GameLogReference(Searched):
    """A game log: by id among the agents' logs, by place among the logs of its user in its second."""

    column = "history_id"
    report = reports.GAME_LOGS
    lists = "agents"
    advice = "Each agent counts its logs for itself: take `nodeId`, and look the log up by `node(nodeId:)`."

    async def search(self, session: Session, interval: Interval) -> Sequence[KeyRows]:
        calls = [
            Call.of(reports.GAME_LOGS, interval, agent=agent, game_type=DEFAULT_GAME_TYPE) for agent in session.agents()
        ]
        return [KeyRows(answer.rows) for answer in await asyncio.gather(*map(session.fetch, calls))]

    def entity(self, session: Session, row: Any, interval: Interval) -> Entity:
        return GameLog.on(row, session=session, interval=interval)

    async def by_place(self, session: Session, place: Sequence[str], selection: Selection) -> Entity | None:
        id, moment, agent, code, game_type = parts(place, 5)
        interval = _second(session, number(moment))
        lookup = Lookup.of(edges.LOGS_OF_USER, interval, session.agent_of(agent), game_type=game_type)
        found = await session.rows(lookup, code)
        row = found.find(self.column, number(id))
        if row is None:
            return None
        entity = GameLog.on(row, session=session, interval=interval, given={"game_type": game_type})
        await complete((entity,), selection)
        return entity


REFERENCES: Mapping[str, Reference] = {
    "Group": ById(Group),
    "User": ById(User),
    "Room": ById(Room),
    "Game": ById(Game),
    "Transaction": TransactionReference(),
    "GameLog": GameLogReference(),
}


async def find(session: Session, representation: Any, selection: Selection, references: Mapping[str, Reference]) -> Any:
    """Return the entity of a federation representation, such as `{"__typename": "User", "id": "60"}`. Raise
    `BadUserInput`.
    """
    if not isinstance(representation, dict) or not isinstance(name := representation.get("__typename"), str):
        raise BadUserInput('representations: each is an object such as {"__typename": "User", "id": "60"}.')
    reference = references.get(name)
    if reference is None:
        raise BadUserInput(
            f'representations: this graph has no entity called "{name[:40]}"; it has {", ".join(references)}.'
        )
    return await reference.find(session, representation, selection)


def key(representation: Any, references: Mapping[str, Reference]) -> Hashable:
    """Return a key that is equal for representations of the same entity: only the type and what is read of it count."""
    if isinstance(representation, dict):
        name, id = representation.get("__typename"), representation.get("id")
        reference = references.get(name) if isinstance(name, str) else None
        if reference is not None and not reference.id_only:
            return _text(representation)
        if isinstance(name, str) and isinstance(id, str):
            return name, id
        # Python cannot convert a longer number to text, and it is not an id anyway.
        if isinstance(name, str) and type(id) is int and not abs(id) >> 64:
            return name, str(id)
    return Each(representation)


def _text(representation: dict[str, Any]) -> Hashable:
    try:
        return orjson.dumps(representation, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number that JSON libraries do not write
        return Each(representation)


@dataclass(frozen=True, slots=True, eq=False)
class Each:
    """The key of a representation that is not equal to any other representation."""

    representation: Any


def parts(place: Sequence[str], count: int) -> Sequence[str]:
    """Return the parts of a globally unique id. Raise `BadUserInput` if there are more or fewer."""
    if len(place) != count:
        raise BadUserInput("nodeId: that is not a nodeId of this graph; take it from a `nodeId` field.")
    return place


def number(text: str) -> int:
    """Return a part of a globally unique id as a number. Raise `BadUserInput` for anything else."""
    if text != "0" and not is_id(text):
        raise BadUserInput("nodeId: that is not a nodeId of this graph; take it from a `nodeId` field.")
    return int(text)


def _second(session: Session, microseconds: int) -> Interval:
    try:
        found = second_of(session, microseconds)
    except OverflowError:
        found = None
    if found is None or not in_years(found):
        raise BadUserInput("nodeId: that is not a nodeId of this graph; take it from a `nodeId` field.")
    return found


def _last_month(session: Session) -> Interval:
    today = resolve(SentFrame.TODAY, session.now, session.zone)
    return Interval(today.start - datetime.timedelta(days=session.lookback_days), today.end)
