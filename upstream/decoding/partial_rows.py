"""Read partial rows: of a long answer with regular rows, decode only the columns that are needed."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from upstream.decoding.columns import NUMBERS, decode_column
from upstream.decoding.duplicates import has_equal_keys, split_first_row
from upstream.decoding.irregular import read_row_by_row
from upstream.decoding.json_rows import ANY_OBJECT, DECODE_ERRORS, DecodingRequest, read_json, rows_decoder
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_row import PartialRow, RawForm, getter, partial_row_type
from upstream.decoding.plan import DecodingPlan, decoding_plan, fields_of
from upstream.reports.rows import ColumnKind, Row
from upstream.reports.table import Report
from upstream.values import clock
from upstream.values.bad_value import BadValue, BadValues
from upstream.values.money import AMOUNTS

_LONG_ANSWER = 16_384


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
    report, zone = answer.report, answer.zone
    assert answer.columns is not None
    names = _partial_columns(report, {*answer.columns, *answer.needed}) if len(body) >= _LONG_ANSWER else None
    if names is None:
        return None
    try:
        _, first = split_first_row(body)
        rows_decoder(report.row).decode(b"[%b]" % first)
        kind = partial_row_type(
            report.row, names, _forms_of_moments(decoding_plan(report.row), names, ANY_OBJECT.decode(first)), zone
        )
        envelope, rows = read_json(decoder(kind), report, kind, body)
        found = rows_of(envelope) if rows is None else rows
        if not found or not has_equal_keys(body, len(found)) or not _is_regular(kind, found, zone):
            return None
    except (*DECODE_ERRORS, KeyError):
        return None

    return envelope, LazyRows(found, report, zone, _AnswerBody(answer, decoder, rows_of, body), answer.bad)


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


def _forms_of_moments(
    plan: DecodingPlan, names: Collection[str], first: dict[str, Any]
) -> frozenset[tuple[str, RawForm]]:
    """Return the forms of the moments among these columns, as the first row has them."""
    found = set()
    for column in plan.columns:
        if column.kind is ColumnKind.MOMENT and column.name in names:
            value = first[column.name]
            local = RawForm.ZULU if isinstance(value, str) and value.endswith("Z") else RawForm.LOCAL
            found.add((column.name, RawForm.SECONDS if isinstance(value, int) else local))
    return frozenset(found)


def _is_regular(kind: type[PartialRow], rows: Sequence[Row], zone: ZoneInfo) -> bool:
    """Return whether the columns of partial rows are regular. Columns that do not stay raw become canonical."""
    optional = {column.name for column in decoding_plan(kind.of).columns if not column.required}
    for name, form in kind.forms.items():
        raw = list(map(getter(kind, name), rows))
        if form is RawForm.AMOUNT:
            if name in optional:
                raw = [value for value in raw if value is not None]
            if not set(map(type, raw)) <= NUMBERS:
                return False
            deque(map(AMOUNTS.__getitem__, raw), maxlen=0)
        elif form is RawForm.SECONDS:
            if 0 in raw:
                return False
        elif not clock.reader(zone, form is RawForm.ZULU).in_line(raw):
            return False
    plan = decoding_plan(kind)
    wrong: list[str] = []

    def on_bad_value(place: int, path: str, what: str) -> BadValue:
        wrong.append(path)
        return _NEVER_READ

    for column in plan.columns:
        decode_column(column, zone, rows, on_bad_value)
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
        row, rows_of = self.answer.report.row, self.rows_of
        try:
            envelope, rows = read_json(self.decoder(row), self.answer.report, row, self.body)
        except DECODE_ERRORS as error:
            envelope, rows = read_row_by_row(self.answer, self.body, self.decoder, rows_of, error)
        return rows if rows is not None else rows_of(envelope) or ()

    def head(self, count: int, bad: BadValues) -> "_AnswerBody":
        """Return the body of the first rows alone."""
        end = self.body.find(b"[")
        for _ in range(count):
            end = self.body.find(b"},", end) + 1
        body = self.body[:end] + self.body[self.body.rfind(b"]") :]
        return replace(self, body=body, answer=replace(self.answer, bad=bad))
