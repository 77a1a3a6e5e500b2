"""Read partial rows: of a long answer with regular rows, decode only the columns that are needed."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from upstream.decoding.columns import decode_column
from upstream.decoding.duplicates import has_equal_keys, split_first_row
from upstream.decoding.irregular import read_row_by_row
from upstream.decoding.json_rows import (
    ANY_OBJECT,
    DECODE_ERRORS,
    RECORDED_BYTES,
    DecodingRequest,
    read_json,
    rows_decoder,
)
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_row import ColumnForms, PartialRow, RawForm, getter, has_amounts, partial_row_type
from upstream.decoding.plan import decoding_plan, fields_of
from upstream.reports.rows import ColumnKind, Row
from upstream.reports.table import Report
from upstream.values import clock
from upstream.values.bad_value import BadValue, BadValues

_LONG_ANSWER = 16_384
# So many rows show the form of the columns.
_SAMPLES = 6
_LONGEST_TIME = 32


_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


# Replaces a bad value in partial rows. Such partial rows are not used.
_NEVER_READ = BadValue(BadValues(""), 0, "", "")


def read_partial_rows(
    answer: DecodingRequest,
    body: bytes,
    decoder: Callable[[Any], Any],
    rows_of: Callable[[Any], list[Row] | None],
) -> tuple[Any, LazyRows] | None:
    """Return the envelope and partial rows; None if the answer has to be read as whole rows.

    The first row is read whole. The number of keys shows that the other rows are like it.
    """
    report = answer.report
    assert answer.columns is not None
    names = _partial_columns(report, {*answer.columns, *answer.needed}) if len(body) >= _LONG_ANSWER else None
    if names is None:
        return None
    try:
        samples = _samples(body)
        # The first row must be a good one of the report, also in the columns that are not read.
        rows_decoder(report.row).decode(b"[%b]" % samples[0])
        for strict in (True, False):
            forms = _column_forms(report, names, samples, strict=strict)
            kind = partial_row_type(report.row, names, forms, answer.zone)
            found = _read_rows(answer, body, decoder, rows_of, kind)
            if found is not None:
                envelope, rows = found
                lazy = LazyRows(rows, report, answer.zone, _AnswerBody(answer, decoder, rows_of, body), answer.bad)
                lazy.unchecked = _amounts(kind).difference(answer.needed, _sorting_columns(report))
                return envelope, lazy
    except (*DECODE_ERRORS, KeyError):
        pass
    return None


def _read_rows(
    answer: DecodingRequest,
    body: bytes,
    decoder: Callable[[Any], Any],
    rows_of: Callable[[Any], list[Row] | None],
    kind: type[PartialRow],
) -> tuple[Any, list[Row]] | None:
    """Return the envelope and the rows of this type; None if one of the rows does not fit it."""
    try:
        envelope, rows = read_json(decoder(kind), answer.report, kind, body)
    except DECODE_ERRORS:
        return None
    found = rows_of(envelope) if rows is None else rows
    if not found or not has_equal_keys(body, len(found)) or not _is_regular(answer, kind, found):
        return None
    return envelope, found


def partial_rows_of(report: Report, columns: Collection[str], zone: ZoneInfo) -> type[Row] | None:
    """Return the type of rows that hold only these canonical columns; None if whole rows are as good."""
    names = _partial_columns(report, columns)
    return None if names is None else partial_row_type(report.row, names, None, zone)


def _partial_columns(report: Report, columns: Collection[str]) -> frozenset[str] | None:
    """Return those of the columns that a row of the report has.

    Return None if partial rows are not possible, or would not be shorter.
    """
    fields = fields_of(report.row)
    names = fields.intersection(columns)
    return None if report.single or decoding_plan(report.row).nests or names == fields else names


def _samples(body: bytes) -> list[bytes]:
    """Return the texts of some rows of an answer of flat rows. The first one is the first row."""
    _, first = split_first_row(body)
    found = [first]
    for part in range(1, _SAMPLES):
        start = body.find(b"},{", len(body) * part // _SAMPLES) + 2
        end = body.find(b"}", start) + 1
        if 2 <= start < end:
            found.append(body[start:end])
    return found


def _column_forms(report: Report, names: frozenset[str], samples: Sequence[bytes], *, strict: bool) -> ColumnForms:
    """Return the forms of these columns, as the samples show them. Raise one of DECODE_ERRORS, or KeyError."""
    first = ANY_OBJECT.decode(samples[0])
    moments, ids = set(), set()
    for column in decoding_plan(report.row).columns:
        if column.name in names and column.kind is ColumnKind.MOMENT:
            moments.add((column.name, *_form_of_moment(first[column.name])))
        elif column.name in names and column.kind is ColumnKind.NO_ID and strict:
            ids.add(column.name)
    for sample in samples if ids else ():
        row = ANY_OBJECT.decode(sample)
        for name in tuple(ids):
            value = row.get(name)
            if value is not None and (type(value) is not int or value < 1):
                ids.remove(name)
    return ColumnForms(frozenset(moments), strict, frozenset(ids))


def _form_of_moment(value: Any) -> tuple[RawForm, int]:
    """Return the form of a time, and the length of its text. Raise ValueError for a text that is no time."""
    if isinstance(value, int):
        return RawForm.SECONDS, 0
    text = str(value)
    # Each length has a struct of its own.
    if len(text) > _LONGEST_TIME:
        raise ValueError("is not a time")
    return RawForm.ZULU if text.endswith("Z") else RawForm.LOCAL, len(text)


@lru_cache(maxsize=512)
def _amounts(kind: type[PartialRow]) -> frozenset[str]:
    """Return the columns of raw amounts."""
    return frozenset(name for name, form in kind.forms.items() if form is RawForm.AMOUNT)


@lru_cache(maxsize=64)
def _sorting_columns(report: Report) -> frozenset[str]:
    """Return the columns by which lists of a report are sorted."""
    return frozenset(name.removeprefix("-") for name in report.order)


def _is_regular(answer: DecodingRequest, kind: type[PartialRow], rows: Sequence[Row]) -> bool:
    """Return whether the columns of partial rows are regular, apart from the amounts that are checked later.

    Columns that do not stay raw become canonical.
    """
    # The gateway itself needs these amounts, or sorts lists by them.
    checked = _amounts(kind).intersection((*answer.needed, *_sorting_columns(answer.report)))
    for name, form in kind.forms.items():
        if form is RawForm.AMOUNT:
            if name in checked and not has_amounts(rows, name, required=name in decoding_plan(kind.of).required):
                return False
        elif form in (RawForm.ZULU, RawForm.LOCAL):
            texts = list(map(getter(kind, name), rows))
            # The struct of strict rows has checked the lengths.
            alike = kind.strict or len(set(map(len, texts))) == 1
            if not alike or not clock.reader(answer.zone, form is RawForm.ZULU).in_line(texts):
                return False
    wrong: list[str] = []

    def on_bad_value(place: int, path: str, what: str) -> BadValue:
        wrong.append(path)
        return _NEVER_READ

    for column in decoding_plan(kind).columns:
        decode_column(column, answer.zone, rows, on_bad_value)
    return not wrong


@dataclass(frozen=True, slots=True)
class _AnswerBody:
    """Hold the body of an answer of flat rows, to read the whole rows from it."""

    answer: DecodingRequest
    decoder: Callable[[Any], Any]
    rows_of: Callable[[Any], Any]
    body: bytes
    canonical: bool = False

    def rows(self) -> Sequence[Row]:
        """Return the whole rows. Raise Malformed."""
        row, rows_of, bad = self.answer.report.row, self.rows_of, self.answer.bad
        bad.payload = bad.payload or self.body[:RECORDED_BYTES]
        try:
            envelope, rows = read_json(self.decoder(row), self.answer.report, row, self.body)
        except DECODE_ERRORS as error:
            envelope, rows = read_row_by_row(self.answer, self.body, self.decoder, rows_of, error)
        return rows if rows is not None else rows_of(envelope) or ()

    def some(self, places: Sequence[int], bad: BadValues) -> "_AnswerBody":
        """Return the body of the rows at these rising places alone."""
        body, start, stop = self.body, self.body.find(b"[") + 1, self.body.rfind(b"]")
        if len(places) > places[-1]:
            end = start
            for _ in places:
                end = body.find(b"},", end, stop) + 1 or stop
            rows = body[start:end]
        else:
            try:
                each = _RAW_ROWS.decode(b"[%b]" % body[start:stop])
                rows = b",".join([each[place] for place in places])
            except (*DECODE_ERRORS, IndexError):
                rows = b""  # brackets inside a text: these rows cannot be read again
        body = body[:start] + rows + body[stop:]
        return replace(self, body=body, answer=msgspec.structs.replace(self.answer, bad=bad))
