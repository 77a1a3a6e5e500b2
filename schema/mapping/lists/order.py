"""The order of every list, as a stable key a row: what its cursors stand on.

Entities stand by id, games by their start, movements and logs newest first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schema.mapping.values import getter
from upstream.reports.rows import Row

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListOrder:
    """An order: its name, which its cursors carry, and the key of a row, with the types of the key's parts.

    `columns` are those that the key reads. It is `falling` where the key is nothing but these with their signs turned:
    then the rows, all of one kind, can be sorted by the columns themselves.
    """

    name: str
    types: tuple[type, ...]
    key: Callable[[Any], Key]
    columns: tuple[str, ...]
    falling: bool = False

    def sorted(self, rows: Sequence[Any]) -> list[Any]:
        """The rows in this order; those of one key stay in the order in which they stand."""
        if self.falling and rows:
            kind: type[Row] = type(rows[0])
            return sorted(rows, key=getter(kind, *self.columns), reverse=True)
        return sorted(rows, key=self.key)


GROUPS = ListOrder("groups", (int,), lambda row: (row.id,), ("id",))
USERS = ListOrder("users", (int,), lambda row: (row.id,), ("id",))
GAMES = ListOrder("games", (int, int), lambda row: (row.starts_at or 0, row.id), ("starts_at", "id"))

# A movement's id is one rising sequence for both of its reports (C20).
TRANSACTIONS = ListOrder("transactions", (int,), lambda row: (-row.movement_id,), ("movement_id",), falling=True)

# Every agent counts its logs for itself, so time comes first.
GAME_LOGS = ListOrder(
    "gameLogs",
    (int, int),
    lambda row: (-row.created_at, -row.history_id),
    ("created_at", "history_id"),
    falling=True,
)

# A financial movement has no id: after its time, all that its row has tells it from others.
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
