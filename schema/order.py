"""The order of every list, as a stable key a row: what its cursors stand on.

Entities stand by id, games by their start, movements and logs newest first.
"""

from typing import Any

from schema.connection import Key


def by_id(row: Any) -> Key:
    """Groups and users: by id."""
    return (row.id,)


def by_start(row: Any) -> Key:
    """Games: by start, then by id."""
    return (row.starts_at or 0, row.id)


def newest_movement_first(row: Any) -> Key:
    """Transactions: by movement id, which is one rising sequence for both of their reports (C20)."""
    return (-row.movement_id,)


def newest_log_first(row: Any) -> Key:
    """Game logs: by time, then by id, since every agent counts for itself."""
    return (-row.created_at, -row.history_id)


def newest_financial_movement_first(row: Any) -> Key:
    """Financial movements: by time, then by all that the row has, since it has no id."""
    return (
        -row.timestamp,
        row.group_id or 0,
        row.user_id or 0,
        row.game_id or 0,
        row.type,
        row.subtype,
        row.currency_amount,
    )
