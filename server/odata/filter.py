"""`$filter`: read by odata-query, checked against the columns, and evaluated over arrow's columns.

A comparison of the table's time column that the whole filter depends on bounds the window as well: what lies outside is
never read. As OData has it, a comparison with null is false, but for `ne`, and what is neither true nor false is not
in the answer.
"""

import copy
import datetime
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from odata_query import ast
from odata_query.exceptions import ArgumentCountException, ODataException, UnknownFunctionException
from odata_query.grammar import ODataLexer, ODataParser

from server.refusal import Refusal
from server.tables.arrow import DECIMAL, TIMESTAMP, texts
from server.tables.table import Kind
from upstream import interval

LONGEST = 8000
DEEPEST = 100
_WIDE = pa.decimal256(76, 20)
# A plus sign in an address is a space, unless somebody has taken care of it.
_OFFSET = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:\d\d)", re.ASCII)

NUMBERS = frozenset({"int64", "float64", "decimal"})
TEXTS = frozenset({"string", "enum"})
_SORTS = {**dict.fromkeys(NUMBERS, "number"), **dict.fromkeys(TEXTS, "string")}

Read = Callable[[pa.Table], Any]


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a filter: what it is, and how it is read from rows. A `literal` has its value, a column its `name`."""

    sort: str
    read: Read
    name: str | None = None
    literal: Any = None
    is_literal: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which moments, or days, a filter leaves anything; `open_end` says that the last is not among them."""

    first: datetime.datetime | datetime.date | None = None
    last: datetime.datetime | datetime.date | None = None
    open_end: bool = False

    def __bool__(self) -> bool:
        return self.first is not None or self.last is not None


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: the columns it reads, the bounds of the time column, and which rows it takes."""

    columns: frozenset[str]
    bounds: Bounds
    mask: Read


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the sorts of its arguments, of its result, and what it does. From `literal` on, only literals."""

    takes: tuple[str, ...]
    gives: str
    call: Callable[..., Any]
    literal: int = 9


def _sliced(value: Any, start: int, length: int | None = None) -> Any:
    return pc.utf8_slice_codeunits(value, start, None if length is None else start + length)


FUNCTIONS = {
    "contains": Function(("string", "string"), "bool", lambda value, part: pc.match_substring(value, part), 1),
    "startswith": Function(("string", "string"), "bool", lambda value, part: pc.starts_with(value, part), 1),
    "endswith": Function(("string", "string"), "bool", lambda value, part: pc.ends_with(value, part), 1),
    "indexof": Function(("string", "string"), "number", lambda value, part: pc.find_substring(value, part), 1),
    "substring": Function(("string", "number", "number"), "string", _sliced, 1),
    "concat": Function(("string", "string"), "string", lambda *parts: pc.binary_join_element_wise(*parts, "")),
    "length": Function(("string",), "number", pc.utf8_length),
    "tolower": Function(("string",), "string", pc.utf8_lower),
    "toupper": Function(("string",), "string", pc.utf8_upper),
    "trim": Function(("string",), "string", pc.utf8_trim_whitespace),
    "year": Function(("time",), "number", pc.year),
    "month": Function(("time",), "number", pc.month),
    "day": Function(("time",), "number", pc.day),
    "hour": Function(("timestamp",), "number", pc.hour),
    "minute": Function(("timestamp",), "number", pc.minute),
    "second": Function(("timestamp",), "number", pc.second),
    "date": Function(("timestamp",), "date", lambda value: pc.cast(value, pa.date32())),
    "round": Function(("number",), "number", lambda value: pc.round(value, round_mode="half_towards_infinity")),
    "floor": Function(("number",), "number", pc.floor),
    "ceiling": Function(("number",), "number", pc.ceil),
}
COMPARISONS: dict[type, tuple[str, Callable[[Any, Any], Any], Callable[[Any, Any], Any], str]] = {
    ast.Eq: ("eq", pc.equal, operator.eq, "eq"),
    ast.NotEq: ("ne", pc.not_equal, operator.ne, "ne"),
    ast.Lt: ("lt", pc.less, operator.lt, "gt"),
    ast.LtE: ("le", pc.less_equal, operator.le, "ge"),
    ast.Gt: ("gt", pc.greater, operator.gt, "lt"),
    ast.GtE: ("ge", pc.greater_equal, operator.ge, "le"),
}
OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "in", "and", "or", "not")


def read(text: str, columns: Mapping[str, Kind], time: str | None, zone: ZoneInfo) -> Filter:
    """The filter that a text means for columns, one of which is the time. Raises Refusal."""
    if not text.strip():
        raise _bad("is empty")
    if len(text) > LONGEST:
        raise _bad(f"has {len(text):,} characters; {LONGEST:,} are allowed")
    try:
        tree = ODataParser().parse(_tokens(_OFFSET.sub(r"\1+\2", text.strip())))
    except UnknownFunctionException as unknown:
        raise _bad(f"has no function {unknown.function_name[:40]!r}; it has {', '.join(FUNCTIONS)}") from None
    except ArgumentCountException as wrong:
        raise _bad(f"gives {wrong.function_name} {wrong.n_args_given} arguments") from None
    except ODataException as wrong:
        token = getattr(wrong, "token", None)
        where = "ends too early" if token is None else f"cannot be read from {text[token.index :][:40]!r} on"
        raise _bad(where) from None
    reader = _Reader(columns, zone)
    condition = reader.condition(tree)
    bounds = Bounds() if time is None else _bounds(reader, tree, time)
    return Filter(frozenset(reader.used), bounds, lambda rows: _full(condition.read(rows), rows.num_rows))


def _tokens(text: str) -> Iterator[Any]:
    """The words of a filter. A list of one, `(1)` in OData, is taken for brackets by the grammar: it gets a comma."""
    before: list[Any] = []
    for token in ODataLexer().tokenize(text):
        shape = [one.type for one in before[-3:] if one.type != "WS"]
        if token.type == ")" and shape[-3:-1] == ["IN", "("]:
            comma = copy.copy(token)
            comma.type = comma.value = ","
            yield comma
        before = [*before[-3:], token] if token.type != "WS" else before
        yield token


class _Reader:
    """Turns the tree of a filter into terms, each checked against its neighbours."""

    def __init__(self, columns: Mapping[str, Kind], zone: ZoneInfo) -> None:
        self.columns = columns
        self.zone = zone
        self.used: set[str] = set()
        self.depth = 0

    def condition(self, node: Any) -> Term:
        """A term that is true or false."""
        term = self.term(node)
        if term.sort not in ("bool", "null"):
            raise _bad(f"has a {term.sort} where a condition must stand")
        return term

    def term(self, node: Any) -> Term:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _bad(f"is deeper than {DEEPEST} levels")
        try:
            return self._term(node)
        finally:
            self.depth -= 1

    def _term(self, node: Any) -> Term:
        match node:
            case ast.Identifier():
                return self._column(".".join((*node.namespace, node.name)))
            case ast.Compare(comparator=ast.In()):
                return self._among(node)
            case ast.Compare():
                return self.compared(type(node.comparator), self.term(node.left), self.term(node.right))
            case ast.BoolOp():
                left, right = self.condition(node.left), self.condition(node.right)
                both = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
                return Term("bool", lambda rows: both(_truth(left.read(rows)), _truth(right.read(rows))))
            case ast.UnaryOp(op=ast.Not()):
                inner = self.condition(node.operand)
                return Term("bool", lambda rows: pc.invert(_truth(inner.read(rows))))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Integer(val) | ast.Float(val)):
                return _literal("number", -_number(val))
            case ast.Call():
                return self._call(node)
            case ast.Null():
                return Term("null", lambda rows: pa.scalar(None), is_literal=True)
            case ast.Boolean():
                return _literal("bool", node.py_val)
            case ast.Integer() | ast.Float():
                return _literal("number", _number(node.val))
            case ast.String():
                return _literal("string", node.val)
            case ast.GUID():
                return _literal("string", node.val)
            case ast.Date() | ast.DateTime():
                return self._moment(node)
        what = type(node).__name__.lower()
        raise _bad(f"has {what}, which is not understood; there are {', '.join(OPERATORS)}, and {', '.join(FUNCTIONS)}")

    def _column(self, name: str) -> Term:
        if name not in self.columns:
            raise _bad(f"names {name[:60]!r}; there are {', '.join(self.columns)}")
        self.used.add(name)
        kind = self.columns[name].name
        if kind == "enum":
            return Term("string", lambda rows: pc.cast(rows[name], pa.string()), name)
        return Term(_SORTS.get(kind, kind), lambda rows: rows[name], name)

    def _moment(self, node: Any) -> Term:
        try:
            found = datetime.datetime.fromisoformat(node.val) if isinstance(node, ast.DateTime) else node.py_val
        except ValueError:
            raise _bad(f"has the time {node.val}, which does not exist") from None
        if isinstance(found, datetime.datetime):
            aware = found if found.tzinfo is not None else found.replace(tzinfo=self.zone)
            return _literal("timestamp", aware.astimezone(datetime.UTC))
        return _literal("date", found)

    def _among(self, node: Any) -> Term:
        left = self.term(node.left)
        items = node.right.val if isinstance(node.right, ast.List) else [node.right]
        found = [self.compared(ast.Eq, left, self.term(item)) for item in items]

        def read(rows: pa.Table) -> Any:
            mask = found[0].read(rows)
            for one in found[1:]:
                mask = pc.or_kleene(mask, one.read(rows))
            return mask

        return Term("bool", read)

    def compared(self, comparator: type, left: Term, right: Term) -> Term:
        """A comparison. Raises Refusal where the two cannot be compared."""
        word, compare, plain, _ = COMPARISONS[comparator]
        if "null" in (left.sort, right.sort):
            return _with_null(word, left, right)
        left, right = self._alike(left, right), self._alike(right, left)
        if left.sort != right.sort or left.sort == "list":
            raise _bad(f"compares a {left.sort} with a {right.sort}")
        if left.is_literal and right.is_literal:
            return _literal("bool", plain(left.literal, right.literal))
        meet = _numbers if left.sort == "number" else lambda *both: both
        unknown = word == "ne"  # something is not what is unknown
        return Term("bool", lambda rows: pc.fill_null(compare(*meet(left.read(rows), right.read(rows))), unknown))

    def _alike(self, term: Term, other: Term) -> Term:
        """A date that is compared with a time is its beginning in the business time zone, as `since` has it."""
        if term.is_literal and term.sort == "date" and other.sort == "timestamp":
            return _literal("timestamp", interval.midnight(term.literal, self.zone))
        return term

    def _call(self, node: Any) -> Term:
        name = ".".join((*node.func.namespace, node.func.name))
        function = FUNCTIONS.get(name)
        if function is None:
            raise _bad(f"has no function {name[:40]!r}; it has {', '.join(FUNCTIONS)}")
        terms = [self.term(argument) for argument in node.args]
        for place, (term, takes) in enumerate(zip(terms, function.takes, strict=False)):
            allowed = ("timestamp", "date") if takes == "time" else (takes,)
            if term.sort not in allowed:
                raise _bad(f"gives {name} a {term.sort}; it takes {' and '.join(function.takes)}")
            if place >= function.literal and not term.is_literal:
                raise _bad(f"gives {name} a column where a literal must stand")
        call = function.call
        if function.literal == 1:
            rest = [int(term.literal) if term.sort == "number" else term.literal for term in terms[1:]]
            if any(isinstance(one, int) and one < 0 for one in rest):
                raise _bad(f"gives {name} a number below 0")
            return Term(function.gives, lambda rows: call(terms[0].read(rows), *rest))
        return Term(function.gives, lambda rows: call(*(term.read(rows) for term in terms)))


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
    narrow = {left.type, right.type} <= {DECIMAL, pa.int64(), pa.int32()} and DECIMAL in (left.type, right.type)
    kind = DECIMAL if narrow and _fits(left) and _fits(right) else _WIDE
    return _cast(left, kind), _cast(right, kind)


def _fits(value: Any) -> bool:
    return bool(value.type == DECIMAL)


def _cast(value: Any, kind: pa.DataType) -> Any:
    if isinstance(value, pa.Scalar):
        return pa.scalar(Decimal(value.as_py()), kind)
    if pa.types.is_integer(value.type):
        value = (
            pc.cast(value, pa.decimal128(19, 0)) if value.type == pa.int64() else pc.cast(value, pa.decimal128(10, 0))
        )
    return pc.cast(value, kind)


def _number(text: str) -> Decimal:
    try:
        found = Decimal(text)
        _scalar(found)
    except (InvalidOperation, pa.ArrowException, ValueError):
        raise _bad(f"has the number {text[:40]}, which is too long") from None
    return found


def _scalar(value: Decimal) -> pa.Scalar:
    """A literal as the narrowest type that is compared without casting a column, and holds it."""
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -10 and abs(value) < Decimal(10) ** 28:
        return pa.scalar(value, DECIMAL)
    return pa.scalar(value, _WIDE)


def _literal(sort: str, value: Any) -> Term:
    match sort:
        case "number":
            scalar = _scalar(value)
        case "timestamp":
            scalar = pa.scalar(value, TIMESTAMP)
        case "date":
            scalar = pa.scalar(value, pa.date32())
        case "string":
            scalar = texts([value])[0]
        case _:
            scalar = pa.scalar(value)
    return Term(sort, lambda rows: scalar, literal=value, is_literal=True)


def _truth(value: Any) -> Any:
    return pa.scalar(None, pa.bool_()) if isinstance(value, pa.Scalar) and value.type == pa.null() else value


def _full(mask: Any, rows: int) -> Any:
    """A condition without a column says the same of every row."""
    if isinstance(mask, pa.Scalar):
        return pa.repeat(bool(mask.as_py()), rows)
    return pc.fill_null(mask, False)


def _bounds(reader: _Reader, tree: Any, time: str) -> Bounds:
    first: Any = None
    last: Any = None
    open_end = False
    for node in _conjuncts(tree):
        if not isinstance(node, ast.Compare) or isinstance(node.comparator, ast.In):
            continue
        word, _, _, turned = COMPARISONS[type(node.comparator)]
        left, right = reader.term(node.left), reader.term(node.right)
        if right.name == time and left.is_literal:
            word, left, right = turned, right, left
        left, right = reader._alike(left, right), reader._alike(right, left)
        if left.name != time or not right.is_literal or right.sort != left.sort:
            continue
        if word in ("ge", "gt", "eq"):
            first = right.literal if first is None else max(first, right.literal)
        if word in ("le", "lt", "eq"):
            closer = last is None or right.literal < last or (right.literal == last and word == "lt")
            last, open_end = (right.literal, word == "lt") if closer else (last, open_end)
    return Bounds(first, last, open_end)


def _conjuncts(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _bad(what: str) -> Refusal:
    return Refusal(400, "BAD_USER_INPUT", f"$filter {what}.")
