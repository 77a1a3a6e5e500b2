"""The rows of one key."""

from collections.abc import Collection, Hashable, Iterable
from typing import Any, Self

from upstream.call import Answer
from upstream.errors import UpstreamError
from upstream.values.bad_value import require as raise_bad_value


class KeyRows(list[Any]):
    """The rows of one key, with an index by column that is built at its first use.

    `irregular` are the columns in which a bad value was found so far, also in a nested object. `answer` is the whole
    answer that these rows come from; rows of several answers have none. If these rows were selected from rows of
    several answers, `among` is all of those. `made_up` says that a prediction made up some of the rows.
    """

    answer: Answer[Any] | None = None
    # This collection grows: more bad values may be found as more columns are read.
    irregular: Collection[str] = ()
    _indexes: dict[str, dict[Hashable, Any]] | None = None
    among: "KeyRows | None" = None
    made_up: bool = False

    @classmethod
    def of(cls, answer: Answer[Any], rows: Iterable[Any] | None = None) -> Self:
        """Return the rows of an answer, or some of them."""
        found = cls(answer.rows if rows is None else rows)
        found.answer, found.irregular = answer, answer.irregular
        if answer.provenance.made_up:
            found.made_up = True
        return found

    @classmethod
    def of_list(cls, rows: list[Any]) -> "KeyRows":
        """Return rows that may be made here, with all their columns."""
        return rows if isinstance(rows, KeyRows) else cls(rows)

    @classmethod
    def shares(cls, answer: Answer[Any], shares: Iterable[Iterable[Any]]) -> "list[KeyRows | Exception]":
        """Return shares of the rows of an answer, as the rows of one key each."""
        irregular, made_up = answer.irregular, answer.provenance.made_up
        found: list[KeyRows | Exception] = []
        for share in shares:
            rows = cls(share)
            rows.answer, rows.irregular = answer, irregular
            if made_up:
                rows.made_up = True
            found.append(rows)
        return found

    def only(self, rows: list[Any]) -> "KeyRows":
        """Return some of these rows, in their order."""
        if len(rows) == len(self):
            return self
        found = KeyRows(rows)
        found.answer, found.irregular = self.answer, self.irregular
        if self.answer is None:
            found.among = self if self.among is None else self.among
        return found

    def read(self, columns: Collection[str] | None = None) -> Self:
        """Decode columns, all of them if None. Raise `Malformed` if the answer cannot be read."""
        if self.answer is not None:
            answer = self.answer.read(columns)
            # Whole rows may have replaced the partial rows of the answer.
            if self and self[0].__class__ is not answer[0].__class__:
                self[:] = self.answer.whole(self)
                self._indexes = None
        return self

    def take(self, columns: Collection[str] | None) -> Self:
        """Read columns for a caller who checks every amount that it uses. Raise `Malformed`."""
        if columns is None or self.answer is None:
            return self.read(columns)
        rows = self.answer.take(columns)
        # Whole rows have replaced the partial rows of the answer.
        return self.read(columns) if self and self[0].__class__ is not rows[0].__class__ else self

    @staticmethod
    def take_each(found: "list[KeyRows | Exception]", columns: Collection[str] | None) -> None:
        """Take columns of the rows of several keys. An error replaces the rows that cannot be read."""
        answer: Any = None
        kind: Any = None
        error: UpstreamError | None = None
        rows: Any
        for place, rows in enumerate(found):
            if rows.__class__ is not KeyRows:
                continue
            if rows.answer is not answer:
                answer, error = rows.answer, None
                try:
                    rows.take(columns)
                except UpstreamError as failed:
                    error = failed
                kind = rows[0].__class__ if rows else None
            elif rows and rows[0].__class__ is not kind and error is None:
                # Whole rows replaced the partial rows of the answer.
                kind = rows.take(columns)[0].__class__
            if error is not None:
                found[place] = error

    @classmethod
    def joined(cls, parts: Iterable["KeyRows"]) -> Self:
        """Return the rows of several answers with all their columns. Raise `Malformed` if one cannot be read."""
        parts = [part.read() for part in parts]
        found = cls(row for part in parts for row in part)
        found.irregular = frozenset().union(*(part.irregular for part in parts))
        found.made_up = any(part.made_up for part in parts)
        return found

    def require(self, columns: Collection[str]) -> None:
        """Raise the error of the first bad value that was found in these columns of these rows."""
        found = self.irregular
        if found and (wrong := sorted(frozenset(found).intersection(columns))):
            raise_bad_value(self, wrong)

    def whole(self, rows: list[Any]) -> list[Any]:
        """Return the whole rows of some of these rows, which may be partial."""
        return rows if self.answer is None else self.answer.whole(rows)

    def find(self, column: str, value: Hashable) -> Any | None:
        """Return the first row in which the column has this value, or None."""
        if self._indexes is None:
            self._indexes = {}
        index = self._indexes.get(column)
        if index is None:
            index = {}
            for row in self:
                index.setdefault(getattr(row, column), row)
            self._indexes[column] = index
        return index.get(value)
