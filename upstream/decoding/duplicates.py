"""Refuse JSON objects that contain a key twice: JSON readers would silently take the last value."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from upstream.decoding.json_rows import ANY_OBJECT
from upstream.decoding.plan import decoding_plan
from upstream.errors import Malformed
from upstream.reports.rows import Row
from upstream.reports.table import Report

# In a shorter answer the key texts are counted at once.
_SHORT = 2_048


def refuse_duplicate_keys(report: Report, body: bytes, rows: Sequence[Row], envelope: tuple[str, ...]) -> None:
    """Raise Malformed if the answer contains a key twice.

    If every row of a long answer has as many keys as the first row, and the first row has no key twice, no row is taken
    to have a key twice: this check is nearly free. Otherwise a few key texts are counted, which finds every duplicate
    of the envelope's keys and of required columns. A value may look like a key, so the whole answer is read first.
    """
    plan = decoding_plan(report.row)
    if len(body) > _SHORT and not plan.nests and has_equal_keys(body, len(rows)):
        return
    for text, in_rows in _key_texts(envelope, () if plan.nests else plan.required):
        if body.count(text) > (len(rows) if in_rows else 1):
            break
    else:
        return
    name = _first_duplicate(body)
    if name is not None:
        raise Malformed(f"{report.code}: the key {name[:40]!r} is written twice", payload=body)


@lru_cache(maxsize=512)
def _key_texts(envelope: tuple[str, ...], required: tuple[str, ...]) -> tuple[tuple[bytes, bool], ...]:
    """Return the texts of the keys to count, each with whether it stands in every row."""
    names = [(name, False) for name in envelope] + [(name, True) for name in required]
    return tuple((f'"{name}"'.encode(), in_rows) for name, in_rows in names)


def has_equal_keys(body: bytes, rows: int) -> bool:
    """Return whether the answer consists of so many flat rows, each with as many keys as the first, and none twice."""
    outer, first = split_first_row(body)
    if not first:
        return False
    try:
        if not _has_unique_keys(outer) or not _has_unique_keys(first):
            return False
    except ValueError:  # brackets inside a text
        return False
    # Colons are found faster than colons after a quote. If no text contains a colon, both counts show the same.
    return any(body.count(sign) == outer.count(sign) + rows * first.count(sign) for sign in (b":", b'":'))


def _has_unique_keys(text: bytes) -> bool:
    """Return whether an object without inner objects has no key twice. Raise ValueError if it is not JSON."""
    try:
        if len(ANY_OBJECT.decode(text)) == text.count(b'":'):
            return True
    except msgspec.MsgspecError:
        pass
    return _first_duplicate(text) is None  # a text may look like a key


def split_first_row(body: bytes) -> tuple[bytes, bytes]:
    """Return the text around flat rows, and the text of the first row: empty if there is none."""
    start, stop = body.find(b"[") + 1, body.rfind(b"]")
    end = body.find(b"}", start) + 1
    return (body[:start] + body[stop:], body[start:end]) if 0 < start < end <= stop else (body, b"")


class _DuplicateKey(Exception):
    """Say that one object contains a key twice."""


def _refuse_duplicate_pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(found)
    if len(read) < len(found):
        raise _DuplicateKey(next(name for name, times in Counter(name for name, _ in found).items() if times > 1))
    return read


_STRICT_JSON = json.JSONDecoder(object_pairs_hook=_refuse_duplicate_pairs, parse_int=str, parse_float=str)


def _first_duplicate(body: bytes) -> str | None:
    """Return the first key that one object contains twice. Raise ValueError if this is not JSON."""
    try:
        _STRICT_JSON.decode(body.decode())
    except _DuplicateKey as twice:
        return str(twice)
    return None
