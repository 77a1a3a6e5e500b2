"""The world: its groups, users and rooms, and the events of each day.

The seed and the date alone decide a day: no pot and no balance depends on the day before. Therefore a world can be
extended day by day, trimmed, or built again, and it stays the same world.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from sandbox.clock import Clock, day_number
from sandbox.people import SandboxGroup, SandboxUser, people
from sandbox.rooms import INTERVAL, SandboxRoom, rooms

# The events of a day: for each table, its rows as they are inserted.
Rows = dict[str, Iterable[tuple[object, ...]]]


@dataclass(frozen=True)
class World:
    """A seeded world of `users` and `room_count` rooms with a `clock`, whose history is `days` long.

    Ids start at the day's number times a stride, so that they rise with time whenever the day was made.
    """

    seed: int
    users: int
    room_count: int
    days: int
    clock: Clock
    rooms: list[SandboxRoom] = field(init=False)
    groups: list[SandboxGroup] = field(init=False)
    players: list[SandboxUser] = field(init=False)

    def __post_init__(self) -> None:
        groups, players = people(self.users, self.seed)
        object.__setattr__(self, "rooms", rooms(self.room_count))
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "players", players)

    @cached_property
    def game_stride(self) -> int:
        """Return the number of game ids that are reserved for a day."""
        return _power_of_ten(self.room_count * 25 * 3600 // INTERVAL + 1)

    @cached_property
    def stride(self) -> int:
        """Return the number of ids of strips, prizes, movements and spins that are reserved for a day: twice the
        largest need.
        """
        return _power_of_ten(self.users * 150 + self.room_count * 2000)

    def first_id(self, day: date) -> int:
        """Return the first id of a day's strips, prizes, movements and spins."""
        return day_number(day) * self.stride

    def first_game(self, day: date) -> int:
        """Return the first id of a day's games."""
        return day_number(day) * self.game_stride

    def first_day(self, today: date) -> date:
        """Return the oldest day of the history."""
        return today - timedelta(days=self.days - 1)

    def wanted_days(self, today: date) -> list[date]:
        """Return all days that the database needs: the history, today, and tomorrow, which is on sale already."""
        return [self.first_day(today) + timedelta(days=index) for index in range(self.days + 1)]

    def id_range(self, start: int, end: int) -> tuple[int, int]:
        """Return the first and the last id that rows of an interval (unix seconds, both included) can have."""
        return self.first_id(self.clock.day_of(start)), self.first_id(self.clock.day_of(end) + timedelta(days=1)) - 1

    def visible(self, frame: tuple[int, int]) -> tuple[int, int]:
        """Return the part of an interval that the history covers. It may lie in the future, and it may be empty."""
        today = self.clock.today()
        return (
            max(frame[0], self.clock.midnight(self.first_day(today))),
            min(frame[1], self.clock.midnight(today + timedelta(days=2)) - 1),
        )


def _power_of_ten(needed: int) -> int:
    return int(10 ** math.ceil(math.log10(needed)))
