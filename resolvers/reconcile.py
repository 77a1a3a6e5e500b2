"""Where reports that tell the same do not: the rules by which they are compared, as data and pure functions.

A day's totals of a group (R1) are compared with its movements (R5, R11) and with the prizes of its tickets (R3); the
movements of a group (R5) with those of its users (R7); a game as three reports tell it (R2, R3, R4); an agent's log
with those of its users (G1). A column that a report may leave out is compared where it is told.
"""

import datetime
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import Any

from resolvers.movement import wallet_amount
from upstream.rows import (
    DailyMovement,
    FinancialMovement,
    GameDetail,
    GameLog,
    GameSummary,
    GroupMovement,
    RoomGame,
    Row,
    UserTransaction,
)

# Sums of amounts of up to a hundred digits, none of them lost.
EXACT = Context(prec=400, traps=[Inexact])
WHOLE_ROW = "(row)"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """What one report says, in which of its columns."""

    report: str
    column: str
    value: str | None

    def __str__(self) -> str:
        return f"{self.report} {self.column} {'-' if self.value is None else self.value}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What two or three reports say of one thing, and not alike."""

    compared: str
    key: str
    column: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that several reports tell: the column in each, by its name or by how it is read."""

    name: str
    columns: Mapping[str, "str | tuple[str, Callable[[Any], Any]]"]
    money: bool = False
    optional: bool = False  # a report may leave it out (C16)
    time: bool = False

    def of(self, report: str, row: Any) -> "tuple[str, Any]":
        """The column's name and its value."""
        column = self.columns[report]
        return (column, getattr(row, column)) if isinstance(column, str) else (column[0], column[1](row))


def figure(
    name: str, *, money: bool = False, optional: bool = False, time: bool = False, **columns: Any
) -> Figure:  # fmt: skip
    """A figure, its columns by report."""
    return Figure(name, columns, money, optional, time)


def compare(compared: str, key: str, rows: Mapping[str, Any], figures: Iterable[Figure]) -> Iterable[Difference]:
    """Where the rows of one thing, by report, differ."""
    for one in figures:
        told = [(report, *one.of(report, row)) for report, row in rows.items() if report in one.columns]
        if one.optional:
            told = [each for each in told if each[2] is not None]
        if len(told) > 1 and len({_value(one, value) for _, _, value in told}) > 1:
            yield Difference(compared, key, one.name, tuple(Told(r, c, _text(value, one.time)) for r, c, value in told))


def match(
    compared: str, key: str, sides: Mapping[str, Sequence[Any]], figures: Sequence[Figure], what: str
) -> Iterable[Difference]:
    """Where two lists of rows without a key differ: rows that are alike cancel out, the rest is paired as it fits."""
    (left, ours), (right, others) = sides.items()

    def print_of(report: str, row: Any) -> tuple[Any, ...]:
        return tuple(_value(one, one.of(report, row)[1]) for one in figures)

    waiting: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in others:
        waiting[print_of(right, row)].append(row)
    alone = []
    for row in ours:
        found = waiting.get(print_of(left, row))
        if found:
            found.pop()
        else:
            alone.append(row)
    rest = [row for rows in waiting.values() for row in rows]
    for row in alone:
        mine = print_of(left, row)
        alike = [sum(a == b for a, b in zip(mine, print_of(right, other), strict=True)) for other in rest]
        name = f"{key}, {what} {_named(figures, left, row)}"
        # Paired with the one that is most like it, if half of it is.
        if alike and 2 * max(alike) >= len(figures):
            other = rest.pop(alike.index(max(alike)))
            yield from compare(compared, name, {left: row, right: other}, figures)
        else:
            yield _missing(compared, name, left, right)
    for row in rest:
        yield _missing(compared, f"{key}, {what} {_named(figures, right, row)}", right, left)


# A day of a group


@dataclass(slots=True)
class Totals:
    """What the movements of a group add up to, amounts without their signs; tickets that were paid, from … to …."""

    wagers: Decimal = Decimal(0)
    refunds: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    fewest_tickets: int = 0
    most_tickets: int = 0
    rows: int = 0
    unknown: Counter[str] = field(default_factory=Counter)  # types whose part in the totals is not known

    @property
    def net(self) -> Decimal:
        """What the house keeps."""
        return EXACT.subtract(EXACT.subtract(self.wagers, self.refunds), self.paid)

    def add(self, part: str | None, kind: str, amount: str) -> None:
        """Add a movement to one of the totals."""
        self.rows += 1
        if part is None:
            self.unknown[kind] += 1
        else:
            setattr(self, part, EXACT.add(getattr(self, part), Decimal(amount)))


PARTS = {
    "bingo - wager": "wagers",
    "bingo - refund": "refunds",
    "bingo - prize": "paid",
    "bingo - jackpot": "paid",
}
# R11's type and subtype; commissions are no part of a group's daily totals.
FINANCIAL_PARTS = {(1, 1): "wagers", (3, 1): "refunds", (3, 2): "refunds", (100, 2): "paid", (100, 3): "", (100, 5): ""}


def totals_of_movements(rows: Iterable[GroupMovement], online: "Online") -> Totals:
    """The totals of a group by R5. What has no ticket number is counted by the games' own tickets, as far as told."""
    found = Totals()
    numbers: set[str] = set()
    unnumbered: Counter[tuple[int | None, int | None]] = Counter()
    for row in rows:
        part = PARTS.get(row.type.casefold())
        found.add(part, row.type, row.currency_amount)
        if part == "paid":
            if row.ticket_id is not None:
                numbers.add(row.ticket_id)
            else:
                unnumbered[row.game_id, row.user_id] += 1
    found.fewest_tickets = found.most_tickets = len(numbers)
    for place, payments in unnumbered.items():
        tickets = online.get(place, ())
        exact = len(set(tickets)) if len(tickets) == payments else None
        found.fewest_tickets += exact or 1
        found.most_tickets += exact or payments
    return found


def totals_of_finance(rows: Iterable[FinancialMovement]) -> Totals:
    """The totals of a group by R11, which knows no tickets."""
    found = Totals()
    for row in rows:
        part = FINANCIAL_PARTS.get((row.type, row.subtype))
        if part != "":
            found.add(part, f"{row.type}/{row.subtype}", row.currency_amount)
    return found


def daily(
    key: str, rows: Sequence[DailyMovement], movements: Totals, finance: Totals, won: Decimal | None
) -> Iterable[Difference]:
    """A day of a group: R1 against R5, R11 and, `won`, the prizes of its tickets by R3 (None: in another money)."""
    if len(rows) != 1:
        quiet = not rows and not movements.rows and not finance.rows and not won
        if not quiet:
            counts = (("R1", len(rows)), ("R5", movements.rows), ("R11", finance.rows))
            yield Difference("daily", key, WHOLE_ROW, tuple(Told(name, "rows", str(count)) for name, count in counts))
        return
    (row,) = rows
    for name, column, of in (
        ("wagers", "total_wagers_real", lambda totals: totals.wagers),
        ("refunds", "total_refunds_real", lambda totals: EXACT.minus(totals.refunds)),
        ("paid", "total_paid", lambda totals: EXACT.minus(totals.paid)),
        ("net", "net", lambda totals: totals.net),
    ):
        text = getattr(row, column)
        sums = {"R5": of(movements), "R11": of(finance)}
        if any(Decimal(text) != total for total in sums.values()):
            told = (Told(report, "sum", _money(total)) for report, total in sums.items())
            yield Difference("daily", key, name, (Told("R1", column, text), *told))
    if won is not None and Decimal(row.total_wins_real) != won:
        told_won = (Told("R1", "total_wins_real", row.total_wins_real), Told("R3", "sum of win_info", _money(won)))
        yield Difference("daily", key, "wins", told_won)
    fewest, most = movements.fewest_tickets, movements.most_tickets
    if not fewest <= row.total_paid_tickets <= most:
        count = str(fewest) if fewest == most else f"{fewest} to {most}"
        told_tickets = (Told("R1", "total_paid_tickets", str(row.total_paid_tickets)), Told("R5", "tickets", count))
        yield Difference("daily", key, "tickets", told_tickets)


def rates(rows: Iterable[UserTransaction]) -> set[Fraction]:
    """What one of the base currency is in that of a group, by R7: 1 where they are one, nothing where no row tells."""
    found: set[Fraction] = set()
    for row in rows:
        if row.base_currency_amount is None or row.currency_id == row.base_currency_id:
            found.add(Fraction(1))
        elif Decimal(row.base_currency_amount):
            found.add(Fraction(row.currency_amount) / Fraction(row.base_currency_amount))
    return found


# Prizes of tickets sold online, whose payments name no ticket: by game and user, a ticket for each.
Online = Mapping[tuple[int | None, int | None], Sequence[str]]


def wins(game: GameDetail) -> dict[int | None, Decimal]:
    """What the tickets of a game won, by the group that sold them."""
    found: dict[int | None, Decimal] = {}
    for group, _, _, amount in _won_cards(game):
        found[group] = EXACT.add(found.get(group, Decimal(0)), amount)
    return found


def online(game: GameDetail) -> dict[int | None, dict[tuple[int | None, int | None], list[str]]]:
    """Of a game's tickets without a number, those that won: by group, then by game and user."""
    users = {winner.card_id: winner.user_id for winner in game.winners or () if winner.ticket_id is None}
    found: dict[int | None, dict[tuple[int | None, int | None], list[str]]] = {}
    for group, ticket, card, amount in _won_cards(game):
        if card in users and amount:
            found.setdefault(group, {}).setdefault((game.game_id, users[card]), []).append(ticket)
    return found


def _won_cards(game: GameDetail) -> Iterable[tuple[int | None, str, str, Decimal]]:
    for ticket in game.tickets or ():
        for win in ticket.win_info or ():
            prizes = win.prizes or ()
            for prize in prizes.values() if isinstance(prizes, dict) else prizes:
                yield ticket.seller_group_id, ticket.ticket_id, win.card_id, Decimal(prize.amount or 0)


# Movements

MOVEMENT = (
    figure("time", time=True, R5="timestamp", R7="timestamp"),
    figure("type", R5="type", R7="movement_type"),
    figure("group", R5="group_id", R7="group_id", optional=True),
    figure("external group", R5="external_group_id", R7="external_group_id", optional=True),
    figure("group name", R5="group_name", R7="group_name", optional=True),
)


def movements(
    user: int, of_user: Iterable[UserTransaction], of_group: dict[int, GroupMovement]
) -> Iterable[Difference]:
    """What R7 tells of a user against R5 of the groups, by movement id. What is found is taken out of `of_group`."""
    for row in of_user:
        key = f"movement {row.movement_id}"
        base = row.base_currency_amount if row.currency_id in (None, row.base_currency_id) else None
        if base is not None and Decimal(base) != Decimal(row.currency_amount):
            own = (Told("R7", "currency_amount", row.currency_amount), Told("R7", "base_currency_amount", base))
            yield Difference("movements", key, "base amount", own)
        other = of_group.pop(row.movement_id, None)
        if other is None:
            yield _missing("movements", f"{key} of user {user}", "R7", "R5")
            continue
        yield from compare("movements", key, {"R5": other, "R7": row}, MOVEMENT)
        if other.user_id not in (None, user):
            whose = (Told("R5", "user_id", str(other.user_id)), Told("R7", "user_id", str(user)))
            yield Difference("movements", key, "user", whose)
        wallet, amount = wallet_amount(other.type, other.currency_amount), row.currency_amount
        if wallet is None:  # no sign is claimed for this type, so the amounts need only be alike without it
            wallet, amount = other.currency_amount.lstrip("-"), amount.lstrip("-")
        if Decimal(wallet) != Decimal(amount):
            both = (
                Told("R5", "currency_amount", other.currency_amount),
                Told("R7", "currency_amount", row.currency_amount),
            )
            yield Difference("movements", key, "amount", both)


def unmatched(of_group: Mapping[int, GroupMovement]) -> Iterable[Difference]:
    """The movements of groups that no user has told."""
    for id, row in of_group.items():
        yield _missing("movements", f"movement {id} of user {row.user_id}", "R5", "R7")


# Games


def _status(row: GameSummary) -> Any:
    return int(row.status) if isinstance(row.status, str) and row.status.isdigit() else row.status


def _method(row: GameDetail | GameSummary) -> str | None:
    return row.jackpot_build_method.casefold() if row.jackpot_build_method is not None else None


def _jackpot(name: str) -> Callable[[GameDetail], Any]:
    def read(row: GameDetail) -> Any:
        jackpot = row.progressive_jackpot
        return None if jackpot is None or isinstance(jackpot, bool) else getattr(jackpot, name)

    return read


GAME = (
    figure("id", R2="id", R3="game_id", R4="bs_game_id_main"),
    figure("room id", R2="room_id", R3="room_id", optional=True),
    figure("room", R2="room_name", R3="room_name", R4="bs_room_id", optional=True),
    figure("variant", R3="game_variant", R4="bs_game_variant_description", optional=True),
    figure("configuration id", R2="game_configuration_id", R3="game_configuration_id", optional=True),
    figure(
        "configuration",
        R2="game_configuration_name",
        R3="configuration",
        R4="bs_game_configuration_description",
        optional=True,
    ),
    figure("configuration key", R2="game_configuration_key", R3="configuration_key", optional=True),
    figure("status", R2="status", R3="status_id", R4=("status", _status)),
    figure("status name", R2="status_name", R3="status_name"),
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
    figure(
        "build method", R3=("jackpot_build_method", _method), R4=("jackpot_build_method", _method), optional=True
    ),
    figure("jackpot", R3=("progressive_jackpot.name", _jackpot("name")), R4="pjp_id"),
    figure(
        "jackpot's last call",
        R3=("pjp_winnable_until_call", _jackpot("pjp_winnable_until_call")),
        R4="pjp_winnable_until_call_included",
    ),
)  # fmt: skip
PRIZES = (
    figure("name", R2="prize_name", R3="prize_name"),
    figure("id", R2="id", R3="id"),
    figure("paid", money=True, R2="paid", R3="paid"),
    figure("call", R2="call_number", R3="call_number"),
)
CARDS = tuple(
    figure(name, R2=column, R3=column)
    for name, column in (
        ("prize", "prize_name"),
        ("card", "card_id"),
        ("user", "user_id"),
        ("external user", "external_user_id"),
        ("user name", "user_name"),
        ("call", "call_number"),
        ("card holder", "card_holder_name"),
        ("ticket", "ticket_id"),
    )
)
SUMMARY_PRIZES = (
    figure("name", R3="prize_name", R4="prize_name"),
    figure("paid", money=True, R3="paid", R4="amount"),
)


@dataclass(frozen=True, slots=True)
class Winner:
    """Who won a prize, as R3 and R4 both tell it within the prize."""

    prize: str
    user_id: int | None
    external_user_id: str | None
    ticket_id: str | None
    amount: str | None


WINNERS = (
    figure("prize", R3="prize", R4="prize"),
    figure("user", R3="user_id", R4="user_id"),
    figure("external user", R3="external_user_id", R4="external_user_id"),
    figure("ticket", R3="ticket_id", R4="ticket_id"),
    figure("amount", money=True, R3=("amount_won", lambda one: one.amount), R4=("amount.real", lambda one: one.amount)),
)


def games(bulk: RoomGame, detail: GameDetail | None, summary: GameSummary | None) -> Iterable[Difference]:
    """One game, by R2, R3 and R4; None where a report does not know it."""
    key = f"game {bulk.id}"
    told: dict[str, Any] = {"R2": bulk, "R3": detail, "R4": summary}
    for report in ("R3", "R4"):
        if told[report] is None:
            del told[report]
            yield _missing("games", key, "R2", report)
    yield from compare("games", key, told, GAME)
    if detail is not None:
        sides = {"R2": bulk.prizes or (), "R3": detail.prizes or ()}
        yield from match("games", key, sides, PRIZES, "prize")
        yield from match("games", key, {"R2": bulk.winners or (), "R3": detail.winners or ()}, CARDS, "winner")
    if summary is not None and summary.duration is not None and None not in (summary.starts_at, summary.ends_at):
        took = (summary.ends_at - summary.starts_at) // 1_000_000
        if took != summary.duration:
            both = (Told("R4", "duration", str(summary.duration)), Told("R4", "ends_at - starts_at", str(took)))
            yield Difference("games", key, "duration", both)
    if detail is not None and summary is not None:
        prizes = {"R3": detail.prizes or (), "R4": summary.bs_game_prizes or ()}
        yield from match("games", key, prizes, SUMMARY_PRIZES, "prize")
        winners = {"R3": _winners(detail.prizes), "R4": _winners(summary.bs_game_prizes)}
        yield from match("games", key, winners, WINNERS, "winner of")


def _winners(prizes: Any) -> list[Winner]:
    return [
        Winner(
            prize.prize_name,
            one.user_id,
            one.external_user_id,
            one.ticket_id,
            one.amount_won if hasattr(one, "amount_won") else one.amount.real if one.amount is not None else None,
        )
        for prize in prizes or ()
        for one in prize.winners or ()
    ]


# Game logs

AGENT, USER = "G1 of the agent", "G1 of the user"
_LOG_MONEY = frozenset(
    {
        *("bet_money", "win_money", "user_start_balance", "user_end_balance"),
        *("agent_start_balance", "agent_end_balance"),
    }
)
LOG = tuple(
    Figure(name, {AGENT: name, USER: name}, money=name in _LOG_MONEY, time=name == "created_at")
    for name in GameLog.__struct_fields__
    if name != "history_id"
)


def logs(of_user: Iterable[GameLog], of_agent: dict[int, GameLog]) -> Iterable[Difference]:
    """A user's log against the agent's, by history id. What is found is taken out of `of_agent`."""
    for row in of_user:
        key = f"log row {row.history_id}"
        other = of_agent.pop(row.history_id, None)
        if other is None:
            yield _missing("logs", f"{key} of user {row.user_code}", USER, AGENT)
        else:
            yield from compare("logs", key, {AGENT: other, USER: row}, LOG)


def unlogged(of_agent: Iterable[GameLog]) -> Iterable[Difference]:
    """The rows of the agent's log that no user's log holds."""
    for row in of_agent:
        yield _missing("logs", f"log row {row.history_id} of user {row.user_code}", AGENT, USER)


def _missing(compared: str, key: str, there: str, absent: str) -> Difference:
    return Difference(compared, key, WHOLE_ROW, (Told(there, "row", "told"), Told(absent, "row", None)))


def _named(figures: Sequence[Figure], report: str, row: Row | Winner) -> str:
    return _text(figures[0].of(report, row)[1]) or "-"


def _value(one: Figure, value: Any) -> Any:
    return _decimal(value) if one.money else tuple(value) if isinstance(value, list) else value


def _decimal(value: str | None) -> Decimal | None:
    return Decimal(value) if value is not None else None


def _money(value: Decimal) -> str:
    text = f"{value:f}"
    whole, _, decimals = (text.removeprefix("-") if not value else text).partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def _text(value: Any, time: bool = False) -> str | None:
    if value is None:
        return None
    if time:
        return (_EPOCH + datetime.timedelta(microseconds=value)).isoformat()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
