"""Game logs."""

from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.session import Session
from schema.links import UserLink
from schema.node import Node
from schema.scalars import DateTime, Decimal, is_id
from schema.selection import select
from schema.window import WINDOWS, Window, column, complete, moment
from upstream import rows
from upstream.bad_value import sound
from upstream.request import sendable

ROW = rows.GameLog
DEFAULT_GAME_TYPE = "slot"


@strawberry.federation.type(keys=["id"])
class GameLog(Node, Window):
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
    bet: Decimal = column({ROW: "bet_money"}, "What the user bet.")
    win: Decimal = column({ROW: "win_money"}, "What the user won.")
    txn_id: str = column({ROW: "txn_id"}, "The provider's id of the transaction.")
    txn_type: str = column({ROW: "txn_type"}, "How it was booked, such as debit_credit.")
    user_start_balance: Decimal | None = column({ROW: "user_start_balance"}, "The user's balance before it.")
    user_end_balance: Decimal | None = column({ROW: "user_end_balance"}, "The user's balance after it.")
    agent_start_balance: Decimal | None = column({ROW: "agent_start_balance"}, "The agent's balance before it.")
    agent_end_balance: Decimal | None = column({ROW: "agent_end_balance"}, "The agent's balance after it.")
    created_at: DateTime = moment({ROW: "created_at"}, "When the transaction was made.")

    @strawberry.field
    async def user(self, info: Info[Session, Any]) -> UserLink | None:
        """The GameHub user of this code; null if GameHub knows none."""
        known = self.told.get("user")
        if known is not None:
            await complete((known,), select(info))
            return known
        found = await user_of_code(info.context, sendable(sound(self.row.user_code), "G1", "user_code"))
        if found is not None:
            await complete((found,), select(info))
        return found

    @property
    def row(self) -> rows.GameLog:
        """The row it stands on: there is but one report."""
        row = self.rows[0]
        assert isinstance(row, rows.GameLog)
        return row

    def place(self) -> tuple[object, ...]:
        game_type = self.told.get("game_type", DEFAULT_GAME_TYPE)
        return (self.identity, self.row.created_at, self.row.agent_code, self.row.user_code, game_type)


async def user_of_code(session: Session, code: str) -> Window | None:
    """The user of a Game History code, by the configured rule (C22); None if there is no such user."""
    user = WINDOWS["User"]
    if session.user_code_from == "id":
        if not is_id(code):
            return None
        found = await session.rows(edges.USER_BY_ID, int(code))
    elif session.user_code_from == "external_user_id":
        found = await session.rows(edges.USER_BY_EXTERNAL_ID, code)
    else:
        found = await session.rows(edges.USER_BY_USERNAME, code)
    return user.on(found[0], session=session) if found else None
