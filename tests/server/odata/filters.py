"""Random filters over random rows, each as text and as what Python makes of it."""

import datetime
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from server.tables.days import OPERATORS, TURNED
from server.tables.table import ValueKind

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/Asuncion", "Pacific/Kiritimati")]
KINDS = {
    "rowKey": ValueKind("string"),
    "at": ValueKind("timestamp"),
    "other": ValueKind("timestamp"),
    "n": ValueKind("int64"),
    "price": ValueKind("decimal"),
    "day": ValueKind("date"),
}
FIRST = datetime.date(2024, 12, 20)
DAYS = 120
MINUTE = datetime.timedelta(minutes=1)
Row = dict[str, Any]
Holds = Callable[[Row], bool]


def rows_of(zone: ZoneInfo, chance: random.Random, count: int = 400, days: int = DAYS) -> list[Row]:
    """Random rows, many of them near the borders of days; keys begin with the day in the zone."""
    rows: list[Row] = []
    numbers: dict[datetime.date, int] = {}
    moments = []
    for _ in range(count):
        day = FIRST + datetime.timedelta(days=chance.randrange(days))
        start = datetime.datetime.combine(day, datetime.time(), zone).astimezone(datetime.UTC)
        near = chance.choice((0, -1, 1, 999_999, -1_000_000, chance.randrange(86_400_000_000)))
        moments.append(start + datetime.timedelta(microseconds=near))
    for at in sorted(moments):
        day = at.astimezone(zone).date()
        number = numbers[day] = numbers.get(day, -1) + 1
        rows.append(
            {
                "rowKey": f"{day}.{number:07}",
                "at": at,
                "other": chance.choice((None, at + chance.randrange(-3000, 3000) * MINUTE)),
                "n": chance.choice((None, chance.randrange(4))),
                "price": chance.choice((None, f"{chance.randrange(300)}.{chance.randrange(100):02}")),
                "day": chance.choice((None, day)),
            }
        )
    return rows


def compared(name: str, word: str, value: Any, read: Callable[[Row], Any]) -> Holds:
    plain = OPERATORS[word]
    # A comparison with null is false, but for `ne`.
    return lambda row: word == "ne" if read(row) is None else plain(read(row), value)


class Filters:
    """Random filters, each as text and as what Python makes of it."""

    def __init__(self, zone: ZoneInfo, chance: random.Random, rows: list[Row]) -> None:
        self.zone = zone
        self.chance = chance
        self.rows = rows

    def any(self, depth: int) -> tuple[str, Holds]:
        chance = self.chance
        if depth == 0 or chance.random() < 0.3:
            return self.leaf()
        left, right = self.any(depth - 1), self.any(depth - 1)
        match chance.randrange(4):
            case 0 | 1:
                return f"({left[0]} and {right[0]})", lambda row: left[1](row) and right[1](row)
            case 2:
                return f"({left[0]} or {right[0]})", lambda row: left[1](row) or right[1](row)
        return f"not ({left[0]})", lambda row: not left[1](row)

    def leaf(self) -> tuple[str, Holds]:
        chance, zone = self.chance, self.zone
        row = chance.choice(self.rows)
        day = row["at"].astimezone(zone).date()
        word = chance.choice(tuple(OPERATORS))
        local: Callable[[Row], datetime.datetime] = lambda row: row["at"].astimezone(zone)  # noqa: E731
        match chance.randrange(14):
            case 0 | 1:
                text = chance.choice(
                    (
                        row["at"].isoformat().replace("+00:00", "Z"),
                        row["at"].astimezone(ZONES[1]).isoformat(),
                    )
                )
                return self.sides("at", word, text, row["at"], lambda row: row["at"])
            case 2:  # a date is its beginning
                start = datetime.datetime.combine(day, datetime.time(), zone).astimezone(datetime.UTC)
                return self.sides("at", word, day.isoformat(), start, lambda row: row["at"])
            case 3:  # a time without an offset is of the business
                naive = datetime.datetime.combine(day, datetime.time(chance.randrange(24), 30))
                value = naive.replace(tzinfo=zone).astimezone(datetime.UTC)
                return self.sides("at", word, naive.isoformat(), value, lambda row: row["at"])
            case 4 | 5:
                return self.sides("date(at)", word, day.isoformat(), day, lambda row: local(row).date())
            case 6:
                return self.sides("year(at)", word, "2025", 2025, lambda row: local(row).year)
            case 7:
                month = chance.choice((1, 2, 12))
                return self.sides("month(at)", word, str(month), month, lambda row: local(row).month)
            case 8:
                return self.sides("day(at)", word, str(day.day), day.day, lambda row: local(row).day)
            case 9:
                hour = chance.randrange(24)
                return self.sides("hour(at)", word, str(hour), hour, lambda row: local(row).hour)
            case 10:
                key = row["rowKey"][: chance.choice((7, 10, 11, 18, 18, 18))]
                if chance.random() < 0.2:
                    return f"startswith(rowKey, '{key}')", lambda row: row["rowKey"].startswith(key)
                return self.sides("rowKey", word, f"'{key}'", key, lambda row: row["rowKey"])
            case 11:
                several = [chance.choice(self.rows)["at"] for _ in range(chance.randrange(1, 4))]
                inside = ", ".join(one.isoformat().replace("+00:00", "Z") for one in several)
                return f"at in ({inside})", lambda row: row["at"] in several
            case 12:
                number = chance.randrange(4)
                return self.sides("n", word, str(number), number, lambda row: row["n"])
        price = Decimal(chance.randrange(30_000)) / 100
        return self.sides(
            "price", word, str(price), price, lambda row: None if row["price"] is None else Decimal(row["price"])
        )

    def sides(self, name: str, word: str, text: str, value: Any, read: Callable[[Row], Any]) -> tuple[str, Holds]:
        """A comparison, in either order of its sides."""
        holds = compared(name, word, value, read)
        if self.chance.random() < 0.3:
            return f"{text} {TURNED[word]} {name}", holds
        return f"{name} {word} {text}", holds
