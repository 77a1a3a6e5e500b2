"""`/odata`: the service document, `$metadata`, and an entity set for every table."""

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.execution import encode
from server.odata import edm
from server.refusal import Refusal
from server.tables.routes import Desk

if TYPE_CHECKING:  # the seam: pyarrow is imported when the first rows are asked for
    from server.odata.answers import Entities

PATH = "/odata"
_PATH = re.compile(r"(?P<name>\w+)(?:\((?:\w+=)?'(?P<key>(?:[^']|'')*)'\))?(?P<count>/\$count)?/?", re.ASCII)
_VERSION = re.compile(r"\s*([0-3])(\.\d+)?\s*")
HEADERS = {"OData-Version": "4.0", "Cache-Control": "no-store"}


class Service:
    """The OData service over the tables of a desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._entities: Entities | None = None

    def routes(self) -> list[BaseRoute]:
        """The routes; HEAD goes with GET."""
        return [Route(PATH, self._answer), Route(f"{PATH}/{{path:path}}", self._answer)]

    async def _answer(self, request: Request) -> Response:
        """Every answer: refusals have OData's shape here."""
        try:
            if _VERSION.fullmatch(request.headers.get("odata-maxversion", "")):
                raise Refusal(400, "BAD_USER_INPUT", "This service speaks OData 4.0, which OData-MaxVersion rules out.")
            return await self._found(request, request.path_params.get("path", ""))
        except Refusal as refusal:
            error: dict[str, Any] = refusal.errors[0]
            content = {"error": {"code": error["extensions"]["code"], "message": error["message"]}}
            return _json(content, refusal.status, refusal.headers)

    async def _found(self, request: Request, path: str) -> Response:
        answers = await self._desk.answers()
        tables = self._desk.tables
        root = str(request.base_url).rstrip("/") + PATH
        if path == "":
            return _json(edm.service(root, tables.values()))
        if path == "$metadata":
            return Response(edm.metadata(tables.values()), headers=HEADERS, media_type="application/xml")
        match = _PATH.fullmatch(path)
        if match is None:
            there = f"there are $metadata, {', '.join(tables)}"
            raise Refusal(404, "NOT_FOUND", f"There is no {path[:60]!r} here; {there}.")
        table = tables.find(match["name"])
        if self._entities is None:
            module = import_module("server.odata.answers")
            self._entities = module.Entities(answers, self._desk.setup)
        if match["key"] is not None:
            return await self._entities.one(table, match["key"].replace("''", "'"), root, request)
        if match["count"]:
            return await self._entities.count(table, request)
        return await self._entities.set(table, root, request)


def _json(content: Any, status: int = 200, headers: Any = None) -> Response:
    kind = "application/json;odata.metadata=minimal;charset=utf-8"
    return Response(encode(content), status, {**(headers or {}), **HEADERS, "Content-Type": kind})
