"""Games."""

import strawberry
from strawberry import ID

from resolvers import edges
from schema.jackpot import GameJackpot, JackpotBuildMethod, build_method, game_jackpot
from schema.mapping.columns import EntityLink, column, link, moment, part
from schema.mapping.entity import UNKNOWN, Entity, EntitySource
from schema.mapping.expression import ColumnReader
from schema.mapping.node import Node
from schema.mapping.reading.game import day_of_sale, room_of, row_of_prizes, status_of_text
from schema.prize import Prize
from schema.scalars import DateTime, Decimal
from schema.status import GameStatus, status_of, status_words
from schema.ticket import Ticket
from schema.winner import Winner
from upstream.reports import rows

BULK = rows.RoomGameRow
DETAIL = rows.GameDetailRow
SUMMARY = rows.GameSummaryRow
SALE = rows.GameOnSaleRow


@strawberry.type
class GameConfiguration(Entity):
    """The configuration of a game."""

    id: ID | None = column({BULK: "game_configuration_id", DETAIL: "game_configuration_id"}, "The configuration's id.")
    name: str | None = column(
        {
            BULK: "game_configuration_name",
            DETAIL: "configuration",
            SUMMARY: "bs_game_configuration_description",
        },
        "The configuration's name.",
    )
    key: int | None = column(
        {BULK: "game_configuration_key", DETAIL: "configuration_key"},
        "The id of the root configuration that this one was cloned from; 0 if it was not.",
    )


@strawberry.federation.type(keys=["id"])
class Game(Node, Entity):
    """One bingo game. Four reports each know a part of it (R2, R3, R4, R6). Only the reports of selected fields are
    read.

    All amounts are in the currency of the game's room. No report names this currency, because groups of several
    currencies may play in one room.
    """

    sources = (
        EntitySource(SUMMARY, edges.GAME_SUMMARY_BY_ID, column="bs_game_id_main"),
        EntitySource(DETAIL, edges.GAME_DETAIL_BY_ID, column="game_id"),
        EntitySource(BULK, edges.GAMES_OF_PERIOD, interval=lambda entity: entity.interval),
        EntitySource(SALE, edges.GAMES_ON_SALE_OF_ROOM, key=room_of, interval=day_of_sale, after=(DETAIL, BULK)),
    )

    id: ID = column(
        {BULK: "id", DETAIL: "game_id", SUMMARY: "bs_game_id_main", SALE: "id"}, "GameHub's id of the game."
    )
    room: EntityLink = link(
        "Room",
        {
            BULK: {"id": "room_id", "name": "room_name"},
            DETAIL: {"id": "room_id", "name": "room_name"},
            SUMMARY: {"name": "bs_room_id"},
            SALE: {"name": "bs_room_id"},
        },
        "The room that the game is played in.",
    )
    status: GameStatus | None = column(
        {
            BULK: lambda row: status_of(row.status),
            DETAIL: lambda row: status_of(row.status_id),
            SUMMARY: status_of_text,
            SALE: status_of_text,
        },
        "The status of the game.",
        unsure=True,
        otherwise=GameStatus.UNKNOWN,
    )
    status_name: str | None = column(
        {
            BULK: ColumnReader(lambda row: status_words(row.status) or row.status_name, ("status", "status_name"), str),
            DETAIL: lambda row: status_words(row.status_id) or row.status_name,
            SUMMARY: lambda row: status_words(row.status) or UNKNOWN,
            SALE: lambda row: status_words(row.status) or UNKNOWN,
        },
        "The name of the status in the upstream's document, or the report's own text for an unknown status.",
        unsure=True,
        otherwise=None,
    )
    configuration: GameConfiguration | None = part(
        GameConfiguration,
        {kind: (lambda row: row, kind) for kind in (BULK, DETAIL, SUMMARY)},
        "The configuration of the game.",
    )
    variant: str | None = column(
        {DETAIL: "game_variant", SUMMARY: "bs_game_variant_description"}, 'The variant: "Bingo 90".'
    )
    starts_at: DateTime | None = moment(
        dict.fromkeys((BULK, DETAIL, SUMMARY, SALE), "starts_at"), "The moment of its start.", during="any"
    )
    ends_at: DateTime | None = moment(
        {BULK: "finished_at", DETAIL: "ends_at", SUMMARY: "ends_at"}, "The moment of its end; null before that."
    )
    duration: int | None = column({SUMMARY: "duration"}, "Its duration in seconds.")
    card_price: Decimal | None = column(
        dict.fromkeys((BULK, DETAIL, SUMMARY, SALE), "card_price"), "The price of a card."
    )
    cards_bought: int | None = column(
        {BULK: "cards_bought", DETAIL: "cards_bought", SUMMARY: "total_tickets", SALE: "cards_bought"},
        "The number of cards that were bought.",
    )
    players: int | None = column({DETAIL: "players", SUMMARY: "total_players"}, "The number of players.")
    wagered: Decimal | None = column(
        {BULK: "wagered", DETAIL: "wagered", SUMMARY: "total_wagers_real"}, "All money wagered in the game."
    )
    paid: Decimal | None = column({BULK: "paid", DETAIL: "paid"}, "All money paid to the winners.")
    profit: Decimal | None = column({DETAIL: "profit"}, "The wagers, less the parts for prizes and for the jackpot.")
    net_win: Decimal | None = column({SUMMARY: "net_win_real"}, "The net win.")
    wagers_to_prizes: Decimal | None = column(
        {DETAIL: "wagers_to_prizes", SUMMARY: "total_wagers_to_prizes_real"}, "The part of the wagers for prizes."
    )
    wagers_to_jackpot: Decimal | None = column(
        {DETAIL: "wagers_to_pjp", SUMMARY: "total_wagers_to_pjp_real"}, "The part of the wagers for the jackpot."
    )
    jackpot_percentage: Decimal | None = column(
        {DETAIL: "pjp_percentage"}, "The percentage of the wagers, less commissions, that goes to the jackpot."
    )
    refunds: Decimal | None = column({SUMMARY: "total_refunds_real"}, "All money refunded.")
    tickets_refunded: int | None = column(
        {SUMMARY: "total_tickets_refunded"}, "The number of tickets that were refunded."
    )
    canceled_tickets: int | None = column(
        {SALE: "canceled_tickets_sum"}, "The number of cancelled tickets; null unless the game is on sale."
    )
    available_balls: int | None = column(
        {DETAIL: "available_balls", SUMMARY: "game_available_balls"},
        "The number of balls in the game, such as 90 or 75.",
    )
    balls_delay: int | None = column(
        {DETAIL: "balls_delay", SUMMARY: "draw_balls_delay"}, "The time from one ball to the next, in seconds."
    )
    balls: list[int] | None = column(
        {DETAIL: "balls", SUMMARY: "balls"}, "The balls in the order in which they were drawn."
    )
    jackpot_build_method: JackpotBuildMethod | None = column(
        {kind: lambda row: build_method(row.jackpot_build_method) for kind in (DETAIL, SUMMARY)},
        "How its jackpot grows: with the wagers, or not at all.",
    )
    jackpot_prize_mode: str | None = column(
        {SUMMARY: "jackpot_prize_mode"}, "How its jackpot is paid, in the report's words."
    )
    jackpot: GameJackpot | None = game_jackpot("The progressive jackpot it plays for; null if none.")
    continuous_games: int | None = column({SUMMARY: "continuous_games"}, "The number of games in its continuous game.")
    continuous_configuration_name: str | None = column(
        {SUMMARY: "continuous_game_configuration_description"},
        "The configuration of its continuous game, if it has one.",
    )
    prizes: list[Prize] | None = part(
        Prize,
        {
            BULK: ("prizes", rows.RoomGamePrize),
            DETAIL: ("prizes", rows.GameDetailPrize),
            SUMMARY: ("bs_game_prizes", rows.GameSummaryPrize),
            SALE: ("prizes", rows.GameOnSalePrize),
        },
        "The prizes that were won, or that can be won while the game is on sale.",
        # Before a prize is won, the other reports list no prizes. They must not hide the amounts of R6.
        decisive=row_of_prizes,
        bridge=DETAIL,
    )
    winners: list[Winner] | None = part(
        Winner,
        {BULK: ("winners", rows.CardWinner), DETAIL: ("winners", rows.CardWinner)},
        "The cards that won, each with the call that it won at.",
    )
    tickets: list[Ticket] | None = part(
        Ticket, {DETAIL: ("tickets", rows.GameDetailTicket)}, "The tickets that were bought, with their cards."
    )

    def place(self) -> tuple[object, ...]:
        return (self.identity,)
