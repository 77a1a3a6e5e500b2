"""How tickets read the forms in which PHP writes their parts."""

from typing import Any

from schema.mapping.values import sound
from upstream.reports import rows


def party(value: Any) -> rows.PartyPart | None:
    """PHP writes "none" as `false`."""
    return value if isinstance(sound(value), rows.PartyPart) else None


def prizes_of_win(win: rows.WinPart) -> list[rows.WinPrize]:
    """The report keys them by prize id (C16)."""
    prizes = sound(win.prizes)
    return list(prizes.values()) if isinstance(prizes, dict) else prizes or []
