"""Write error responses: the one place that does it, for every path and every layer.

A GraphQL answer with data and errors is not an error response; `server.http.graphql` writes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.http.request_error import RequestError
from server.http.writing import encode

MEDIA_TYPE = "application/json; charset=utf-8"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def error_body(errors: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the body of an error response in the form that GraphQL has for errors."""
    return encode({"errors": errors})


def error_response(problem: RequestError) -> Response:
    """Return the response to a request that is refused, in the form that GraphQL has for errors."""
    return Response(error_body(problem.errors), problem.status, {**problem.headers, **_HEADERS}, MEDIA_TYPE)


async def send_error(
    problem: RequestError, scope: Scope, receive: Receive, send: Send, *, challenges: Sequence[str] = ()
) -> None:
    """Send that response from a middleware. The answer to HEAD has no body.

    `challenges` are the values of `WWW-Authenticate`, one header each.
    """
    response = error_response(problem)
    for challenge in challenges:
        response.headers.append("WWW-Authenticate", challenge)
    if scope.get("method") == "HEAD":
        response.body = b""
    await response(scope, receive, send)
