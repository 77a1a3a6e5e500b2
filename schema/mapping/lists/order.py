"""The order of every list, as a stable key of each row. The cursors contain this key.

Entities are ordered by id, games by their start, movements and logs by time, the newest first. The columns are those of
`order` in the report's line, so a list needs no order of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from schema.mapping.expression import plain
from schema.mapping.values import getter
from upstream.reports import table as reports
from upstream.reports.rows import Row
from upstream.reports.table import Report

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListOrder:
    """An order: its name (a part of its cursors), the key of a row, and the types of the key's parts.

    `columns` are the columns that the key reads. The order is `rising` if the key consists of these columns, and
    `falling` if it consists of them with their signs inverted. Then rows of one kind can be sorted by the columns.
    """

    name: str
    types: tuple[type, ...]
    key: Callable[[Any], Key]
    columns: tuple[str, ...]
    falling: bool = False
    rising: bool = False

    def sorted(self, rows: Sequence[Any]) -> list[Any]:
        """Return the rows, all of one kind, in this order. Rows with equal keys keep their order."""
        if not rows:
            return []
        key, falling = self.sorting(type(rows[0]))
        return sorted(rows, key=key, reverse=falling)

    def sorting(self, kind: type[Row]) -> tuple[Callable[[Any], Any], bool]:
        """Return `key` and `reverse` of the function `sorted`, for rows of one kind."""
        by_columns = self.falling or self.rising
        return getter(kind, *self.columns) if by_columns else self.key, self.falling


@cache
def of(target: str, report: Report) -> ListOrder:
    """Return the order of the pages of the type `target`, whose rows are those of a report.

    In a key, a missing number counts as 0 and a missing text as empty.
    """
    if not report.order:
        raise ValueError(f"{report.code}: its line in upstream/reports/table.py has no `order` for pages of {target}")
    names, types, parts, falling, rising = [], [], [], True, True
    for column in report.order:
        name = column.removeprefix("-")
        found = plain(report.row, name)
        if found is None or found.proves not in (int, str) or (found.proves is str and name != column):
            raise ValueError(f"{report.code}: lists cannot be ordered by {column} ({report.row.__name__})")
        nothing = " or 0" if found.proves is int else ' or ""'
        part = f"({found.code}{nothing})" if found.nullable else found.code
        names.append(name)
        types.append(found.proves)
        parts.append(part if name == column else f"-{part}")
        falling = falling and name != column and not found.nullable
        rising = rising and name == column and not found.nullable
    # Keys of many rows are computed, so the function is one expression.
    key: Callable[[Any], Key] = eval(f"lambda row: ({', '.join(parts)},)")
    return ListOrder(f"{target[0].lower()}{target[1:]}s", tuple(types), key, tuple(names), falling, rising)


GROUPS = of("Group", reports.GROUPS)
USERS = of("User", reports.USERS)
GAMES = of("Game", reports.ROOM_GAMES)
# The ids of movements are one rising sequence for both reports.
TRANSACTIONS = of("Transaction", reports.GROUP_MOVEMENTS)
# Every agent counts its logs separately, so time comes first.
GAME_LOGS = of("GameLog", reports.GAME_LOGS)
# A financial movement has no id. After its time, the other columns of its row distinguish it.
FINANCIAL_MOVEMENTS = of("FinancialMovement", reports.FINANCIAL_MOVEMENTS)
