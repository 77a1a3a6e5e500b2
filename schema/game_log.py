"""Game logs."""

from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers.session import Session
from schema.mapping.columns import column, moment
from schema.mapping.entity import Entity
from schema.mapping.lazy import lazy
from schema.mapping.loading import complete
from schema.mapping.node import Node
from schema.mapping.reading.game_log import DEFAULT_GAME_TYPE, user_of
from schema.mapping.selection import select
from schema.scalars import DateTime, Decimal
from upstream.reports import rows

ROW = rows.GameLogRow
# Money in G1 is a JSON double: up to 17 digits, written without an exponent from 0.000001 on.
DOUBLE_DECIMALS = 22


@strawberry.federation.type(keys=["id"])
class GameLog(Node, Entity):
    """One transaction of a game on Game History (get_game_log, G1).

    Game History cannot look up a log by its id. Use `node(nodeId:)` to find a log again. An entity reference by id
    alone is searched for in the last month of the agents' logs.
    """

    id: ID = column({ROW: "history_id"}, "Game History's own id of the transaction.")
    agent_code: str = column({ROW: "agent_code"}, "The agent who handled the transaction.")
    user_code: str = column({ROW: "user_code"}, "The user's code on Game History.")
    provider_code: str = column({ROW: "provider_code"}, "The provider of the game, such as PRAGMATIC.")
    game_code: str = column({ROW: "game_code"}, "The code of the game, such as vs20doghouse.")
    type: str = column({ROW: "type"}, "The kind of transaction, such as BASE or FREE.")
    bet: Decimal = column({ROW: "bet_money"}, "The amount that the user bet.", decimals=DOUBLE_DECIMALS)
    win: Decimal = column({ROW: "win_money"}, "The amount that the user won.", decimals=DOUBLE_DECIMALS)
    txn_id: str = column({ROW: "txn_id"}, "The provider's id of the transaction.")
    txn_type: str = column({ROW: "txn_type"}, "The way it was booked, such as debit_credit.")
    user_start_balance: Decimal | None = column(
        {ROW: "user_start_balance"}, "The user's balance before the transaction.", decimals=DOUBLE_DECIMALS
    )
    user_end_balance: Decimal | None = column(
        {ROW: "user_end_balance"}, "The user's balance after the transaction.", decimals=DOUBLE_DECIMALS
    )
    agent_start_balance: Decimal | None = column(
        {ROW: "agent_start_balance"}, "The agent's balance before the transaction.", decimals=DOUBLE_DECIMALS
    )
    agent_end_balance: Decimal | None = column(
        {ROW: "agent_end_balance"}, "The agent's balance after the transaction.", decimals=DOUBLE_DECIMALS
    )
    created_at: DateTime = moment({ROW: "created_at"}, "The moment of the transaction.", during="past")

    @strawberry.field(graphql_type=lazy("User") | None)  # type: ignore[untyped-decorator]
    async def user(self, info: Info[Session, Any]) -> Any:
        """The GameHub user who has this code; null if GameHub knows no such user."""
        found = self.given.get("user") or await user_of(self)
        if found is not None:
            await complete((found,), select(info))
        return found

    @property
    def row(self) -> rows.GameLogRow:
        """Return the row of the log. Only one report has logs."""
        row = self.rows[0]
        assert isinstance(row, rows.GameLogRow)
        return row

    def place(self) -> tuple[object, ...]:
        game_type = self.given.get("game_type", DEFAULT_GAME_TYPE)
        return (self.identity, self.row.created_at, self.row.agent_code, self.row.user_code, game_type)
