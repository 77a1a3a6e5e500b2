"""Veil partial rows: hide rows and columns from a caller, and let bad values reveal nothing of hidden rows.

The whole rows of veiled rows are those of the answer, with the same rows and columns hidden. They are decoded only if a
column is read that the partial rows lack, or if one of their amounts is bad.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_row import without
from upstream.errors import UpstreamError
from upstream.reports.rows import Row
from upstream.values.bad_value import BadValues, veil

# The columns that are hidden, by the place of their row.
HiddenColumns = Mapping[int, Sequence[str]]
NONE: HiddenColumns = MappingProxyType({})


def veiled(rows: LazyRows, places: Sequence[int] | None = None, hidden: HiddenColumns = NONE) -> LazyRows:
    """Return the partial rows at these rising places, all if None, in a list that other callers do not read.

    The columns in `hidden` are empty. Its keys count the returned rows.
    """
    report = rows.bad.report
    source = _VeiledRows(rows, report, BadValues(report), places, hidden)
    found = rows.apart(_picked(rows, places, source.hidden), source, source.bad)
    found.excerpt = len(found) < len(rows)
    return found


@dataclass(frozen=True, slots=True)
class _VeiledRows:
    """Hold the answer from which veiled rows are read, and what is hidden of it. `bad` belongs to the veiled rows."""

    answer: LazyRows
    report: str
    bad: BadValues
    places: Sequence[int] | None
    hidden: HiddenColumns
    canonical: bool = field(default=True, init=False)

    def rows(self) -> Sequence[Row]:
        """Return the whole rows. Raise Malformed."""
        try:
            whole: Sequence[Row] = self.answer.read()
        except UpstreamError as error:
            raise error.plainly(self.report) from None
        if wrong := self.answer.irregular:
            whole = veil(whole, wrong)
            self.bad.columns.update(wrong)
        return _picked(whole, self.places, self.hidden)

    def some(self, places: Sequence[int], bad: BadValues) -> "_VeiledRows":
        """Return the source of the rows at these rising places alone."""
        answer = self.answer.some(places if self.places is None else [self.places[place] for place in places])
        hidden = {count: self.hidden[place] for count, place in enumerate(places) if place in self.hidden}
        return _VeiledRows(answer, self.report, bad, None, hidden)


def _picked(rows: Sequence[Row], places: Sequence[int] | None, hidden: HiddenColumns) -> Sequence[Row]:
    if places is not None or hidden:
        rows = list(rows) if places is None else [rows[place] for place in places]
        for place, columns in hidden.items():
            rows[place] = without(rows[place], columns)
    return rows
