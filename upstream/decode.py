"""Bytes to rows: what an upstream answered, read into the typed, canonical rows of its report.

JSON is read once, by msgspec, straight into the rows' structs. Then one pass a column makes the values of the open
columns canonical by the `Kind` in their annotation; equal values are converted once. Only when that fails is the
answer read a second time, row by row, to say which row and which column is wrong.

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

from upstream import clock, moment, money
from upstream.errors import Incomplete, Malformed
from upstream.excerpt import Excerpt, Form, excerpt, getter
from upstream.money import AMOUNTS
from upstream.reports import Report
from upstream.rows import Kind, Row

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
    report: Report, body: bytes, zone: ZoneInfo, columns: Collection[str] | None = None
) -> "Sheet | Failure":
    """The rows of a GameHub report (section "Response"), or the failure that it tells of.

    `zone` is the system's time zone, for times without an offset; `columns` are those that are to be canonical, all of
    them if None. Accepts `report` and `Report` (C8), and for a
    `single` report a bare object (C9). Raises Malformed, and Incomplete for `break: true` (C12).
    """
    if columns is not None:
        found = _excerpts(report, body, zone, columns, partial(_envelope, report), _regular_rows)
        if found is not None:
            return found[1]
    return _report_rows(report, body, zone, columns)


def _report_rows(report: Report, body: bytes, zone: ZoneInfo, columns: Collection[str] | None) -> "Sheet | Failure":
    try:
        envelope, rows = _read(_envelope(report, report.row), report, report.row, body)
    except _BROKEN as error:
        if (told := failure(body)) is not None:
            return told
        raise Malformed(_broken(report, error), payload=body) from None
    if envelope.error:
        return Failure(_code(envelope.code), _text(envelope.message))
    if envelope.cut:
        raise Incomplete(f"{report.code}: the report was cut short (break)", payload=body)
    if (envelope.lower is None) == (envelope.upper is None):
        what = "no rows: neither `report` nor `Report`" if envelope.lower is None else "rows twice"
        raise Malformed(f"{report.code}: the answer holds {what}", payload=body)
    if rows is None:
        rows = envelope.lower if envelope.upper is None else envelope.upper
    found = Sheet(_listed(rows), report, zone)
    _refuse_duplicates(report, body, found, ("error", "report", "Report", "break"))
    found.need(columns, body)
    return found


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
    report: Report, game_type: str, body: bytes, zone: ZoneInfo, columns: Collection[str] | None = None
) -> "LogPage[Row] | Failure":
    """A page of the game log (section "Success Response"), or the failure of `status` 0 (C21).

    The rows stand under the key that `game_type` names. Raises Malformed.
    """
    if columns is not None:
        found = _excerpts(report, body, zone, columns, partial(_log_envelope, report, game_type), _regular_log_rows)
        if found is not None:
            envelope, sheet = found
            return LogPage(sheet, envelope.total_count, envelope.per_page)
    return _log_page(report, game_type, body, zone, columns)


def _log_page(
    report: Report, game_type: str, body: bytes, zone: ZoneInfo, columns: Collection[str] | None
) -> "LogPage[Row] | Failure":
    try:
        envelope, found = _read(_log_envelope(report, game_type, report.row), report, report.row, body)
    except _BROKEN as error:
        if (told := log_failure(body)) is not None:
            return told
        raise Malformed(_broken(report, error), payload=body) from None
    if envelope.status != 1:
        return Failure(None, _log_text(envelope))
    if envelope.rows is None or envelope.total_count is None or envelope.total_count < 0:
        raise Malformed(f"{report.code}: the answer lacks `{game_type}` or `total_count`", payload=body)
    rows = Sheet(envelope.rows if found is None else found, report, zone)
    _refuse_duplicates(report, body, rows, ("status", "total_count", game_type))
    rows.need(columns, body)
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


class _Told(msgspec.Struct, gc=False):
    error: bool = False
    code: Any = None
    message: Any = None


class _LogTold(msgspec.Struct, gc=False):
    status: int
    msg: Any = None
    detail: Any = None


_FAILURE = msgspec.json.Decoder(_Told, strict=False)
_LOG_FAILURE = msgspec.json.Decoder(_LogTold, strict=False)
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
    hook = AMOUNTS.__getitem__ if row is not None and issubclass(row, Excerpt) else str
    return msgspec.json.Decoder(envelope, strict=False, float_hook=hook)


@lru_cache(maxsize=512)
def _envelope(report: Report, row: Any) -> Any:
    rows = row | list[row] if report.single else list[row]
    envelope = msgspec.defstruct(
        f"{report.code}Envelope",
        [("cut", bool, False), ("lower", rows | None, None), ("upper", rows | None, None)],
        bases=(_Told,),
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
            ("rows", list[row] | None, None),
        ],
        bases=(_LogTold,),
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


# Canonical values


class _BadValue(Exception):
    def __init__(self, column: str, value: object, reason: str) -> None:
        super().__init__(column, value, reason)
        self.column = column
        self.value = value
        self.reason = reason


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
_CONVERT: dict[Kind, Callable[[Any], Any]] = {
    Kind.NO_ID: _no_id,
    Kind.CODE: _code_or_none,
    Kind.MONEY: money.amount,
}


@dataclass(frozen=True, slots=True)
class _Column:
    """An open column: how it is read, and whether it must hold something."""

    name: str
    kind: Kind
    required: bool
    get: Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class _Nest:
    """A column that holds rows of its own: one, a list of them, or an object of them keyed by id."""

    name: str
    row: type[Row]
    get: Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done with the rows of one struct, read once from its annotations."""

    columns: tuple[_Column, ...]
    nests: tuple[_Nest, ...]
    required: tuple[str, ...]
    open: frozenset[str]


@lru_cache(maxsize=512)
def _plan(row: type[Row]) -> _Plan:
    hints = typing.get_type_hints(row, include_extras=True)
    columns, nests, required = [], [], []
    for field in msgspec.structs.fields(row):
        hint, get = hints[field.name], operator.attrgetter(field.name)
        if field.required:
            required.append(field.name)
        kinds = [kind for kind in getattr(hint, "__metadata__", ()) if isinstance(kind, Kind)]
        columns += [_Column(field.name, kind, field.required, get) for kind in kinds]
        nests += [_Nest(field.name, inner, get) for inner in _structs(hint)]
    opened = frozenset([column.name for column in columns] + [nest.name for nest in nests])
    return _Plan(tuple(columns), tuple(nests), tuple(required), opened)


def _structs(hint: Any) -> list[type[Row]]:
    if isinstance(hint, type) and not typing.get_args(hint):
        return [hint] if issubclass(hint, Row) else []
    return list(dict.fromkeys(found for part in typing.get_args(hint) for found in _structs(part)))


class Source(Protocol):
    """What the whole rows of excerpts are read from."""

    @property
    def canonical(self) -> bool:
        """Whether the rows are canonical as they are read."""

    def rows(self) -> Sequence[Row]:
        """The whole rows, one for each excerpt. Raises Malformed."""

    def head(self, count: int) -> "Source":
        """The source of the first rows alone."""


class Sheet(list[Row]):
    """The rows of an answer, whose open columns become canonical when they are first needed.

    What is not needed is not looked at. Nobody may read an open column that was not asked for with `need`. Excerpts
    give way to whole rows when a column is needed that they lack: `source` has these.
    """

    __slots__ = ("_excerpts", "_met", "_open", "_parts", "_report", "_source", "_whole", "_zone")

    def __init__(
        self,
        rows: Iterable[Row],
        report: Report,
        zone: ZoneInfo,
        source: "Source | None" = None,
    ) -> None:
        super().__init__(rows)
        self._report = report
        self._zone = zone
        self._open = _plan(report.row).open
        self._source = source
        self._met: Collection[str] | None = None  # the columns that were needed last
        self._parts: Sequence[Sheet] = ()  # whose excerpts these are
        self._excerpts: list[Row] = []  # which gave way, and what to
        self._whole: dict[int, Row] = {}

    def like(self, rows: Iterable[Row]) -> "Sheet":
        """Some of the rows, none of which is read any longer but by this sheet."""
        found = Sheet(rows, self._report, self._zone)
        found._open = self._open
        found._parts = (self,) if self._holds_excerpts else ()
        return found

    def head(self, count: int) -> "Sheet":
        """The first rows, in a sheet of their own: these go on being read by this one."""
        if not self._holds_excerpts:
            return self.like(map(copy.copy, self[:count]))
        if self._source is not None:
            return Sheet(self[:count], self._report, self._zone, self._source.head(count))
        if len(self) == sum(map(len, self._parts)):
            return self._parts[0].head(count)
        found = self.like(self[:count])
        found._parts = self._parts
        return found

    @staticmethod
    def joined(sheets: Sequence["Sheet"]) -> "Sheet":
        """The rows of several sheets of one report, none of which is read any longer."""
        kinds = {type(row) for sheet in sheets for row in sheet[:1]}
        if len(kinds) > 1 or len({sheet._open for sheet in sheets}) > 1:
            for sheet in sheets:
                sheet.need()
        first = sheets[0]
        found = Sheet((row for sheet in sheets for row in sheet), first._report, first._zone)
        found._open = first._open
        found._parts = sheets if any(sheet._holds_excerpts for sheet in sheets) else ()
        return found

    @property
    def _holds_excerpts(self) -> bool:
        return bool(self) and issubclass(type(self[0]), Excerpt)

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

    def need(self, columns: Collection[str] | None = None, body: bytes | None = None) -> None:
        """Make columns canonical, all of them if None. Raises Malformed."""
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
                self._checked(partial(_column, column, plan, self._zone), body)
                self._open -= {column.name}
        for nest in plan.nests:
            if nest.name in names:
                self._checked(partial(_nest, nest, self._zone), body)
                self._open -= {nest.name}

    def _checked(self, canonicalise: Callable[[Sequence[Row]], None], body: bytes | None) -> None:
        try:
            canonicalise(self)
        except _BadValue as bad:
            wrong = bad
        else:
            return
        number = 0
        for row in self:
            number += 1
            try:
                canonicalise([row])
            except _BadValue as bad:
                wrong = bad
                break
        where = f"{self._report.code}, row {number}, column {wrong.column}"
        # A value is the upstream's data: enough of it to find the place, no more.
        raise Malformed(f"{where}: {str(wrong.value)[:40]!r} {wrong.reason}", payload=body)


def need(rows: Sequence[Row], columns: Collection[str] | None) -> None:
    """Make columns of an answer's rows canonical, if they are not. Raises Malformed."""
    if isinstance(rows, Sheet):
        rows.need(columns)


def whole(rows: Sequence[Row], some: Sequence[Row]) -> Sequence[Row]:
    """The whole rows that some of an answer's rows are, or are excerpts of. Raises Malformed."""
    return rows.whole(some) if isinstance(rows, Sheet) else some


def head(rows: Sequence[Row], count: int) -> Sequence[Row]:
    """The first of an answer's rows, to be kept apart from the others."""
    return rows.head(count) if isinstance(rows, Sheet) else list(map(copy.copy, rows[:count]))


def _canonicalise(rows: Sequence[Row], row: type[Row], zone: ZoneInfo) -> None:
    """Make the open columns of `rows` canonical, in place, and those of the rows inside them."""
    if not rows:
        return
    plan = _plan(row)
    for column in plan.columns:
        _column(column, plan, zone, rows)
    for nest in plan.nests:
        _nest(nest, zone, rows)


def _nest(nest: _Nest, zone: ZoneInfo, rows: Sequence[Row]) -> None:
    _canonicalise(list(_inside(map(nest.get, rows), nest.row)), nest.row, zone)


def _column(column: _Column, plan: _Plan, zone: ZoneInfo, rows: Sequence[Row]) -> None:
    values = list(map(column.get, rows))
    kinds = set(map(type, values))
    if kinds - _SCALARS:
        # Found by type, since True is 1 to a dictionary.
        value = next(value for value in values if type(value) not in _SCALARS)
        raise _BadValue(column.name, value, "is neither a number nor a text")
    canonical = _at_once(column.kind, column.required, values, kinds, zone)
    if canonical is None:
        unique = set(values)
        if column.kind is Kind.MOMENT:
            found = _moments(column, unique, zone)
            if any(isinstance(time, datetime.datetime) for time in found.values()):
                _unfold(column, rows, found, zone)
                return
        else:
            found = {value: _converted(column, value) for value in unique}
        canonical = [found[value] for value in values]
    # Most values are canonical as they come.
    if canonical is not values and canonical != values:
        name = column.name
        for each, old, new in zip(rows, values, canonical, strict=True):
            if new != old:
                setattr(each, name, new)


def _at_once(kind: Kind, required: bool, values: list[Any], kinds: set[type], zone: ZoneInfo) -> list[Any] | None:
    """The canonical values of a column whose values are all of one plain form; None if they are to be looked at."""
    if kind is Kind.MONEY:
        if kinds <= _NUMBERS:
            try:
                return list(map(AMOUNTS.__getitem__, values))
            except ValueError:
                return None
        return None
    if kind is Kind.MOMENT:
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
    if kind is Kind.NO_ID:
        return values if kinds <= _NO_IDS and 0 not in values else None
    if kinds <= _CODES:
        if _NO_CODES.isdisjoint(values):
            return values
        return None if required else [None if value in _NO_CODES else value for value in values]
    return list(map(str, values)) if kinds == _INTEGERS and 0 not in values else None


_INTEGERS, _TEXTS, _NUMBERS = {int}, {str}, {int, str}
_NO_IDS, _CODES = {int, types.NoneType}, {str, types.NoneType}


_NO_CODES = frozenset({"", "0"})


def _converted(column: _Column, value: Any) -> Any:
    try:
        found = None if value is None else _CONVERT[column.kind](value)
    except ValueError as error:
        raise _BadValue(column.name, value, str(error)) from None
    if found is None and column.required:
        raise _BadValue(column.name, value, "must not be empty")
    return found


def _moments(column: _Column, values: Iterable[Any], zone: ZoneInfo) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for value in values:
        if value is None or moment.is_none(value):
            if column.required:
                raise _BadValue(column.name, value, "must not be empty")
            found[value] = None
            continue
        try:
            found[value] = moment.moment(value, zone)
        except ValueError as error:
            raise _BadValue(column.name, value, str(error)) from None
    return found


def _unfold(column: _Column, rows: Sequence[Row], found: dict[Any, Any], zone: ZoneInfo) -> None:
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
    return found.union(kind.forms) if issubclass(kind, Excerpt) else found


def _excerpts(
    report: Report,
    body: bytes,
    zone: ZoneInfo,
    columns: Collection[str],
    decoder: Callable[[type[Row]], Any],
    rows_of: Callable[[Any], list[Row] | None],
) -> tuple[Any, Sheet] | None:
    """What stands around the rows, and excerpts of these; None if the answer has to be read row by row.

    The first row is read whole. That the others are like it is told by the number of keys.
    """
    names = _excerpted(report, columns) if len(body) >= _LONG else None
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
    except (*_BROKEN, _BadValue, KeyError):
        return None

    return envelope, Sheet(found, report, zone, _Body(report, decoder, rows_of, body))


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


def _forms(plan: _Plan, names: Collection[str], first: dict[str, Any]) -> frozenset[tuple[str, Form]]:
    """How the moments came that are read, if the first row is anything to go by."""
    found = set()
    for column in plan.columns:
        if column.kind is Kind.MOMENT and column.name in names:
            value = first[column.name]
            local = Form.ZULU if isinstance(value, str) and value.endswith("Z") else Form.LOCAL
            found.add((column.name, Form.SECONDS if isinstance(value, int) else local))
    return frozenset(found)


def _plain(kind: type[Excerpt], rows: Sequence[Row], zone: ZoneInfo) -> bool:
    """Whether the columns of excerpts are in good form. Those that are not to stay as they came become canonical."""
    optional = {column.name for column in _plan(kind.of).columns if not column.required}
    for name, form in kind.forms.items():
        raw = list(map(getter(kind, name), rows))
        if form is Form.AMOUNT:
            if name in optional:
                raw = [value for value in raw if value is not None]
            if not set(map(type, raw)) <= _NUMBERS:
                return False
            deque(map(AMOUNTS.__getitem__, raw), maxlen=0)
        elif form is Form.SECONDS:
            if 0 in raw:
                return False
        elif not clock.reader(zone, form is Form.ZULU).in_line(raw):
            return False
    plan = _plan(kind)
    for column in plan.columns:
        _column(column, plan, zone, rows)
    return True


@dataclass(frozen=True, slots=True)
class _Body:
    """An answer of flat rows, as it came."""

    report: Report
    decoder: Callable[[type[Row]], Any]
    rows_of: Callable[[Any], list[Row] | None]
    body: bytes
    canonical: bool = False

    def rows(self) -> Sequence[Row]:
        try:
            envelope, rows = _read(self.decoder(self.report.row), self.report, self.report.row, self.body)
        except _BROKEN as error:
            raise Malformed(_broken(self.report, error), payload=self.body) from None
        return rows if rows is not None else self.rows_of(envelope) or ()

    def head(self, count: int) -> "_Body":
        end = self.body.find(b"[")
        for _ in range(count):
            end = self.body.find(b"},", end) + 1
        return replace(self, body=self.body[:end] + self.body[self.body.rfind(b"]") :])


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


class _Twice(Exception):
    """A key that is written twice in one object."""


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(found)
    if len(read) < len(found):
        raise _Twice(next(name for name, times in Counter(name for name, _ in found).items() if times > 1))
    return read


_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=str, parse_float=str)


def _duplicate(body: bytes) -> str | None:
    """The first key that is written twice. Raises ValueError for what is no JSON."""
    try:
        _STRICT.decode(body.decode())
    except _Twice as twice:
        return str(twice)
    return None
