"""Game logs."""

import asyncio
import datetime
from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.directory import undecided
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping.entity import WINDOWS, Entity, column, complete, moment
from schema.mapping.links import UserLink
from schema.mapping.node import Node
from schema.mapping.selection import select
from schema.scalars import DateTime, Decimal, is_id
from upstream.decoding.bad_value import sound
from upstream.interval import Interval
from upstream.reports import rows
from upstream.reports.request import sendable

ROW = rows.GameLogRow
DEFAULT_GAME_TYPE = "slot"
# Money of G1 is a JSON double: up to 17 digits, written without an exponent from 0.000001 on.
DOUBLE_DECIMALS = 22


@strawberry.federation.type(keys=["id"])
class GameLog(Node, Entity):
    """One transaction of a game on Game History (get_game_log, G1).

    Game History has no look-up by id: `node(nodeId:)` is the way back to a log, and an entity reference by id alone is
    searched for in the last month of the agents' logs.
    """

    id: ID = column({ROW: "history_id"}, "Game History's own id of the transaction.")
    agent_code: str = column({ROW: "agent_code"}, "The agent who handled the transaction.")
    user_code: str = column({ROW: "user_code"}, "The user's code on Game History.")
    provider_code: str = column({ROW: "provider_code"}, "Who provides the game, such as PRAGMATIC.")
    game_code: str = column({ROW: "game_code"}, "The game, such as vs20doghouse.")
    type: str = column({ROW: "type"}, "The kind of transaction, such as BASE or FREE.")
    bet: Decimal = column({ROW: "bet_money"}, "What the user bet.", decimals=DOUBLE_DECIMALS)
    win: Decimal = column({ROW: "win_money"}, "What the user won.", decimals=DOUBLE_DECIMALS)
    txn_id: str = column({ROW: "txn_id"}, "The provider's id of the transaction.")
    txn_type: str = column({ROW: "txn_type"}, "How it was booked, such as debit_credit.")
    user_start_balance: Decimal | None = column(
        {ROW: "user_start_balance"}, "The user's balance before it.", decimals=DOUBLE_DECIMALS
    )
    user_end_balance: Decimal | None = column(
        {ROW: "user_end_balance"}, "The user's balance after it.", decimals=DOUBLE_DECIMALS
    )
    agent_start_balance: Decimal | None = column(
        {ROW: "agent_start_balance"}, "The agent's balance before it.", decimals=DOUBLE_DECIMALS
    )
    agent_end_balance: Decimal | None = column(
        {ROW: "agent_end_balance"}, "The agent's balance after it.", decimals=DOUBLE_DECIMALS
    )
    created_at: DateTime = moment({ROW: "created_at"}, "When the transaction was made.", during="past")

    @strawberry.field
    async def user(self, info: Info[Session, Any]) -> UserLink | None:
        """The GameHub user of this code; null if GameHub knows none."""
        known = self.told.get("user")
        if known is not None:
            await complete((known,), select(info))
            return known
        found = await _user_of(self)
        if found is not None:
            await complete((found,), select(info))
        return found

    @property
    def row(self) -> rows.GameLogRow:
        """The row it stands on: there is but one report."""
        row = self.rows[0]
        assert isinstance(row, rows.GameLogRow)
        return row

    def place(self) -> tuple[object, ...]:
        game_type = self.told.get("game_type", DEFAULT_GAME_TYPE)
        return (self.identity, self.row.created_at, self.row.agent_code, self.row.user_code, game_type)


async def _user_of(log: GameLog) -> Entity | None:
    """Return the user of a log by the configured rule (C22), one whom the log's agent serves; None if there is none.

    `User.gameLogs` of that user lists this log, and no other user's does (C27).
    """
    session, code = log.session, sendable(sound(log.row.user_code), "G1", "user_code")
    agent = session.agent_of(log.row.agent_code)
    user = await _user_of_exactly(session, code, agent)
    if user is None:
        user = (await session.directory.users(agent)).of(code)
        if user is None or not await _takes_for(log, agent, str(getattr(user, session.user_code_from))):
            return None
        # The directory knows all users, also those whom the caller may not see.
        seen = await session.rows(Lookup(edges.USER_BY_ID), user.id)
        user = seen[0] if seen else None
    return None if user is None else WINDOWS["User"].on(user, session=session)


async def _user_of_exactly(session: Session, code: str, agent: str) -> rows.UserRow | None:
    """Return the user of the agent who has exactly this code. Raise `Incomplete` if several have it."""
    if session.user_code_from == "id":
        found = await session.rows(Lookup(edges.USER_BY_ID), int(code)) if is_id(code) and code[0] != "0" else KeyRows()
    elif session.user_code_from == "external_user_id":
        found = await session.rows(Lookup(edges.USER_BY_EXTERNAL_ID), code)
    else:
        found = await session.rows(Lookup(edges.USER_BY_USERNAME), code)
    users: list[rows.UserRow] = [*found]
    if users and session.many_agents:
        homes = [await WINDOWS["User"].on(user, session=session).home() for user in users]  # type: ignore[attr-defined]
        users = [user for user, home in zip(users, homes, strict=True) if session.agent_of_group(home) == agent]
    if len(users) > 1:
        raise undecided()
    return users[0] if users else None


async def _takes_for(log: GameLog, agent: str, code: str) -> bool:
    """Whether the upstream takes the log's spelling for this code: found out once an operation for each pair."""
    session, row = log.session, log.row
    place = ("spelling", agent, row.user_code, code)
    found = session.memo.get(place)
    if found is None:
        game_type = log.told.get("game_type", DEFAULT_GAME_TYPE)
        lookup = Lookup.of(edges.LOGS_OF_USER, second_of(session, row.created_at), agent, game_type=game_type)
        of_code = session.rows(lookup, code)
        found = session.memo[place] = asyncio.ensure_future(of_code)
    # The spelling stands in the answer for every log of this pair, or for none.
    return any(other.user_code == row.user_code for other in await asyncio.shield(found))


def second_of(session: Session, microseconds: int) -> Interval:
    """Return the second that a moment lies in. Raises OverflowError outside the calendar."""
    start = session.moment(microseconds).astimezone(datetime.UTC).replace(microsecond=0)
    return Interval(start, start + datetime.timedelta(seconds=1))
