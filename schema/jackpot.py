"""Jackpots."""

from enum import Enum
from typing import Any

import strawberry

from schema.mapping.columns import column, part
from schema.mapping.entity import Entity
from schema.mapping.values import sound
from schema.scalars import Decimal
from schema.winner import Winner
from upstream.reports import rows

ROW = rows.ProgressiveJackpotRow


@strawberry.enum
class JackpotBuildMethod(Enum):
    """The way in which the jackpot of a game grows."""

    FIXED = strawberry.enum_value("fixed", description="It does not grow.")
    WAGER = strawberry.enum_value("wager", description="It grows with the wagers.")
    UNKNOWN = strawberry.enum_value("unknown", description="The report names another way.")


def build_method(name: str | None) -> JackpotBuildMethod | None:
    """Return the build method that a report's text means, or None if there is no text."""
    if not name:
        return None
    try:
        return JackpotBuildMethod(name.strip().casefold())
    except ValueError:
        return JackpotBuildMethod.UNKNOWN


def _from_detail(row: Any) -> Any:
    jackpot = sound(row.progressive_jackpot)
    return jackpot if isinstance(jackpot, rows.GameDetailJackpot) else None


def _from_summary(row: Any) -> Any:
    return row if row.pjp_id else None


@strawberry.type
class GameJackpot(Entity):
    """The progressive jackpot that a game plays for."""

    name: str = column({rows.GameDetailJackpot: "name", rows.GameSummaryRow: "pjp_id"}, "The jackpot's name.")
    winnable_until_call: int | None = column(
        {
            rows.GameDetailJackpot: "pjp_winnable_until_call",
            rows.GameSummaryRow: "pjp_winnable_until_call_included",
        },
        "The last call at which a full house wins the jackpot.",
    )
    winners: list[Winner] = part(
        Winner, {rows.GameDetailJackpot: (lambda row: row.winners or [], rows.PrizeTicket)}, "The winners."
    )


def game_jackpot(description: str) -> Any:
    """Declare the field of a game's jackpot: an object in R3, a name in R4, `false` if there is none."""
    return part(
        GameJackpot,
        {
            rows.GameDetailRow: (_from_detail, rows.GameDetailJackpot),
            rows.GameSummaryRow: (_from_summary, rows.GameSummaryRow),
        },
        description,
    )


@strawberry.type
class ProgressiveJackpot(Entity):
    """A progressive jackpot now: a visible value and a hidden seed (Progressive Jackpots Summary, R10)."""

    description: str = column({ROW: "description"}, "The jackpot's name.")
    value: Decimal = column({ROW: "value"}, "The current visible value.")
    value_max: Decimal | None = column({ROW: "value_max"}, "The largest visible value.")
    percentage: Decimal | None = column(
        {ROW: "percentage"}, "The percentage of the wagers that goes to it, including the seed."
    )
    seed: Decimal | None = column({ROW: "seed"}, "The current hidden value.")
    seed_base: Decimal | None = column({ROW: "seed_base"}, "The value that the hidden value starts from.")
    seed_max: Decimal | None = column({ROW: "seed_max"}, "The largest hidden value.")
    seed_percentage: Decimal | None = column(
        {ROW: "seed_percentage"}, "The percentage of `percentage` that goes to the hidden value."
    )
