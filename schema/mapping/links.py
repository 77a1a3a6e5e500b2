"""Lazy aliases of the types of other files, so that no two files import each other."""

from typing import Annotated

import strawberry

GroupLink = Annotated["Group", strawberry.lazy("schema.group")]
UserLink = Annotated["User", strawberry.lazy("schema.user")]
RoomLink = Annotated["Room", strawberry.lazy("schema.room")]
GameLink = Annotated["Game", strawberry.lazy("schema.game")]
TransactionLink = Annotated["Transaction", strawberry.lazy("schema.transaction")]
FinancialMovementLink = Annotated["FinancialMovement", strawberry.lazy("schema.financial_movement")]
DailyMovementLink = Annotated["DailyMovement", strawberry.lazy("schema.daily_movement")]
GameLogLink = Annotated["GameLog", strawberry.lazy("schema.game_log")]
