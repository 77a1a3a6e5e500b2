"""Read the query options of an address: those of OData, and the parameters of the table."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from server.http.request_error import RequestError
from server.odata import grammar, ordering
from server.odata.apply import Apply
from server.odata.edm import kinds_of
from server.tables.table import Table
from server.tables.window import PARAMETERS

OPTIONS = ("$select", "$filter", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken", "$apply")
PAGE_ROWS = 10_000
MOST_PAGE_ROWS = 50_000

_JSON = re.compile(r"(?:application/)?json(?:;.*)?", re.I)
# The members of a token.
_NUMBERS = ("at", "left", "skip", "count", "size")
_TEXTS = ("day", "tag", "tags")
_MOST = 10**12
_SIZE = re.compile(r"(?:odata\.)?maxpagesize\s*=\s*(\d{1,9})", re.I | re.ASCII)


@dataclass(frozen=True, slots=True)
class Options:
    """The options. `order` has the columns to sort by and whether descending; `given` are parameters of the table.

    `token` is the end of an earlier page. `apply` transforms the rows; all other options are about what it makes.
    """

    select: tuple[str, ...]
    selected: bool
    filter: str | None
    order: tuple[tuple[str, bool], ...]
    top: int | None
    skip: int
    count: bool
    token: Mapping[str, Any] | None
    given: tuple[tuple[str, str], ...] = field(default=())
    apply: Apply | None = None


def read(
    table: Table, pairs: Iterable[tuple[str, str]], zone: ZoneInfo, rooted: Iterable[tuple[str, str]] = ()
) -> Options:
    """Return the options of an address. `rooted` are the parameters of the whole service. Raises RequestError."""
    said: dict[str, str] = {}
    seen: dict[tuple[str, str], None] = {}  # clients add theirs to a nextLink, which has it already
    for name, text in pairs:
        if not name.startswith("$"):
            if name == "limit":
                raise bad("OData's word for limit is $top: take that instead.")
            seen[name, text] = None
        elif name not in OPTIONS:
            raise bad(f"There is no query option {name[:40]!r} here; there are {', '.join(OPTIONS)}.")
        elif name in said:
            raise bad(f"The query option {name} is given twice.")
        else:
            said[name] = text
    if not _JSON.fullmatch(said.get("$format", "json").strip()):
        raise RequestError(
            406, "NOT_ACCEPTABLE", f"$format is {said['$format'][:40]!r}; the one that there is is json."
        )
    if said.get("$count", "false") not in ("true", "false"):
        raise bad(f"$count is {said['$count'][:40]!r}; it must be true or false.")
    given = list(seen)
    apply = Apply(said["$apply"], table, zone) if "$apply" in said else None
    kinds = kinds_of(table) if apply is None or apply.columns is None else apply.columns
    names = list(kinds)
    select = _select(said.get("$select"), names)
    return Options(
        select=select or tuple(names),
        selected=bool(select),
        filter=said.get("$filter"),
        order=ordering.checked(grammar.ordered(said.get("$orderby", "")), kinds),
        top=_number("$top", said["$top"]) if "$top" in said else None,
        skip=_number("$skip", said.get("$skip", "0")),
        count=said.get("$count") == "true",
        token=opened(said["$skiptoken"]) if "$skiptoken" in said else None,
        given=(*given, *_beside(table, given, rooted)),
        apply=apply,
    )


def page_size(prefer: str | None) -> tuple[int, bool]:
    """Return the size of a page, and whether the client chose it."""
    match = _SIZE.search(prefer or "")
    wanted = int(match.group(1)) if match else 0
    if not wanted:
        return PAGE_ROWS, False
    return min(wanted, MOST_PAGE_ROWS), wanted <= MOST_PAGE_ROWS


def closed(token: Mapping[str, Any]) -> str:
    """Return a place to continue from, as a token for clients."""
    return base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def opened(text: str) -> dict[str, Any]:
    """Return the place of a token. Raises RequestError."""
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        found = None
    content = found if isinstance(found, dict) else {}
    token = {name: content.get(name) for name in (*_NUMBERS, *_TEXTS)}
    if (
        not all(value is None or (type(value) is int and 0 <= value < _MOST) for value in map(token.get, _NUMBERS))
        or not all(isinstance(token[name], str | None) for name in _TEXTS)
        or token["at"] is None
        or not 0 < (token["size"] or 0) <= MOST_PAGE_ROWS
    ):
        raise bad("$skiptoken is none of this server's: follow @odata.nextLink as it is.")
    return token


def bad(message: str) -> RequestError:
    """Return the error for a wrong option."""
    return RequestError(400, "BAD_USER_INPUT", message)


def _beside(table: Table, given: list[tuple[str, str]], rooted: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Return the parameters of the service that the table has and that its own address does not set."""
    names = {name for name, _ in given}
    own = {variable.name for variable in table.variables} - names
    if table.timed and not names & set(PARAMETERS):
        own |= set(PARAMETERS)
    return (pair for pair in rooted if pair[0] in own)


def _select(text: str | None, names: list[str]) -> tuple[str, ...]:
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if "*" in parts:
        return ()
    for part in parts:
        if part not in names:
            raise bad(f"$select names {part[:60]!r}; there are {', '.join(names)}.")
    return tuple(name for name in names if name in parts)


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise bad(f"{name} is {text[:40]!r}; it must be a whole number from 0.")
    return int(text)
