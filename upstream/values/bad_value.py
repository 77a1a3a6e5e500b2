"""Represent a bad value: a value in a row that the upstream's document does not allow (C34).

One bad value must not cost the rows around it. It stays in its row, and every use of it raises its error, so no code
can compute a wrong figure from it by accident. `sound` checks a value that is only passed on.
"""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from upstream.errors import Malformed
from upstream.reports.rows import Row

_T = TypeVar("_T")
_PLACE = re.compile(r"\[[^\]]*\]")
# A message quotes only enough of a value to find the place.
_QUOTED = 40


class BadValues(msgspec.Struct, eq=False):
    """Collect the bad values of one answer. They share one correlation id, and each is reported once.

    `columns` are the columns of the report's rows that hold a bad value, or an object with one. When new ones were
    found, `on_new` is called with their number by column, and whether these are the first of the answer.
    """

    report: str
    _correlation_id: str = ""
    columns: set[str] = msgspec.field(default_factory=set)
    first: "BadValue | None" = None
    payload: bytes | None = None
    redact: Callable[[str], str] = str
    on_new: "Callable[[BadValues, Counter[str], bool], None] | None" = None
    _new: Counter[str] | None = None
    _known: bool = False

    @property
    def correlation_id(self) -> str:
        """Return the id. It is made when it is first needed, because most answers have no bad value."""
        if not self._correlation_id:
            self._correlation_id = uuid.uuid4().hex[:12]
        return self._correlation_id

    def add(self, number: int, path: str, what: str) -> "BadValue":
        """Note a bad value and return its replacement. `number` is its row (from 1), `path` its path inside the row."""
        found = BadValue(self, number, path, what)
        self.columns.add(re.split(r"[.\[]", path, maxsplit=1)[0])
        if self.first is None:
            self.first = found
        if self._new is None:
            self._new = Counter()
        self._new[_PLACE.sub("", path)] += 1
        return found

    def report_new(self) -> None:
        """Report the bad values that were found since the last report."""
        if self._new and self.on_new is not None:
            new, self._new = self._new, None
            first, self._known = not self._known, True
            self.on_new(self, new, first)

    def forget(self) -> None:
        """Start again: the answer is read a second time."""
        self.columns.clear()
        self._new = None
        self.first = self.payload = None


class BadValue:
    """Replace a bad value in a row. Every use of it raises its error."""

    __slots__ = ("answer", "hidden", "number", "path", "what")

    def __init__(self, answer: BadValues, number: int, path: str, what: str, *, hidden: bool = False) -> None:
        self.answer = answer
        self.number = number
        self.path = path
        self.what = what
        self.hidden = hidden

    @property
    def error(self) -> Malformed:
        """Return the error of this value."""
        answer = self.answer
        if self.hidden:
            message = f"{answer.report}: {Malformed.plain}"
        else:
            message = answer.redact(f"{answer.report}, row {self.number}, column {self.path}: {self.what}")
        return Malformed(message, report=answer.report, column=self.path, correlation_id=answer.correlation_id)

    def veiled(self) -> "BadValue":
        """Return it for a caller who may not see all rows: its error neither quotes the value nor counts rows."""
        return BadValue(self.answer, self.number, _PLACE.sub("", self.path), self.what, hidden=True)

    def _use(self, *_: Any) -> NoReturn:
        raise self.error

    def __repr__(self) -> str:
        """Return the place, without the value."""
        return f"<bad value: {self.answer.report} {self.path}>"

    def __getattr__(self, name: str) -> Any:
        """Raise the error, except for the protocols of Python itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.error

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _use
    __hash__ = __bool__ = __str__ = __format__ = __len__ = _use
    __iter__ = __contains__ = __getitem__ = __call__ = _use
    __int__ = __float__ = __index__ = __neg__ = __abs__ = _use
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _use
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _use


def sound(value: _T) -> _T:
    """Return the value. Raise the error of a bad value."""
    if isinstance(value, BadValue):
        raise value.error
    return value


def quoted(value: object) -> str:
    """Return a wrong value in the form in which a message quotes it."""
    return repr(str(value)[:_QUOTED])


def require(rows: Iterable[Row], columns: Collection[str]) -> None:
    """Raise the error of the first bad value in these columns of the rows themselves."""
    for row in rows:
        for name in columns:
            sound(getattr(row, name))


def veil(rows: Sequence[Row], columns: Collection[str]) -> list[Row]:
    """Return the rows with veiled bad values. A row that holds none stays the same object."""
    return [_veiled(row, columns) for row in rows]


def _veiled(value: Any, columns: Collection[str] | None = None) -> Any:
    if type(value) is BadValue:
        return value.veiled()
    if isinstance(value, list):
        items = [_veiled(each) for each in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if isinstance(value, dict):
        found = {key: _veiled(each) for key, each in value.items()}
        return value if all(found[key] is value[key] for key in value) else found
    if not isinstance(value, Row):
        return value
    names = value.__struct_fields__ if columns is None else columns
    changed = {name: new for name in names if (new := _veiled(old := getattr(value, name))) is not old}
    return msgspec.structs.replace(value, **changed) if changed else value
