"""Hold the rows of an answer. A column becomes canonical when it is read for the first time."""

import copy
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol, Self
from zoneinfo import ZoneInfo

from upstream.decoding.columns import decode_column
from upstream.decoding.nested import decode_nested
from upstream.decoding.partial_row import PartialRow, has_amounts
from upstream.decoding.plan import columns_of, decoding_plan, fields_of
from upstream.errors import Malformed
from upstream.reports.rows import Row
from upstream.reports.table import Report
from upstream.values.bad_value import BadValue, BadValues, sound


class RawRows(Protocol):
    """Read the whole rows of partial rows."""

    @property
    def canonical(self) -> bool:
        """Return whether the whole rows are canonical when they are read."""

    def rows(self) -> Sequence[Row]:
        """Return the whole rows, one for each partial row. Raise Malformed."""

    def some(self, places: Sequence[int], bad: BadValues) -> "RawRows":
        """Return the source of the rows at these rising places alone. It notes their bad values in `bad`."""


class LazyRows(list[Row]):
    """Hold the rows of an answer. An open column is raw until `read` or `require` makes it canonical.

    Partial rows are replaced by whole rows when a column is read that they lack: `source` has the whole rows. The same
    happens when a column of `unchecked` raw amounts is read and holds a bad value. An `excerpt` keeps a longer answer
    in memory.
    """

    __slots__ = (
        "_all_rows",
        "_holds_partial_rows",
        "_last_read",
        "_last_taken",
        "_open",
        "_partial_rows",
        "_parts",
        "_report",
        "_source",
        "_whole",
        "_zone",
        "bad",
        "excerpt",
        "unchecked",
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
        self._holds_partial_rows = bool(self) and issubclass(type(self[0]), PartialRow)
        self._report = report
        self._zone = zone
        self._open = decoding_plan(report.row).open
        self._source = source
        self._last_read: Collection[str] | None = None
        self._last_taken: Collection[str] | None = None
        self.unchecked: frozenset[str] = frozenset()
        self.excerpt = False
        self._parts: Sequence[LazyRows] = ()  # the answers that these partial rows come from
        self._partial_rows: list[Row] = []  # those that were replaced: their ids must stay unique
        self._whole: dict[int, Row] = {}
        # The answer in which the row of a bad value is numbered. None means this one, to avoid a reference cycle.
        self._all_rows: Sequence[Row] | None = None

    @classmethod
    def canonical(cls, rows: Iterable[Row], report: Report, zone: ZoneInfo, irregular: Iterable[str]) -> Self:
        """Return canonical rows, with the columns in which they hold bad values."""
        found = cls(rows, report, zone)
        found._open = frozenset()
        found.bad.columns.update(irregular)
        return found

    @property
    def partial(self) -> bool:
        """Return whether the rows are partial rows."""
        return self._holds_partial_rows

    @property
    def irregular(self) -> Collection[str]:
        """Return the columns in which a bad value was found so far, or in an object there."""
        return self.bad.columns

    def read(self, columns: Collection[str] | None = None) -> "LazyRows":
        """Make columns canonical, all of them if None, and return the rows. Raise Malformed.

        A value that cannot become canonical becomes a `BadValue`, which raises its error wherever it is used.
        """
        if columns is not None and columns is self._last_read:
            return self
        if self._holds_partial_rows:
            if columns is not None and self._has(columns) and self._check(columns):
                self._last_read = columns
                return self
            self._read_whole_rows()
        names = self._open if columns is None else self._open.intersection(columns)
        if not names:
            return self
        plan = decoding_plan(self._report.row)
        for column in plan.columns:
            if column.name in names:
                decode_column(column, self._zone, self, self._on_bad_value)
                self._open -= {column.name}
        for nest in plan.nests:
            if nest.name in names:
                decode_nested(nest, self._zone, self, self._on_bad_value)
                self._open -= {nest.name}
        self.bad.report_new()
        if self.bad.first is None:
            self.bad.payload = None
        return self

    def take(self, columns: Collection[str] | None) -> "LazyRows":
        """Return the rows like `read`, for a caller who checks every amount that it uses. Raise Malformed."""
        if columns is None or columns is not self._last_taken:
            if columns is None or not self._holds_partial_rows or not self._has(columns):
                self.read(columns)
            self._last_taken = columns
        return self

    def _has(self, columns: Collection[str]) -> bool:
        """Return whether these rows have those of the columns that the report has."""
        return fields_of(self._report.row).intersection(columns) <= columns_of(type(self[0]))

    def _check(self, columns: Collection[str]) -> bool:
        """Return whether the raw amounts in these columns of partial rows are amounts."""
        required = decoding_plan(self._report.row).required
        for name in self.unchecked.intersection(columns):
            if not has_amounts(self, name, required=name in required):
                return False
            self.unchecked -= {name}
        return True

    def require(self, columns: Collection[str]) -> "LazyRows":
        """Make columns canonical and return the rows. Raise the error of the first bad value in these columns."""
        self.read(columns)
        wrong = sorted(self.bad.columns.intersection(columns)) if self.bad.columns else ()
        for row in self if wrong else ():
            for name in wrong:
                sound(getattr(row, name))
        return self

    def like(self, rows: Iterable[Row]) -> "LazyRows":
        """Return some of the rows, which only the new list goes on reading."""
        found = LazyRows(rows, self._report, self._zone, bad=self.bad)
        found._open, found.unchecked = self._open, self.unchecked
        found._parts = (self,) if self._holds_partial_rows else ()
        found._all_rows = self._all_rows if self._all_rows is not None else self
        return found

    def apart(self, rows: Iterable[Row], source: RawRows, bad: BadValues) -> "LazyRows":
        """Return some of these partial rows, or copies of them, in a list with a source and bad values of its own."""
        found = LazyRows(rows, self._report, self._zone, source, bad)
        found.unchecked = self.unchecked
        return found

    def head(self, count: int) -> "LazyRows":
        """Return the first rows in a list of their own. This list stays readable as well."""
        return self.some(range(min(count, len(self))))

    def some(self, places: Sequence[int]) -> "LazyRows":
        """Return the rows at these rising places in a list of their own. This list stays readable as well."""
        # Bad values that were reported for the whole answer are not reported again for a part of it.
        bad = BadValues(self._report.code, self.bad.correlation_id if self.bad.columns else "")
        bad.columns |= self.bad.columns
        rows = [self[place] for place in places]
        if not self._holds_partial_rows:
            found = self.like(map(copy.copy, rows))
            found.bad, found._all_rows = bad, None  # otherwise these rows would keep the whole answer in memory
            return found
        if self._source is not None:
            return self.apart(rows, self._source.some(places, bad), bad)
        if len(self) == sum(map(len, self._parts)):
            return LazyRows.joined(list(self._some_of_parts(places)))
        found = self.like(rows)
        found._parts, found._all_rows = self._parts, None
        return found

    def _some_of_parts(self, places: Sequence[int]) -> Iterator["LazyRows"]:
        start = 0
        for part in self._parts:
            end = start + len(part)
            if own := [place - start for place in places if start <= place < end]:
                yield part.some(own)
            start = end

    @staticmethod
    def joined(parts: Sequence["LazyRows"]) -> "LazyRows":
        """Return the rows of several answers of one report, which only the new list goes on reading."""
        kinds = {type(row) for part in parts for row in part[:1]}
        if len(kinds) > 1 or len({part._open for part in parts}) > 1:
            for part in parts:
                part.read()
        first = parts[0]
        found = LazyRows((row for part in parts for row in part), first._report, first._zone, bad=first.bad)
        found._open = first._open
        found.unchecked = frozenset().union(*(part.unchecked for part in parts))
        found._parts = parts if any(part._holds_partial_rows for part in parts) else ()
        return found

    def whole(self, rows: Sequence[Row]) -> list[Row]:
        """Return the whole rows of some partial rows of this answer. Whole rows stay as they are. Raise Malformed."""
        self._read_whole_rows()
        return [self._whole.get(id(row), row) for row in rows]

    def joined_with(self, parts: Sequence[list[Row]], rows: list[Row]) -> "LazyRows":
        """Return the canonical `rows` of several answers, with the columns in which any of these holds bad values."""
        return LazyRows.canonical(rows, self._report, self._zone, {name for part in parts for name in irregular(part)})

    def _read_whole_rows(self) -> None:
        """Replace the partial rows by whole rows. Raise Malformed."""
        if not self._holds_partial_rows:
            return
        partial_rows = list(self)
        if self._source is not None:
            whole = self._source.rows()
            if self._source.canonical:
                self._open = frozenset()
            if len(whole) != len(partial_rows):
                raise Malformed(f"{self._report.code}: the answer cannot be read again")
            self._whole = dict(zip(map(id, partial_rows), whole, strict=True))
        else:
            for part in self._parts:
                part._read_whole_rows()
                self._whole |= part._whole
        self._partial_rows, self._source, self._parts = partial_rows, None, ()
        self._last_read = self._last_taken = None
        self[:] = [self._whole[id(row)] for row in partial_rows]
        self._holds_partial_rows, self.unchecked = False, frozenset()

    def _on_bad_value(self, place: int, path: str, what: str) -> BadValue:
        if self._all_rows is not None:
            row = self[place]
            place = next((number for number, each in enumerate(self._all_rows) if each is row), place)
        return self.bad.add(place + 1, path, what)


def irregular(rows: Sequence[Row]) -> Collection[str]:
    """Return the columns of an answer's rows in which a bad value was found so far."""
    return rows.bad.columns if isinstance(rows, LazyRows) else ()


def like(rows: Sequence[Row], some: list[Row]) -> list[Row]:
    """Return some canonical rows of an answer, or copies of them, with the columns of its bad values."""
    return rows.like(some) if isinstance(rows, LazyRows) and rows.irregular else some


def joined(parts: Sequence[list[Row]]) -> list[Row]:
    """Return the canonical rows of several answers of one report, with the columns of their bad values."""
    rows = [row for part in parts for row in part]
    for part in parts:
        if isinstance(part, LazyRows) and part.irregular:
            return part.joined_with(parts, rows)
    return rows


def head(rows: Sequence[Row], count: int) -> Sequence[Row]:
    """Return the first rows of an answer as copies, to be stored apart from the others."""
    return rows.head(count) if isinstance(rows, LazyRows) else list(map(copy.copy, rows[:count]))
