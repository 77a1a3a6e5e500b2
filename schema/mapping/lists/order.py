"""The order of every list, as a stable key of each row. The cursors contain this key.

Entities are ordered by id, games by their start, movements and logs by time, the newest first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schema.mapping.values import getter
from upstream.reports.rows import Row

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListOrder:
    """An order: its name (a part of its cursors), the key of a row, and the types of the key's parts.

    `columns` are the columns that the key reads. The order is `falling` if the key consists of these columns with their
    signs inverted. Then rows of one kind can be sorted by the columns themselves.
    """

    name: str
    types: tuple[type, ...]
    key: Callable[[Any], Key]
    columns: tuple[str, ...]
    falling: bool = False

    def sorted(self, rows: Sequence[Any]) -> list[Any]:
        """Return the rows in this order. Rows with equal keys keep their order."""
        if self.falling and rows:
            kind: type[Row] = type(rows[0])
            return sorted(rows, key=getter(kind, *self.columns), reverse=True)
        return sorted(rows, key=self.key)


GROUPS = ListOrder("groups", (int,), lambda row: (row.id,), ("id",))
USERS = ListOrder("users", (int,), lambda row: (row.id,), ("id",))
GAMES = ListOrder("games", (int, int), lambda row: (row.starts_at or 0, row.id), ("starts_at", "id"))

# The ids of movements are one rising sequence for both reports.
TRANSACTIONS = ListOrder("transactions", (int,), lambda row: (-row.movement_id,), ("movement_id",), falling=True)

# Every agent counts its logs separately, so time comes first.
GAME_LOGS = ListOrder(
    "gameLogs",
    (int, int),
    lambda row: (-row.created_at, -row.history_id),
    ("created_at", "history_id"),
    falling=True,
)

# A financial movement has no id. After its time, the other columns of its row distinguish it.
FINANCIAL_MOVEMENTS = ListOrder(
    "financialMovements",
    (int, int, int, int, int, int, str),
    lambda row: (
        -row.timestamp,
        row.group_id or 0,
        row.user_id or 0,
        row.game_id or 0,
        row.type,
        row.subtype,
        row.currency_amount,
    ),
    ("timestamp", "group_id", "user_id", "game_id", "type", "subtype", "currency_amount"),
)
