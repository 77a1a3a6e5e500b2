"""Reduce an answer to the form that a fault report needs, without what it says about people and money.

In rows, each name stays, and each value keeps only its form: letters become `x` and digits `9`. The faulty column and
the ids of rows (numbers) stay, so that the vendor finds the place. The values of the envelope (a code, a message, a
total) stay as well. An answer that is not JSON, such as the page of a proxy, has no rows and stays whole.
"""

import re
from string import ascii_letters, digits

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\]:,]|[^\s{}\[\]:,"]+|\s+', re.DOTALL)
# An escaped letter, any other escape, a digit, a letter.
_PART = re.compile(r"(?P<x>\\u[0-9a-fA-F]{4})|(?P<same>\\.)|(?P<digit>\d)|(?P<letter>[^\W\d_])", re.DOTALL)
_FORM = {"x": "x", "digit": "9", "letter": "x"}
_ASCII_FORM = str.maketrans(ascii_letters + digits, "x" * len(ascii_letters) + "9" * len(digits))
_NUMBER = re.compile(r"[0-9]+")
_PLACE = re.compile(r"\[\d+\]")
_WORDS = frozenset({"true", "false", "null", "NaN", "Infinity", "-Infinity"})
# The keys of the envelopes, by the documents of both systems.
_ABOUT = frozenset(
    {"error", "errors", "code", "message", "msg", "detail", "status", "break", "total_count", "page", "perPage"}
)


def evidence(payload: bytes, column: str = "") -> bytes:
    """Return a payload, which may be cut, with no more of its rows than a fault report needs.

    `column` is the path of the value at fault.
    """
    if payload.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return payload
    wrong = _PLACE.sub("", column).rpartition(".")[2]
    text = payload.decode("utf-8", "surrogateescape")
    parts: list[str] = []
    # For each open object: the name that was read last in it; for each open array: its own name.
    names: list[str] = []
    tokens = _TOKEN.findall(text)
    for place, token in enumerate(tokens):
        if token in "{[":
            names.append(names[-1] if token == "[" and names else "")
        elif token in "}]":
            del names[-1:]
        elif token not in ",:" and not token.isspace():
            if token[0] == '"' and _is_name(tokens, place):
                if names:
                    names[-1] = token.strip('"')
            elif not _stays(token, names, wrong):
                token = _form(token)
        parts.append(token)
    return "".join(parts).encode("utf-8", "surrogateescape")


def _is_name(tokens: list[str], place: int) -> bool:
    following = tokens[place + 1 : place + 3]
    return ":" in following and (following[0] == ":" or following[0].isspace())


def _stays(token: str, names: list[str], wrong: str) -> bool:
    name = names[-1] if names else ""
    if token in _WORDS or (wrong and name == wrong) or (names and names[0] in _ABOUT):
        return True
    return (name == "id" or name.endswith("_id")) and _NUMBER.fullmatch(token) is not None


def _form(token: str) -> str:
    if token.isascii() and "\\" not in token:
        return token.translate(_ASCII_FORM)
    return _PART.sub(lambda part: _FORM.get(str(part.lastgroup), part[0]), token)
