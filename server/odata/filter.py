"""`$filter`: read by the grammar (`grammar.py`), checked against the columns, and evaluated over arrow's columns.

Each part of a filter knows the days on which it can be true (`days.py`), so the filter bounds the window as well: a day
on which it cannot be true is not read. As OData has it, a comparison with null is false, but for `ne`, and what is
neither true nor false is not in the answer.
"""

import datetime
import operator
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache, reduce
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from server.odata.grammar import DEEPEST, FILTER, MOST_OPERATIONS, TOO_DEEP, bad, parsed
from server.odata.tree import Among, Called, ColumnName, Comparison, Literal, Logical, Negated
from server.tables.arrow import TIMESTAMP, data_type, integers, texts
from server.tables.days import ALWAYS, ANY, NEVER, OPERATORS, TURNED, ODataDays, beginning, when
from server.tables.table import ValueKind
from upstream.values import interval

_WIDE = pa.decimal256(76, 30)
_LONGEST_TEXT = 2**31
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

NUMBERS = frozenset({"int64", "float64", "decimal"})
TEXTS = frozenset({"string", "enum"})
_SORTS = {**dict.fromkeys(NUMBERS, "number"), **dict.fromkeys(TEXTS, "string")}
_ASPECTS = {"timestamp": "moment", "date": "day"}
_NAIVE = pa.timestamp("us")
_DAY = 86_400_000_000
_MICROSECOND = datetime.timedelta(microseconds=1)
# Columns have microseconds. Clients may send more digits.
_FINER = re.compile(r"\.\d{6}\d*[1-9]", re.ASCII)

Read = Callable[[pa.Table], Any]


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a filter: what it is, and how it is read from rows. A `literal` has its value.

    A condition has the `days` on which it can be true or false. `aspect` says what of the row's time a term is: a name
    that `days.when` knows. A literal that is `finer` is a time a little after its value, which has microseconds.
    """

    sort: str
    read: Read
    literal: Any = None
    is_literal: bool = False
    days: ODataDays = ANY
    aspect: str | None = None
    finer: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: the columns it reads, the days on which it can be true, and which rows it takes.

    `times` are the columns it reads that say when: times, dates, and the key, which begins with the day. `parts` are
    keys that it compares with and that name a part of a day. Errors name the `option` of OData that it comes from.
    """

    columns: frozenset[str]
    days: int
    times: tuple[str, ...]
    parts: tuple[str, ...]
    mask: Read
    option: str = FILTER


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the sorts of its arguments, of its result, and what it does. From `literal` on, only literals.

    `aspects` says what of the time the result is, for an argument that is an aspect of it.
    """

    takes: tuple[str, ...]
    gives: str
    call: Callable[..., Any]
    literal: int = 9
    aspects: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> int:
        """Return the least number of arguments: only the length of `substring` may be left out."""
        return min(len(self.takes), 2)


def _sliced(value: Any, start: int, length: int | None = None) -> Any:
    # No text is longer than arrow's offsets count, and the kernel takes no number beyond 64 bits.
    start, length = min(start, _LONGEST_TEXT), None if length is None else min(length, _LONGEST_TEXT)
    return pc.utf8_slice_codeunits(value, start, None if length is None else start + length)


def _found_at(value: Any, part: str) -> Any:
    """The place of a text in a text, in characters: arrow's own function counts bytes."""
    if not part:
        return pc.subtract(pc.utf8_length(value), pc.utf8_length(value))
    pieces = pc.split_pattern(value, part, max_splits=1)
    before = pc.utf8_length(pc.list_element(pieces, 0))
    return pc.if_else(pc.equal(pc.list_value_length(pieces), 1), -1, before)


FUNCTIONS = {
    "contains": Function(("string", "string"), "bool", lambda value, part: pc.match_substring(value, part), 1),
    "startswith": Function(("string", "string"), "bool", lambda value, part: pc.starts_with(value, part), 1),
    "endswith": Function(("string", "string"), "bool", lambda value, part: pc.ends_with(value, part), 1),
    "indexof": Function(("string", "string"), "number", _found_at, 1),
    "substring": Function(("string", "number", "number"), "string", _sliced, 1),
    "concat": Function(("string", "string"), "string", lambda *parts: pc.binary_join_element_wise(*parts, "")),
    "length": Function(("string",), "number", pc.utf8_length),
    "tolower": Function(("string",), "string", pc.utf8_lower),
    "toupper": Function(("string",), "string", pc.utf8_upper),
    "trim": Function(("string",), "string", pc.utf8_trim_whitespace),
    "year": Function(("time",), "number", pc.year, 9, dict.fromkeys(("moment", "day"), "year")),
    "month": Function(("time",), "number", pc.month, 9, dict.fromkeys(("moment", "day"), "month")),
    "day": Function(("time",), "number", pc.day, 9, dict.fromkeys(("moment", "day"), "monthday")),
    "hour": Function(("timestamp",), "number", pc.hour),
    "minute": Function(("timestamp",), "number", pc.minute),
    "second": Function(("timestamp",), "number", pc.second),
    "date": Function(("timestamp",), "date", lambda value: pc.cast(value, pa.date32()), 9, {"moment": "day"}),
    "round": Function(("number",), "number", lambda value: pc.round(value, round_mode="half_towards_infinity")),
    "floor": Function(("number",), "number", pc.floor),
    "ceiling": Function(("number",), "number", pc.ceil),
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": pc.equal,
    "ne": pc.not_equal,
    "lt": pc.less,
    "le": pc.less_equal,
    "gt": pc.greater,
    "ge": pc.greater_equal,
}
WORDS = (*COMPARISONS, "in", "and", "or", "not")


def read(
    text: str, columns: Mapping[str, ValueKind], zone: ZoneInfo, time: str | None = None, key: str | None = None
) -> Filter:
    """The filter that a text means for columns: `time` is what the window is about, `key` names the rows.

    Raises RequestError.
    """
    return of_tree(parsed(text), columns, zone, time, key)


def of_tree(
    tree: Any,
    columns: Mapping[str, ValueKind],
    zone: ZoneInfo,
    time: str | None = None,
    key: str | None = None,
    option: str = FILTER,
) -> Filter:
    """Return the filter that a tree means: see `read`. `option` is where it stands. Raises RequestError."""
    reader = _FilterReader(columns, zone, time, key)
    with _refusing(option):
        condition = reader.condition(tree)

    def mask(rows: pa.Table) -> Any:
        with _refusing(option):
            return _full(condition.read(reader.typed(rows)), rows.num_rows)

    return Filter(
        columns=frozenset(reader.used),
        days=condition.days.true,
        times=tuple(name for name in columns if name in reader.used and reader.when(name)),
        parts=tuple(reader.parts),
        mask=mask,
        option=option,
    )


class _UnfitCondition(Exception):
    """A condition does not fit the columns. The text says why."""


@contextmanager
def _refusing(option: str) -> Iterator[None]:
    """Refuse an unfit condition with a message that names where it stands."""
    try:
        yield
    except _UnfitCondition as fault:
        raise bad(str(fault), option) from None


class _FilterReader:
    """Turns the tree of a filter into terms, each checked against its neighbours."""

    def __init__(
        self, columns: Mapping[str, ValueKind], zone: ZoneInfo, time: str | None = None, key: str | None = None
    ) -> None:
        self.columns = columns
        self.zone = zone
        self.time = time
        self.key = key
        self.used: set[str] = set()
        self.parts: list[str] = []
        self.depth = 0

    def when(self, name: str) -> bool:
        """Return whether a column holds a date or a time."""
        return name == self.key or self.columns[name].name in ("timestamp", "date")

    def typed(self, rows: pa.Table) -> pa.Table:
        """Return rows as a filter compares them: enums as text, and decimals, which are stored as text, as numbers."""
        for name in self.used:
            kind = self.columns[name]
            if kind.name in ("enum", "decimal"):
                type_ = pa.string() if kind.name == "enum" else data_type(kind)
                rows = rows.set_column(rows.schema.get_field_index(name), name, pc.cast(rows[name], type_))
        return rows

    def condition(self, node: Any) -> Term:
        """A term that is true or false."""
        term = self.term(node)
        if term.sort not in ("bool", "null"):
            raise _UnfitCondition(f"has a {term.sort} where a condition must stand")
        return term

    def term(self, node: Any) -> Term:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _UnfitCondition(TOO_DEEP)
        try:
            return self._term(node)
        finally:
            self.depth -= 1

    def _term(self, node: Any) -> Term:
        match node:
            case ColumnName(name):
                return self._column(name)
            case Among():
                return self._among(node)
            case Comparison(word, left, right):
                return self.compared(word, self.term(left), self.term(right))
            case Logical("and", parts):
                return _joined(pc.and_kleene, operator.and_, [self.condition(one) for one in parts])
            case Logical(_, parts):
                return _joined(pc.or_kleene, operator.or_, [self.condition(one) for one in parts])
            case Negated(part):
                inner = self.condition(part)
                return Term("bool", lambda rows: pc.invert(_truth(inner.read(rows))), days=~inner.days)
            case Called():
                return self._call(node)
            case Literal():
                return self._literal(node)
        what = node.what
        raise _UnfitCondition(
            f"has {what}, which is not understood; there are {', '.join(WORDS)}, and {', '.join(FUNCTIONS)}"
        )

    def _literal(self, node: Literal) -> Term:
        match node.kind:
            case "null":
                return Term("null", lambda rows: pa.scalar(None), is_literal=True)
            case "boolean":
                return _literal("bool", node.text.lower() == "true")
            case "integer" | "float":
                return _literal("number", _number(node.text))
            case "string":
                return _literal("string", node.text[1:-1].replace("''", "'"))
            case "guid":
                return _literal("string", node.text)
        return self._moment(node)

    def _column(self, name: str) -> Term:
        if name not in self.columns:
            raise _UnfitCondition(f"names {name[:60]!r}; there are {', '.join(self.columns)}")
        self.used.add(name)
        kind = self.columns[name]
        aspect = "key" if name == self.key else _ASPECTS.get(kind.name) if name == self.time else None
        return Term(_SORTS.get(kind.name, kind.name), lambda rows: rows[name], aspect=aspect)

    def _moment(self, node: Literal) -> Term:
        try:
            if node.kind == "date":
                return _literal("date", datetime.date.fromisoformat(node.text))
            found = datetime.datetime.fromisoformat(node.text)
            aware = found if found.tzinfo is not None else found.replace(tzinfo=self.zone)
            literal = _literal("timestamp", aware.astimezone(datetime.UTC))
        except (ValueError, OverflowError):
            raise _UnfitCondition(f"has the time {node.text}, which does not exist") from None
        return replace(literal, finer=_FINER.search(node.text) is not None)

    def _among(self, node: Among) -> Term:
        left = self.term(node.value)
        items = [self.term(item) for item in node.items]
        # Each item says on which days it is met. The literals of one sort are looked up together.
        values: list[Term] = []
        apart: list[Term] = []
        days = NEVER
        for item in items:
            alike = self._alike(item, left)
            if alike.is_literal and alike.sort == left.sort != "null" and not left.is_literal:
                if not alike.finer:
                    values.append(alike)
                    days |= self._when("eq", left, alike)
            else:
                apart.append(self.compared("eq", left, item))
                days |= apart[-1].days
        if len(apart) > MOST_OPERATIONS:
            raise _UnfitCondition(
                f"looks for a value in a list of {len(apart):,} that are no literals; {MOST_OPERATIONS} are allowed"
            )
        terms = [_among(left, values), *apart] if values or not apart else apart
        return replace(_joined(pc.or_kleene, operator.or_, terms), days=days)

    def compared(self, word: str, left: Term, right: Term) -> Term:
        """A comparison. Raises _UnfitCondition where the two cannot be compared."""
        if "null" in (left.sort, right.sort):
            return _with_null(word, left, right)
        left, right = self._alike(left, right), self._alike(right, left)
        if left.sort != right.sort or left.sort == "list":
            raise _UnfitCondition(f"compares a {left.sort} with a {right.sort}")
        if left.is_literal:
            if right.is_literal:
                return _literal("bool", OPERATORS[word](left.literal, right.literal))
            word, left, right = TURNED[word], right, left
        if right.finer:
            if word in ("eq", "ne"):
                return _literal("bool", word == "ne")
            word = "le" if word in ("lt", "le") else "gt"
        compare = COMPARISONS[word]
        meet = _numbers if left.sort == "number" else lambda *both: both
        unknown = word == "ne"  # something is not what is unknown
        return Term(
            "bool",
            lambda rows: pc.fill_null(compare(*meet(left.read(rows), right.read(rows))), unknown),
            days=self._when(word, left, right),
        )

    def _when(self, word: str, term: Term, literal: Term) -> ODataDays:
        """The days of a comparison with a literal."""
        if term.aspect is None or not literal.is_literal:
            return ANY
        if term.aspect == "key" and "/" in literal.literal:
            self.parts.append(literal.literal)
        return when(term.aspect, word, literal.literal, self.zone)

    def _alike(self, term: Term, other: Term) -> Term:
        """A date that is compared with a time is its beginning in the business time zone, as `since` has it."""
        if term.is_literal and term.sort == "date" and other.sort == "timestamp":
            try:
                return _literal("timestamp", interval.midnight(term.literal, self.zone))
            except OverflowError:
                raise _UnfitCondition(f"has the date {term.literal}, which begins outside the calendar") from None
        return term

    def _call(self, node: Called) -> Term:
        name = node.name
        function = FUNCTIONS.get(name)
        if function is None:
            raise _UnfitCondition(f"has no function {name[:40]!r}; it has {', '.join(FUNCTIONS)}")
        if not function.needs <= len(node.arguments) <= len(function.takes):
            raise _UnfitCondition(f"gives {name} {len(node.arguments)} arguments")
        terms = [self.term(argument) for argument in node.arguments]
        for place, (term, takes) in enumerate(zip(terms, function.takes, strict=False)):
            allowed = ("timestamp", "date") if takes == "time" else (takes,)
            if term.sort not in allowed:
                raise _UnfitCondition(f"gives {name} a {term.sort}; it takes {' and '.join(function.takes)}")
            if place >= function.literal and not term.is_literal:
                raise _UnfitCondition(f"gives {name} a column where a literal must stand")
        call = function.call
        if function.literal == 1:
            rest = [int(term.literal) if term.sort == "number" else term.literal for term in terms[1:]]
            if any(isinstance(one, int) and one < 0 for one in rest):
                raise _UnfitCondition(f"gives {name} a number below 0")
            days = beginning(str(rest[0])) if name == "startswith" and terms[0].aspect == "key" else ANY
            return Term(function.gives, lambda rows: call(terms[0].read(rows), *rest), days=days)
        aspect = function.aspects.get(terms[0].aspect or "")
        if terms[0].sort == "timestamp":  # parts of a time are those of the business's clock
            zone = self.zone
            return Term(function.gives, lambda rows: call(local(terms[0].read(rows), zone)), aspect=aspect)
        return Term(function.gives, lambda rows: call(*(term.read(rows) for term in terms)), aspect=aspect)


def local(values: Any, zone: ZoneInfo) -> Any:
    """Times as a clock of the zone shows them, by Python's zones, which the windows go by as well."""
    if isinstance(values, pa.Scalar):
        try:
            return pa.scalar(values.as_py().astimezone(zone).replace(tzinfo=None), _NAIVE)
        except OverflowError:
            raise _UnfitCondition("has a time that does not exist on the clock of the business") from None
    naive = pc.cast(values, _NAIVE)
    numbers, days = pc.cast(naive, pa.int64()), pc.cast(naive, pa.date32())
    there = pc.unique(days).drop_null()
    found = [_shift(day, zone) for day in there.to_pylist()]
    which = pc.index_in(days, value_set=there)
    turn, before, after = (pc.take(integers((one[part] for one in found), pa.int64()), which) for part in range(3))
    moved = pc.add(numbers, pc.if_else(pc.greater_equal(numbers, turn), after, before))
    return pc.cast(moved, _NAIVE)


@lru_cache(maxsize=1024)
def _shift(day: datetime.date, zone: ZoneInfo) -> tuple[int, int, int]:
    """When the offset of a zone changes on a day of UTC, and the offsets before and after, all in microseconds."""

    def offset(time: int) -> int:
        try:
            found = (_EPOCH + datetime.timedelta(microseconds=time)).astimezone(zone).utcoffset()
        except OverflowError:  # at an end of all time
            return 0
        return (found or datetime.timedelta()) // _MICROSECOND

    low = begin = (day - _EPOCH.date()).days * _DAY
    high = begin + _DAY - 1
    before, after = offset(low), offset(high)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if offset(middle) == before else (low, middle)
    return high, before, after


def _joined(
    join: Callable[[Any, Any], Any], days: Callable[[ODataDays, ODataDays], ODataDays], terms: Sequence[Term]
) -> Term:
    """Conditions joined by `and` or `or`."""

    def mask(rows: pa.Table) -> Any:
        found = _truth(terms[0].read(rows))
        for one in terms[1:]:
            found = join(found, _truth(one.read(rows)))
        return found

    return Term("bool", mask, days=reduce(days, (term.days for term in terms)))


def _among(left: Term, values: Sequence[Term]) -> Term:
    """Test whether a term is one of some literals of its sort. One kernel does this for all of them."""
    literals = dict.fromkeys(term.literal for term in values)
    sets: dict[pa.DataType, pa.Array] = {}

    def mask(rows: pa.Table) -> Any:
        found = left.read(rows)
        if found.type not in sets:
            sets[found.type] = value_set(literals, found.type)
        return pc.is_in(found, value_set=sets[found.type])

    return Term("bool", mask)


def value_set(literals: Iterable[Any], kind: pa.DataType) -> pa.Array:
    """Return those literals that values of a type can be equal to. Without `pa.array`: see `texts`."""
    if pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return texts(list(literals)).cast(kind)
    if pa.types.is_timestamp(kind):
        return integers([(one - _EPOCH) // _MICROSECOND for one in literals], pa.int64()).cast(kind)
    if pa.types.is_date32(kind):
        return integers([(one - _EPOCH.date()).days for one in literals], pa.int32()).cast(kind)
    if pa.types.is_floating(kind):
        numbers = [pc.cast(pa.scalar(one, _WIDE), kind).as_py() for one in literals]
        # Both zeros are equal, but a set distinguishes them.
        packed = array("d", [*numbers, *(-0.0 for one in numbers if not one)])
        return pa.Array.from_buffers(pa.float64(), len(packed), [None, pa.py_buffer(packed)]).cast(kind)
    fitting = [one for one in (_fitted(pa.scalar(one, _WIDE), kind) for one in literals) if one is not None]
    return texts([format(one.as_py(), "f") if pa.types.is_decimal(kind) else one.as_py() for one in fitting]).cast(kind)


def _with_null(word: str, left: Term, right: Term) -> Term:
    if word not in ("eq", "ne"):
        return _literal("bool", False)
    if left.sort == right.sort:
        return _literal("bool", word == "eq")
    other = right if left.sort == "null" else left
    found = pc.is_null if word == "eq" else pc.is_valid
    return Term("bool", lambda rows: found(other.read(rows)))


def _numbers(left: Any, right: Any) -> tuple[Any, Any]:
    """Two numbers as one type that holds both exactly, if it can be."""
    if left.type == right.type:
        return left, right
    if pa.types.is_floating(left.type) or pa.types.is_floating(right.type):
        return pc.cast(left, pa.float64()), pc.cast(right, pa.float64())
    if isinstance(right, pa.Scalar) and (fitted := _fitted(right, left.type)) is not None:
        return left, fitted
    if isinstance(left, pa.Scalar) and (fitted := _fitted(left, right.type)) is not None:
        return fitted, right
    return _cast(left), _cast(right)


def _fitted(literal: pa.Scalar, kind: pa.DataType) -> pa.Scalar | None:
    """A literal as a number of a column's type, which is compared without casting the column; None if it is none."""
    value = literal.as_py()
    try:
        if pa.types.is_integer(kind):
            return pa.scalar(int(value), kind) if value == int(value) else None
        return pa.scalar(value, kind)
    except (pa.ArrowException, OverflowError, ValueError):
        return None


def _cast(value: Any) -> Any:
    if isinstance(value, pa.Scalar):
        return pa.scalar(Decimal(value.as_py()), _WIDE)
    if pa.types.is_integer(value.type):
        value = pc.cast(value, pa.decimal128(19, 0))
    return pc.cast(value, _WIDE)


def _number(text: str) -> Decimal:
    try:
        found = Decimal(text)
        pa.scalar(found, _WIDE)
    except (InvalidOperation, pa.ArrowException, ValueError):
        raise _UnfitCondition(f"has the number {text[:40]}, which is too long") from None
    return found


def _literal(sort: str, value: Any) -> Term:
    match sort:
        case "number":
            scalar = pa.scalar(value, _WIDE)
        case "timestamp":
            scalar = pa.scalar(value, TIMESTAMP)
        case "date":
            scalar = pa.scalar(value, pa.date32())
        case "string":
            scalar = texts([value])[0]
        case _:
            scalar = pa.scalar(value)
    days = ANY if sort != "bool" else ALWAYS if value else NEVER
    return Term(sort, lambda rows: scalar, literal=value, is_literal=True, days=days)


def _truth(value: Any) -> Any:
    return pa.scalar(None, pa.bool_()) if isinstance(value, pa.Scalar) and value.type == pa.null() else value


def _full(mask: Any, rows: int) -> Any:
    """A condition without a column says the same of every row."""
    if isinstance(mask, pa.Scalar):
        return pa.repeat(bool(mask.as_py()), rows)
    return pc.fill_null(mask, False)
