"""`/odata`: the service document, `$metadata`, and an entity set for every table.

The parameters of a table are query options. Clients that cannot add options may put them into the address of the
service: in `/odata/group=382&period=last_month/` every table that knows these parameters has them.
"""

import re
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.execution.stored_answers import StoredAnswers
from server.http.error_response import ODATA_HEADERS, ODATA_MEDIA_TYPE, ODATA_PATH, error_response
from server.http.public_address import root_of
from server.http.request_error import RequestError
from server.http.request_facts import facts_of
from server.http.writing import encode
from server.odata import batch, edm
from server.tables.routes import TablesEndpoint

if TYPE_CHECKING:  # pyarrow is imported by the first request for rows
    from server.odata.answers import Entities

Pairs = Sequence[tuple[str, str]]

PATH = ODATA_PATH
_PATH = re.compile(r"(?P<name>\w+)(?:\((?:\w+=)?'(?P<key>(?:[^']|'')*)'\))?(?P<count>/\$count)?/?", re.ASCII)
_VERSION = re.compile(r"\s*([0-3])(\.\d+)?\s*")
HEADERS = {**ODATA_HEADERS, "Cache-Control": "no-store"}


class ODataService:
    """The OData service over the tables of an endpoint. `stored` are answers that need not be made again.

    A batch may have `most_bytes`.
    """

    def __init__(self, endpoint: TablesEndpoint, stored: StoredAnswers, most_bytes: int) -> None:
        self._endpoint = endpoint
        self._most_bytes = most_bytes
        self._stored = stored
        self._entities: Entities | None = None

    def routes(self) -> list[BaseRoute]:
        """Return the routes. They answer GET and HEAD, and `$batch` answers POST."""
        return [
            Route(PATH, self._answer),
            Route(f"{PATH}/$batch", self._batch, methods=["POST"]),
            Route(f"{PATH}/{{root}}/$batch", self._batch, methods=["POST"]),
            Route(f"{PATH}/{{path:path}}", self._answer),
        ]

    async def _batch(self, request: Request) -> Response:
        """Answer several requests in one."""
        return await self._guarded(batch.answer(request, self._most_bytes))

    async def _answer(self, request: Request) -> Response:
        """Answer a request for one resource."""
        return await self._guarded(self._found(request, request.path_params.get("path", "")))

    async def _guarded(self, answer: Awaitable[Response]) -> Response:
        """Return an answer, or the refusal of it. Errors have the form of OData."""
        try:
            return await answer
        except RequestError as refusal:
            for one in refusal.errors:
                one["message"] = self._endpoint.message(one["message"])
            return error_response(refusal, PATH)

    async def _found(self, request: Request, path: str) -> Response:
        if _VERSION.fullmatch(request.headers.get("odata-maxversion", "")):
            raise RequestError(
                400, "BAD_USER_INPUT", "This service speaks OData 4.0, which OData-MaxVersion rules out."
            )
        answers = await self._endpoint.answers()
        tables = self._endpoint.tables
        root = root_of(request) + PATH
        rooted: Pairs = []
        head, _, rest = path.partition("/")
        if "=" in head and "(" not in head:
            rooted = self._rooted(head)
            root, path = f"{root}/{quote(head, safe='=&:,')}", rest
        if path == "":
            return _json(edm.service(root, tables.values()))
        if path == "$metadata":
            self._endpoint.check_described()
            return Response(edm.metadata(tables.values()), headers=HEADERS, media_type="application/xml")
        match = _PATH.fullmatch(path)
        if match is None:
            there = f"there are $metadata, {', '.join(tables)}"
            raise RequestError(404, "NOT_FOUND", f"There is no {path[:60]!r} here; {there}.")
        table = tables.find(match["name"])
        facts_of(request.scope).line |= {"table": table.name, "format": "odata"}
        if self._entities is None:
            from server.odata.answers import Entities  # imports pyarrow

            self._entities = Entities(answers, self._endpoint.config, self._stored)
        if match["key"] is not None:
            return await self._entities.one(table, match["key"].replace("''", "'"), root, rooted, request)
        if match["count"]:
            return await self._entities.count(table, rooted, request)
        return await self._entities.set(table, root, rooted, request)

    def _rooted(self, text: str) -> Pairs:
        """Return the parameters in the address of the service. Raises RequestError for one that no table has."""
        pairs = parse_qsl(text, keep_blank_values=True)
        there = {variable.name for table in self._endpoint.tables.values() for variable in table.variables}
        there |= {"since", "until", "period"}
        for name, _ in pairs:
            if name not in there:
                raise RequestError(
                    404, "NOT_FOUND", f"No table has a parameter {name[:60]!r}; there are {', '.join(sorted(there))}."
                )
        return pairs


def _json(content: Any) -> Response:
    return Response(encode(content), 200, {**HEADERS, "Content-Type": ODATA_MEDIA_TYPE})
