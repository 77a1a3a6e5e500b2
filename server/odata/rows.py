"""Rows as OData writes them: JSON with all digits of a decimal, made from the decimal and never from a float."""

import pyarrow as pa
import pyarrow.compute as pc

from server.tables.arrow import texts
from server.tables.formats import json_texts, plain_texts
from server.tables.table import Kind

_EMPTY, _NULL, _QUOTE, _COMMA, _OPEN, _SHUT, _END = texts(["", "null", '"', ",", "[", "]", "}"])
_BARE = frozenset({"int64", "float64", "bool"})


def objects(rows: pa.Table, kinds: dict[str, Kind], *, quoted: bool) -> list[str]:
    """Each row as an object. `quoted` writes decimals and long integers as text, as `IEEE754Compatible` has it."""
    parts: list[pa.Array | pa.Scalar] = []
    for place, name in enumerate(rows.column_names):
        values = rows[name].combine_chunks()
        parts += [texts([f'{"," if place else "{"}"{name}":'])[0], _written(values, kinds[name], quoted=quoted)]
    found: list[str] = pc.binary_join_element_wise(*parts, _END, _EMPTY).to_pylist()
    return found


def _written(values: pa.Array, kind: Kind, *, quoted: bool) -> pa.Array:
    if kind.of is not None:
        inner = _written(values.flatten(), kind.of, quoted=quoted)
        lengths = pc.fill_null(pc.list_value_length(values), 0)
        offsets = pc.cumulative_sum(pa.concat_arrays([_zero(), lengths])).cast(pa.int32())
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, inner), _COMMA)
        shown = pc.binary_join_element_wise(_OPEN, joined, _SHUT, _EMPTY)
        return pc.if_else(pc.is_valid(values), shown, _NULL)
    if kind.name == "decimal" or kind.name in _BARE:
        text = plain_texts(values, kind)
        if quoted and kind.name in ("decimal", "int64"):
            text = pc.binary_join_element_wise(_QUOTE, text, _QUOTE, _EMPTY)
    else:
        text = json_texts(values, kind)
    return pc.fill_null(text, _NULL)


def _zero() -> pa.Array:
    return pc.cast(texts(["0"]), pa.int32())
