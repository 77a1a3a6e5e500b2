"""Write rows for OData: JSON with all digits of a decimal, from the text of the graph and never from a float."""

import pyarrow as pa
import pyarrow.compute as pc

from server.tables.arrow import texts
from server.tables.table import ValueKind
from server.tables.writers.text import json_texts

_EMPTY, _NULL, _END = texts(["", "null", "}"])
_LONG = frozenset({"decimal", "int64"})


def objects(rows: pa.Table, kinds: dict[str, ValueKind], *, quoted: bool) -> list[str]:
    """Yield each row as an object. `quoted` writes decimals and long integers as texts, for `IEEE754Compatible`."""
    as_text = _LONG if quoted else frozenset[str]()
    parts: list[pa.Array | pa.Scalar] = []
    for place, name in enumerate(rows.column_names):
        written = json_texts(rows[name].combine_chunks(), kinds[name], as_text)
        parts += [texts([f'{"," if place else "{"}"{name}":'])[0], pc.fill_null(written, _NULL)]
    found: list[str] = pc.binary_join_element_wise(*parts, _END, _EMPTY).to_pylist()
    return found
