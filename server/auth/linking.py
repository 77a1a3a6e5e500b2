"""`POST /tables/NAME.csv/link?…`: sign a link to that table with that query, for callers that may read tables."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import links
from server.auth.authenticator import Authenticator
from server.auth.span import span
from server.http.error_response import error_response
from server.http.public_address import public
from server.http.request_error import RequestError

LIFETIME = "_lifetime"
_DEFAULT = "1h"


def link_routes(callers: Authenticator) -> list[BaseRoute]:
    """Return the route that signs links. The lifetime is a query parameter, so that no body has to be read."""

    async def make(request: Request) -> Response:
        try:
            content = _make(request, callers.signing_secret())
        except RequestError as refusal:
            return error_response(refusal)
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    return [Route("/tables/{table}/link", make, methods=["POST"])]


def _make(request: Request, secret: str) -> dict[str, str]:
    key_id = request.scope["key_id"]
    if not secret:
        raise RequestError(409, "LINKS_OFF", "This server signs no links: SIGNING_SECRET is not set.")
    if key_id is None:
        raise RequestError(403, "FORBIDDEN", "Links are made with an API key, since revoking it must end them.")
    pairs = links.read(request.scope["query_string"])
    lifetime = dict(pairs).get(LIFETIME, _DEFAULT)
    rest = links.written([pair for pair in pairs if pair[0] != LIFETIME])
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        lasting = span(lifetime)
    except ValueError as error:
        raise RequestError(400, "BAD_USER_INPUT", f"{LIFETIME} {error}.") from None
    try:
        link = links.link(secret, f"/tables/{request.path_params['table']}", rest, key_id, lasting, now)
    except links.InvalidLink as wrong:
        raise RequestError(400, "BAD_USER_INPUT", f"No link is made: {wrong}.") from None
    return {"link": public(request.scope, link), "expires": (now + lasting).isoformat()}
