"""Read an answer of either system: its envelope, its rows, or the failure that it reports.

msgspec reads the JSON once, straight into the row structs. Then the columns that are needed become canonical, one
column at a time (`columns.py`). An answer that does not fit the structs is read row by row (`irregular.py`). Of a long
answer with regular rows only the needed columns are decoded (`partial_rows.py`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from upstream.decoding.duplicates import refuse_duplicate_keys
from upstream.decoding.irregular import read_row_by_row
from upstream.decoding.json_rows import DECODE_ERRORS, RECORDED_BYTES, DecodingRequest, json_decoder, read_json
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_rows import read_partial_rows
from upstream.errors import Incomplete, Malformed
from upstream.reports.rows import Row
from upstream.reports.table import Report
from upstream.values.bad_value import BadValues

RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True, slots=True)
class Failure:
    """Hold the failure that an answer reports (C10)."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class LogPage(Generic[RowT]):
    """Hold a page of the game log: its rows, the number of rows in the whole log, and the number of rows per page."""

    rows: list[RowT]
    total: int
    per_page: int | None


def report_rows(
    report: Report,
    body: bytes,
    zone: ZoneInfo,
    columns: Collection[str] | None = None,
    needed: Collection[str] | None = None,
    bad: BadValues | None = None,
) -> LazyRows | Failure:
    """Return the rows of a GameHub report (section "Response"), or the failure that it reports.

    `zone` is the system's time zone, for times without an offset. `columns` become canonical, all of them if None. A
    bad value in one of the `needed` columns (the id and the time if None) makes the answer Malformed; any other is
    noted in `bad`. Accept `report` and `Report` (C8), and for a `single` report an object without a list (C9). Raise
    Malformed, and Incomplete for `break: true` (C12).
    """
    needed = report.keys if needed is None else needed
    answer = DecodingRequest(report, zone, columns, needed, bad or BadValues(report.code))
    if columns is not None:
        found = read_partial_rows(answer, body, partial(_envelope_decoder, report), _rows_of_regular_envelope)
        if found is not None:
            return found[1]
    try:
        envelope, rows = read_json(_envelope_decoder(report, report.row), report, report.row, body)
    except DECODE_ERRORS as error:
        if (refused := failure(body)) is not None:
            return refused
        envelope, rows = read_row_by_row(
            answer, body, partial(_envelope_decoder, report), _rows_of_regular_envelope, error
        )
    if envelope.error:
        return Failure(_error_code(envelope.code), _message_text(envelope.message))
    if envelope.cut:
        raise Incomplete(f"{report.code}: the report was cut short (break)", payload=body)
    if (envelope.lower is None) == (envelope.upper is None):
        what = "no rows: neither `report` nor `Report`" if envelope.lower is None else "rows twice"
        raise Malformed(f"{report.code}: the answer holds {what}", payload=body)
    if rows is None:
        rows = envelope.lower if envelope.upper is None else envelope.upper
    return _lazy_rows(answer, rows if isinstance(rows, list) else [rows], body, ("error", "report", "Report", "break"))


def _rows_of_regular_envelope(envelope: Any) -> list[Row] | None:
    """Return the rows of an envelope that reports nothing else; None for any other envelope."""
    if envelope.error or envelope.cut or (envelope.lower is None) == (envelope.upper is None):
        return None
    rows: list[Row] = envelope.lower if envelope.upper is None else envelope.upper
    return rows


def failure(body: bytes) -> Failure | None:
    """Return the failure that a GameHub answer reports: `error` is true, or there is a code."""
    try:
        refused = _FAILURE.decode(body)
    except DECODE_ERRORS:
        return None
    code = _error_code(refused.code)
    if not refused.error and code is None:
        return None
    return Failure(code, _message_text(refused.message))


def log_page(
    report: Report,
    game_type: str,
    body: bytes,
    zone: ZoneInfo,
    columns: Collection[str] | None = None,
    needed: Collection[str] | None = None,
    bad: BadValues | None = None,
) -> LogPage[Row] | Failure:
    """Return a page of the game log (section "Success Response"), or the failure of `status` 0 (C21).

    The rows stand under the key that `game_type` names. `columns`, `needed` and `bad` are those of `report_rows`. Raise
    Malformed.
    """
    needed = report.keys if needed is None else needed
    answer = DecodingRequest(report, zone, columns, needed, bad or BadValues(report.code))
    decoder = partial(_log_envelope_decoder, report, game_type)
    if columns is not None:
        partly = read_partial_rows(answer, body, decoder, _rows_of_regular_log_envelope)
        if partly is not None:
            return LogPage(partly[1], partly[0].total_count, partly[0].per_page)
    try:
        envelope, found = read_json(decoder(report.row), report, report.row, body)
    except DECODE_ERRORS as error:
        if (refused := log_failure(body)) is not None:
            return refused
        envelope, found = read_row_by_row(answer, body, decoder, _rows_of_regular_log_envelope, error)
    if envelope.status != 1:
        return Failure(None, _log_message(envelope))
    if envelope.rows is None or envelope.total_count is None or envelope.total_count < 0:
        raise Malformed(f"{report.code}: the answer lacks `{game_type}` or `total_count`", payload=body)
    rows = _lazy_rows(answer, envelope.rows if found is None else found, body, ("status", "total_count", game_type))
    return LogPage(rows, envelope.total_count, envelope.per_page)


def _rows_of_regular_log_envelope(envelope: Any) -> list[Row] | None:
    """Return the rows of an envelope that reports nothing else; None for any other envelope."""
    if envelope.status != 1 or envelope.total_count is None or envelope.total_count < 0:
        return None
    rows: list[Row] | None = envelope.rows
    return rows


def log_failure(body: bytes) -> Failure | None:
    """Return the failure that an answer of Game History reports: `status` is there and is not 1."""
    try:
        refused = _LOG_FAILURE.decode(body)
    except DECODE_ERRORS:
        return None
    if refused.status == 1:
        return None
    return Failure(None, _log_message(refused))


class _GameHubMessage(msgspec.Struct, gc=False):
    error: bool = False
    code: Any = None
    message: Any = None


class _GameLogMessage(msgspec.Struct, gc=False):
    status: int
    msg: Any = None
    detail: Any = None


_FAILURE = msgspec.json.Decoder(_GameHubMessage, strict=False)


_LOG_FAILURE = msgspec.json.Decoder(_GameLogMessage, strict=False)


LOG_KEYS = ("status", "msg", "detail", "total_count", "page", "perPage")


@lru_cache(maxsize=512)
def _envelope_decoder(report: Report, row: Any) -> Any:
    """Return the decoder of a GameHub envelope. If `row` is Raw, the rows stay undecoded."""
    rows = row if row is msgspec.Raw else (row | list[row] if report.single else list[row]) | None
    envelope = msgspec.defstruct(
        f"{report.code}Envelope",
        [("cut", bool, False), ("lower", rows, None), ("upper", rows, None)],
        bases=(_GameHubMessage,),
        rename={"cut": "break", "lower": "report", "upper": "Report"},
        gc=False,
    )
    return json_decoder(envelope, row)


@lru_cache(maxsize=512)
def _log_envelope_decoder(report: Report, game_type: str, row: Any) -> Any:
    """Return the decoder of a Game History envelope."""
    envelope = msgspec.defstruct(
        f"{report.code}Envelope",
        [
            ("total_count", int | None, None),
            ("per_page", int | None, None),
            ("rows", row if row is msgspec.Raw else list[row] | None, None),
        ],
        bases=(_GameLogMessage,),
        rename={"per_page": "perPage", "rows": game_type},
        gc=False,
    )
    return json_decoder(envelope, row)


def _error_code(code: Any) -> str | None:
    """Return an error code with five digits: `1`, "1" and "00001" are the same code."""
    if code is None or code == "" or isinstance(code, bool):
        return None
    return str(code).zfill(5)[:40]


def _message_text(message: Any) -> str:
    return message[:500] if isinstance(message, str) else ""


def _log_message(refused: Any) -> str:
    return ": ".join(part for part in (_message_text(refused.msg), _message_text(refused.detail)) if part)


def _lazy_rows(answer: DecodingRequest, rows: list[Row], body: bytes, keys: tuple[str, ...]) -> LazyRows:
    """Return the rows of an answer with their needed columns canonical. `keys` are the envelope's. Raise Malformed."""
    found = LazyRows(rows, answer.report, answer.zone, bad=answer.bad)
    refuse_duplicate_keys(answer.report, body, found, keys)
    try:
        found.read(answer.columns)
        read = answer.columns is None or frozenset(answer.needed).issubset(answer.columns)
        if answer.bad.columns or not read:
            found.require(answer.needed)
    except Malformed as error:
        error.payload = body
        raise
    if answer.bad.first is not None and answer.bad.payload is None:
        answer.bad.payload = body[:RECORDED_BYTES]
    return found
