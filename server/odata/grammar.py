"""The grammar of `$filter`: its text as a tree, by odata-query, within limits.

The limits are checked while the words are read, before the parser sees any of them: the parser takes a time that grows
with the number of words, and fails on long paths.
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
# A plus sign in an address is a space, unless somebody has taken care of it.
_OFFSET = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:\d\d)", re.ASCII)


def parsed(text: str, functions: str) -> Any:
    """Return the tree of a filter. `functions` names the functions that there are. Raises Refusal."""
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
    """Return the refusal of a wrong filter."""
    return RequestError(400, "BAD_USER_INPUT", f"$filter {what}.")


def too_deep() -> RequestError:
    """Return the refusal of a filter whose parts are nested too deeply."""
    return bad(f"is deeper than {DEEPEST} levels")


def _with_plus(text: str) -> str:
    """Return the filter with the plus signs of its times, and its texts in quotes as they are."""
    parts = text.split("'")
    return "'".join(part if place % 2 else _OFFSET.sub(r"\1+\2", part) for place, part in enumerate(parts))


def _words(text: str) -> list[Any]:
    """Return the words of a filter. Raises Refusal, or ODataException.

    A list of one, `(1)` in OData, is taken for brackets by the grammar: it gets a comma.
    """
    found: list[Any] = []
    last: list[str] = ["", "", ""]  # the types of the last words that are no space
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
