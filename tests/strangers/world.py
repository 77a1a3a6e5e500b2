"""The stand-in's own small business: groups, users, rooms, games, movements and game logs, written by hand.

Its clock stands at noon of Monday, 31 October 2022 in Madrid: the day after the 25-hour day, the last of a month.
"""

import datetime
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

NOW = datetime.datetime(2022, 10, 31, 11, 0, tzinfo=datetime.UTC)


class Id(int):
    """An id: on the wire a number or a numeric string."""


class Count(int):
    """A whole number: on the wire a number, or as PHP may have it a numeric string."""


class Money(str):
    """A sum of money: on the wire a string, an integer or a number."""


class Empty(dict[str, Any]):
    """An object without members: PHP writes it as `[]`."""


@dataclass(frozen=True)
class Moment:
    """A moment: on the wire unix seconds, or the wall clock of the system."""

    at: datetime.datetime


def moment(text: str) -> datetime.datetime:
    """A moment written in UTC."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


@dataclass
class Group:
    """A group, and the one above it."""

    id: int
    name: str
    type: str
    parent: int | None


@dataclass
class User:
    """A user of a group."""

    id: int
    username: str
    group: int

    @property
    def external(self) -> str:
        """The partner's id of the user."""
        return f"X{self.id}"


@dataclass
class Movement:
    """A movement of money, with the sign of the user's wallet."""

    id: int
    at: datetime.datetime
    user: int
    group: int
    type: str
    amount: str
    ticket: str = ""
    game: int | None = None
    currency: str = "Real USD"
    base: str | None = None


@dataclass
class Financial:
    """A financial movement."""

    at: datetime.datetime
    group: int
    type: int
    subtype: int
    amount: str
    user: int | None = None
    game: int | None = None


@dataclass
class Daily:
    """A group's totals of a day."""

    day: datetime.date
    group: int
    wagers: str
    wins: str
    refunds: str
    paid: str
    tickets: int
    net: str


@dataclass
class Game:
    """A game. `bulk`, `detail` and `summary` are what the reports R2, R3 and R4 have beside the common columns."""

    id: int
    room: int
    at: datetime.datetime
    status: int
    price: str = "5.00"
    cards: int = 0
    wagered: str = "0.00"
    paid: str = "0.00"
    ends: datetime.datetime | None = None
    cancelled_tickets: int = 0
    bulk: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    sale: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Log:
    """A transaction of a game on Game History.

    `stray` is the code of a user whom GameHub does not know; `agent` handled it, if not the agent of the user's group.
    """

    id: int
    at: datetime.datetime
    user: int | None
    bet: str
    win: str
    start: str
    end: str
    game_type: str = "slot"
    stray: str = ""
    agent: str = ""


STATUSES = {
    1: "Selling", 2: "Playing", 3: "Played", 4: "Not Played", 5: "Cancelled", 6: "Preselling", 7: "Cancelling",
    8: "To process cancel", 9: "Postponed",
}  # fmt: skip
ROOMS = {1: "E2E Bingo 90", 2: "Sala 75"}
GROUPS = [
    Group(23, "Salón Ñandú", "Local", 380),
    Group(347, "Integrations", "Manager", None),
    Group(380, "Casa Matriz", "Manager", None),
    Group(382, "E2E Development - Physical", "Distributor", 380),
    Group(390, "E2E Testing Group", "Local", 382),
    Group(391, "Local 1 (0.00%)", "Local", 382),
]
USERS = [
    User(23, "E2E Testing User", 390),
    User(56, "tv1", 23),
    User(60, "u1", 382),
    User(61, "u2", 382),
    User(62, "u11", 382),
    User(2090, "TEST", 391),
    User(2091, "TESTER", 391),
    User(2092, "E2E Testing User 2C6F62B", 390),
    User(8241, "caja 1 & más=+%", 390),
    User(8242, "marca:ana", 391),
    User(8243, "José", 23),
    User(8244, "777", 391),
]
WAGER, PRIZE, REFUND = "Bingo - Wager", "Bingo - Prize", "Bingo - Refund"
MOVEMENTS = [
    # Today, from 23:00 UTC of the day before.
    Movement(3506, moment("2022-10-31 10:28:42"), 60, 382, WAGER, "-0.10", game=1384864),
    Movement(3505, moment("2022-10-31 10:27:14"), 60, 382, WAGER, "-0.10"),
    Movement(
        3504, moment("2022-10-31 09:10:00"), 60, 390, WAGER, "-3.00", "164522q8bs", 1384861,
        currency="Real EUR", base="-3.3315",
    ),
    Movement(3503, moment("2022-10-31 09:05:00"), 60, 390, PRIZE, "11.39", "164522q8bs", 1384861),
    Movement(3502, moment("2022-10-31 09:00:30"), 61, 382, REFUND, "5.00", game=1384862),
    Movement(3501, moment("2022-10-31 08:30:00"), 61, 382, "Manual Adjustment", "-7.50"),
    Movement(3500, moment("2022-10-31 08:00:01"), 2092, 390, WAGER, "-1.00"),
    Movement(3499, moment("2022-10-31 07:59:59"), 2090, 382, "Corrección", "-2.00"),
    Movement(3498, moment("2022-10-30 23:30:00"), 2090, 391, WAGER, "-0.125"),
    # Yesterday had 25 hours; its hour from 02:00 came twice.
    Movement(3497, moment("2022-10-30 22:59:59"), 2092, 390, WAGER, "-4.00"),
    Movement(3496, moment("2022-10-30 01:15:00"), 2092, 390, WAGER, "-3.00"),
    Movement(3495, moment("2022-10-30 00:45:00"), 2092, 390, WAGER, "-2.00"),
    Movement(3494, moment("2022-10-29 22:00:00"), 60, 382, WAGER, "-1.50"),
    Movement(3493, moment("2022-10-29 21:59:59"), 60, 382, WAGER, "-1.25"),
    # The ends of a month.
    Movement(3400, moment("2022-09-30 22:00:00"), 56, 23, WAGER, "-9.00"),
    Movement(3399, moment("2022-09-30 21:59:59"), 56, 23, WAGER, "-8.00"),
    # The day of 23 hours.
    Movement(3204, moment("2022-03-27 22:00:00"), 62, 382, WAGER, "-5.00"),
    Movement(3203, moment("2022-03-27 21:59:59"), 62, 382, WAGER, "-4.00"),
    Movement(3202, moment("2022-03-27 01:00:00"), 62, 382, WAGER, "-3.00"),
    Movement(3201, moment("2022-03-27 00:59:59"), 62, 382, WAGER, "-2.00"),
    Movement(3200, moment("2022-03-26 23:00:00"), 62, 382, WAGER, "-1.00"),
    Movement(3199, moment("2022-03-26 22:59:59"), 62, 382, WAGER, "-0.50"),
    # The ends of a year.
    Movement(3151, moment("2021-12-31 23:00:00"), 8243, 23, WAGER, "-2.00"),
    Movement(3150, moment("2021-12-31 22:59:59"), 8243, 23, WAGER, "-1.00"),
    # 29 February.
    Movement(3103, moment("2020-02-29 23:00:00"), 8243, 23, WAGER, "-4.00"),
    Movement(3102, moment("2020-02-29 22:59:59"), 8243, 23, WAGER, "-3.00"),
    Movement(3101, moment("2020-02-28 23:00:00"), 8243, 23, WAGER, "-2.00"),
    Movement(3100, moment("2020-02-28 22:59:59"), 8243, 23, WAGER, "-1.00"),
]  # fmt: skip
FINANCIAL = [
    Financial(moment("2022-10-31 09:10:00"), 390, 1, 1, "3.00", 60, 1384861),
    Financial(moment("2022-10-31 09:05:00"), 390, 100, 2, "11.39", 60, 1384861),
    Financial(moment("2022-10-31 09:00:30"), 382, 3, 1, "5.00", 61, 1384862),
    Financial(moment("2022-10-31 09:00:30"), 382, 3, 2, "5.00", 61, 1384862),
    # Two that nothing distinguishes.
    Financial(moment("2022-10-31 08:00:00"), 23, 1, 1, "1.00", 56, 787048),
    Financial(moment("2022-10-31 08:00:00"), 23, 1, 1, "1.00", 56, 787048),
    Financial(moment("2022-10-31 07:00:00"), 391, 100, 3, "0.50"),
    Financial(moment("2022-10-31 06:00:00"), 391, 200, 9, "0.08", 2090),
    Financial(moment("2022-10-30 22:59:59"), 390, 1, 1, "4.00", 2092),
]
DAILY = [
    Daily(datetime.date(2022, 9, 30), 391, "1.00", "0.00", "0.00", "0.00", 0, "1.00"),
    Daily(datetime.date(2022, 10, 1), 391, "30.00", "0.00", "0.00", "-20.00", 5, "10.00"),
    Daily(datetime.date(2022, 10, 30), 391, "3.00", "2.00", "1.00", "0.00", 0, "4.00"),
    Daily(datetime.date(2022, 10, 31), 391, "0.125", "0.00", "0.00", "0.00", 0, "0.125"),
]
JACKPOTS = [
    {
        "description": "PJP Name", "value": Money("1234.50"), "value_max": Money("5000.00"),
        "percentage": Money("5.00"),
        "seed": Money("15.125"), "seed_base": Money("10.00"), "seed_max": Money("100.00"),
        "seed_percentage": Money("30.00"),
    },
    {"description": "Bote 75", "value": Money("0.08")},
]  # fmt: skip


def _winner(card: str, call: int, prize: str) -> dict[str, Any]:
    return {
        "user_name": "u1", "user_id": Id(60), "external_user_id": "X60", "card_id": card, "call_number": Count(call),
        "card_holder_name": "Tía u1", "ticket_id": Id(0), "prize_name": prize,
    }  # fmt: skip


def _ticket_winner(ticket: str, amount: str, user: int, group: int) -> dict[str, Any]:
    return {
        "ticket_id": ticket, "amount_won": Money(amount), "user_id": Id(user), "external_user_id": f"X{user}",
        "group_id": Id(group), "external_group_id": f"G{group}",
    }  # fmt: skip


def _summary_winner(ticket: str, amount: str) -> dict[str, Any]:
    return {
        "username": "u1", "user_id": Id(60), "amount": {"real": Money(amount), "bonus": Money("0.25")},
        "ticket_id": ticket, "external_user_id": "X60",
    }  # fmt: skip


_BULK_EXAMPLE = {
    "prizes": [
        {"id": Id(3499), "prize_name": "One line", "paid": Money("15.10"), "call_number": Count(37)},
        {"id": Id(3500), "prize_name": "Two lines", "paid": Money("22.65"), "call_number": Count(57)},
        {"id": Id(3501), "prize_name": "Fullhouse", "paid": Money("37.77"), "call_number": Count(68)},
        {"id": Id(3502), "prize_name": "PJP", "paid": Money("6.19"), "call_number": Count(68)},
    ],
    "winners": [_winner("6010-2", 73, "One line"), _winner("6010-1", 81, "Two lines")],
}
_DETAIL_EXAMPLE = {
    "progressive_jackpot": {
        "name": "PJP Name",
        "pjp_winnable_until_call": Count(85),
        "winners": [_ticket_winner("10807-2", "7.29", 56, 23)],
    },
    "players": Count(2),
    "wagers_to_prizes": Money("60.00"),
    "wagers_to_pjp": Money("6.00"),
    "pjp_percentage": Money("5.00"),
    "profit": Money("54.00"),
    "prizes": [
        {
            "id": Id(3676), "prize_name": "One line", "paid": Money("11.39"), "bs_user_bought_strip_id": Id(10813),
            "won_at_card": Count(8), "call_number": Count(37),
            "winners": [_ticket_winner("10813-4", "11.39", 60, 390)],
        },
    ],
    "tickets": [
        {
            "ticket_id": "164522q8bs",
            "created_at": Moment(moment("2022-10-31 07:53:19")),
            "seller_group_id": Id(390),
            "external_seller_group_id": "G390",
            "win_info": [
                {
                    "prizes": {
                        "3678": {"id": Id(3678), "name": "Fullhouse", "amount": Money("17.84")},
                        "3679": {"id": Id(3679), "name": "PJP", "amount": Money("7.29")},
                    },
                    "card_id": "10807-2",
                },
                {"prizes": Empty(), "card_id": "10807-3"},
            ],
            "pay_info": {
                "user_id": Id(8241), "group_id": Id(390), "external_user_id": "X8241", "external_group_id": "G390",
            },
            "sell_info": {
                "group_id": Id(390), "user_id": Id(23), "external_user_id": "X23", "external_group_id": "G390",
            },
            "cards": [{"numbers": [Count(4), Count(14), Count(36)], "card_id": "10807-2"}],
        },
        {
            "ticket_id": "164523q8bt",
            "created_at": Moment(moment("2022-10-31 07:54:00")),
            "seller_group_id": Id(23),
            "external_seller_group_id": "G23",
            "win_info": [],
            "pay_info": None,
            "sell_info": {"group_id": Id(23), "user_id": Id(56), "external_user_id": "X56", "external_group_id": "G23"},
            "cards": [{"numbers": [Count(1), Count(90)], "card_id": "10808-1"}],
        },
    ],
    "winners": [_winner("6010-2", 37, "One line")],
    "balls": [Count(84), Count(14), Count(45)],
}  # fmt: skip
_SUMMARY_EXAMPLE = {
    "continuous_game_configuration_description": "Serie de 3",
    "continuous_games": Count(3),
    "pjp_id": "PJP Name",
    "pjp_winnable_until_call_included": Count(85),
    "duration": Count(78),
    "total_players": Count(2),
    "total_tickets_refunded": Count(1),
    "total_wagers_to_prizes_real": Money("60.00"),
    "total_wagers_to_pjp_real": Money("6.00"),
    "net_win_real": Money("53.00"),
    "total_refunds_real": Money("5.00"),
    "bs_game_prizes": [
        {"prize_name": "One line", "amount": Money("11.39"), "winners": [_summary_winner("10813-4", "11.39")]},
    ],
    "balls": [Count(84), Count(14), Count(45)],
}
_SALE_PRIZES = [
    {"id": Id(1), "description": "One line", "amount": Money("11.00")},
    {"id": Id(2), "description": "Two lines", "amount": Money("0.00")},
]
GAMES = [
    Game(1384850, 2, moment("2022-09-30 22:30:00"), 3, ends=moment("2022-09-30 22:32:00")),
    Game(1384858, 1, moment("2022-10-30 00:30:00"), 3, ends=moment("2022-10-30 00:32:00")),
    Game(1384859, 1, moment("2022-10-30 01:30:00"), 3, ends=moment("2022-10-30 01:32:00")),
    Game(
        1384861, 1, moment("2022-10-31 08:00:00"), 3, "5.00", 24, "120.00", "81.71", moment("2022-10-31 08:01:18"),
        bulk=_BULK_EXAMPLE, detail=_DETAIL_EXAMPLE, summary=_SUMMARY_EXAMPLE,
    ),
    Game(1384862, 1, moment("2022-10-31 09:00:00"), 5, ends=moment("2022-10-31 09:00:20")),
    Game(1384863, 2, moment("2022-10-31 09:30:00"), 4, ends=moment("2022-10-31 09:30:00")),
    Game(1384864, 2, moment("2022-10-31 10:58:00"), 2, "0.50", 3, "1.50"),
    Game(1384865, 1, moment("2022-10-31 11:30:00"), 1, "1.00", 7, "7.00", cancelled_tickets=2, sale=_SALE_PRIZES),
    Game(1384866, 1, moment("2022-10-31 12:00:00"), 6, "1.00", sale=_SALE_PRIZES),
    Game(1384867, 2, moment("2022-10-31 12:30:00"), 1, "2.00"),
    Game(1384868, 2, moment("2022-10-31 10:00:00"), 7),
    Game(1384869, 2, moment("2022-10-31 10:10:00"), 8),
    Game(1384870, 2, moment("2022-10-31 10:20:00"), 9),
]  # fmt: skip


def _logs() -> Iterator[Log]:
    # Today: twenty-four of four users, in turn and five minutes apart.
    for number in range(24):
        at = moment("2022-10-31 08:00:00") + datetime.timedelta(minutes=5 * number)
        start = 1000 - number
        yield Log(700 + number, at, (60, 61, 2090, 2092)[number % 4], "2", "1", str(start), str(start - 1))
    # The first and the last of a day, to the millisecond.
    yield Log(690, moment("2022-10-30 22:59:59.500"), 60, "0.08", "0", "500", "499.92")
    yield Log(691, moment("2022-10-30 23:00:00.000"), 60, "2000", "0.125", "230500", "228500.125")
    # Yesterday, with the hour that came twice.
    yield Log(680, moment("2022-10-29 22:00:00"), 61, "1", "0", "10", "9")
    yield Log(681, moment("2022-10-30 00:30:00"), 61, "1", "0", "9", "8")
    yield Log(682, moment("2022-10-30 01:30:00"), 61, "1", "0", "8", "7")
    yield Log(683, moment("2022-10-29 21:59:59.999"), 61, "1", "0", "11", "10")
    # Two at one instant, of people with awkward names, and of users that GameHub does not know.
    yield Log(730, moment("2022-10-31 10:40:00"), 8241, "1.10", "0.00", "5", "3.90")
    yield Log(731, moment("2022-10-31 10:40:00"), 8242, "1.20", "0.00", "5", "3.80")
    yield Log(732, moment("2022-10-31 10:41:00"), 8243, "1.30", "0.00", "5", "3.70")
    yield Log(733, moment("2022-10-31 10:42:00"), None, "1.40", "0.00", "5", "3.60", stray="ghost")
    yield Log(734, moment("2022-10-31 10:43:00"), None, "1.50", "0.00", "5", "3.50", stray="0")
    # Another type of game.
    yield Log(800, moment("2022-10-31 10:45:00"), 60, "3", "0", "5", "2", "live")
    yield Log(801, moment("2022-10-31 10:46:00"), 61, "3", "0", "5", "2", "live")


def _copies(rows: Any) -> Callable[[], Any]:
    """Return a function that makes new copies of the rows, faster than `deepcopy`: each test takes some."""
    stored = pickle.dumps(rows)
    return lambda: pickle.loads(stored)


@dataclass
class World:
    """All rows of the business; every test may add to its own copy."""

    groups: list[Group] = field(default_factory=_copies(GROUPS))
    users: list[User] = field(default_factory=_copies(USERS))
    movements: list[Movement] = field(default_factory=_copies(MOVEMENTS))
    financial: list[Financial] = field(default_factory=_copies(FINANCIAL))
    daily: list[Daily] = field(default_factory=_copies(DAILY))
    jackpots: list[dict[str, Any]] = field(default_factory=_copies(JACKPOTS))
    games: list[Game] = field(default_factory=_copies(GAMES))
    logs: list[Log] = field(default_factory=lambda: list(_logs()))

    def group(self, id: int) -> Group | None:
        """The group of an id."""
        return next((group for group in self.groups if group.id == id), None)

    def user(self, id: int | None) -> User | None:
        """The user of an id."""
        return next((user for user in self.users if user.id == id), None)

    def below(self, id: int) -> set[int]:
        """A group and all its descendants."""
        found = {id}
        for group in self.groups * 3:
            if group.parent in found:
                found.add(group.id)
        return found
