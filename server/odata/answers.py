"""Answer the requests for rows of the OData service."""

import asyncio
import datetime
import gzip
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.auth.credentials import VARY
from server.execution.stored_answers import StoredAnswers
from server.http import conditions
from server.http.compression import coding_of
from server.http.error_response import ODATA_HEADERS
from server.http.public_address import root_of
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders
from server.http.writing import AnswerBytes
from server.odata import filter as filters
from server.odata import grammar, options, reading, rows
from server.odata.edm import key_of, kinds_of, time_of
from server.odata.files import PageFiles
from server.odata.options import Options
from server.odata.reading import ODataPage, ODataQuestion
from server.odata.tree import Logical
from server.odata.window import days
from server.tables import parameters
from server.tables.answers import TableAnswers
from server.tables.config import TablesConfig
from server.tables.file_response import age, keeping
from server.tables.table import Table

HEADERS = {**ODATA_HEADERS, "Vary": f"Accept, Accept-Encoding, Prefer, {VARY}"}
Pairs = Sequence[tuple[str, str]]

_QUOTED = re.compile(r"IEEE754Compatible\s*=\s*true", re.I)
_BARE = re.compile(r"odata\.metadata\s*=\s*none", re.I)
_COMPRESSED_FROM = 1024


@dataclass(frozen=True, slots=True)
class _MadeAnswer:
    """An answer: its body, the headers that belong to it, and the page that it was made from."""

    body: bytes
    headers: dict[str, str]
    page: ODataPage


class Entities:
    """The entity sets. `stored` are pages that need not be made again."""

    def __init__(self, answers: TableAnswers, config: TablesConfig, stored: StoredAnswers) -> None:
        self._answers = answers
        self._config = config
        self._stored = stored

    async def set(self, table: Table, root: str, rooted: Pairs, request: Request) -> Response:
        """Return a page of an entity set. Raises RequestError."""
        return await self._answer(request, lambda: self._set(table, root, rooted, request))

    async def count(self, table: Table, rooted: Pairs, request: Request) -> Response:
        """Return the number of entities, for `/$count`. Raises RequestError."""
        return await self._answer(request, lambda: self._count(table, rooted, request))

    async def one(self, table: Table, key: str, root: str, rooted: Pairs, request: Request) -> Response:
        """Return one entity by its key. Raises RequestError."""
        return await self._answer(request, lambda: self._one(table, key, root, rooted, request))

    async def _answer(self, request: Request, make: Callable[[], Awaitable[_MadeAnswer]]) -> Response:
        """Return the stored answer to a request, or make it."""
        fields = RequestHeaders.of(request.scope)
        place = self._stored.place(_key(request), self._not_before(request))
        found = None if place is None else await self._stored.find(place, "odata")
        if found is not None:
            fresh = found.sources.freshness
            body, own, oldest = found.body, found.headers, None if fresh is None else fresh.oldest
        else:
            made = await make()
            body, own, oldest = AnswerBytes([made.body], len(made.body)), made.headers, made.page.oldest
            if place is not None and made.page.files:
                self._stored.store(place, body, PageFiles(made.page.files, self._answers), own)
        tag = await body.tag(f"{own['Content-Type']} {own.get('Content-Encoding')}")
        headers = {**HEADERS, "Cache-Control": keeping(request), **self._age(oldest), **own, "ETag": tag}
        if conditions.names(fields.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        return Response(body.pieces[0], headers=headers)

    def _not_before(self, request: Request) -> datetime.datetime | None:
        # A later page continues with the rows of the earlier one.
        return None if "$skiptoken" in request.query_params else self._answers.not_before(request)

    async def _set(self, table: Table, root: str, rooted: Pairs, request: Request) -> _MadeAnswer:
        chosen = await self._options(table, rooted, request)
        size, preferred = options.page_size(request.headers.get("prefer"))
        question = await asyncio.to_thread(self._question, table, chosen, size, request)
        found = await self._read(question, chosen)
        accept, bare = _accepted(request)
        parts = [] if bare else [f'"@odata.context":{_text(_context(root, table, chosen))}']
        if found.count is not None and chosen.count:
            parts.append(f'"@odata.count":{found.count}')
        objects = await asyncio.to_thread(_objects, table, chosen, found, quoted=accept, bare=bare)
        parts.append('"value":[' + ",\n".join(objects) + "]")
        if found.token is not None:
            parts.append(f'"@odata.nextLink":{_text(_following(root, table, found.token, request))}')
        headers = {"Preference-Applied": f"odata.maxpagesize={size}"} if preferred else {}
        if found.cost is not None:
            headers["Server-Timing"] = found.cost.header
        body, more = await _json("{" + ",\n".join(parts) + "}", request, quoted=accept, bare=bare)
        return _MadeAnswer(body, headers | more, found)

    async def _count(self, table: Table, rooted: Pairs, request: Request) -> _MadeAnswer:
        chosen = await self._options(table, rooted, request)
        question = await asyncio.to_thread(self._question, table, chosen, options.PAGE_ROWS, request)
        grouped = chosen.apply is not None and chosen.apply.columns is not None
        found = await (self._read(question, chosen) if grouped else reading.counted(question, self._answers))
        return _MadeAnswer(str(found.count).encode(), {"Content-Type": "text/plain; charset=utf-8"}, found)

    async def _one(self, table: Table, key: str, root: str, rooted: Pairs, request: Request) -> _MadeAnswer:
        chosen = await self._options(table, rooted, request)
        if chosen.apply is not None:
            raise options.bad("$apply transforms the rows of an entity set: one entity has nothing to transform.")
        day = key.rpartition(".")[0]
        pairs = list(chosen.given)
        if table.timed and not {"since", "until", "period"} & {name for name, _ in pairs}:
            pairs += zip(("since", "until"), _window(day), strict=True)
        literal = key.replace("'", "''")
        chosen = replace(chosen, filter=f"{key_of(table)} eq '{literal}'")
        question = await asyncio.to_thread(self._question, table, chosen, 1, request, pairs)
        found = await reading.page(question, self._answers)
        if not found.rows.num_rows:
            raise RequestError(404, "NOT_FOUND", f"{table.name} has no row {key[:60]!r}.")
        quoted, bare = _accepted(request)
        (text,) = await asyncio.to_thread(rows.objects, found.rows, kinds_of(table), quoted=quoted)
        context = "" if bare else f'"@odata.context":{_text(_context(root, table, chosen) + "/$entity")},'
        return _MadeAnswer(*await _json("{" + context + text[1:], request, quoted=quoted, bare=bare), found)

    async def _options(self, table: Table, rooted: Pairs, request: Request) -> Options:
        pairs = request.query_params.multi_items()
        return await asyncio.to_thread(options.read, table, pairs, self._config.zone, rooted)

    async def _read(self, question: ODataQuestion, chosen: Options) -> ODataPage:
        apply = chosen.apply
        if apply is None or apply.columns is None:
            return await reading.page(question, self._answers)
        after = None if chosen.filter is None else filters.read(chosen.filter, apply.columns, self._config.zone)
        return await reading.applied(question, apply, after, self._answers)

    def _age(self, oldest: datetime.datetime | None) -> dict[str, str]:
        return {} if oldest is None else {"Age": age(oldest, self._config.now())}

    def _question(
        self,
        table: Table,
        chosen: Options,
        size: int,
        request: Request,
        pairs: list[tuple[str, str]] | None = None,
    ) -> ODataQuestion:
        variables, given, _ = parameters.read(table, chosen.given if pairs is None else pairs)
        column = time_of(table)
        time = None if column is None else column.name
        key = key_of(table) if table.timed else None
        kinds = kinds_of(table)
        tree, option, select = _rows_wanted(chosen)
        if chosen.apply is not None and chosen.apply.conditions and option == grammar.FILTER:
            # The filters of both options are one below. A fault in this one is named by its own option.
            filters.of_tree(chosen.apply.condition, kinds, self._config.zone, time, key, grammar.APPLY)
        found = None if tree is None else filters.of_tree(tree, kinds, self._config.zone, time, key, option)
        return ODataQuestion(
            table=table,
            variables=variables,
            days=days(table, given, found, self._config),
            select=select,
            filter=found,
            order=chosen.order,
            top=chosen.top,
            skip=chosen.skip,
            count=chosen.count,
            size=chosen.token["size"] if chosen.token else size,
            token=chosen.token,
            caller=request.scope["caller"],
            not_before=self._not_before(request),
        )


def _window(day: str) -> tuple[str, str]:
    """Return the window of a key: its day, or a part of a day. Raises RequestError."""
    if "/" in day:
        first, last = day.split("/", 1)
        return first, last
    try:
        date = datetime.date.fromisoformat(day)
        return day, (date + datetime.timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        raise RequestError(
            404, "NOT_FOUND", f"There is no row of {day[:40]!r}: a key is like 2026-03-12.0000041."
        ) from None


def _rows_wanted(chosen: Options) -> tuple[Any, str, tuple[str, ...]]:
    """Return the tree of the filter of the rows, its option, and the columns to read. Raises RequestError."""
    apply = chosen.apply
    if apply is not None and apply.columns is not None:
        return apply.condition, grammar.APPLY, apply.reads
    trees = [] if apply is None else list(apply.conditions)
    if chosen.filter is not None:
        trees.append(grammar.parsed(chosen.filter))
    tree = Logical("and", trees) if len(trees) > 1 else next(iter(trees), None)
    return tree, grammar.APPLY if chosen.filter is None else grammar.FILTER, chosen.select


def _objects(table: Table, chosen: Options, found: ODataPage, *, quoted: bool, bare: bool) -> list[str]:
    """Return the rows of a page as JSON objects."""
    if chosen.apply is None or chosen.apply.columns is None:
        return rows.objects(found.rows, kinds_of(table), quoted=quoted)
    own = kinds_of(table)
    objects: list[str] = []
    for result in found.results:
        shown = result.rows.select([name for name in chosen.select if name in result.kinds])
        # Only the types that `$metadata` does not have are said.
        types = {} if bare else {name: kind for name, kind in result.kinds.items() if own.get(name) != kind}
        objects += rows.objects(shown, result.kinds, quoted=quoted, said=types)
    return objects


def _context(root: str, table: Table, chosen: Options) -> str:
    shown = chosen.selected or (chosen.apply is not None and chosen.apply.columns is not None)
    return f"{root}/$metadata#{table.name}" + (f"({','.join(chosen.select)})" if shown else "")


def _following(root: str, table: Table, token: Mapping[str, Any], request: Request) -> str:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "$skiptoken"]
    query = urlencode([*pairs, ("$skiptoken", options.closed(token))], quote_via=quote, safe="$,'()")
    return f"{root}/{table.name}?{query}"


def _accepted(request: Request) -> tuple[bool, bool]:
    """Return whether the client wants decimals as text, and whether it wants no metadata."""
    given = request.headers.get("accept", "") + ";" + request.query_params.get("$format", "")
    return bool(_QUOTED.search(given)), bool(_BARE.search(given))


def _text(value: str) -> str:
    return orjson.dumps(value).decode()


def _key(request: Request) -> tuple[object, ...]:
    """Return what an answer depends on besides its rows: the address, the headers that shape it, and the caller."""
    headers = request.headers
    shaping = tuple(headers.get(name) for name in ("prefer", "accept"))
    address = (root_of(request), request.url.path, request.url.query)
    return (*address, *shaping, _packs(request), request.scope["caller"].groups)


def _packs(request: Request) -> bool:
    """Return whether a client accepts answers in gzip."""
    return coding_of(request.headers.get("accept-encoding"), ("gzip",)) is not None


async def _json(text: str, request: Request, *, quoted: bool, bare: bool) -> tuple[bytes, dict[str, str]]:
    """Return the body of an answer, and its headers."""
    body, headers = text.encode(), {}
    if len(body) > _COMPRESSED_FROM and _packs(request):
        body = await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    level = "none" if bare else "minimal"
    kind = f"application/json;odata.metadata={level};IEEE754Compatible={str(quoted).lower()};charset=utf-8"
    return body, {**headers, "Content-Type": kind}
