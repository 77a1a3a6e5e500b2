"""The names of the types and subtypes of financial movements, as the document of R11 has them."""

from typing import Any

from schema.mapping.expression import ColumnReader

_TYPES = {1: "Wager transaction", 3: "Refund transaction", 100: "API transaction"}
_SUBTYPES = {
    (1, 1): "Bingo Transaction",
    (3, 1): "Bingo Transaction",
    (3, 2): "API refund due to cancellation",
    (100, 2): "Credit Prepaid Bingo Winning",
    (100, 3): "Credit Ticket Commission",
    (100, 5): "Credit Ticket Commission Refund",
}


def _subtype_name(row: Any) -> str | None:
    return _SUBTYPES.get((row.type, row.subtype))


TYPE_NAME = ColumnReader(lambda row: _TYPES.get(row.type), ("type",), str)
SUBTYPE_NAME = ColumnReader(_subtype_name, ("type", "subtype"), str)
