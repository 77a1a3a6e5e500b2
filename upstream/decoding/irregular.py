"""Read an answer that does not fit the structs row by row and column by column (C34).

A `BadValue` replaces each value that does not fit its column. The other rows and columns stay readable.
"""

import re
import typing
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import msgspec

from upstream.decoding.json_rows import DECODE_ERRORS, DecodingRequest
from upstream.decoding.plan import row_types
from upstream.errors import Malformed
from upstream.reports.rows import Row
from upstream.reports.table import Report
from upstream.values.bad_value import BadValue, BadValues

_PLACE = re.compile(r" - at `\$\.([^.\[`]+)(?:\[([0-9]+)\])?\.?([^`]*)`$")


_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])


_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


_NOT_AN_OBJECT = Malformed("no object")


def read_row_by_row(
    answer: DecodingRequest,
    body: bytes,
    decoder: Callable[[Any], Any],
    rows_of: Callable[[Any], Any],
    error: BaseException,
) -> tuple[Any, list[Row] | None]:
    """Return the envelope, and the rows with a `BadValue` for each value that does not fit its column.

    `error` says why the answer could not be read at once. Raise Malformed if the answer is not such JSON, or a row is
    not an object.
    """
    report = answer.report
    broken = Malformed(_describe(report, error), payload=body)
    # HTTP cannot see that an answer without a length ended early.
    broken.cut = "truncated" in str(error)
    try:
        if not body.isascii():
            body.decode()
        envelope = decoder(msgspec.Raw).decode(body)
        for name in ("lower", "upper", "rows"):
            raw = getattr(envelope, name, None)
            if raw is not None and bytes(raw).strip() == b"null":
                setattr(envelope, name, None)
        raw = rows_of(envelope)
        if raw is None:
            return envelope, None  # the caller reports what else is wrong
        each = [raw] if report.single and bytes(raw).lstrip().startswith(b"{") else _RAW_LIST.decode(raw)
    except DECODE_ERRORS:
        raise broken from None
    rows: list[Row] = []
    for number, one in enumerate(each, 1):
        rows.append(_read_row(report.row, bytes(one), partial(_note, answer.bad, number), broken))
    return envelope, rows


def _note(bad: BadValues, number: int, path: str, what: str) -> BadValue:
    return bad.add(number, path, what)


def _read_row(kind: type[Row], raw: bytes, on_bad_value: Callable[[str, str], BadValue], broken: Malformed) -> Row:
    """Return a row. `on_bad_value` gives the replacement of a bad value from its path and fault.

    Raise `broken` if this is not an object.
    """
    try:
        found: Row = _value_decoder(kind).decode(raw)
        return found
    except DECODE_ERRORS:
        pass
    try:
        given = _RAW_OBJECT.decode(raw)
    except DECODE_ERRORS:
        raise broken from None
    hints = typing.get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name = field.name
        if name in given:
            values[name] = _read_cell(hints[name], name, bytes(given[name]), on_bad_value)
        elif field.required:
            values[name] = on_bad_value(name, "is missing")
    return kind(**values)


def _read_cell(hint: Any, name: str, raw: bytes, on_bad_value: Callable[[str, str], BadValue]) -> Any:
    """Return the value of a column. If it holds objects, an object that does not fit spoils only its own columns."""
    try:
        return _value_decoder(hint).decode(raw)
    except DECODE_ERRORS as error:
        what = str(error).partition(" - at `$")[0]
    inner = row_types(hint)
    if not inner:
        return on_bad_value(name, what)
    try:
        (kind,) = inner
        if raw[:1] == b"[":
            return [
                _read_row(kind, bytes(one), _below(on_bad_value, f"{name}[{place}]"), _NOT_AN_OBJECT)
                for place, one in enumerate(_RAW_LIST.decode(raw))
            ]
        if raw[:1] == b"{" and any(typing.get_origin(part) is dict for part in typing.get_args(hint)):
            return {
                key: _read_row(kind, bytes(one), _below(on_bad_value, f"{name}[{key[:20]}]"), _NOT_AN_OBJECT)
                for key, one in _RAW_OBJECT.decode(raw).items()
            }
        if raw[:1] == b"{":
            return _read_row(kind, raw, _below(on_bad_value, name), _NOT_AN_OBJECT)
    except (*DECODE_ERRORS, Malformed):
        pass
    return on_bad_value(name, what)


def _below(on_bad_value: Callable[[str, str], BadValue], path: str) -> Callable[[str, str], BadValue]:
    return lambda name, what: on_bad_value(f"{path}.{name}", what)


@lru_cache(maxsize=512)
def _value_decoder(hint: Any) -> Any:
    """Return the decoder of one value."""
    return msgspec.json.Decoder(hint, strict=False, float_hook=str)


def _describe(report: Report, error: BaseException) -> str:
    """Return what is wrong with an answer, and in which row and column."""
    text = str(error)
    place = _PLACE.search(text)
    if place is None:
        return f"{report.code}: not the documented JSON ({text[:200]})"
    key, number, path = place.groups()
    where = [report.code]
    if number is not None:
        where.append(f"row {int(number) + 1}")
    if path or number is None:
        where.append(f"column {path or key}")
    return f"{', '.join(where)}: {text[: place.start()]}"
