"""The rows of every report, in the upstream's own words: one `msgspec.Struct` a report, decoded straight from bytes.

A row holds canonical values, whatever way the upstream wrote them (contract C13-C16):

| column   | on the wire                                          | in the row                                      |
|----------|------------------------------------------------------|-------------------------------------------------|
| `Id`     | `60`, `"60"`                                         | `int`                                           |
| `NoId`   | the same, or `""`, `0`, `null` for "none"            | `int`, or None                                  |
| `Code`   | `382`, `"382"`, `"164522q8bs"`, or `""`, `0`, `null` | `str`, or None                                  |
| `Money`  | `"5.00"`, `1`, `0.08`, never by way of a binary float | `str`: at least two decimals, no digit lost    |
| `Moment` | unix seconds, `Y-m-d H:i:s`, ISO 8601 with `Z`       | `int`: microseconds since 1970-01-01 00:00 UTC  |
| `Day`    | `Y-m-d`                                              | `datetime.date`                                 |
| `Count`  | `5`, `"5"`, as far as the graph's `Int` reaches (C35) | `int`                                          |

A column with a default may be missing or null; one without is required (C10). `Money` and `Moment` columns that are
not required are None when missing or null. A value that is none of these is a `BadValue` in the row (C34). Where the
contract has one object, PHP writes an empty one as `[]`: the row holds None (C39).
"""

import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec


class ColumnKind(Enum):
    """How a column's wire value becomes the row's value (`upstream/decoding/decode.py` carries it out)."""

    NO_ID = "id or none"
    CODE = "code"
    MONEY = "money"
    MOMENT = "moment"


# The wire types are open (`Any`) where JSON writes one value in several types: the decoder makes them one.
Id = int
NoId = Annotated[Any, ColumnKind.NO_ID]
Code = Annotated[Any, ColumnKind.CODE]
Money = Annotated[Any, ColumnKind.MONEY]
Moment = Annotated[Any, ColumnKind.MOMENT]
Day = datetime.date
Count = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class Row(msgspec.Struct, gc=False):
    """One row of a report, or an object inside one."""


# R1 users_report


class DailyMovementRow(Row, kw_only=True):
    """R1: the movements of a group on one day."""

    timestamp: Day
    group_id: NoId = None
    external_group_id: Code = None
    group_name: str | None = None
    total_wagers_real: Money
    total_wins_real: Money
    total_refunds_real: Money
    total_paid: Money
    total_paid_tickets: Count
    net: Money


# R2 api_bulk_games_report


class RoomGamePrize(Row, kw_only=True):
    """R2: a prize won in a game."""

    id: NoId = None
    prize_name: str
    paid: Money = None
    call_number: Count | None = None


class CardWinner(Row, kw_only=True):
    """R2 and R3: a card that won a prize."""

    user_name: str | None = None
    user_id: NoId = None
    external_user_id: Code = None
    card_id: Code = None
    call_number: Count | None = None
    card_holder_name: str | None = None
    ticket_id: Code = None
    prize_name: str | None = None


class RoomGameRow(Row, kw_only=True):
    """R2: a game of a room, with its prizes and winners."""

    id: Id
    room_id: NoId = None
    room_name: str | None = None
    game_configuration_id: NoId = None
    game_configuration_name: str | None = None
    game_configuration_key: Count | None = None
    status: int | None = None
    status_name: str | None = None
    card_price: Money = None
    cards_bought: Count | None = None
    wagered: Money = None
    paid: Money = None
    prizes: list[RoomGamePrize] | None = None
    winners: list[CardWinner] | None = None
    starts_at: Moment = None
    finished_at: Moment = None


# R3 api_retail_game_details


class PrizeTicket(Row, kw_only=True):
    """R3: a ticket that won a prize, or the jackpot."""

    ticket_id: Code = None
    amount_won: Money = None
    user_id: NoId = None
    external_user_id: Code = None
    group_id: NoId = None
    external_group_id: Code = None


class GameDetailPrize(Row, kw_only=True):
    """R3: a prize of a game, with the tickets that won it."""

    id: NoId = None
    prize_name: str
    paid: Money = None
    bs_user_bought_strip_id: Code = None
    won_at_card: Count | None = None
    call_number: Count | None = None
    winners: list[PrizeTicket] | None = None


class GameDetailJackpot(Row, kw_only=True):
    """R3: the progressive jackpot of a game."""

    name: str
    pjp_winnable_until_call: Count | None = None
    winners: list[PrizeTicket] | None = None


class WinPrize(Row, kw_only=True):
    """R3: a prize that one card of a ticket won."""

    id: NoId = None
    name: str
    amount: Money = None


class WinPart(Row, kw_only=True):
    """R3: what one card of a ticket won; `prizes` is keyed by prize id (C16)."""

    prizes: dict[str, WinPrize] | list[WinPrize] | None = None
    card_id: Code


class PartyPart(Row, kw_only=True):
    """R3: who sold, or who paid out, a ticket."""

    user_id: NoId = None
    external_user_id: Code = None
    group_id: NoId = None
    external_group_id: Code = None


class CardPart(Row, kw_only=True):
    """R3: a card of a ticket."""

    numbers: list[Count]
    card_id: Code


class GameDetailTicket(Row, kw_only=True):
    """R3: a ticket bought in a game."""

    ticket_id: Code
    created_at: Moment = None
    seller_group_id: NoId = None
    external_seller_group_id: Code = None
    win_info: list[WinPart] | None = None
    pay_info: PartyPart | list[PartyPart] | bool | None = None
    sell_info: PartyPart | list[PartyPart] | bool | None = None
    cards: list[CardPart] | None = None


class GameDetailRow(Row, kw_only=True):
    """R3: one game, with tickets, cards, balls, prizes and jackpot."""

    game_id: Id
    room_name: str | None = None
    game_variant: str | None = None
    room_id: NoId = None
    game_configuration_id: NoId = None
    paid: Money = None
    configuration: str | None = None
    configuration_key: Count | None = None
    available_balls: Count | None = None
    balls_delay: Count | None = None
    jackpot_build_method: str | None = None
    progressive_jackpot: GameDetailJackpot | list[GameDetailJackpot] | bool | None = None
    starts_at: Moment = None
    ends_at: Moment = None
    players: Count | None = None
    cards_bought: Count | None = None
    wagered: Money = None
    wagers_to_prizes: Money = None
    wagers_to_pjp: Money = None
    pjp_percentage: Money = None
    profit: Money = None
    card_price: Money = None
    status_id: int | None = None
    status_name: str | None = None
    prizes: list[GameDetailPrize] | None = None
    tickets: list[GameDetailTicket] | None = None
    winners: list[CardWinner] | None = None
    balls: list[Count] | None = None


# R4 api_retail_game_details_simplified


class PrizeAmount(Row, kw_only=True):
    """R4: what a winner won, in real money and in bonus."""

    real: Money = None
    bonus: Money = None


if TYPE_CHECKING:
    OneAmount = PrizeAmount
else:  # the decoder takes the one out of its list
    OneAmount = PrizeAmount | list[PrizeAmount]


class GameSummaryWinner(Row, kw_only=True):
    """R4: a winner of a prize."""

    username: str | None = None
    user_id: NoId = None
    external_user_id: Code = None
    amount: OneAmount | None = None
    ticket_id: Code = None


class GameSummaryPrize(Row, kw_only=True):
    """R4: a prize of a game, with its winners."""

    prize_name: str
    amount: Money = None
    winners: list[GameSummaryWinner] | None = None


class GameSummaryRow(Row, kw_only=True):
    """R4: one game: totals, refunds, duration and prizes. `bs_room_id` is the room's name, `pjp_id` the jackpot's."""

    bs_game_id_main: Id
    bs_room_id: str | None = None
    bs_game_variant_description: str | None = None
    bs_game_configuration_description: str | None = None
    continuous_game_configuration_description: str | None = None
    continuous_games: Count | None = None
    game_available_balls: Count | None = None
    draw_balls_delay: Count | None = None
    jackpot_build_method: str | None = None
    jackpot_prize_mode: str | None = None
    pjp_id: str | None = None
    pjp_winnable_until_call_included: Count | None = None
    starts_at: Moment = None
    ends_at: Moment = None
    duration: Count | None = None
    total_players: Count | None = None
    total_tickets: Count | None = None
    total_tickets_refunded: Count | None = None
    total_wagers_to_prizes_real: Money = None
    total_wagers_to_pjp_real: Money = None
    net_win_real: Money = None
    total_wagers_real: Money = None
    total_refunds_real: Money = None
    card_price: Money = None
    status: int | str | None = None
    bs_game_prizes: list[GameSummaryPrize] | None = None
    balls: list[Count] | None = None


# R5 api_retail_movements


class GroupMovementRow(Row, kw_only=True):
    """R5: a movement made in a group, with its user, ticket and game. The amount carries no sign (C19)."""

    movement_id: Id
    timestamp: Moment
    group_id: NoId = None
    external_group_id: Code = None
    group_name: str | None = None
    user_id: NoId = None
    external_user_id: Code = None
    username: str | None = None
    type: str
    currency_amount: Money
    ticket_id: Code = None
    game_id: NoId = None


# R6 api_selling_and_preselling_games_report


class GameOnSalePrize(Row, kw_only=True):
    """R6: a prize of a game on sale, and what it stands at."""

    id: NoId = None
    description: str
    amount: Money = None


class GameOnSaleRow(Row, kw_only=True):
    """R6: a game that sells or presells. `bs_room_id` is the room's name, `status` a text (C17)."""

    id: Id
    bs_room_id: str | None = None
    starts_at: Moment = None
    cards_bought: Count | None = None
    canceled_tickets_sum: Count | None = None
    card_price: Money = None
    status: str | int | None = None
    prizes: list[GameOnSalePrize] | None = None


# R7 transaction_report


class UserTransactionRow(Row, kw_only=True):
    """R7: a movement of one user, wherever it was made, with its currency; seen from the user's wallet (C19)."""

    movement_id: Id
    timestamp: Moment
    group_name: str | None = None
    group_id: NoId = None
    external_group_id: Code = None
    movement_type: str
    currency_amount: Money
    currency_id: str | None = None
    base_currency_amount: Money = None
    base_currency_id: str | None = None


# R8 api_groups_report


class GroupRow(Row, kw_only=True):
    """R8: a group of users."""

    id: Id
    external_group_id: Code = None
    name: str | None = None
    type: str | None = None


# R9 api_users_report


class UserRow(Row, kw_only=True):
    """R9: a player or terminal. `fkgroup` is the group's name here, its id as a filter (C18)."""

    id: Id
    external_user_id: Code = None
    username: str | None = None
    fkgroup: str | None = None
    group_id: NoId = None
    external_group_id: Code = None


# R10 progressive_jackpot_summary


class ProgressiveJackpotRow(Row, kw_only=True):
    """R10: the state of a progressive jackpot."""

    description: str
    value: Money
    value_max: Money = None
    percentage: Money = None
    seed: Money = None
    seed_base: Money = None
    seed_max: Money = None
    seed_percentage: Money = None


# R11 api_movements_external_report


class FinancialMovementRow(Row, kw_only=True):
    """R11: a financial movement of a group or one of its descendants. The amount carries no sign (C19)."""

    timestamp: Moment
    group_id: NoId = None
    external_group_id: Code = None
    type: Count
    subtype: Count
    currency_amount: Money
    user_id: NoId = None
    external_user_id: Code = None
    game_id: NoId = None
    username: str | None = None


# G1 get_game_log


class GameLogRow(Row, kw_only=True):
    """G1: one transaction of a game on Game History."""

    history_id: Id
    agent_code: str
    user_code: str
    provider_code: str
    game_code: str
    type: str
    bet_money: Money
    win_money: Money
    txn_id: str
    txn_type: str
    user_start_balance: Money = None
    user_end_balance: Money = None
    agent_start_balance: Money = None
    agent_end_balance: Money = None
    created_at: Moment
