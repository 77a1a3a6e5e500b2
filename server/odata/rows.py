"""Write rows for OData: JSON with all digits of a decimal, from the text of the graph and never from a float."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from server.odata.edm import type_of
from server.tables.arrow import texts
from server.tables.table import ValueKind
from server.tables.writers.text import json_texts

_EMPTY, _NULL, _END = texts(["", "null", "}"])
_SHOWN = frozenset({"String", "Boolean", "Double"})
_LONG = frozenset({"decimal", "int64"})


def objects(
    rows: pa.Table, kinds: Mapping[str, ValueKind], *, quoted: bool, said: Mapping[str, ValueKind] | None = None
) -> list[str]:
    """Return each row as an object. `quoted` writes decimals and long integers as texts, for `IEEE754Compatible`.

    The types of the properties `said` are written beside them. JSON shows those of texts, truths and floats.
    """
    typed = {name: type_of(kind)[0].removeprefix("Edm.") for name, kind in (said or {}).items()}
    as_text = _LONG if quoted else frozenset[str]()
    parts: list[pa.Array | pa.Scalar] = []
    for place, name in enumerate(rows.column_names):
        written = json_texts(rows[name].combine_chunks(), kinds[name], as_text)
        said_type = "" if typed.get(name, "String") in _SHOWN else f'"{name}@odata.type":"#{typed[name]}",'
        parts += [texts([f'{"," if place else "{"}{said_type}"{name}":'])[0], pc.fill_null(written, _NULL)]
    found: list[str] = pc.binary_join_element_wise(*parts, _END, _EMPTY).to_pylist()
    return found
