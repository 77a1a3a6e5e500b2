"""The oracle's own small business: groups, users, movements, games and logs, made from the documents alone.

Every value is correct. The upstream servers (`upstreams.py`) write parts of it as reports, and the evaluator
(`evaluator.py`) answers from it. Nothing here imports the product.
"""

import datetime
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from zoneinfo import ZoneInfo

UTC = datetime.UTC
# A Monday. Yesterday had 25 hours in New York and in Havana, where midnight itself came twice.
NOW = datetime.datetime(2026, 11, 2, 15, 37, 12, tzinfo=UTC)
ZONES = (
    "UTC",
    "Europe/Madrid",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Asuncion",
    "America/Havana",
)
# Days with a border that matters: clock changes of the zones above, and the ends of weeks, months and the year.
DAYS = tuple(
    datetime.date.fromisoformat(day)
    for day in (
        "2026-11-02", "2026-11-01", "2026-10-31", "2026-10-26", "2026-10-25", "2026-10-05", "2026-10-04",
        "2026-10-01", "2026-03-29", "2026-03-08", "2026-04-05", "2026-01-01",
    )
)  # fmt: skip
ADMIN, NORTH = "admin", "north"
WAGER, REFUND, PRIZE, JACKPOT = "Bingo - Wager", "Bingo - Refund", "Bingo - Prize", "Bingo - Jackpot"
SIGNED = {WAGER: -1, REFUND: 1, PRIZE: 1, JACKPOT: 1}
UNSIGNED = ("Manual Adjustment", "Bingo - Wager Cancelled", "Corrección")
STATUSES = {
    1: ("SELLING", "Selling"),
    2: ("PLAYING", "Playing"),
    3: ("PLAYED", "Played"),
    4: ("NOT_PLAYED", "Not played"),
    5: ("CANCELLED", "Cancelled"),
    6: ("PRESELLING", "Preselling"),
    7: ("CANCELLING", "Cancelling"),
    8: ("TO_PROCESS_CANCEL", "To process cancel"),
    9: ("UNKNOWN", "Frozen"),
}
ON_SALE = (1, 6)


@dataclass(frozen=True)
class Group:
    """A group; `currency` is that of its amounts."""

    id: int
    external: str | None
    name: str
    kind: str
    parent: int | None
    currency: str


@dataclass(frozen=True)
class User:
    """A user, who belongs to one group."""

    id: int
    external: str | None
    name: str
    group: int


@dataclass(frozen=True)
class Movement:
    """A movement; `amount` and `base` are seen from the user's wallet. A `bare` row comes without external ids."""

    id: int
    at: datetime.datetime
    user: int
    group: int
    kind: str
    amount: str
    base: str
    ticket: str | None
    game: int | None
    bare: bool


@dataclass(frozen=True)
class Financial:
    """A row of the financial movements."""

    at: datetime.datetime
    group: int
    type: int
    subtype: int
    amount: str
    user: int | None
    game: int | None
    bare: bool


@dataclass(frozen=True)
class Log:
    """A transaction on Game History. `code` is spelt as Game History spells it."""

    id: int
    at: datetime.datetime
    agent: str
    code: str
    game_type: str
    provider: str
    game: str
    kind: str
    bet: str
    win: str
    txn: str
    txn_type: str
    balances: tuple[str, str, str, str]


@dataclass(frozen=True)
class Win:
    """One card that won a prize."""

    ticket: str
    card: str
    user: int
    group: int
    amount: str
    bonus: str
    call: int


@dataclass(frozen=True)
class Prize:
    """One instance of a prize that was won: there is one for each card that won it."""

    id: int
    name: str
    amount: str
    call: int
    strip: str
    at_card: int
    win: Win


@dataclass(frozen=True)
class SalePrize:
    """A prize of a game on sale, by its position."""

    position: int
    name: str
    amount: str


@dataclass(frozen=True)
class Ticket:
    """A ticket; a party is (user, group)."""

    id: str
    at: datetime.datetime
    seller: int
    sold_by: tuple[int, int] | None
    paid_by: tuple[int, int] | None
    cards: tuple[tuple[str, tuple[int, ...]], ...]
    wins: tuple[tuple[str, tuple[tuple[int, str, str], ...]], ...]


@dataclass(frozen=True)
class Jackpot:
    """The progressive jackpot that a game plays for."""

    name: str
    until: int
    wins: tuple[Win, ...]


@dataclass(frozen=True)
class Game:
    """A game with all that the four reports know of it."""

    id: int
    room: int
    configuration: tuple[int, str, int]
    status: int
    variant: str
    starts: datetime.datetime
    ends: datetime.datetime | None
    card_price: str
    cards: int
    players: int
    wagered: str
    paid: str
    profit: str
    net_win: str
    to_prizes: str
    to_jackpot: str
    percentage: str
    refunds: str
    refunded: int
    canceled: int
    balls: tuple[int, ...]
    available: int
    delay: int
    method: str
    mode: str | None
    jackpot: Jackpot | None
    continuous: int
    continuous_name: str | None
    prizes: tuple[Prize, ...]
    on_sale: tuple[SalePrize, ...]
    tickets: tuple[Ticket, ...]

    @property
    def selling(self) -> bool:
        """Return whether its cards are on sale, so that the report of games on sale lists it."""
        return self.status in ON_SALE


@dataclass(frozen=True)
class Daily:
    """The totals of a group on one day of GameHub's clock."""

    day: datetime.date
    group: int
    wagers: str
    wins: str
    refunds: str
    paid: str
    tickets: int
    net: str


def totals(movements: Iterable[Movement], zone: ZoneInfo) -> list[Daily]:
    """The totals of movements by the days of a zone, and by group."""
    rows: dict[tuple[datetime.date, int], list[Movement]] = {}
    for movement in movements:
        rows.setdefault((movement.at.astimezone(zone).date(), movement.group), []).append(movement)
    found = []
    for (day, group), here in rows.items():
        total = {kind: sum((Decimal(m.amount) for m in here if m.kind == kind), Decimal()) for kind in SIGNED}
        wagers, wins = -total[WAGER], total[PRIZE] + total[JACKPOT]
        tickets = len({m.ticket for m in here if m.kind in (PRIZE, JACKPOT) and m.ticket})
        net = wagers - total[REFUND] - wins
        found.append(
            Daily(day, group, money(wagers), money(wins), money(-total[REFUND]), money(-wins), tickets, money(net))
        )
    return sorted(found, key=lambda row: (row.day, row.group))


ROOMS = {1: "E2E Bingo 90", 2: "Sala Ñ 75", 3: "Nocturna\u00a0🌙", 4: "Never Played"}

GROUPS = (
    Group(1, "G-1", "Casa Central", "Manager", None, "Real USD"),
    Group(10, "G-10", "Norte", "Distributor", 1, "Real USD"),
    Group(11, None, "Sur", "Distributor", 1, "Real EUR"),
    Group(100, "G-100", "Local 1 (0.00%)", "Local", 10, "Real USD"),
    Group(101, "0101", "Local\u00a0Dos", "Local", 10, "Real USD"),
    Group(110, "G-110", "Café Ñandú 🎱", "Local", 11, "Real EUR"),
    Group(111, "G-111", "Local 1 (0.00%)", "Local", 11, "Real EUR"),
    Group(200, "G-200", "Solo", "Local", None, "Real USD"),
    Group(201, "G-201", "Vacío", "Local", None, "Real USD"),
)
AGENT_OF_GROUP = {110: NORTH, 111: NORTH}

USERS = (
    User(501, "X501", "jorge", 100),
    User(502, "X502", "Bob", 100),
    User(503, "X503", "bob", 101),
    User(504, "X504", "José", 100),
    User(505, "X505", "Jose", 101),
    User(506, "X506", "Jean\u00a0Paul", 100),
    User(507, "X507", "ana", 101),
    User(508, "X508", "ana ", 110),
    User(509, "X509", "👩\u200d🚀 astro", 100),
    User(510, "X510", "tab\tname", 110),
    User(511, "X511", "sam", 100),
    User(512, "X512", "sam", 110),
    User(513, None, "eva maría", 111),
    User(514, "0514", 'O\'Brien "the" <b>&amp;', 111),
    User(515, "X515", "straße", 10),
    User(516, "X516", "i\u200dj", 11),
    User(517, "X517", "17", 1),
    User(518, "X518", "silent", 200),
    User(519, None, "roamer", 200),
    User(520, "X520", "zoë", 200),
)


# Users whose names a loose comparison, or a second agent, may confuse.
ALIKE = (501, 502, 503, 504, 505, 507, 508, 511, 512)


def money(value: Decimal | str | int) -> str:
    """An amount with at least two decimals and without an exponent."""
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    text = f"{number:f}" if exponent <= -2 else f"{number:.2f}"
    return text.removeprefix("-") if number == 0 else text


@dataclass
class Business:
    """All rows at one moment. `book_late` adds what is booked afterwards."""

    zone: ZoneInfo  # GameHub's
    groups: tuple[Group, ...] = GROUPS
    users: tuple[User, ...] = USERS
    movements: list[Movement] = field(default_factory=list)
    financial: list[Financial] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    games: list[Game] = field(default_factory=list)
    jackpots: list[dict[str, str]] = field(default_factory=list)

    def group(self, id: int | None) -> Group | None:
        """The group of an id."""
        return next((group for group in self.groups if group.id == id), None)

    def user(self, id: int | None) -> User | None:
        """The user of an id."""
        return next((user for user in self.users if user.id == id), None)

    def game(self, id: int | None) -> Game | None:
        """The game of an id."""
        return next((game for game in self.games if game.id == id), None)

    def below(self, id: int) -> set[int]:
        """A group and all groups below it."""
        found = {id}
        for _ in range(3):
            found |= {group.id for group in self.groups if group.parent in found}
        return found

    def daily(self) -> list[Daily]:
        """The totals day by day and group by group."""
        return totals(self.movements, self.zone)

    def book_late(self, chance: random.Random) -> None:
        """Book today what belongs to days that are over: movements, financial movements, logs, and a cancellation."""
        number = max(movement.id for movement in self.movements)
        for back in (1, 1, 2, 8, 30):
            number += chance.randint(1, 3)
            at = NOW.replace(microsecond=0) - datetime.timedelta(days=back, seconds=chance.randint(0, 20_000))
            self._book(number, at, chance.choice(USERS[:-2]), chance)
        for agent in sorted({log.agent for log in self.logs}):
            mine = [log for log in self.logs if log.agent == agent]
            like = chance.choice(mine)
            at = NOW - datetime.timedelta(days=1, seconds=chance.randint(0, 9_000))
            self.logs.append(replace(like, id=max(log.id for log in mine) + 1, at=_millisecond(at), txn=f"late{agent}"))
        place = next(place for place, game in enumerate(self.games) if game.status == 4)
        self.games[place] = replace(self.games[place], status=5, refunds="12.50", refunded=2)

    def _book(self, number: int, at: datetime.datetime, user: User, chance: random.Random, roam: bool = True) -> None:
        group = user.group
        if roam and chance.random() < 0.25:
            group = chance.choice(GROUPS[:-1]).id
        kinds = [WAGER] * 5 + [REFUND, PRIZE, PRIZE, JACKPOT, *UNSIGNED]
        kind = chance.choice(kinds)
        size = Decimal(chance.choice(["0.10", "1", "3.00", "5", "12.345", "0.125", "250.00", "0", "1234567.89"]))
        sign = SIGNED.get(kind) or chance.choice((-1, 1))
        game = chance.choice(self.games).id if self.games and chance.random() < 0.6 else None
        ticket = f"{chance.randrange(10**5, 10**6)}q{chance.randrange(100)}" if chance.random() < 0.6 else None
        rate = Decimal("1.1105") if group in (11, 110, 111) else Decimal(1)
        bare = chance.random() < 0.2
        self.movements.append(
            Movement(
                number, at, user.id, group, kind, money(sign * size), money(sign * size * rate), ticket, game, bare
            )
        )
        type, subtype = {WAGER: (1, 1), REFUND: (3, chance.choice((1, 2))), PRIZE: (100, 2), JACKPOT: (100, 2)}.get(
            kind, (200, 9)
        )
        self.financial.append(Financial(at, group, type, subtype, money(size), user.id, game, bare))
        if kind == WAGER and chance.random() < 0.3:
            commission = Financial(at, group, 100, chance.choice((3, 5)), money(size / 10), None, game, bare)
            self.financial.append(commission)


def _millisecond(at: datetime.datetime) -> datetime.datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _midnights(zones: Iterable[ZoneInfo]) -> list[datetime.datetime]:
    """The instants at which the days of several zones begin."""
    found = (datetime.datetime.combine(day, datetime.time(), tzinfo=zone) for zone in zones for day in DAYS)
    return sorted({start.astimezone(UTC) for start in found})


def _borders(zones: Iterable[ZoneInfo]) -> list[datetime.datetime]:
    """Instants on and around the ends of days, in several zones, and inside hours that come twice."""
    found = []
    for zone in zones:
        for day in DAYS:
            start = datetime.datetime.combine(day, datetime.time(), tzinfo=zone).astimezone(UTC)
            found += [start - datetime.timedelta(seconds=1), start]
            for hour in (0, 1, 2):
                wall = datetime.datetime.combine(day, datetime.time(hour, 45), tzinfo=zone)
                found += [wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    return sorted(set(found))


# Recent days have several games.
_GAME_DAYS = [day for day in DAYS for _ in range(4 if day >= datetime.date(2026, 10, 25) else 1)]


def _twice(at: datetime.datetime, zone: ZoneInfo) -> bool:
    wall = at.astimezone(zone).replace(tzinfo=None)
    return len({wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}) == 2


def build(seed: str, zone: str, log_zone: str, business: str, *, roam: bool, loose: bool, code_from: str,
    agents: bool, avoid: frozenset[str] = frozenset(),
) -> Business:  # fmt: skip
    """A business of its own for each seed. `loose` adds log rows that are spelt unlike their user.

    Where one agent serves all groups, no two users have one name. `avoid` names kinds of data that are left out.
    """
    chance = random.Random(seed)
    zones = [ZoneInfo(name) for name in dict.fromkeys((zone, log_zone, business, chance.choice(ZONES)))]
    made = Business(ZoneInfo(zone))
    if not agents or "names shared by agents" in avoid:
        made.users = tuple(replace(user, name="sam 2") if user.id == 512 else user for user in made.users)
    if "unusual names" in avoid:
        made.users = tuple(
            replace(user, name="".join(letter if letter.isprintable() else "_" for letter in user.name))
            for user in made.users
        )
    for number, day in enumerate(_GAME_DAYS):
        made.games.append(_game(9_290_700 + number, day, chance, zones, avoid))
    moving = [user for user in USERS if user.name != "silent"]
    instants = chance.sample(borders := _borders(zones), min(80, len(borders)))
    instants += 4 * [at for at in borders if _twice(at, made.zone)]
    today = [NOW.replace(microsecond=0) - datetime.timedelta(seconds=chance.randint(0, 40_000)) for _ in range(40)]
    recent = [NOW.replace(microsecond=0) - datetime.timedelta(hours=chance.randint(9, 300)) for _ in range(60)]
    times = sorted([*instants, *today, *recent, *chance.sample(today, 6), *instants[:12]])
    if "repeated hours" in avoid:
        times = [at for at in times if not _twice(at, made.zone)]
    number = 3_500
    for at in times:
        number += chance.randint(1, 3)
        made._book(number, at, chance.choice(moving), chance, roam)
    # Two rows that nothing distinguishes.
    made.financial.append(chance.choice(made.financial))
    _logs(made, chance, times, loose, code_from, agents, zones, avoid)
    made.jackpots = [
        {
            "description": "PJP Ñ", "value": "1234.50", "value_max": "5000.00", "percentage": "5.00",
            "seed": "15.125", "seed_base": "10.00", "seed_max": "100.00", "seed_percentage": "30.00",
        },
        {"description": "Bote 75", "value": "0.08"},
    ]  # fmt: skip
    return made


def code_of(user: User, code_from: str) -> str | None:
    """The user's code on Game History by a rule."""
    return {"username": user.name, "external_user_id": user.external, "id": str(user.id)}[code_from]


def _logs(
    made: Business, chance: random.Random, times: list[datetime.datetime], loose: bool, code_from: str, agents: bool,
    zones: list[ZoneInfo], avoid: frozenset[str],
) -> None:  # fmt: skip
    ids = {ADMIN: 1_700, NORTH: 70_000 if "log ids of two agents" in avoid else 1_700}
    alike = [user for user in made.users if user.id in ALIKE]
    offsets = [datetime.timedelta(milliseconds=ms) for ms in (0, 0, 0, 250, 750, 999)]
    used: set[tuple[int, datetime.datetime]] = set()
    players = [user for user in made.users if user.name != "silent"]
    rows: list[Log] = []
    last_seconds = [start - datetime.timedelta(seconds=1) for start in _midnights(zones)]
    for at in [*chance.sample(times, min(150, len(times))), *last_seconds]:
        user = chance.choice(alike if chance.random() < 0.4 else players)
        agent = AGENT_OF_GROUP.get(user.group, ADMIN) if agents else ADMIN
        code = code_of(user, code_from)
        if code is None or chance.random() < 0.05:
            code = chance.choice(("ghost", "0", "nobody \u2603"))
        elif loose and code_from == "username" and code == "jorge" and chance.random() < 0.5:
            code = "JORGE"
        kind = "live" if chance.random() < 0.1 else "slot"
        bet, win = (chance.choice(["2000", "0", "0.08", "1.1", "12.345", "0.30000000000000004"]) for _ in range(2))
        start = Decimal(chance.randint(0, 900_000)) / 100
        balances = (money(start), money(start - Decimal(bet) + Decimal(win)), "22092000.00", "22092000.00")
        rows.append(
            Log(
                0, at + chance.choice(offsets), agent, code, kind, chance.choice(("PRAGMATIC", "CQ9")),
                chance.choice(("vs20doghouse", "vs20fruitsw")), chance.choice(("BASE", "FREE")), money(bet), money(win),
                f"{chance.randrange(16**8):08x}", chance.choice(("debit_credit", "debit")), balances,
            )
        )  # fmt: skip
    for row in sorted(rows, key=lambda row: row.at, reverse=True):
        ids[row.agent] -= chance.choice((1, 1, 2))
        at = row.at
        while (ids[row.agent], at) in used:  # the ids of two agents overlap, but not at one instant
            at -= datetime.timedelta(milliseconds=1)
        used.add((ids[row.agent], at))
        made.logs.append(replace(row, id=ids[row.agent], at=at))


def _game(id: int, day: datetime.date, chance: random.Random, zones: list[ZoneInfo], avoid: frozenset[str]) -> Game:
    zone = chance.choice(zones)
    time = chance.choice(
        [datetime.time(), datetime.time(23, 59, 59), datetime.time(chance.randint(0, 23), chance.randint(0, 59))]
    )
    starts = datetime.datetime.combine(day, time, tzinfo=zone).astimezone(UTC)
    if starts > NOW:
        status = chance.choice((1, 6, 1))
    elif starts > NOW - datetime.timedelta(hours=10):
        status = chance.choice((1, 2, 3, 3, 7, 8, 6))
    else:
        status = chance.choice((3, 3, 3, 3, 4, 5, 9))
    if "games on sale" in avoid and status in ON_SALE:
        status = 2
    if id == 9_290_710:
        status = 4  # one that is cancelled later
    room = chance.choice((1, 1, 2, 3)) if id > 9_290_703 else (1, 2, 3, 1)[id - 9_290_700]
    played = status == 3
    seconds = chance.randint(20, 400)
    cards = chance.randint(1, 30)
    price = Decimal(chance.choice(("1", "0.50", "5.00", "0.125")))
    wagered = cards * price if status != 4 else Decimal(0)
    method = chance.choice(("Fixed", "Wager", "wager", "Sorted"))
    name = chance.choice(("PJP Ñ", "Bote 75")) if chance.random() < 0.6 else None
    prizes: list[Prize] = []
    tickets: list[Ticket] = []
    wins: list[Win] = []
    if played or status in (1, 2):
        tickets += [_ticket(id, number, starts, chance) for number in range(chance.randint(1, 4))]
    if played:
        for position, prize in enumerate(("One line", "Two lines", "Fullhouse")):
            call, size = 20 + 20 * position + chance.randint(0, 9), Decimal(chance.choice(("11.39", "3", "0.49")))
            several = chance.choice((1, 1, 1, 2, 3))
            differ = "prizes alike" in avoid or chance.random() < 0.5
            for place in range(several):
                ticket = chance.choice(tickets)
                user = chance.choice(USERS)
                card = f"{ticket.id}-{place + 1}"
                amount = size + Decimal(place) / 100 if differ else size
                win = Win(
                    f"{ticket.id}-{place + 1}", card, user.id, ticket.seller, money(amount),
                    money(chance.choice(("0", "0.25"))), call,
                )  # fmt: skip
                wins.append(win)
                prizes.append(
                    Prize(3_400 + 4 * (id % 100) + position, prize, money(amount), call, str(10_800 + place), place + 1,
                          win)
                )  # fmt: skip
    jackpot = None
    if name is not None:
        won = tuple(replace(win, amount="7.29") for win in wins[-1:] if played and chance.random() < 0.6)
        jackpot = Jackpot(name, chance.randint(40, 85), won)
    paid = sum((Decimal(prize.amount) for prize in prizes), Decimal())
    to_prizes, to_jackpot = wagered / 2, wagered / 20
    sale: tuple[SalePrize, ...] = ()
    if status in ON_SALE:
        sale = tuple(
            SalePrize(place, text, money(chance.choice(("0", "11", "2.345"))))
            for place, text in enumerate(("One line", "Two lines", "Fullhouse"), 1)
        )
    balls = tuple(chance.sample(range(1, 91), 12)) if status in (2, 3) else ()
    key = chance.choice((0, 12))
    return Game(
        id, room, (130 + room + key, f"The test {room}", key), status,
        chance.choice(("Bingo 90", "Bingo 75")), starts,
        starts + datetime.timedelta(seconds=seconds) if status in (3, 4, 5) else None,
        money(price), cards, chance.randint(1, 9), money(wagered), money(paid),
        money(wagered - to_prizes - to_jackpot), money(wagered - paid), money(to_prizes), money(to_jackpot), "5.00",
        money("5") if status == 5 else "0.00", 1 if status == 5 else 0, chance.randint(0, 4), balls, 90,
        chance.randint(1, 5), method, chance.choice(("Real", None)), jackpot, chance.choice((0, 3)),
        chance.choice(("Serie de 3", None)), tuple(prizes), sale, tuple(tickets),
    )  # fmt: skip


def _ticket(game: int, number: int, starts: datetime.datetime, chance: random.Random) -> Ticket:
    seller = chance.choice(GROUPS[:-1])
    user = chance.choice(USERS)
    id = f"{game % 10_000}{number}q8bs"
    cards = tuple((f"{id}-{place}", tuple(chance.sample(range(1, 91), 5))) for place in (1, 2))
    wins: tuple[tuple[str, tuple[tuple[int, str, str], ...]], ...] = ()
    if chance.random() < 0.4:
        wins = ((cards[0][0], ((3678, "Fullhouse", "17.84"), (3679, "PJP", "7.29"))), (cards[1][0], ()))
    paid = (chance.choice(USERS).id, chance.choice(GROUPS).id) if chance.random() < 0.5 else None
    return Ticket(
        id, starts - datetime.timedelta(seconds=chance.randint(60, 4000)), seller.id,
        (user.id, seller.id) if chance.random() < 0.8 else None, paid, cards, wins,
    )  # fmt: skip
