"""Filter whole lists by conditions on columns, before they are counted and cut into pages.

A column has the name that `column_values.py` describes. A missing value meets no condition.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

from resolvers.key_rows import KeyRows
from resolvers.session import Session
from schema.mapping.entity import Entity
from schema.mapping.lists.column_values import column_values
from schema.mapping.lists.listed import NOTHING_GIVEN, Given
from upstream.values.interval import Interval

# So many values are tested in one turn of the event loop.
_VALUES = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A condition on one column: `test` accepts a value. If it names its values, `values` are the only ones."""

    column: str
    test: Callable[[Any], bool]
    values: frozenset[Any] | None = None

    @classmethod
    def among(cls, column: str, values: frozenset[Any]) -> "Condition":
        """Return the condition that the column has one of these values."""
        return cls(column, values.__contains__, values)


@dataclass(frozen=True, eq=False)
class Conditions:
    """Conditions that must all hold."""

    all: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.all)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Return the columns that are tested."""
        return frozenset(condition.column for condition in self.all)

    @property
    def nothing(self) -> bool:
        """Return whether no value can meet the conditions, so that nothing has to be read."""
        return any(condition.values is not None and not condition.values for condition in self.all)

    def values(self, column: str) -> frozenset[Any] | None:
        """Return the only values that a column may have; None if the conditions name none."""
        named = [condition.values for condition in self.all if condition.column == column]
        return next((values for values in named if values is not None), None)

    def allowed(self, column: str) -> frozenset[Any] | None:
        """Return the only values that a column may have if any item shall meet all conditions; None for all values."""
        return frozenset() if self.nothing else self.values(column)

    def one(self, column: str) -> Any:
        """Return the only value that a column may have, or None if there are several or none is named."""
        values = self.values(column)
        return next(iter(values)) if values is not None and len(values) == 1 else None

    def beside(self, column: str, value: Any) -> "Conditions":
        """Return the conditions for a list whose column has one value because of an argument. None is no value."""
        values = self.values(column)
        if value is None or values is None or value in values:
            return self
        return Conditions((*self.all, Condition.among(column, frozenset())))

    def unnamed(self, column: str) -> "Conditions":
        """Return the conditions without those that name values of a column, because the rows were read by these."""
        return Conditions(
            tuple(condition for condition in self.all if condition.column != column or condition.values is None)
        )

    async def select(
        self,
        kind: type[Entity],
        found: Sequence[KeyRows | Exception],
        session: Session,
        *,
        interval: Interval | None = None,
        given: Given = NOTHING_GIVEN,
        objects: list[int] | None = None,
    ) -> Sequence[KeyRows | Exception]:
        """Return the rows of each list that meet the conditions, or the error that prevents it.

        The places of lists for which objects are needed are added to `objects`.
        """
        if not self.all or not any(map(len, (rows for rows in found if isinstance(rows, KeyRows)))):
            return found
        each = await column_values(kind, found, self.columns, session, interval=interval, given=given, objects=objects)
        selected: list[KeyRows | Exception] = []
        turn = _Turns()
        for rows, values in zip(found, each, strict=True):
            if isinstance(rows, Exception):
                selected.append(rows)
            elif isinstance(values, Exception):
                selected.append(values)
            elif rows.made_up:
                selected.append(rows)  # a prediction: any of the rows may meet the conditions
            else:
                selected.append(rows.only(await self._meeting(rows, values, turn)))
        return selected

    async def _meeting(self, rows: KeyRows, values: Any, turn: "_Turns") -> list[Any]:
        met: list[Any] = []
        for begin in range(0, len(rows), _VALUES):
            some = rows[begin : begin + _VALUES]
            tests = [map(each.test, values[each.column][begin : begin + _VALUES]) for each in self.all]
            met += compress(some, tests[0] if len(tests) == 1 else map(all, zip(*tests, strict=True)))
            await turn.over(len(some) * len(tests))
        return met


@dataclass(slots=True, eq=False)
class _Turns:
    """Gives other tasks their turn after so many values."""

    done: int = 0

    async def over(self, values: int) -> None:
        self.done += values
        if self.done >= _VALUES:
            self.done = 0
            await asyncio.sleep(0)


NO_CONDITIONS = Conditions()


async def read_allowed(
    keys: Sequence[Any],
    allowed: frozenset[Any] | None,
    read: Callable[[Sequence[Any]], Awaitable[Sequence[KeyRows | Exception]]],
) -> Sequence[KeyRows | Exception]:
    """Return the rows of each key. Keys that the conditions do not allow have none, and are not read.

    `allowed` is None if all keys are allowed.
    """
    some = keys if allowed is None else [key for key in keys if key in allowed]
    if allowed is None or len(some) == len(keys):
        return await read(keys)
    found = iter(await read(some) if some else ())
    return [next(found) if key in allowed else KeyRows() for key in keys]
