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
    """How a game is set up."""

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
    """One bingo game. Four reports each know a part of it (R2, R3, R4, R6); only those selected from are read.

    Its amounts are in the currency of its room, which no report names: groups of several currencies may play there.
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
        "The room it is played in.",
    )
    status: GameStatus | None = column(
        {
            BULK: lambda row: status_of(row.status),
            DETAIL: lambda row: status_of(row.status_id),
            SUMMARY: status_of_text,
            SALE: status_of_text,
        },
        "Where it stands.",
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
        "Where it stands, in the document's words; for a status that the document does not have, in the report's own.",
        unsure=True,
        otherwise=None,
    )
    configuration: GameConfiguration | None = part(
        GameConfiguration, {kind: (lambda row: row, kind) for kind in (BULK, DETAIL, SUMMARY)}, "How it is set up."
    )
    variant: str | None = column(
        {DETAIL: "game_variant", SUMMARY: "bs_game_variant_description"}, 'The variant: "Bingo 90".'
    )
    starts_at: DateTime | None = moment(
        dict.fromkeys((BULK, DETAIL, SUMMARY, SALE), "starts_at"), "When it starts or started.", during="any"
    )
    ends_at: DateTime | None = moment(
        {BULK: "finished_at", DETAIL: "ends_at", SUMMARY: "ends_at"}, "When it ended; null while it has not."
    )
    duration: int | None = column({SUMMARY: "duration"}, "How long it took, in seconds.")
    card_price: Decimal | None = column(
        dict.fromkeys((BULK, DETAIL, SUMMARY, SALE), "card_price"), "The price of a card."
    )
    cards_bought: int | None = column(
        {BULK: "cards_bought", DETAIL: "cards_bought", SUMMARY: "total_tickets", SALE: "cards_bought"},
        "How many cards were bought.",
    )
    players: int | None = column({DETAIL: "players", SUMMARY: "total_players"}, "How many players play.")
    wagered: Decimal | None = column(
        {BULK: "wagered", DETAIL: "wagered", SUMMARY: "total_wagers_real"}, "All money wagered in it."
    )
    paid: Decimal | None = column({BULK: "paid", DETAIL: "paid"}, "All money paid to its winners.")
    profit: Decimal | None = column({DETAIL: "profit"}, "Wagered, less what goes to prizes and to the jackpot.")
    net_win: Decimal | None = column({SUMMARY: "net_win_real"}, "The net win.")
    wagers_to_prizes: Decimal | None = column(
        {DETAIL: "wagers_to_prizes", SUMMARY: "total_wagers_to_prizes_real"}, "The part of the wagers for prizes."
    )
    wagers_to_jackpot: Decimal | None = column(
        {DETAIL: "wagers_to_pjp", SUMMARY: "total_wagers_to_pjp_real"}, "The part of the wagers for the jackpot."
    )
    jackpot_percentage: Decimal | None = column(
        {DETAIL: "pjp_percentage"}, "The percentage of wagers less commissions that goes to the jackpot."
    )
    refunds: Decimal | None = column({SUMMARY: "total_refunds_real"}, "All money refunded.")
    tickets_refunded: int | None = column({SUMMARY: "total_tickets_refunded"}, "How many tickets were refunded.")
    canceled_tickets: int | None = column(
        {SALE: "canceled_tickets_sum"}, "How many tickets were cancelled; told only while the game is on sale."
    )
    available_balls: int | None = column(
        {DETAIL: "available_balls", SUMMARY: "game_available_balls"}, "How many balls it is played with: 90, 75."
    )
    balls_delay: int | None = column(
        {DETAIL: "balls_delay", SUMMARY: "draw_balls_delay"}, "Seconds from one ball to the next."
    )
    balls: list[int] | None = column({DETAIL: "balls", SUMMARY: "balls"}, "The balls in the order they were drawn.")
    jackpot_build_method: JackpotBuildMethod | None = column(
        {kind: lambda row: build_method(row.jackpot_build_method) for kind in (DETAIL, SUMMARY)},
        "Whether its jackpot grows with the wagers.",
    )
    jackpot_prize_mode: str | None = column({SUMMARY: "jackpot_prize_mode"}, "How its jackpot is paid, in words.")
    jackpot: GameJackpot | None = game_jackpot("The progressive jackpot it plays for; null if none.")
    continuous_games: int | None = column({SUMMARY: "continuous_games"}, "How many games its continuous game has.")
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
        "Its prizes: those won, or those to be won while it is on sale.",
        # Until a prize is won the other reports list none: they must not hide what it stands at.
        decisive=row_of_prizes,
        bridge=DETAIL,
    )
    winners: list[Winner] | None = part(
        Winner,
        {BULK: ("winners", rows.CardWinner), DETAIL: ("winners", rows.CardWinner)},
        "The cards that won, with the call they won at.",
    )
    tickets: list[Ticket] | None = part(
        Ticket, {DETAIL: ("tickets", rows.GameDetailTicket)}, "The tickets bought, with their cards."
    )

    def place(self) -> tuple[object, ...]:
        return (self.identity,)
