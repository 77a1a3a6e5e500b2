"""Read the JSON of an answer into row structs with msgspec. A long answer of flat rows is read in pieces."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from upstream.decoding.partial_row import PartialRow
from upstream.decoding.plan import decoding_plan
from upstream.reports.rows import Row
from upstream.reports.table import Report
from upstream.values.bad_value import BadValues
from upstream.values.money import AMOUNTS

# The errors that msgspec raises for text that is not the JSON of the type. RecursionError: very many open brackets.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError)
# So much of an answer with a bad value is recorded.
RECORDED_BYTES = 64 * 1024
ANY_OBJECT = msgspec.json.Decoder(dict[str, Any], float_hook=str)
# So many bytes are decoded at once. Other threads, and the event loop, wait meanwhile.
PIECE = 1 << 20


class DecodingRequest(msgspec.Struct, eq=False):
    """Hold what the decoder has to know about one answer.

    `zone` is the time zone of the system. `columns` become canonical, all if None. A bad value in a `needed` column
    makes the answer Malformed; any other bad value is noted in `bad`.
    """

    report: Report
    zone: ZoneInfo
    columns: Collection[str] | None
    needed: Collection[str]
    bad: BadValues


def read_json(decoder: Any, report: Report, row: type[Row], body: bytes) -> tuple[Any, list[Row] | None]:
    """Return the envelope, and the rows if they were read apart from it. Raise one of DECODE_ERRORS."""
    # msgspec checks only the texts that it keeps, but all of the JSON must be UTF-8.
    if not body.isascii():
        body.decode()
    if len(body) > 2 * PIECE and not report.single and not decoding_plan(row).nests:
        try:
            return _read_in_pieces(decoder, rows_decoder(row), body)
        except DECODE_ERRORS:
            pass  # the whole answer is decoded next, to find what is wrong, and where
    return decoder.decode(body), None


def _read_in_pieces(decoder: Any, rows: Any, body: bytes) -> tuple[Any, list[Row]]:
    """Read a long answer of flat rows piece by piece. Return the envelope and the rows.

    A piece that ends inside a text is not JSON, so the decoder raises an error.
    """
    start, stop = body.find(b"[") + 1, body.rfind(b"]")
    envelope = decoder.decode(body[:start] + body[stop:])
    found: list[Row] = []
    while start < stop:
        end = body.find(b"},{", start + PIECE, stop) + 1 or stop
        found += rows.decode(b"[%b]" % body[start:end])
        start = end + 1
    return envelope, found


@lru_cache(maxsize=512)
def rows_decoder(row: Any) -> Any:
    """Return the decoder of a list of rows."""
    return json_decoder(list[row], row)


def json_decoder(envelope: Any, row: type[Row] | None = None) -> Any:
    """Return a decoder of an envelope, or of a list of rows of type `row`."""
    # float_hook gives the text of a number to the open columns, so that no digit passes through a binary float. In a
    # partial row such a number can only be an amount.
    if row is not None and issubclass(row, PartialRow):
        return msgspec.json.Decoder(envelope, strict=row.strict, float_hook=AMOUNTS.__getitem__)
    return msgspec.json.Decoder(envelope, strict=False, float_hook=str)
