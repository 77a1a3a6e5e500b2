"""Totals and buckets of lists, added up from the rows of the business with fractions, which are exact."""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from graphql import GraphQLError

from tests.oracle.business import STATUSES, UTC, Daily, Game

if TYPE_CHECKING:
    from tests.oracle.evaluator import Oracle

DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)
DEFAULT_BUCKETS = 100
MOST_BUCKETS = 1000
# The places of the statuses in the order of a key.
_PLACE = {name: number for number, (name, _) in STATUSES.items()} | {"UNKNOWN": 0}

Values = Sequence[Any] | GraphQLError


def _bad(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})


def added(amounts: Iterable[Fraction]) -> Fraction:
    """Return the exact sum of amounts."""
    return sum(amounts, Fraction())


def exact(value: Fraction) -> str:
    """Return a sum as text: all its digits, at least two decimals, and no zeros after these."""
    digits = 2
    while (scaled := value * 10**digits).denominator != 1:
        digits += 1
    return _decimals(int(scaled), digits)


def quotient(part: Fraction, whole: Fraction) -> str | None:
    """Return a quotient with six decimals, half to even."""
    # `round` rounds a fraction half to even.
    return None if whole == 0 else _decimals(round(part / whole * 10**6), 6)


def _decimals(scaled: int, digits: int) -> str:
    whole, rest = divmod(abs(scaled), 10**digits)
    return f"{'-' if scaled < 0 else ''}{whole}.{rest:0{digits}d}"


def hour_start(at: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
    """Return the start of the hour on a clock. An hour that comes twice is two hours."""
    local = at.astimezone(zone)
    start = at.astimezone(UTC).replace(second=0, microsecond=0) - local.minute * MINUTE
    # The clock may have been changed within the hour.
    while start.astimezone(zone).utcoffset() != local.utcoffset() or start.astimezone(zone).hour != local.hour:
        start += MINUTE
    return start


def _moment(row: Any) -> datetime.datetime:
    found: datetime.datetime = row.starts if isinstance(row, Game) else row.at
    return found


@dataclass(frozen=True)
class Part:
    """A part of a key: its field of the key, the column that is compared, and what the graph has of a row."""

    field: str
    column: str
    shown: Callable[[Any], Any]


@dataclass
class Rows:
    """All rows of one list, with what the totals read of them. A column fails as a whole, as it is read as a whole."""

    oracle: "Oracle"
    kind: str
    rows: Sequence[Any]
    in_books: bool  # whether the rows name no currency, so that it is that of the books of their group
    columns: dict[str, Values] = field(default_factory=dict)

    def column(self, name: str) -> Sequence[Any]:
        """Return the values of a column. Raise the error of one of them."""
        if name not in self.columns:
            try:
                self.columns[name] = self._currencies() if name == "currency" else [*map(self._reader(name), self.rows)]
            except GraphQLError as error:
                self.columns[name] = error
        found = self.columns[name]
        if isinstance(found, GraphQLError):
            raise GraphQLError(found.message, extensions=found.extensions)
        return found

    def _currencies(self) -> Sequence[str | None]:
        if not self.in_books:
            return [self.oracle.Transaction_currency(row) for row in self.rows]
        of = {id: self.oracle._currency(id) for id in {row.group for row in self.rows}}
        if len(of) > 1 and list(of.values()).count(None) > 1:
            # They may be different.
            raise GraphQLError("The currencies are not known.", extensions={"code": "UPSTREAM_INCOMPLETE"})
        return [of[row.group] for row in self.rows]

    def _reader(self, name: str) -> Callable[[Any], Any]:
        oracle, zone = self.oracle, self.oracle.view.zone
        readers: dict[str, Callable[[Any], Any]] = {
            "at": _moment,
            "day": lambda row: _moment(row).astimezone(zone).date(),
            "hour": lambda row: hour_start(_moment(row), zone),
            "user": lambda row: row.user if oracle._user_visible(row.user) else None,
            "group": lambda row: row.group if oracle._group_visible(row.group) else None,
            "game": lambda row: row.game,
            "type": lambda row: row.type if self.kind == "FinancialMovement" else row.kind,
            "amount": lambda row: Fraction(row.amount),
            "code": lambda row: row.code,
            "player": lambda row: (row.code, row.agent),
            "status": lambda row: _PLACE[STATUSES[row.status][0]],
            "configuration": lambda row: row.configuration[:2],
        }
        if self.kind == "Transaction" and name == "amount":
            return lambda row: Fraction(oracle.Transaction_amount(row))
        if name in ("bet", "win", "wagered", "paid", "profit", "net_win", "refunds"):
            return lambda row: Fraction(getattr(row, name))
        return readers.get(name, lambda row: getattr(row, name))

    # Totals

    def totals(self, places: Sequence[int]) -> dict[str, Any]:
        """Return the totals of some of the rows. A figure that fails raises its error when it is read."""

        def of(name: str) -> list[Any]:
            values = self.column(name)
            return [values[place] for place in places]

        def distinct(name: str) -> Any:
            return lambda info: len(set(of(name)) - {None})

        def moment(least: bool) -> Any:
            return lambda info: self.oracle._time((min if least else max)(of("at"), default=None))

        found: dict[str, Any] = {"count": len(places), "first": moment(True), "last": moment(False)}
        if self.kind == "GameLog":
            return found | {
                "users": distinct("player"),
                "bet": lambda info: exact(added(of("bet"))),
                "win": lambda info: exact(added(of("win"))),
                "ggr": lambda info: exact(added(of("bet")) - added(of("win"))),
                "rtp": lambda info: quotient(added(of("win")), added(of("bet"))),
            }
        if self.kind == "Game":

            def amount(name: str) -> Any:
                def value(info: Any) -> str | None:
                    if len(set(of("room"))) > 1:
                        raise _bad("rooms may have different currencies")
                    return exact(added(of(name))) if places else None

                return value

            def number(name: str) -> Any:
                return lambda info: sum(of(name)) if places else None

            names = {
                "wagered": "wagered",
                "paid": "paid",
                "profit": "profit",
                "netWin": "net_win",
                "refunds": "refunds",
            }
            return {
                "count": len(places), "cardsBought": number("cards"), "players": number("players"),
                **{name: amount(column) for name, column in names.items()},
            }  # fmt: skip
        plain = self.kind == "FinancialMovement"
        return found | {
            "users": distinct("user"),
            "games": distinct("game"),
            "sums": lambda info: [
                {"currency": currency, "amount": exact(added(amounts))} if plain else _signed(currency, amounts)
                for currency, amounts in self.money(places)
            ],
        }

    def money(self, places: Iterable[int]) -> list[tuple[str | None, list[Fraction]]]:
        """Return the amounts of some of the rows by currency; an unknown currency comes last."""
        amounts, currencies = self.column("amount"), self.column("currency")
        found: dict[str | None, list[Fraction]] = {}
        for place in places:
            found.setdefault(currencies[place], []).append(amounts[place])
        return sorted(found.items(), key=lambda item: (item[0] is None, item[0] or ""))

    # Buckets

    def buckets(self, by: Sequence[str], order: str | None, first: int | None) -> list[dict[str, Any]]:
        """Return the first buckets in an order."""
        if not by:
            raise _bad("a key has parts")
        if first is not None and not 0 <= first <= MOST_BUCKETS:
            raise _bad("there are 0 to 1000 buckets")
        parts = [self._part(name) for name in dict.fromkeys(by)]
        columns = [self.column(part.column) for part in parts]
        keys = list(zip(*columns, strict=True))
        places = sorted(range(len(self.rows)), key=lambda place: (_sortable(keys[place]), place))
        found = [list(group) for _, group in groupby(places, key=lambda place: keys[place])]
        self._sort(found, order or "KEY")
        return [
            {
                "key": {part.field: part.shown(self.rows[each[0]]) for part in parts},
                "totals": self.totals(each),
            }
            for each in found[: DEFAULT_BUCKETS if first is None else first]
        ]

    def _part(self, name: str) -> Part:
        oracle, zone = self.oracle, self.oracle.view.zone
        if name == "DAY":
            return Part("day", "day", lambda row: _moment(row).astimezone(zone).date().isoformat())
        if name == "HOUR":
            return Part("hour", "hour", lambda row: oracle._time(hour_start(_moment(row), zone)))
        if self.kind == "GameLog":
            return {
                "PROVIDER": Part("provider", "provider", lambda row: row.provider),
                "GAME": Part("game", "game", lambda row: row.game),
                "TYPE": Part("type", "type", lambda row: row.kind),
                "USER": Part("user", "player", oracle._player),
                "AGENT": Part("agentCode", "agent", lambda row: row.agent),
            }[name]
        if self.kind == "Game":
            return {
                "ROOM": Part("room", "room", oracle.Game_room),
                "CONFIGURATION": Part("configuration", "configuration", oracle.Game_configuration),
                "STATUS": Part("status", "status", oracle.Game_status),
            }[name]
        return {
            "TYPE": Part("type", "type", lambda row: row.type if self.kind == "FinancialMovement" else row.kind),
            "SUBTYPE": Part("subtype", "subtype", lambda row: row.subtype),
            "USER": Part("user", "user", lambda row: oracle._seen_user(row.user)),
            "GROUP": Part("group", "group", lambda row: oracle._seen_group(row.group)),
            "GAME": Part("game", "game", lambda row: oracle.business.game(row.game)),
            "CURRENCY": Part("currency", "currency", lambda row: self.column("currency")[self.rows.index(row)]),
        }[name]

    def _sort(self, found: list[list[int]], order: str) -> None:
        """Sort buckets, which are in the order of their keys."""
        name, _, direction = order.rpartition("_")
        if name == "":
            return
        if name == "COUNT":
            found.sort(key=len, reverse=True)
        elif self.kind in ("GameLog", "Game"):
            found.sort(key=self._value(name), reverse=direction == "DESC")
        else:
            # Amounts of several currencies are not compared.
            money = {id(each): self.money(each) for each in found}
            if any(len(each) > 1 for each in money.values()):
                raise _bad("a bucket has several currencies")
            found.sort(key=lambda each: _MONEY[name](money[id(each)][0][1]), reverse=direction == "DESC")
            found.sort(key=lambda each: (money[id(each)][0][0] is None, money[id(each)][0][0] or ""))

    def _value(self, name: str) -> Callable[[list[int]], Fraction]:
        def of(column: str) -> Callable[[list[int]], Fraction]:
            return lambda places: added(self.column(column)[place] for place in places)

        if name == "GGR":
            return lambda places: of("bet")(places) - of("win")(places)
        if self.kind != "Game":
            return of(name.lower())

        def value(places: list[int]) -> Fraction:
            if len({self.rows[place].room for place in places}) > 1:
                raise _bad("a bucket has games of several rooms")
            return of(name.lower())(places)

        return value


_MONEY: Mapping[str, Callable[[Sequence[Fraction]], Fraction]] = {
    "NET": added,
    "AMOUNT": added,
    "CREDITS": lambda amounts: added(amount for amount in amounts if amount > 0),
    "DEBITS": lambda amounts: -added(amount for amount in amounts if amount < 0),
}


def _signed(currency: str | None, amounts: Sequence[Fraction]) -> dict[str, Any]:
    figures = {"credits": _MONEY["CREDITS"], "debits": _MONEY["DEBITS"], "net": _MONEY["NET"]}
    return {
        "currency": currency, "smallest": exact(min(amounts)), "largest": exact(max(amounts)),
        **{name: exact(figure(amounts)) for name, figure in figures.items()},
    }  # fmt: skip


def _sortable(key: Iterable[Any]) -> tuple[Any, ...]:
    """Return a key to sort by: what is missing comes last."""
    return tuple((part is None, part if part is not None else 0) for part in key)


# Daily totals


def calendar(rows: Iterable[Daily], first: datetime.date, last: datetime.date, by: str | None) -> list[dict[str, Any]]:
    """Return the figures of days by the calendar. Its parts begin and end with the first and the last day."""

    def part(day: datetime.date) -> tuple[datetime.date, datetime.date]:
        """Return the first and the last day of the part of the calendar that a day is in."""
        same: Callable[[datetime.date], Any] = {
            "DAY": lambda day: day,
            "WEEK": lambda day: day.isocalendar()[:2],
            "MONTH": lambda day: (day.year, day.month),
            "YEAR": lambda day: day.year,
        }[by or "MONTH"]
        start = end = day
        while start > first and same(start - DAY) == same(day):
            start -= DAY
        while end < last and same(end + DAY) == same(day):
            end += DAY
        return start, end

    names = {
        "totalWagers": "wagers", "totalWins": "wins", "totalRefunds": "refunds", "totalPaid": "paid", "net": "net",
    }  # fmt: skip
    found = []
    for (start, end), each in groupby(sorted(rows, key=lambda row: row.day), key=lambda row: part(row.day)):
        days = list(each)
        figures = {name: exact(added(Fraction(getattr(row, column)) for row in days)) for name, column in names.items()}
        found.append(
            {
                "from": start.isoformat(),
                "to": end.isoformat(),
                "paidTickets": sum(row.tickets for row in days),
                **figures,
            }
        )
    return found
