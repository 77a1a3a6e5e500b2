"""Parse the text of `$filter` into a tree with odata-query, within limits.

The limits are checked on the words, before the parser runs: its time grows with the number of words, and it fails on
long paths.
"""

import copy
import re
from typing import Any

from odata_query.exceptions import ArgumentCountException, ODataException, UnknownFunctionException
from odata_query.grammar import ODataLexer, ODataParser

from server.http.request_error import RequestError

LONGEST = 8000
DEEPEST = 100
MOST_WORDS = 2500
MOST_OPERATIONS = 250

_OPERATORS = frozenset(
    {"AND", "OR", "NOT", "EQ", "NE", "LT", "LE", "GT", "GE", "IN", "ADD", "SUB", "MUL", "DIV", "MOD", "UMINUS"}
)
# A plus sign in an address means a space, unless the client has encoded it.
_OFFSET = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:\d\d)", re.ASCII)


def parsed(text: str, functions: str) -> Any:
    """Return the tree of a filter. `functions` are the names of the known functions. Raises RequestError."""
    if not text.strip():
        raise bad("is empty")
    if len(text) > LONGEST:
        raise bad(f"has {len(text):,} characters; {LONGEST:,} are allowed")
    text = _with_plus(text.strip())
    try:
        return ODataParser().parse(iter(_words(text)))
    except UnknownFunctionException as unknown:
        raise bad(f"has no function {unknown.function_name[:40]!r}; it has {functions}") from None
    except ArgumentCountException as wrong:
        raise bad(f"gives {wrong.function_name} {wrong.n_args_given} arguments") from None
    except ODataException as wrong:
        token = getattr(wrong, "token", None)
        where = "ends too early" if token is None else f"cannot be read from {text[token.index :][:40]!r} on"
        raise bad(where) from None


def bad(what: str) -> RequestError:
    """Return the error for a wrong filter."""
    return RequestError(400, "BAD_USER_INPUT", f"$filter {what}.")


def too_deep() -> RequestError:
    """Return the error for a filter with parts that are nested too deeply."""
    return bad(f"is deeper than {DEEPEST} levels")


def _with_plus(text: str) -> str:
    """Return the filter with the plus signs of its times restored, and its quoted texts unchanged."""
    parts = text.split("'")
    return "'".join(part if place % 2 else _OFFSET.sub(r"\1+\2", part) for place, part in enumerate(parts))


def _words(text: str) -> list[Any]:
    """Return the words of a filter. Raises RequestError or ODataException.

    The grammar reads a list with one item, `(1)`, as brackets, so it gets a comma.
    """
    found: list[Any] = []
    last: list[str] = ["", "", ""]  # the types of the last words that are not spaces
    depth = words = operations = 0
    for token in ODataLexer().tokenize(text):
        kind = token.type
        if kind == "WS":
            found.append(token)
            continue
        words += 1
        depth += (kind == "(") - (kind == ")")
        operations += kind in _OPERATORS or (kind == "(" and last[-1] == "ODATA_IDENTIFIER")
        if kind == "/":
            raise bad(f"has a path at {text[max(token.index - 20, 0) :][:40]!r}; a column is named without a path")
        if kind == "=":
            raise bad("has the sign =; values are compared with eq")
        if words > MOST_WORDS:
            raise bad(f"has more than {MOST_WORDS:,} names, values, operators and signs, which is how many are allowed")
        if operations > MOST_OPERATIONS:
            raise bad(
                f"has more than {MOST_OPERATIONS:,} operators and functions, which is how many are allowed: compare "
                "with many values by `in (…, …)`"
            )
        if depth > DEEPEST:
            raise too_deep()
        if kind == ")" and last[-3:-1] == ["IN", "("]:
            comma = copy.copy(token)
            comma.type = comma.value = ","
            found.append(comma)
        last = [*last[1:], kind]
        found.append(token)
    return found
