"""The kinds of hostile request that cost a server most: each is some requests that are sent one after the other.

The server stands over a sandbox of 2,000 users (`CROWD`).
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from tests.hostile.corpus import CASES, ask, entities, http

CROWD: dict[str, Any] = {"users": 2000, "days": 1}
SQUARE = "{users(first:1000){nodes{group{users(first:1000){nodes{id username externalId nodeId}}}}}}"
ALLOWED = "{users(first:1000){nodes{group{users(first:50){nodes{id username externalId nodeId}}}}}}"
PRODUCT = "{groups(first:1000){nodes{users(first:1000){nodes{group{users(first:90){nodes{id}}}}}}}}"
NUMBERS = ",".join(map(str, range(3900)))


def document(number: int) -> str:
    """Return a valid document of 1 KB that no server has seen before."""
    fields = " ".join(f"a{number}x{place}: name b{number}x{place}: type" for place in range(30))
    return f'query q{number} {{ group(id: "382") {{ {fields} }} }}'.ljust(1000)


def filtered(text: str, table: str = "Users") -> bytes:
    """Return a request for rows that a filter takes."""
    return http("GET", f"/odata/{table}?$top=5&$filter={quote(text)}")


def ranged(text: str) -> bytes:
    """Return a request for a range of a file."""
    return http("GET", "/tables/Users.csv", {"Range": text})


def _cases(word: str) -> list[bytes]:
    return [case.request for case in CASES if word in case.name]


KINDS: dict[str, Callable[[], Sequence[bytes]]] = {
    "a square of all users (90 bytes)": lambda: [ask(SQUARE)],
    "a product of lists": lambda: [ask(PRODUCT)],
    "an answer of 50,000 nodes": lambda: [ask(ALLOWED)],
    "different documents of 1 KB": lambda: [ask(document(number)) for number in range(60)],
    "filters beyond a limit": lambda: [
        filtered(text)
        for text in (
            "a/" * 3900,
            f"length(id) in ({NUMBERS[:7900]})",
            "(" * 3900 + "id eq '1'" + ")" * 3900,
            "not " * 1900 + "true",
            " or ".join(["contains(id,'1')"] * 380),
            "id eq '" + "x" * 7900,
        )
    ],
    "large filters that are allowed": lambda: [
        filtered(f"length(id) in ({NUMBERS[:4500]})"),
        filtered(" or ".join(f"contains(username,'{number}x')" for number in range(120))),
        filtered("id in (" + ",".join(f"'{number}'" for number in range(1000)) + ")"),
    ],
    "odd ranges": lambda: [
        ranged(text)
        for text in (
            "bytes=" + "9" * 5000 + "-",
            "bytes=" + "0-1," * 2000,
            "bytes=" + ",".join(f"{place}-{place}" for place in range(0, 3000, 2)),
            "rows=0-1",
            "bytes=5-1",
        )
    ],
    "bombs of fragments and aliases": lambda: _cases("bomb") + _cases("alias") + _cases("chain"),
    "many values in variables": lambda: _cases("values") + _cases("many"),
    "5,000 representations": lambda: [
        entities([{"__typename": "User", "id": str(number)} for number in range(5000)]),
        entities([{"__typename": "User", "id": "1"}] * 5000),
    ],
}  # fmt: skip
