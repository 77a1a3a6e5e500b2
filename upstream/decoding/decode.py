"""Bytes to rows: what an upstream answered, read into the typed, canonical rows of its report.

msgspec reads the JSON once, straight into the structs of the rows. Then one pass over each column makes the values of
the open columns canonical, by the `ColumnKind` in their annotation. Equal values are converted once. An answer that
does not fit the structs is read a second time, row by row and column by column. A `BadValue` stands for each value that
does not fit.

Of a long answer whose rows are all alike, excerpts are read where not all columns are needed.
"""

import copy
import datetime
import json
import operator
import re
import types
import typing
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from upstream.decoding import clock, moment, money
from upstream.decoding.bad_value import BadValue, BadValues, shown, sound
from upstream.decoding.money import AMOUNTS
from upstream.decoding.partial_row import PartialRow, RawForm, excerpt, getter
from upstream.errors import Incomplete, Malformed
from upstream.reports.rows import ColumnKind, Row
from upstream.reports.table import Report

RowT = TypeVar("RowT", bound=Row)

_ID = re.compile(r"-?[0-9]{1,40}")
_PLACE = re.compile(r" - at `\$\.([^.\[`]+)(?:\[([0-9]+)\])?\.?([^`]*)`$")
# What msgspec raises for text that is not the JSON of the type: the last for ten thousand opened brackets.
_BROKEN = (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that says of itself that it is a failure (C10)."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class LogPage(Generic[RowT]):
    """A page of the game log: its rows, how many rows there are in all, and how many to a page."""

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
) -> "LazyRows | Failure":
    """The rows of a GameHub report (section "Response"), or the failure that it tells of.

    `zone` is the system's time zone, for times without an offset; `columns` are those that are to be canonical, all of
    them if None. A bad value in one of the `needed` columns (the id and the time if None) makes the answer Malformed;
    any other is noted in `bad`. Accepts `report` and `Report` (C8), and for a `single` report a bare object (C9).
    Raises Malformed, and Incomplete for `break: true` (C12).
    """
    answer = _Envelope(report, zone, columns, _needed(report, needed), bad or BadValues(report.code))
    if columns is not None:
        found = _excerpts(answer, body, partial(_envelope, report), _regular_rows)
        if found is not None:
            return found[1]
    return _report_rows(answer, body)


def _report_rows(answer: "_Envelope", body: bytes) -> "LazyRows | Failure":
    report = answer.report
    try:
        envelope, rows = _read(_envelope(report, report.row), report, report.row, body)
    except _BROKEN as error:
        if (told := failure(body)) is not None:
            return told
        envelope, rows = _by_column(answer, body, partial(_envelope, report), _regular_rows, error)
    if envelope.error:
        return Failure(_code(envelope.code), _text(envelope.message))
    if envelope.cut:
        raise Incomplete(f"{report.code}: the report was cut short (break)", payload=body)
    if (envelope.lower is None) == (envelope.upper is None):
        what = "no rows: neither `report` nor `Report`" if envelope.lower is None else "rows twice"
        raise Malformed(f"{report.code}: the answer holds {what}", payload=body)
    if rows is None:
        rows = envelope.lower if envelope.upper is None else envelope.upper
    return answer.sheet(_listed(rows), body, ("error", "report", "Report", "break"))


def _regular_rows(envelope: Any) -> list[Row] | None:
    """The rows of an answer of which there is no more to be said than that it has them."""
    if envelope.error or envelope.cut or (envelope.lower is None) == (envelope.upper is None):
        return None
    rows: list[Row] = envelope.lower if envelope.upper is None else envelope.upper
    return rows


def failure(body: bytes) -> Failure | None:
    """The failure that a GameHub answer tells of, if it does: `error` is true, or there is a code."""
    try:
        told = _FAILURE.decode(body)
    except _BROKEN:
        return None
    code = _code(told.code)
    if not told.error and code is None:
        return None
    return Failure(code, _text(told.message))


def log_page(
    report: Report,
    game_type: str,
    body: bytes,
    zone: ZoneInfo,
    columns: Collection[str] | None = None,
    needed: Collection[str] | None = None,
    bad: BadValues | None = None,
) -> "LogPage[Row] | Failure":
    """A page of the game log (section "Success Response"), or the failure of `status` 0 (C21).

    The rows stand under the key that `game_type` names; `columns`, `needed` and `bad` are those of `report_rows`.
    Raises Malformed.
    """
    answer = _Envelope(report, zone, columns, _needed(report, needed), bad or BadValues(report.code))
    if columns is not None:
        found = _excerpts(answer, body, partial(_log_envelope, report, game_type), _regular_log_rows)
        if found is not None:
            envelope, sheet = found
            return LogPage(sheet, envelope.total_count, envelope.per_page)
    return _log_page(answer, game_type, body)


def _log_page(answer: "_Envelope", game_type: str, body: bytes) -> "LogPage[Row] | Failure":
    report, decoder = answer.report, partial(_log_envelope, answer.report, game_type)
    try:
        envelope, found = _read(decoder(report.row), report, report.row, body)
    except _BROKEN as error:
        if (told := log_failure(body)) is not None:
            return told
        envelope, found = _by_column(answer, body, decoder, _regular_log_rows, error)
    if envelope.status != 1:
        return Failure(None, _log_text(envelope))
    if envelope.rows is None or envelope.total_count is None or envelope.total_count < 0:
        raise Malformed(f"{report.code}: the answer lacks `{game_type}` or `total_count`", payload=body)
    rows = answer.sheet(envelope.rows if found is None else found, body, ("status", "total_count", game_type))
    return LogPage(rows, envelope.total_count, envelope.per_page)


def _regular_log_rows(envelope: Any) -> list[Row] | None:
    if envelope.status != 1 or envelope.total_count is None or envelope.total_count < 0:
        return None
    rows: list[Row] | None = envelope.rows
    return rows


def log_failure(body: bytes) -> Failure | None:
    """The failure that an answer of Game History tells of, if it does: `status` is there and is not 1."""
    try:
        told = _LOG_FAILURE.decode(body)
    except _BROKEN:
        return None
    if told.status == 1:
        return None
    return Failure(None, _log_text(told))


# What stands around the rows


class _UpstreamMessage(msgspec.Struct, gc=False):
    error: bool = False
    code: Any = None
    message: Any = None


class _GameLogMessage(msgspec.Struct, gc=False):
    status: int
    msg: Any = None
    detail: Any = None


_FAILURE = msgspec.json.Decoder(_UpstreamMessage, strict=False)
_LOG_FAILURE = msgspec.json.Decoder(_GameLogMessage, strict=False)
LOG_KEYS = ("status", "msg", "detail", "total_count", "page", "perPage")


def _read(decoder: Any, report: Report, row: type[Row], body: bytes) -> tuple[Any, list[Row] | None]:
    """What stands around the rows, and these, unless they stand in it."""
    # msgspec looks at the texts that it keeps; JSON is UTF-8 throughout.
    if not body.isascii():
        body.decode()
    if len(body) > 2 * PIECE and not report.single and not _plan(row).nests:
        try:
            return _in_pieces(decoder, _rows(row), body)
        except _BROKEN:
            pass  # what is wrong, and where, is told of the whole
    return decoder.decode(body), None


# Bytes that are decoded at once: other threads, and the event loop, wait meanwhile.
PIECE = 1 << 20


def _in_pieces(decoder: Any, rows: Any, body: bytes) -> tuple[Any, list[Row]]:
    """A long answer of flat rows, decoded piece by piece. A piece that ends inside a text is no JSON, and raises."""
    start, stop = body.find(b"[") + 1, body.rfind(b"]")
    envelope = decoder.decode(body[:start] + body[stop:])
    found: list[Row] = []
    while start < stop:
        end = body.find(b"},{", start + PIECE, stop) + 1 or stop
        found += rows.decode(b"[%b]" % body[start:end])
        start = end + 1
    return envelope, found


@lru_cache(maxsize=512)
def _rows(row: Any) -> Any:
    return _decoder(list[row], row)


def _decoder(envelope: Any, row: type[Row] | None = None) -> Any:
    # float_hook hands the number's own text to the open columns: no digit passes through a binary float. Of an excerpt
    # it can only be an amount, unless the answer is to be read row by row.
    hook = AMOUNTS.__getitem__ if row is not None and issubclass(row, PartialRow) else str
    return msgspec.json.Decoder(envelope, strict=False, float_hook=hook)


@lru_cache(maxsize=512)
def _envelope(report: Report, row: Any) -> Any:
    """The decoder of what stands around the rows; of a `row` that is Raw, whatever stands in their place."""
    rows = row if row is msgspec.Raw else (row | list[row] if report.single else list[row]) | None
    envelope = msgspec.defstruct(
        f"{report.code}Envelope",
        [("cut", bool, False), ("lower", rows, None), ("upper", rows, None)],
        bases=(_UpstreamMessage,),
        rename={"cut": "break", "lower": "report", "upper": "Report"},
        gc=False,
    )
    return _decoder(envelope, row)


@lru_cache(maxsize=512)
def _log_envelope(report: Report, game_type: str, row: Any) -> Any:
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
    return _decoder(envelope, row)


def _listed(rows: Any) -> list[Row]:
    return rows if isinstance(rows, list) else [rows]


def _code(code: Any) -> str | None:
    """An error code in its five digits: `1`, "1" and "00001" are one."""
    if code is None or code == "" or isinstance(code, bool):
        return None
    return str(code).zfill(5)[:40]


def _text(message: Any) -> str:
    return message[:500] if isinstance(message, str) else ""


def _log_text(told: Any) -> str:
    return ": ".join(part for part in (_text(told.msg), _text(told.detail)) if part)


@dataclass(frozen=True, slots=True)
class _Envelope:
    """An answer that is being read."""

    report: Report
    zone: ZoneInfo
    columns: Collection[str] | None
    needed: Collection[str]
    bad: BadValues

    def sheet(self, rows: list[Row], body: bytes, envelope: Iterable[str]) -> "LazyRows":
        """The sheet of its rows. Raises Malformed."""
        found = LazyRows(rows, self.report, self.zone, bad=self.bad)
        _refuse_duplicates(self.report, body, found, envelope)
        try:
            found.need(self.columns)
            found.require(self.needed)
        except Malformed as error:
            error.payload = body
            raise
        if self.bad.first is not None and self.bad.payload is None:
            self.bad.payload = body[:_KEPT]
        return found


_KEPT = 64 * 1024


def _needed(report: Report, columns: Collection[str] | None) -> Collection[str]:
    return report.keys if columns is None else columns


# Column by column


def _by_column(
    answer: _Envelope,
    body: bytes,
    decoder: Callable[[Any], Any],
    rows_of: Callable[[Any], Any],
    error: BaseException,
) -> tuple[Any, list[Row] | None]:
    """What stands around the rows, and these, with a `BadValue` for each value that does not fit its column.

    `error` is why they could not be read at once. Raises Malformed where an answer is no such JSON, or a row no object.
    """
    report = answer.report
    broken = Malformed(_broken(report, error), payload=body)
    # An answer without a length that ends early looks whole to HTTP.
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
            return envelope, None  # there is something else to say of it
        each = [raw] if report.single and bytes(raw).lstrip().startswith(b"{") else _RAW_LIST.decode(raw)
    except _BROKEN:
        raise broken from None
    rows: list[Row] = []
    for number, one in enumerate(each, 1):
        rows.append(_row(report.row, bytes(one), partial(_noted, answer.bad, number), broken))
    return envelope, rows


def _noted(bad: BadValues, number: int, path: str, what: str) -> BadValue:
    return bad.add(number, path, what)


def _row(kind: type[Row], raw: bytes, spoil: Callable[[str, str], BadValue], broken: Malformed) -> Row:
    """A row, with what `spoil` gives for the path and the fault of a bad value. Raises `broken` for what is no row."""
    try:
        found: Row = _value(kind).decode(raw)
        return found
    except _BROKEN:
        pass
    try:
        given = _RAW_OBJECT.decode(raw)
    except _BROKEN:
        raise broken from None
    hints = typing.get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name = field.name
        if name in given:
            values[name] = _cell(hints[name], name, bytes(given[name]), spoil)
        elif field.required:
            values[name] = spoil(name, "is missing")
    return kind(**values)


def _cell(hint: Any, name: str, raw: bytes, spoil: Callable[[str, str], BadValue]) -> Any:
    """The value of a column. Where it holds objects, one that does not fit spoils its own columns alone."""
    try:
        return _value(hint).decode(raw)
    except _BROKEN as error:
        what = str(error).partition(" - at `$")[0]
    inner = _structs(hint)
    if not inner:
        return spoil(name, what)
    try:
        (kind,) = inner
        if raw[:1] == b"[":
            return [
                _row(kind, bytes(one), _below(spoil, f"{name}[{place}]"), _NO_ROW)
                for place, one in enumerate(_RAW_LIST.decode(raw))
            ]
        if raw[:1] == b"{" and any(typing.get_origin(part) is dict for part in typing.get_args(hint)):
            return {
                key: _row(kind, bytes(one), _below(spoil, f"{name}[{key[:20]}]"), _NO_ROW)
                for key, one in _RAW_OBJECT.decode(raw).items()
            }
        if raw[:1] == b"{":
            return _row(kind, raw, _below(spoil, name), _NO_ROW)
    except (*_BROKEN, Malformed):
        pass
    return spoil(name, what)


def _below(spoil: Callable[[str, str], BadValue], path: str) -> Callable[[str, str], BadValue]:
    return lambda name, what: spoil(f"{path}.{name}", what)


@lru_cache(maxsize=512)
def _value(hint: Any) -> Any:
    return msgspec.json.Decoder(hint, strict=False, float_hook=str)


_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NO_ROW = Malformed("no object")


# Canonical values

# What notes a bad value: the place of its row in a list, its path in there, what is wrong.
_Spoil = Callable[[int, str, str], BadValue]


def _no_id(value: int | str) -> int | None:
    if isinstance(value, str):
        if value == "":
            return None
        if _ID.fullmatch(value) is None:
            raise ValueError("is not an id")
        value = int(value)
    return value or None


def _code_or_none(value: int | str) -> str | None:
    text = str(value)
    return None if text in ("", "0") else text


_SCALARS = {int, str, types.NoneType}
_CONVERT: dict[ColumnKind, Callable[[Any], Any]] = {
    ColumnKind.NO_ID: _no_id,
    ColumnKind.CODE: _code_or_none,
    ColumnKind.MONEY: money.amount,
}


@dataclass(frozen=True, slots=True)
class _ColumnDecoder:
    """An open column: how it is read, and whether it must hold something."""

    name: str
    kind: ColumnKind
    required: bool
    get: Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class _NestedDecoder:
    """A column that holds rows of its own: a `single` one, a list of them, or an object of them keyed by id."""

    name: str
    row: type[Row]
    get: Callable[[Row], Any]
    single: bool


@dataclass(frozen=True, slots=True)
class _DecodingPlan:
    """What is to be done with the rows of one struct, read once from its annotations."""

    columns: tuple[_ColumnDecoder, ...]
    nests: tuple[_NestedDecoder, ...]
    required: tuple[str, ...]
    open: frozenset[str]


@lru_cache(maxsize=512)
def _plan(row: type[Row]) -> _DecodingPlan:
    hints = typing.get_type_hints(row, include_extras=True)
    columns, nests, required = [], [], []
    for field in msgspec.structs.fields(row):
        hint, get = hints[field.name], operator.attrgetter(field.name)
        if field.required:
            required.append(field.name)
        kinds = [kind for kind in getattr(hint, "__metadata__", ()) if isinstance(kind, ColumnKind)]
        columns += [_ColumnDecoder(field.name, kind, field.required, get) for kind in kinds]
        nests += [_NestedDecoder(field.name, inner, get, inner in typing.get_args(hint)) for inner in _structs(hint)]
    opened = frozenset([column.name for column in columns] + [nest.name for nest in nests])
    return _DecodingPlan(tuple(columns), tuple(nests), tuple(required), opened)


def _structs(hint: Any) -> list[type[Row]]:
    if isinstance(hint, type) and not typing.get_args(hint):
        return [hint] if issubclass(hint, Row) else []
    return list(dict.fromkeys(found for part in typing.get_args(hint) for found in _structs(part)))


class RawRows(Protocol):
    """What the whole rows of excerpts are read from."""

    @property
    def canonical(self) -> bool:
        """Whether the rows are canonical as they are read."""

    def rows(self) -> Sequence[Row]:
        """The whole rows, one for each excerpt. Raises Malformed."""

    def head(self, count: int, bad: BadValues) -> "RawRows":
        """The source of the first rows alone, which notes their bad values in `bad`."""


class LazyRows(list[Row]):
    """The rows of an answer, whose open columns become canonical when they are first needed.

    What is not needed is not looked at. Nobody may read an open column that was not asked for with `need`. Excerpts
    give way to whole rows when a column is needed that they lack: `source` has these.
    """

    __slots__ = (
        "_excerpts", "_holds_excerpts", "_met", "_open", "_origin", "_parts", "_report", "_source", "_whole", "_zone",
        "bad",
    )  # fmt: skip

    def __init__(
        self,
        rows: Iterable[Row],
        report: Report,
        zone: ZoneInfo,
        source: "RawRows | None" = None,
        bad: BadValues | None = None,
    ) -> None:
        super().__init__(rows)
        self.bad = bad or BadValues(report.code)
        self._holds_excerpts = bool(self) and issubclass(type(self[0]), PartialRow)
        self._report = report
        self._zone = zone
        self._open = _plan(report.row).open
        self._source = source
        self._met: Collection[str] | None = None  # the columns that were needed last
        self._parts: Sequence[LazyRows] = ()  # whose excerpts these are
        self._excerpts: list[Row] = []  # which gave way, and what to
        self._whole: dict[int, Row] = {}
        # The answer by whose rows the row of a bad value is numbered; None for this one: it must not refer to itself.
        self._origin: Sequence[Row] | None = None

    @property
    def irregular(self) -> Collection[str]:
        """The columns in which a bad value was found so far, or in an object there."""
        return self.bad.columns

    def refuse(self, columns: Collection[str]) -> None:
        """Raise the error of the first bad value that was found in these columns so far."""
        wrong = sorted(self.bad.columns.intersection(columns))
        for row in self if wrong else ():
            for name in wrong:
                sound(getattr(row, name))

    def require(self, columns: Collection[str]) -> None:
        """Make columns canonical, none of which may hold a bad value. Raises Malformed."""
        self.need(columns)
        if self.bad.columns:
            self.refuse(columns)

    def like(self, rows: Iterable[Row]) -> "LazyRows":
        """Some of the rows, none of which is read any longer but by this sheet."""
        found = LazyRows(rows, self._report, self._zone, bad=self.bad)
        found._open = self._open
        found._parts = (self,) if self._holds_excerpts else ()
        found._origin = self._origin if self._origin is not None else self
        return found

    def head(self, count: int) -> "LazyRows":
        """The first rows, in a sheet of their own: these go on being read by this one."""
        # What was told of the answer is not told again of its head.
        bad = BadValues(self._report.code, self.bad.correlation_id if self.bad.columns else "")
        bad.columns |= self.bad.columns
        if not self._holds_excerpts:
            found = self.like(map(copy.copy, self[:count]))
            found.bad, found._origin = bad, None  # or the first rows would hold the whole answer
            return found
        if self._source is not None:
            return LazyRows(self[:count], self._report, self._zone, self._source.head(count, bad), bad)
        if len(self) == sum(map(len, self._parts)):
            return self._parts[0].head(count)
        found = self.like(self[:count])
        found._parts, found._origin = self._parts, None
        return found

    @staticmethod
    def joined(sheets: Sequence["LazyRows"]) -> "LazyRows":
        """The rows of several sheets of one report, none of which is read any longer."""
        kinds = {type(row) for sheet in sheets for row in sheet[:1]}
        if len(kinds) > 1 or len({sheet._open for sheet in sheets}) > 1:
            for sheet in sheets:
                sheet.need()
        first = sheets[0]
        found = LazyRows((row for sheet in sheets for row in sheet), first._report, first._zone, bad=first.bad)
        found._open = first._open
        found._parts = sheets if any(sheet._holds_excerpts for sheet in sheets) else ()
        return found

    def whole(self, rows: Sequence[Row]) -> list[Row]:
        """The whole rows that some excerpts of this sheet are of; whole rows as they are. Raises Malformed."""
        self._widen()
        return [self._whole.get(id(row), row) for row in rows]

    def _widen(self) -> None:
        if not self._holds_excerpts:
            return
        excerpts = list(self)
        if self._source is not None:
            whole = self._source.rows()
            if self._source.canonical:
                self._open = frozenset()
            if len(whole) != len(excerpts):
                raise Malformed(f"{self._report.code}: the answer cannot be read again")
            self._whole = dict(zip(map(id, excerpts), whole, strict=True))
        else:
            for part in self._parts:
                part._widen()
                self._whole |= part._whole
        self._excerpts, self._source, self._parts, self._met = excerpts, None, (), None
        self[:] = [self._whole[id(row)] for row in excerpts]
        self._holds_excerpts = False

    def need(self, columns: Collection[str] | None = None) -> None:
        """Make columns canonical, all of them if None; what cannot be becomes a bad value. Raises Malformed."""
        if columns is not None and columns is self._met:
            return
        if self._holds_excerpts:
            if columns is not None and _fields(self._report.row).intersection(columns) <= _columns(type(self[0])):
                self._met = columns
                return
            self._widen()
        names = self._open if columns is None else self._open.intersection(columns)
        if not names:
            return
        plan = _plan(self._report.row)
        for column in plan.columns:
            if column.name in names:
                _column(column, self._zone, self, self._spoil)
                self._open -= {column.name}
        for nest in plan.nests:
            if nest.name in names:
                _nest(nest, self._zone, self, self._spoil)
                self._open -= {nest.name}
        self.bad.tell()

    def _spoil(self, place: int, path: str, what: str) -> BadValue:
        if self._origin is not None:
            row = self[place]
            place = next((number for number, each in enumerate(self._origin) if each is row), place)
        return self.bad.add(place + 1, path, what)


def need(rows: Sequence[Row], columns: Collection[str] | None) -> None:
    """Make columns of an answer's rows canonical, if they are not. Raises Malformed."""
    if isinstance(rows, LazyRows):
        rows.need(columns)


def irregular(rows: Sequence[Row]) -> Collection[str]:
    """The columns of an answer's rows in which a bad value was found so far."""
    return rows.bad.columns if isinstance(rows, LazyRows) else ()


def require(rows: Sequence[Row], columns: Collection[str]) -> None:
    """Make columns of an answer's rows canonical, none of which may hold a bad value. Raises Malformed."""
    if isinstance(rows, LazyRows):
        rows.require(columns)


def like(rows: Sequence[Row], some: list[Row]) -> list[Row]:
    """Some of an answer's canonical rows, or copies of them, as an answer that tells where bad values are."""
    return rows.like(some) if isinstance(rows, LazyRows) and rows.irregular else some


def marked(rows: list[Row], report: Report, zone: ZoneInfo, columns: Collection[str]) -> list[Row]:
    """Canonical rows as an answer that tells in which columns it holds bad values."""
    if not columns:
        return rows
    found = LazyRows(rows, report, zone)
    found._open = frozenset()
    found.bad.columns.update(columns)
    return found


def joined(parts: Sequence[list[Row]]) -> list[Row]:
    """The canonical rows of several answers of one report."""
    rows = [row for part in parts for row in part]
    for part in parts:
        if isinstance(part, LazyRows) and part.irregular:
            return marked(rows, part._report, part._zone, {name for each in parts for name in irregular(each)})
    return rows


def whole(rows: Sequence[Row], some: Sequence[Row]) -> Sequence[Row]:
    """The whole rows that some of an answer's rows are, or are excerpts of. Raises Malformed."""
    return rows.whole(some) if isinstance(rows, LazyRows) else some


def head(rows: Sequence[Row], count: int) -> Sequence[Row]:
    """The first of an answer's rows, to be kept apart from the others."""
    return rows.head(count) if isinstance(rows, LazyRows) else list(map(copy.copy, rows[:count]))


def _canonicalise(rows: Sequence[Row], row: type[Row], zone: ZoneInfo, spoil: _Spoil) -> None:
    """Make the open columns of `rows` canonical, in place, and those of the rows inside them."""
    if not rows:
        return
    plan = _plan(row)
    for column in plan.columns:
        _column(column, zone, rows, spoil)
    for nest in plan.nests:
        _nest(nest, zone, rows, spoil)


def _nest(nest: _NestedDecoder, zone: ZoneInfo, rows: Sequence[Row], spoil: _Spoil) -> None:
    if nest.single:
        _one_each(nest, rows, spoil)

    def spoil_inside(place: int, path: str, what: str) -> BadValue:
        # Only now, since bad values are rare: the place in one list of all objects, as row and path.
        for number, value in enumerate(map(nest.get, rows)):
            inside = list(_named(nest.name, value, nest.row))
            if place < len(inside):
                return spoil(number, f"{inside[place]}.{path}", what)
            place -= len(inside)
        raise IndexError(place)

    _canonicalise(list(_inside(map(nest.get, rows), nest.row)), nest.row, zone, spoil_inside)


def _one_each(nest: _NestedDecoder, rows: Sequence[Row], spoil: _Spoil) -> None:
    """Take the one object out of a list: PHP writes an empty object as an empty list (C39)."""
    for place, row in enumerate(rows):
        value = nest.get(row)
        if isinstance(value, list):
            many = len(value) > 1
            one = spoil(place, nest.name, f"lists {len(value)} objects, not one") if many else (value or [None])[0]
            setattr(row, nest.name, one)


def _named(name: str, value: Any, row: type[Row]) -> Iterable[str]:
    """The paths of the objects that `_inside` gives."""
    if isinstance(value, row):
        yield name
    elif isinstance(value, list):
        yield from (f"{name}[{place}]" for place, each in enumerate(value) if isinstance(each, row))
    elif isinstance(value, dict):
        yield from (f"{name}[{key}]" for key, each in value.items() if isinstance(each, row))


def _column(column: _ColumnDecoder, zone: ZoneInfo, rows: Sequence[Row], spoil: _Spoil) -> None:
    values = list(map(column.get, rows))
    kinds = set(map(type, values))
    canonical = _at_once(column.kind, column.required, values, kinds, zone) if kinds <= _SCALARS else None
    if canonical is None:
        _each(column, rows, values, zone, spoil)
    # Most values are canonical as they come.
    elif canonical is not values and canonical != values:
        name = column.name
        for each, old, new in zip(rows, values, canonical, strict=True):
            if new != old:
                setattr(each, name, new)


def _each(column: _ColumnDecoder, rows: Sequence[Row], values: list[Any], zone: ZoneInfo, spoil: _Spoil) -> None:
    """Make a column canonical value by value, equal values once; what cannot be becomes what `spoil` gives for it."""
    name = column.name
    # Told apart by type, since True is 1 to a dictionary.
    found, wrong = _converted(column, {value for value in values if type(value) in _SCALARS}, zone)
    good: list[Row] = []
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        if type(value) not in _SCALARS:
            if type(value) is not BadValue:
                setattr(row, name, spoil(place, name, f"{shown(value)} is neither a number nor a text"))
        elif value in wrong:
            setattr(row, name, spoil(place, name, f"{shown(value)} {wrong[value]}"))
        else:
            good.append(row)
    if column.kind is ColumnKind.MOMENT and any(isinstance(time, datetime.datetime) for time in found.values()):
        _unfold(column, good, found, zone)
        return
    for row in good:
        setattr(row, name, found[column.get(row)])


def _at_once(kind: ColumnKind, required: bool, values: list[Any], kinds: set[type], zone: ZoneInfo) -> list[Any] | None:
    """The canonical values of a column whose values are all of one plain form; None if they are to be looked at."""
    if kind is ColumnKind.MONEY:
        if kinds <= _NUMBERS:
            try:
                return list(map(AMOUNTS.__getitem__, values))
            except ValueError:
                return None
        return None
    if kind is ColumnKind.MOMENT:
        if kinds == _INTEGERS and 0 not in values and min(values) >= moment.FIRST and max(values) <= moment.LAST:
            return [value * 1_000_000 for value in values]
        if kinds == _TEXTS:
            try:
                return clock.reader(zone, values[0].endswith("Z")).read(values)
            except ValueError:
                return None
        return None
    if required and types.NoneType in kinds:
        return None
    if kind is ColumnKind.NO_ID:
        return values if kinds <= _NO_IDS and 0 not in values else None
    if kinds <= _CODES:
        if _NO_CODES.isdisjoint(values):
            return values
        return None if required else [None if value in _NO_CODES else value for value in values]
    return list(map(str, values)) if kinds == _INTEGERS and 0 not in values else None


_INTEGERS, _TEXTS, _NUMBERS = {int}, {str}, {int, str}
_NO_IDS, _CODES = {int, types.NoneType}, {str, types.NoneType}


_NO_CODES = frozenset({"", "0"})


def _converted(column: _ColumnDecoder, values: Iterable[Any], zone: ZoneInfo) -> tuple[dict[Any, Any], dict[Any, str]]:
    """What values become, and what is wrong with those that cannot be converted."""
    found: dict[Any, Any] = {}
    wrong: dict[Any, str] = {}
    for value in values:
        try:
            found[value] = _one(column.kind, value, zone)
        except ValueError as error:
            wrong[value] = str(error)
            continue
        if found[value] is None and column.required:
            wrong[value] = "must not be empty"
    return found, wrong


def _one(kind: ColumnKind, value: Any, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    if kind is ColumnKind.MOMENT:
        return None if moment.is_none(value) else moment.moment(value, zone)
    return _CONVERT[kind](value)


def _unfold(column: _ColumnDecoder, rows: Sequence[Row], found: dict[Any, Any], zone: ZoneInfo) -> None:
    """Set a column in which the clock showed some times twice: as the first showing, whatever stands beside (C29)."""
    timed = [row for row in rows if found[column.get(row)] is not None]
    times = [found[column.get(row)] for row in timed]
    instants = [time if isinstance(time, int) else moment.local(time, zone) for time in times]
    for row in rows:
        if found[column.get(row)] is None:
            setattr(row, column.name, None)
    for row, instant in zip(timed, instants, strict=True):
        setattr(row, column.name, instant)


def _inside(values: Iterable[Any], row: type[Row]) -> Iterable[Row]:
    for value in values:
        if isinstance(value, row):
            yield value
        elif isinstance(value, list):
            yield from (each for each in value if isinstance(each, row))
        elif isinstance(value, dict):
            yield from (each for each in value.values() if isinstance(each, row))


# Excerpts


@lru_cache(maxsize=512)
def _fields(row: type[Row]) -> frozenset[str]:
    return frozenset(row.__struct_fields__)


@lru_cache(maxsize=512)
def _columns(kind: type[Row]) -> frozenset[str]:
    """The columns that a kind of row has."""
    found = _fields(kind)
    return found.union(kind.forms) if issubclass(kind, PartialRow) else found


def _excerpts(
    answer: _Envelope,
    body: bytes,
    decoder: Callable[[Any], Any],
    rows_of: Callable[[Any], list[Row] | None],
) -> tuple[Any, LazyRows] | None:
    """What stands around the rows, and excerpts of these; None if the answer has to be read row by row.

    The first row is read whole. That the others are like it is told by the number of keys.
    """
    report, zone = answer.report, answer.zone
    assert answer.columns is not None
    names = _excerpted(report, {*answer.columns, *answer.needed}) if len(body) >= _LONG else None
    if names is None:
        return None
    try:
        _, first = _first(body)
        _rows(report.row).decode(b"[%b]" % first)
        kind = excerpt(report.row, names, _forms(_plan(report.row), names, _WHATEVER.decode(first)), zone)
        envelope, rows = _read(decoder(kind), report, kind, body)
        found = rows_of(envelope) if rows is None else rows
        if not found or not _even(body, len(found)) or not _plain(kind, found, zone):
            return None
    except (*_BROKEN, KeyError):
        return None

    return envelope, LazyRows(found, report, zone, _Body(answer, decoder, rows_of, body), answer.bad)


def excerpt_of(report: Report, columns: Collection[str], zone: ZoneInfo) -> type[Row] | None:
    """The kind of row that holds some columns of canonical rows; None where whole rows are as good."""
    names = _excerpted(report, columns)
    return None if names is None else excerpt(report.row, names, None, zone)


def _excerpted(report: Report, columns: Collection[str]) -> frozenset[str] | None:
    """Those of the columns that a row of the report has; None if excerpts of it would not do, or not be any shorter."""
    fields = _fields(report.row)
    names = fields.intersection(columns)
    return None if report.single or _plan(report.row).nests or names == fields else names


_LONG = 16_384
_WHATEVER = msgspec.json.Decoder(dict[str, Any], float_hook=str)


def _forms(plan: _DecodingPlan, names: Collection[str], first: dict[str, Any]) -> frozenset[tuple[str, RawForm]]:
    """How the moments came that are read, if the first row is anything to go by."""
    found = set()
    for column in plan.columns:
        if column.kind is ColumnKind.MOMENT and column.name in names:
            value = first[column.name]
            local = RawForm.ZULU if isinstance(value, str) and value.endswith("Z") else RawForm.LOCAL
            found.add((column.name, RawForm.SECONDS if isinstance(value, int) else local))
    return frozenset(found)


def _plain(kind: type[PartialRow], rows: Sequence[Row], zone: ZoneInfo) -> bool:
    """Whether the columns of excerpts are in good form. Those that are not to stay as they came become canonical."""
    optional = {column.name for column in _plan(kind.of).columns if not column.required}
    for name, form in kind.forms.items():
        raw = list(map(getter(kind, name), rows))
        if form is RawForm.AMOUNT:
            if name in optional:
                raw = [value for value in raw if value is not None]
            if not set(map(type, raw)) <= _NUMBERS:
                return False
            deque(map(AMOUNTS.__getitem__, raw), maxlen=0)
        elif form is RawForm.SECONDS:
            if 0 in raw:
                return False
        elif not clock.reader(zone, form is RawForm.ZULU).in_line(raw):
            return False
    plan = _plan(kind)
    wrong: list[str] = []

    def spoil(place: int, path: str, what: str) -> BadValue:
        wrong.append(path)
        return _UNREAD

    for column in plan.columns:
        _column(column, zone, rows, spoil)
    return not wrong


# In place of a bad value in excerpts, which are not used then.
_UNREAD = BadValue(BadValues(""), 0, "", "")


@dataclass(frozen=True, slots=True)
class _Body:
    """An answer of flat rows, as it came."""

    answer: _Envelope
    decoder: Callable[[Any], Any]
    rows_of: Callable[[Any], Any]
    body: bytes
    canonical: bool = False

    def rows(self) -> Sequence[Row]:
        row, rows_of = self.answer.report.row, self.rows_of
        try:
            envelope, rows = _read(self.decoder(row), self.answer.report, row, self.body)
        except _BROKEN as error:
            envelope, rows = _by_column(self.answer, self.body, self.decoder, rows_of, error)
        return rows if rows is not None else rows_of(envelope) or ()

    def head(self, count: int, bad: BadValues) -> "_Body":
        end = self.body.find(b"[")
        for _ in range(count):
            end = self.body.find(b"},", end) + 1
        body = self.body[:end] + self.body[self.body.rfind(b"]") :]
        return replace(self, body=body, answer=replace(self.answer, bad=bad))


# What is wrong, and where


def _broken(report: Report, error: BaseException) -> str:
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


def _refuse_duplicates(report: Report, body: bytes, rows: Sequence[Row], envelope: Iterable[str]) -> None:
    """Refuse an answer that writes a key twice, of which JSON readers would silently take the last.

    Rows that all have as many keys as the first, which has none twice, are taken to have none twice either: counting
    them is nearly free. Otherwise a few key texts are counted, which finds every duplicate of the envelope's keys and
    of required columns; since a value may look like a key, a count too high is proved by a full reading.
    """
    allowed = dict.fromkeys(envelope, 1)
    plan = _plan(report.row)
    if not plan.nests:
        if _even(body, len(rows)):
            return
        allowed |= dict.fromkeys(plan.required, len(rows))
    if any(body.count(f'"{name}"'.encode()) > times for name, times in allowed.items()):
        name = _duplicate(body)
        if name is not None:
            raise Malformed(f"{report.code}: the key {name[:40]!r} is written twice", payload=body)


def _even(body: bytes, rows: int) -> bool:
    """Whether so many flat rows make up the answer, each with as many keys as the first, and no key is twice in it."""
    outer, first = _first(body)
    if not first:
        return False
    try:
        if not _unique(outer) or not _unique(first):
            return False
    except ValueError:  # brackets inside a text
        return False
    # A colon is found sooner than one after a quote: where all texts have as many of them, they tell the same.
    return any(body.count(sign) == outer.count(sign) + rows * first.count(sign) for sign in (b":", b'":'))


def _unique(text: bytes) -> bool:
    """Whether an object without others in it has no key twice. Raises ValueError for what is no JSON."""
    try:
        if len(_WHATEVER.decode(text)) == text.count(b'":'):
            return True
    except msgspec.MsgspecError:
        pass
    return _duplicate(text) is None  # a text may look like a key


def _first(body: bytes) -> tuple[bytes, bytes]:
    """What stands around flat rows, and the first of these: nothing if there is none."""
    start, stop = body.find(b"[") + 1, body.rfind(b"]")
    end = body.find(b"}", start) + 1
    return (body[:start] + body[stop:], body[start:end]) if 0 < start < end <= stop else (body, b"")


class _DuplicateKey(Exception):
    """A key that is written twice in one object."""


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(found)
    if len(read) < len(found):
        raise _DuplicateKey(next(name for name, times in Counter(name for name, _ in found).items() if times > 1))
    return read


_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=str, parse_float=str)


def _duplicate(body: bytes) -> str | None:
    """The first key that is written twice. Raises ValueError for what is no JSON."""
    try:
        _STRICT.decode(body.decode())
    except _DuplicateKey as twice:
        return str(twice)
    return None
