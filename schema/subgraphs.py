"""The schemas that a server can serve: the whole graph, or the part of it that one upstream system knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, get_named_type

from resolvers.session import Session
from schema.documents import Directives
from schema.game_log import GameLog
from schema.game_log_connection import GameLogBucketKey
from schema.group import Group
from schema.mapping.entity import Entity
from schema.mapping.errors import BadUserInput
from schema.mapping.node import decode
from schema.mapping.selection import Selection
from schema.references import REFERENCES, GameLogReference, Reference, number, parts
from schema.scalars import parse_id
from schema.user import User
from upstream.reports.rows import GameLogRow
from upstream.reports.table import System

# What `User.gameLogs` needs to know of a user. USER_CODE_FROM and the agents of groups decide which of it is used.
OF_USER = "username externalId group { id }"
_LISTS_OF_LOGS = frozenset({"GameLog", "GameLogConnection"})
_ROOTS = frozenset({"Query", "Subscription"})
_STUBS: Mapping[str, frozenset[str]] = {
    "GameLog": frozenset({"nodeId", "user"}),
    "GameLogBucketKey": frozenset({"userKey", "user"}),
}
_OF_GAMELOG: Mapping[str, frozenset[str]] = {
    "User": frozenset({"id", "username", "externalId", "group", "gameLogs"}),
    "Group": frozenset({"id"}),
}
_KEY = '@key(fields: "id")'
# The gateway reads it in one subgraph and sends it to the other. Clients do not see it.
_HIDDEN = {"GameLogBucketKey.userKey": ("@inaccessible",)}


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A schema that can be served: how its entities are found, its directives, and which fields it has.

    `has` gets the names of a type and of its field, and the name of the type that the field leads to. `foreign` are the
    types that another subgraph owns: they implement no interface here.
    """

    references: Mapping[str, Reference]
    directives: Directives
    has: Callable[[str, str, str], bool]
    foreign: Sequence[str] = ()

    def cut(self, schema: GraphQLSchema) -> GraphQLSchema:
        """Return the schema with the fields of this subgraph, and the types that they lead to."""
        kinds = {name: kind for name, kind in schema.type_map.items() if isinstance(kind, GraphQLObjectType)}
        for name, kind in kinds.items():
            for field, definition in list(kind.fields.items()):
                if not name.startswith("__") and not self.has(name, field, get_named_type(definition.type).name):
                    del kind.fields[field]
            if name in self.foreign:
                kind.interfaces = ()
        entities: Any = schema.type_map["_Entity"]
        entities.types = tuple(kinds[name] for name in sorted(self.references))
        return GraphQLSchema(
            query=schema.query_type,
            mutation=schema.mutation_type,
            subscription=_unless_empty(schema.subscription_type),
            types=entities.types,
            directives=schema.directives,
            extensions=schema.extensions,
        )


def _unless_empty(kind: GraphQLObjectType | None) -> GraphQLObjectType | None:
    return kind if kind is not None and kind.fields else None


class LogElsewhere(Reference):
    """A game log in the subgraph of GameHub, which finds its user. Its `nodeId` says whose log it is."""

    id_only = False

    async def find(self, session: Session, representation: dict[str, Any], selection: Selection) -> Any:
        """Return the log of a `nodeId`."""
        name, *place = decode(_text_of(representation, "nodeId"))
        if name != GameLog.__name__:
            raise BadUserInput("nodeId: that is not the nodeId of a GameLog.")
        return await self.by_place(session, place, selection)

    async def by_id(self, session: Session, id: int, selection: Selection) -> Entity | None:
        """Return nothing: GameHub knows no log by its id."""
        return None

    async def by_place(self, session: Session, place: Sequence[str], selection: Selection) -> Entity | None:
        """Return the log without its other fields, which the subgraph of Game History has."""
        id, moment, agent, code, game_type = parts(place, 5)
        row = _log(number(id), number(moment), agent, code)
        return GameLog.on(row, session=session, given={"game_type": game_type})


class BucketElsewhere(LogElsewhere):
    """The key of a bucket of game logs in the subgraph of GameHub, which finds its user."""

    async def find(self, session: Session, representation: dict[str, Any], selection: Selection) -> Any:
        """Return the key of a bucket whose logs have this user code and agent."""
        if representation.get("userKey") is None:
            return GameLogBucketKey.on({}, None)
        code, agent = parts(decode(_text_of(representation, "userKey")), 2)
        log = GameLog.on(_log(0, 0, agent, code), session=session)
        return GameLogBucketKey.on({GameLogBucketKey.parts["user"].name: (code, agent)}, log)


class UserElsewhere(Reference):
    """A user in the subgraph of Game History. The representation has what leads to the user's game logs."""

    id_only = False

    async def find(self, session: Session, representation: dict[str, Any], selection: Selection) -> Any:
        """Return the user, with the values of the representation."""
        given: dict[str, Any] = {"id": parse_id(representation.get("id"))}
        for name, field in (("username", "username"), ("external_id", "externalId")):
            if representation.get(field) is not None:
                given[name] = _text_of(representation, field)
        group = representation.get("group")
        if isinstance(group, dict) and group.get("id") is not None:
            given["group"] = Group.of({"id": parse_id(group["id"])}, session=session)
        return User.of(given, session=session)

    async def by_id(self, session: Session, id: int, selection: Selection) -> Entity | None:
        """Return the user of whom only the id is known."""
        return User.of({"id": id}, session=session)

    async def by_place(self, session: Session, place: Sequence[str], selection: Selection) -> Entity | None:
        """Return nothing: the subgraph of GameHub has `Query.node`."""
        return None


class LogReference(GameLogReference):
    """A game log in the subgraph of Game History, by its id or its `nodeId`."""

    id_only = False

    async def find(self, session: Session, representation: dict[str, Any], selection: Selection) -> Any:
        """Return the log. Its `nodeId` finds it with one call."""
        if "nodeId" not in representation:
            return await super().find(session, representation, selection)
        name, *place = decode(_text_of(representation, "nodeId"))
        if name != GameLog.__name__:
            raise BadUserInput("nodeId: that is not the nodeId of a GameLog.")
        return await self.by_place(session, place, selection)


def _text_of(representation: Mapping[str, Any], field: str) -> str:
    value = representation.get(field)
    if not isinstance(value, str):
        raise BadUserInput(f"representations: {field} is missing, or is not a text.")
    return value


def _log(id: int, moment: int, agent: str, code: str) -> GameLogRow:
    """Return a log of which only the owner is known."""
    return GameLogRow(
        history_id=id, agent_code=agent, user_code=code, created_at=moment, provider_code="", game_code="", type="",
        bet_money=None, win_money=None, txn_id="", txn_type="",
    )  # fmt: skip


def _whole(name: str, field: str, target: str) -> bool:
    return (name, field) != ("GameLogBucketKey", "userKey")


def _gamehub(name: str, field: str, target: str) -> bool:
    return field in _STUBS[name] if name in _STUBS else target not in _LISTS_OF_LOGS


def _gamelog(name: str, field: str, target: str) -> bool:
    if name in _ROOTS:
        return field.startswith("_") or target in _LISTS_OF_LOGS
    if name in _OF_GAMELOG:
        return field in _OF_GAMELOG[name]
    return (name, field) not in {("GameLog", "user"), ("GameLogBucketKey", "user")}


WHOLE = Subgraph(REFERENCES, dict.fromkeys(REFERENCES, (_KEY,)), _whole)
SUBGRAPHS: Mapping[System, Subgraph] = {
    System.GAMEHUB: Subgraph(
        {**REFERENCES, "GameLog": LogElsewhere(), "GameLogBucketKey": BucketElsewhere()},
        {
            **dict.fromkeys(REFERENCES, (_KEY,)),
            "GameLog": ('@key(fields: "nodeId")',),
            "GameLogBucketKey": ('@key(fields: "userKey")',),
            **_HIDDEN,
        },
        _gamehub,
    ),
    System.GAMELOG: Subgraph(
        {"User": UserElsewhere(), "GameLog": LogReference()},
        {
            "User": (_KEY,),
            "User.username": ("@external",),
            "User.externalId": ("@external",),
            "User.group": ("@external",),
            "User.gameLogs": (f'@requires(fields: "{OF_USER}")',),
            "Group": ('@key(fields: "id", resolvable: false)',),
            "GameLog": (_KEY, '@key(fields: "nodeId")'),
            "GameLogBucketKey": ('@key(fields: "userKey", resolvable: false)',),
            **_HIDDEN,
        },
        _gamelog,
        ("User", "Group"),
    ),
}
