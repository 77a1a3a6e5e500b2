"""The grammar of `$filter`, `$orderby` and `$apply`, for lark: a text becomes a tree, within limits.

The limits are checked on the words, before the parser runs. The parser is LALR(1): its time grows with the number of
words, and neither it nor the making of the tree calls itself. Its lexer knows which words can stand at a place, so a
column may have a name like `sum`, `with` or `any`.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args

from server.http.request_error import RequestError
from server.odata.edm import TRANSFORMATIONS
from server.odata.tree import (
    Aggregation,
    Among,
    Called,
    ColumnName,
    Comparison,
    Cut,
    Filtered,
    Grouped,
    Joint,
    Literal,
    Logical,
    Negated,
    Sorted,
    Transformation,
    Unsupported,
)

LONGEST = 8000
# A sort order that names each column once is shorter.
LONGEST_ORDER = 2 * LONGEST
DEEPEST = 100
TOO_DEEP = f"is deeper than {DEEPEST} levels"
MOST_WORDS = 2500
MOST_OPERATIONS = 250

FILTER, ORDERBY, APPLY = "$filter", "$orderby", "$apply"

# A plus sign in an address means a space, unless the client has encoded it.
_OFFSET = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:\d\d)", re.ASCII)

_DATE = r"[1-9]\d{3}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,12})?)?"
_OPERATORS = ("add", "sub", "mul", "div", "mod", "and", "or", "eq", "ne", "lt", "le", "gt", "ge", "in")
# The words, each as a regular expression. The first that fits is taken. An operator includes the spaces around it.
_WORDS = {
    "DURATION": r"duration'[+-]?P(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?'",
    "STRING": r"'(?:[^']|'')*'",
    "GEOGRAPHY": r"geography'(?:[^']|'')*'",
    "GUID": r"[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}",
    "DATETIME": _DATE + "T" + _TIME + r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    "DATE": _DATE,
    "TIME": _TIME,
    "FLOAT": r"[+-]?\d+(?:\.\d+(?:e[-+]?\d+)?|e[-+]?\d+)",
    "INTEGER": r"[+-]?\d+",
    "BOOLEAN": r"(?:true|false)(?!\w)",
    "NULL": r"null(?!\w)",
    **{word.upper(): rf"\s+{word}\s+" for word in _OPERATORS},
    "_MINUS": "-",
    "_NOT": r"not\s+",
    "_WITH": r"\s+with\s+",
    "_AS": r"\s+as\s+",
    "NAME": r"[_a-z](?:\.?\w){0,127}",
    "_SPACE": r"\s+",
    "_OPEN": r"\(",
    "_CLOSE": r"\)",
    "_COMMA": ",",
    "_SLASH": r"\/",
    "COUNT": r"\$count",
    "_OTHER": "[:=]",
}
_COUNTED = {*map(str.upper, _OPERATORS), "_NOT", "_MINUS"}
_WORD = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _WORDS.items()), re.IGNORECASE)
_PRIORITIES = range(len(_WORDS), 0, -1)
_TERMINALS = "\n".join(f"{name}.{rank}: /{_WORDS[name]}/i" for name, rank in zip(_WORDS, _PRIORITIES, strict=True))

_RULES = r"""
filter: or

?or: and | or OR and -> joined
?and: equal | and AND equal -> joined
?equal: order | equal (EQ | NE) order -> compared
?order: sum | order (GT | GE | LT | LE) sum -> compared
?sum: sign | sum (ADD | SUB | MUL | DIV | MOD) sign -> calculated
?sign: member | _NOT sign -> negated | _MINUS _s sign -> turned
?member: value | member IN items -> among
?value: literal | column | call | list | _OPEN _s or _s _CLOSE
literal: NULL | BOOLEAN | INTEGER | FLOAT | STRING | GUID | DATE | DATETIME | TIME | DURATION | GEOGRAPHY
column: NAME
call: NAME _OPEN _CLOSE | NAME items
list: _OPEN _s _many _s _CLOSE
items: _OPEN _s (or | _many) _s _CLOSE
_many: or _NEXT | _several
_several: or _NEXT or | _several _NEXT or

orderby: order_by? | _orders
_orders: order_by? _NEXT order_by? | _orders _NEXT order_by?
order_by: COLUMN (_SPACE WAY)?

apply: _steps
_steps: _step | _steps _THEN _step
_step: filtered | grouped | aggregated | sorted | skipped | limited | joint | identity
filtered: "filter" _OPEN _s or _s _CLOSE
grouped: "groupby" _OPEN _s _OPEN _s names _s _CLOSE (_NEXT aggregated)? _s _CLOSE
names: _names
_names: path | _names _NEXT path
path: NAME (_SLASH NAME)*
aggregated: "aggregate" _OPEN _s _aggregates _s _CLOSE
_aggregates: _aggregate | _aggregates _NEXT _aggregate
_aggregate: number | aggregate
number: COUNT _AS NAME
aggregate: path method? alias?
method: _WITH NAME
alias: _AS NAME
sorted: "orderby" _OPEN _SPACE? sort (_NEXT sort)* _END
sort: NAME (_SPACE NAME)? -> order_by
skipped: "skip" _OPEN INTEGER _CLOSE
limited: "top" _OPEN INTEGER _CLOSE
joint: "concat" _OPEN _SPACE? branch (_NEXT branch)+ _SPACE? _CLOSE
branch: _steps
identity: "identity"

_s: _SPACE?
COLUMN: /[^\s,]+/
WAY: /[^\s,][^,]*/
_NEXT.90: /\s*,\s*/
_END.90: /\s*\)/
_THEN.90: /\s*\/\s*/
"""


class ODataParser:
    """The parser: it is made once, by the first text."""

    def __init__(self) -> None:
        self._lark = Lark(
            _RULES + _TERMINALS,
            parser="lalr",
            lexer="contextual",
            start=[option.removeprefix("$") for option in (FILTER, ORDERBY, APPLY)],
            transformer=_Tree(),
            maybe_placeholders=False,
        )

    def parse(self, text: str, option: str = FILTER) -> Any:
        """Return the tree of the text of an option. Raises RequestError."""
        try:
            return self._lark.parse(text, start=option.removeprefix("$"))
        except UnexpectedInput as wrong:
            ends = isinstance(wrong, UnexpectedToken) and wrong.token.type == "$END"
            what = "ends too early" if ends else unreadable(text, wrong.pos_in_stream or 0)
            raise bad(what + (f"; there are {', '.join(TRANSFORMATIONS)}" if option == APPLY else ""), option) from None


@cache
def parser() -> ODataParser:
    """Return the parser."""
    return ODataParser()


def parsed(text: str, option: str = FILTER) -> Any:
    """Return the tree of a `$filter` or an `$apply`. Raises RequestError."""
    text = text.strip()
    if not text:
        raise bad("is empty", option)
    if len(text) > LONGEST:
        raise bad(f"has {len(text):,} characters; {LONGEST:,} are allowed", option)
    text = _with_plus(text)
    _check(text, option)
    return parser().parse(text, option)


def ordered(text: str) -> tuple[tuple[str, str], ...]:
    """Return the columns of an `$orderby`, each with the word after it. Raises RequestError."""
    if len(text) > LONGEST_ORDER:
        raise bad(f"has {len(text):,} characters; {LONGEST_ORDER:,} are allowed", ORDERBY)
    found: tuple[tuple[str, str], ...] = parser().parse(text.strip(), ORDERBY)
    return found


def bad(what: str, option: str = FILTER) -> RequestError:
    """Return the error for a wrong option."""
    return RequestError(400, "BAD_USER_INPUT", f"{option} {what}.")


def unreadable(text: str, place: int) -> str:
    """Return what is wrong with a text that is not understood from a place on."""
    return f"cannot be read from {text[place:][:40]!r} on"


def _with_plus(text: str) -> str:
    """Return the text with the plus signs of its times restored, and its quoted texts unchanged."""
    parts = text.split("'")
    return "'".join(part if place % 2 else _OFFSET.sub(r"\1+\2", part) for place, part in enumerate(parts))


def _check(text: str, option: str) -> None:
    """Check the words of a text against the limits. Raises RequestError."""
    depth = words = operations = place = 0
    last = ""
    while place < len(text):
        word = _WORD.match(text, place)
        if word is None:
            raise bad(unreadable(text, place), option)
        kind = word.lastgroup
        if kind == "_SPACE":
            place = word.end()
            continue
        words += 1
        depth += (kind == "_OPEN") - (kind == "_CLOSE")
        operations += kind in _COUNTED or (kind == "_OPEN" and last == "NAME")
        if kind == "_SLASH" and option == FILTER:
            raise bad(f"has a path at {text[max(place - 20, 0) :][:40]!r}; a column is named without a path")
        if word[0] == "=":
            raise bad("has the sign =; values are compared with eq", option)
        if words > MOST_WORDS:
            raise bad(
                f"has more than {MOST_WORDS:,} names, values, operators and signs, which is how many are allowed",
                option,
            )
        if operations > MOST_OPERATIONS:
            raise bad(
                f"has more than {MOST_OPERATIONS:,} operators and functions, which is how many are allowed: compare "
                "with many values by `in (…, …)`",
                option,
            )
        if depth > DEEPEST:
            raise bad(TOO_DEEP, option)
        last, place = kind or "", word.end()


@v_args(inline=True)
class _Tree(Transformer[Token, Any]):
    """Makes the tree, from the leaves up."""

    def filter(self, condition: Any) -> Any:
        return condition

    def literal(self, token: Token) -> Literal | Unsupported:
        kind = token.type.lower()
        return Unsupported(kind) if kind in ("time", "duration", "geography") else Literal(kind, str(token))

    def column(self, name: Token) -> ColumnName:
        return ColumnName(str(name))

    def compared(self, left: Any, word: Token, right: Any) -> Comparison:
        return Comparison(_plain(word), left, right)

    def joined(self, left: Any, word: Token, right: Any) -> Logical:
        if isinstance(left, Logical) and left.word == _plain(word):
            left.parts.append(right)
            return left
        return Logical(_plain(word), [left, right])

    def calculated(self, left: Any, word: Token, right: Any) -> Unsupported:
        return Unsupported("binop")

    def negated(self, part: Any) -> Negated:
        return Negated(part)

    def turned(self, part: Any) -> Literal | Unsupported:
        if isinstance(part, Literal) and part.kind in ("integer", "float"):
            return Literal(
                part.kind, part.text.removeprefix("-") if part.text[0] == "-" else f"-{part.text.lstrip('+')}"
            )
        return Unsupported("unaryop")

    def among(self, value: Any, word: Token, items: Sequence[Any]) -> Among:
        return Among(value, items)

    def call(self, name: Token, arguments: Sequence[Any] = ()) -> Called:
        return Called(str(name), arguments)

    def items(self, *items: Any) -> Sequence[Any]:
        return items

    def list(self, *items: Any) -> Unsupported:
        return Unsupported("list")

    def orderby(self, *order: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        return order

    def order_by(self, name: Token, way: str = "") -> tuple[str, str]:
        return str(name), str(way).strip()

    def apply(self, *steps: Transformation) -> tuple[Transformation, ...]:
        return steps

    branch = apply

    def filtered(self, condition: Any) -> Filtered:
        return Filtered(condition)

    def grouped(self, by: tuple[str, ...], aggregated: Grouped | None = None) -> Grouped:
        return Grouped(by, () if aggregated is None else aggregated.aggregates)

    def names(self, *names: str) -> tuple[str, ...]:
        return names

    def path(self, *names: Token) -> str:
        return "/".join(names)

    def aggregated(self, *aggregates: Aggregation) -> Grouped:
        return Grouped((), aggregates)

    def number(self, count: Token, alias: Token) -> Aggregation:
        return Aggregation(None, "$count", str(alias))

    def aggregate(self, column: str, *rest: tuple[str, str]) -> Aggregation:
        found = dict(rest)
        return Aggregation(column, found.get("method", ""), found.get("alias", ""))

    def method(self, name: Token) -> tuple[str, str]:
        return "method", str(name)

    def alias(self, name: Token) -> tuple[str, str]:
        return "alias", str(name)

    def sorted(self, *order: tuple[str, str]) -> Sorted:
        return Sorted(order)

    def skipped(self, rows: Token) -> Cut:
        return Cut(int(rows), None)

    def limited(self, rows: Token) -> Cut:
        return Cut(0, int(rows))

    def joint(self, *branches: tuple[Transformation, ...]) -> Joint:
        return Joint(branches)

    def identity(self) -> Cut:
        return Cut(0, None)


def _plain(word: Token) -> str:
    return word.strip().lower()
