"""A game as R2, R3 and R4 have it, and the parts of R3 beside each other."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from resolvers.reconcile.customs import Customs
from resolvers.reconcile.figures import Difference, Figure, Statement, compare, figure, loose, match, missing, money
from resolvers.reconcile.names import CARD_WINNER, SELLER, UNNAMED_GROUP, UNNAMED_USER, USER, Names
from upstream.reports.rows import (
    GameDetailJackpot,
    GameDetailRow,
    GameDetailTicket,
    GameSummaryRow,
    PartyPart,
    PrizeTicket,
    RoomGameRow,
)
from upstream.values.figures import EXACT

JACKPOT_PRIZE = "pjp"


def _status(row: GameSummaryRow) -> Any:
    return int(row.status) if isinstance(row.status, str) and row.status.isdigit() else row.status


def _jackpot(name: str) -> Callable[[GameDetailRow], Any]:
    def read(row: GameDetailRow) -> Any:
        jackpot = _jackpot_of(row)
        return None if jackpot is None else getattr(jackpot, name)

    return read


def _jackpot_of(row: GameDetailRow) -> GameDetailJackpot | None:
    jackpot = row.progressive_jackpot
    return jackpot if isinstance(jackpot, GameDetailJackpot) else None


GAME = (
    figure("id", R2="id", R3="game_id", R4="bs_game_id_main"),
    figure("room id", R2="room_id", R3="room_id", optional=True),
    figure("room", R2="room_name", R3="room_name", R4="bs_room_id", optional=True, loose=True),
    figure("variant", R3="game_variant", R4="bs_game_variant_description", optional=True, loose=True),
    figure("configuration id", R2="game_configuration_id", R3="game_configuration_id", optional=True),
    figure(
        "configuration",
        R2="game_configuration_name",
        R3="configuration",
        R4="bs_game_configuration_description",
        optional=True,
        loose=True,
    ),
    figure("configuration key", R2="game_configuration_key", R3="configuration_key", optional=True),
    figure("status", R2="status", R3="status_id", R4=("status", _status)),
    figure("status name", R2="status_name", R3="status_name", loose=True),
    figure("card price", money=True, R2="card_price", R3="card_price", R4="card_price"),
    figure("cards", R2="cards_bought", R3="cards_bought", R4="total_tickets"),
    figure("players", R3="players", R4="total_players"),
    figure("wagered", money=True, R2="wagered", R3="wagered", R4="total_wagers_real"),
    figure("paid", money=True, R2="paid", R3="paid"),
    figure("wagers to prizes", money=True, R3="wagers_to_prizes", R4="total_wagers_to_prizes_real"),
    figure("wagers to jackpot", money=True, R3="wagers_to_pjp", R4="total_wagers_to_pjp_real"),
    figure("start", time=True, R2="starts_at", R3="starts_at", R4="starts_at"),
    figure("end", time=True, R2="finished_at", R3="ends_at", R4="ends_at"),
    figure("balls there are", R3="available_balls", R4="game_available_balls"),
    figure("balls' delay", R3="balls_delay", R4="draw_balls_delay"),
    figure("draw", R3="balls", R4="balls"),
    figure("build method", R3="jackpot_build_method", R4="jackpot_build_method", optional=True, loose=True),
    figure("jackpot", R3=("progressive_jackpot.name", _jackpot("name")), R4="pjp_id", loose=True),
    figure(
        "jackpot's last call",
        R3=("pjp_winnable_until_call", _jackpot("pjp_winnable_until_call")),
        R4="pjp_winnable_until_call_included",
    ),
)  # fmt: skip
PRIZES = (
    figure("name", R2="prize_name", R3="prize_name", loose=True),
    figure("id", R2="id", R3="id"),
    figure("paid", money=True, R2="paid", R3="paid"),
    figure("call", R2="call_number", R3="call_number"),
)
CARDS = (
    figure("prize", R2="prize_name", R3="prize_name", loose=True),
    figure("card", R2="card_id", R3="card_id"),
    figure("user", R2="user_id", R3="user_id"),
    figure("external user", R2="external_user_id", R3="external_user_id", optional=True),
    figure("user name", R2="user_name", R3="user_name", optional=True, loose=True),
    figure("call", R2="call_number", R3="call_number"),
    figure("card holder", R2="card_holder_name", R3="card_holder_name", optional=True, loose=True),
    figure("ticket", R2="ticket_id", R3="ticket_id", optional=True),
)
SUMMARY_PRIZES = (
    figure("name", R3="prize_name", R4="prize_name", loose=True),
    figure("paid", money=True, R3="paid", R4="amount"),
)


@dataclass(frozen=True, slots=True)
class WinnerKey:
    """A winner of a prize, as R3 and R4 have it within the prize."""

    prize: str
    user_id: int | None
    external_user_id: str | None
    ticket_id: str | None
    amount: str | None


WINNERS = (
    figure("prize", R3="prize", R4="prize", loose=True),
    figure("user", R3="user_id", R4="user_id"),
    figure("external user", R3="external_user_id", R4="external_user_id", optional=True),
    figure("ticket", R3="ticket_id", R4="ticket_id"),
    figure("amount", money=True, R3=("amount_won", lambda one: one.amount), R4=("amount.real", lambda one: one.amount)),
)

# The winners of a jackpot beside those of the PJP prize, both of R3.
JACKPOT, PRIZE = "R3 progressive_jackpot", "R3 prizes"
JACKPOT_WINNERS = tuple(
    Figure(name, {JACKPOT: column, PRIZE: column}, money=name == "amount", optional=True)
    for name, column in (
        ("ticket", "ticket_id"),
        ("amount", "amount_won"),
        ("user", "user_id"),
        ("external user", "external_user_id"),
        ("group", "group_id"),
        ("external group", "external_group_id"),
    )
)


@dataclass(frozen=True, slots=True)
class Won:
    """A prize that a card won, as R3 has it in the prize and in the ticket."""

    id: int | None
    name: str
    amount: str | None
    card_id: str | None


TICKET = "R3 tickets"
WON = (
    Figure("prize", {PRIZE: ("prize_name", lambda one: one.name), TICKET: "name"}, loose=True),
    Figure("id", {PRIZE: "id", TICKET: "id"}),
    Figure("amount", {PRIZE: ("amount_won", lambda one: one.amount), TICKET: "amount"}, money=True),
    Figure("card", {PRIZE: ("ticket_id", lambda one: one.card_id), TICKET: "card_id"}),
)


def games(
    bulk: RoomGameRow, detail: GameDetailRow | None, summary: GameSummaryRow | None, customs: Customs
) -> Iterable[Difference]:
    """Compare one game in R2, R3 and R4. A report that does not have the game is None."""
    key = f"game {bulk.id}"
    rows_by_report: dict[str, Any] = {"R2": bulk, "R3": detail, "R4": summary}
    for report in ("R3", "R4"):
        if rows_by_report[report] is None:
            del rows_by_report[report]
            yield missing("games", key, "R2", report)
    yield from compare("games", key, rows_by_report, GAME)
    if detail is not None:
        sides = {"R2": bulk.prizes or (), "R3": detail.prizes or ()}
        yield from match("games", key, sides, PRIZES, "prize")
        yield from match("games", key, {"R2": bulk.winners or (), "R3": detail.winners or ()}, CARDS, "winner")
        yield from _profit(key, detail)
        yield from _jackpot_winners(key, detail)
        yield from _won_cards(key, detail)
        _customs_of_tickets(key, detail, customs)
    if summary is not None:
        yield from _duration(key, summary)
        _customs_of_summary(key, detail, summary, customs)
    if detail is not None:
        kind = detail.game_configuration_id
        custom = "one pjp_percentage for all games of a configuration"
        percentage = None if detail.pjp_percentage is None else Decimal(detail.pjp_percentage)
        customs.same(custom, kind, percentage, "games", key, "R3", "pjp_percentage")
    if detail is not None and summary is not None:
        prizes = {"R3": detail.prizes or (), "R4": summary.bs_game_prizes or ()}
        yield from match("games", key, prizes, SUMMARY_PRIZES, "prize")
        winners = {"R3": _winners(detail.prizes), "R4": _winners(summary.bs_game_prizes)}
        yield from match("games", key, winners, WINNERS, "winner of")


def names(bulk: RoomGameRow, detail: GameDetailRow | None, summary: GameSummaryRow | None, found: Names) -> None:
    """Collect what a game calls its groups and users."""
    place = f"game {bulk.id}"
    found.add("R2", bulk.winners or (), CARD_WINNER, place)
    if detail is not None:
        jackpot = _jackpot_of(detail)
        winners = [one for prize in detail.prizes or () for one in prize.winners or ()]
        winners += jackpot.winners or () if jackpot is not None else ()
        parties = [
            party
            for ticket in detail.tickets or ()
            for parties in (ticket.sell_info, ticket.pay_info)
            for party in _parties(parties)
        ]
        found.add("R3", detail.winners or (), CARD_WINNER, place)
        found.add("R3", detail.tickets or (), SELLER, place)
        for rows in (winners, parties):
            found.add("R3", rows, UNNAMED_USER, place)
            found.add("R3", rows, UNNAMED_GROUP, place)
    if summary is not None:
        found.add("R4", [one for prize in summary.bs_game_prizes or () for one in prize.winners or ()], USER, place)


def _parties(parties: Any) -> list[PartyPart]:
    return [one for one in (parties if isinstance(parties, list) else [parties]) if isinstance(one, PartyPart)]


def _profit(key: str, detail: GameDetailRow) -> Iterable[Difference]:
    """Check R3's own formula: profit is wagered − wagers_to_prizes − wagers_to_pjp."""
    parts = (detail.wagered, detail.wagers_to_prizes, detail.wagers_to_pjp)
    if detail.profit is None or None in parts:
        return
    wagered, prizes, jackpot = (Decimal(part or 0) for part in parts)
    profit = EXACT.subtract(EXACT.subtract(wagered, prizes), jackpot)
    if Decimal(detail.profit) != profit:
        statements = (
            Statement("R3", "profit", detail.profit),
            Statement("R3", "wagered - wagers_to_prizes - wagers_to_pjp", money(profit)),
        )
        yield Difference("games", key, "profit", statements)


def _duration(key: str, summary: GameSummaryRow) -> Iterable[Difference]:
    if summary.duration is None or summary.starts_at is None or summary.ends_at is None:
        return
    took = (summary.ends_at - summary.starts_at) // 1_000_000
    if took != summary.duration:
        both = (Statement("R4", "duration", str(summary.duration)), Statement("R4", "ends_at - starts_at", str(took)))
        yield Difference("games", key, "duration", both)


def _jackpot_winners(key: str, detail: GameDetailRow) -> Iterable[Difference]:
    """Compare the winners of the jackpot with those of the PJP prize."""
    jackpot = _jackpot_of(detail)
    if jackpot is None or jackpot.winners is None or detail.prizes is None:
        return
    prizes = [prize for prize in detail.prizes if loose(prize.prize_name) == JACKPOT_PRIZE]
    if not prizes and jackpot.winners:
        # The prize has another name here: only its winners can be looked for.
        known = {(one.ticket_id, one.amount_won) for prize in detail.prizes for one in prize.winners or ()}
        for one in jackpot.winners:
            if (one.ticket_id, one.amount_won) not in known:
                yield missing("games", f"{key}, jackpot winner {one.ticket_id}", JACKPOT, PRIZE)
        return
    sides: dict[str, list[PrizeTicket]] = {
        JACKPOT: list(jackpot.winners),
        PRIZE: [one for prize in prizes for one in prize.winners or ()],
    }
    yield from match("games", key, sides, JACKPOT_WINNERS, "jackpot winner")


def _won_cards(key: str, detail: GameDetailRow) -> Iterable[Difference]:
    """Compare the winners of the prizes with the prizes of the tickets."""
    if detail.prizes is None or detail.tickets is None:
        return
    of_prizes = [
        Won(prize.id, prize.prize_name, one.amount_won, one.ticket_id)
        for prize in detail.prizes
        for one in prize.winners or ()
    ]
    of_tickets = [
        Won(prize.id, prize.name, prize.amount, win.card_id)
        for ticket in detail.tickets
        for win in ticket.win_info or ()
        for prize in (win.prizes.values() if isinstance(win.prizes, dict) else win.prizes or ())
    ]
    yield from match("games", key, {PRIZE: of_prizes, TICKET: of_tickets}, WON, "prize of a ticket")


def _customs_of_tickets(key: str, detail: GameDetailRow, customs: Customs) -> None:
    """Compare the tickets of a game, their cards and their winners with each other."""
    by_card: dict[str, GameDetailTicket] = {}
    order: dict[str, int] = {}
    for ticket in detail.tickets or ():
        cards = ticket.cards or []
        strips = Counter(card.card_id.rpartition("-")[0] for card in cards)
        strip = max(strips, key=strips.__getitem__, default="")
        for number, card in enumerate(cards, 1):
            by_card[card.card_id] = ticket
            order[card.card_id] = len(order) + 1
            _equal(
                customs, "cards of a ticket are numbered from 1",
                (key, "card"), ("card_id", card.card_id), ("cards", f"{strip}-{number}"),
            )  # fmt: skip
        for party in _parties(ticket.sell_info):
            _equal(
                customs, "a ticket is sold by its seller's group",
                (f"{key}, ticket {ticket.ticket_id}", "seller's group"),
                ("seller_group_id", ticket.seller_group_id), ("sell_info.group_id", party.group_id),
            )  # fmt: skip
        for party in _parties(ticket.pay_info):
            _equal(
                customs, "a ticket is paid by its seller's group",
                (f"{key}, ticket {ticket.ticket_id}", "paying group"),
                ("seller_group_id", ticket.seller_group_id), ("pay_info.group_id", party.group_id),
            )  # fmt: skip
    for prize in detail.prizes or ():
        winners = prize.winners or []
        where = f"{key}, prize {prize.prize_name}"
        for winner in winners:
            _customs_of_winner(where, winner, by_card.get(winner.ticket_id or ""), customs)
        if len(winners) != 1:
            continue
        won = winners[0].ticket_id or ""
        _equal(
            customs, "a winning card is of the strip that was bought", (where, "strip"),
            ("bs_user_bought_strip_id", prize.bs_user_bought_strip_id), ("ticket_id", won.rpartition("-")[0]),
        )  # fmt: skip
        if won in order:
            _equal(
                customs, "won_at_card counts the cards of the game", (where, "won at card"),
                ("won_at_card", prize.won_at_card), ("tickets", order[won]),
            )  # fmt: skip
    jackpot = _jackpot_of(detail)
    for winner in (jackpot.winners or ()) if jackpot is not None else ():
        _customs_of_winner(f"{key}, jackpot", winner, by_card.get(winner.ticket_id or ""), customs)


def _customs_of_winner(key: str, winner: PrizeTicket, ticket: GameDetailTicket | None, customs: Customs) -> None:
    """Compare a winner with the ticket of the winning card."""
    if ticket is None:
        return
    for column, own, sold in (
        ("group_id", winner.group_id, ticket.seller_group_id),
        ("external_group_id", winner.external_group_id, ticket.external_seller_group_id),
    ):
        _equal(
            customs, "a winner is of the group that sold the ticket", (key, "winner's group"),
            (column, own), ("seller_group_id", sold),
        )  # fmt: skip
    for party in _parties(ticket.sell_info):
        _equal(
            customs, "a ticket is won by its buyer", (key, "winner"),
            ("user_id", winner.user_id), ("sell_info.user_id", party.user_id),
        )  # fmt: skip


def _customs_of_summary(key: str, detail: GameDetailRow | None, summary: GameSummaryRow, customs: Customs) -> None:
    """Compare R4's figures with R3's, and against those of the other games of the same configuration."""
    if detail is not None:
        net, profit = (None if text is None else Decimal(text) for text in (summary.net_win_real, detail.profit))
        statements = (Statement("R4", "net_win_real", summary.net_win_real), Statement("R3", "profit", detail.profit))
        if None not in (net, profit):
            customs.check("net_win_real is the profit", net == profit, Difference("games", key, "net win", statements))
    for column in ("continuous_game_configuration_description", "continuous_games", "jackpot_prize_mode"):
        custom = f"one {column} for all games of a configuration"
        kind = summary.bs_game_configuration_description
        customs.same(custom, kind, getattr(summary, column), "games", key, "R4", column)
    for prize in summary.bs_game_prizes or ():
        amounts = [winner.amount for winner in prize.winners or () if winner.amount is not None]
        if prize.amount is None or not amounts:
            continue
        total = Decimal(0)
        for amount in amounts:
            for part in (amount.real, amount.bonus):
                total = EXACT.add(total, Decimal(part or 0))
        shown = (Statement("R4", "amount", prize.amount), Statement("R4", "amount.real + amount.bonus", money(total)))
        custom = "a prize is what its winners have, real and bonus"
        difference = Difference("games", f"{key}, prize {prize.prize_name}", "prize", shown)
        customs.check(custom, Decimal(prize.amount) == total, difference)


def _equal(customs: Customs, custom: str, of: tuple[str, str], one: tuple[str, Any], other: tuple[str, Any]) -> None:
    """Compare two values of R3 with each other, if both are there."""
    if one[1] is None or other[1] is None:
        return
    if str(one[1]) == str(other[1]):
        customs.follow(custom)
        return
    key, column = of
    statements = (Statement("R3", one[0], str(one[1])), Statement("R3", other[0], str(other[1])))
    customs.breaks(custom, Difference("games", key, column, statements))


def _winners(prizes: Any) -> list[WinnerKey]:
    return [
        WinnerKey(
            prize.prize_name,
            one.user_id,
            one.external_user_id,
            one.ticket_id,
            one.amount_won if hasattr(one, "amount_won") else one.amount.real if one.amount is not None else None,
        )
        for prize in prizes or ()
        for one in prize.winners or ()
    ]
