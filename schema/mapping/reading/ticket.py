"""Read the PHP forms of the parts of tickets."""

from typing import Any

from schema.mapping.values import sound
from upstream.reports import rows


def party(value: Any) -> rows.PartyPart | None:
    """Return a party, or None: PHP writes `false` for none."""
    return value if isinstance(sound(value), rows.PartyPart) else None


def prizes_of_win(win: rows.WinPart) -> list[rows.WinPrize]:
    """Return the prizes of a win. The report may write them as an object whose keys are prize ids."""
    prizes = sound(win.prizes)
    return list(prizes.values()) if isinstance(prizes, dict) else prizes or []
