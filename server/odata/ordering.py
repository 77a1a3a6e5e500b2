"""`$orderby`: the columns to sort by, and rows in their order. Null comes before every value, as OData says."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from server.odata.grammar import ORDERBY, bad
from server.tables.arrow import data_type
from server.tables.table import ValueKind

# Columns, and whether they descend.
Order = tuple[tuple[str, bool], ...]


def checked(given: Iterable[tuple[str, str]], kinds: Mapping[str, ValueKind]) -> Order:
    """Return the order of columns with the words after them. Raises RequestError."""
    names = [name for name, kind in kinds.items() if kind.of is None]
    found: dict[str, bool] = {}
    for name, way in given:
        if name not in names:
            raise bad(f"names {name[:60]!r}; it can be {', '.join(names)}", ORDERBY)
        if way not in ("", "asc", "desc"):
            raise bad(f"has {way[:40]!r} after {name}; it can be asc or desc", ORDERBY)
        if name in found:
            raise bad(f"names {name} twice; name each column once", ORDERBY)
        found[name] = way == "desc"
    return tuple(found.items())


def indices(rows: pa.Table, order: Order, kinds: Mapping[str, ValueKind]) -> pa.Array:
    """Return the places of the rows in sorted order. Equal rows keep their order. Decimals are read as texts."""
    keys: list[tuple[str, str]] = []
    sorting: dict[str, Any] = {}
    for place, (name, down) in enumerate(order):
        values = rows[name]
        if pa.types.is_dictionary(values.type):
            values = pc.cast(values, pa.string())
        elif kinds[name].name == "decimal":
            values = pc.cast(values, data_type(kinds[name]))
        way = "descending" if down else "ascending"
        for what, column in (("there", pc.cast(pc.is_valid(values), pa.int8())), ("value", values)):
            sorting[f"{what}{place}"] = column
            keys.append((f"{what}{place}", way))
    return pc.sort_indices(pa.table(sorting), sort_keys=keys)
