"""Write error responses: the one place that does it, for every path and every layer.

A GraphQL answer with data and errors is not an error response; `server.http.graphql` writes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.http.request_error import RequestError
from server.http.request_facts import facts_of
from server.http.writing import encode

MEDIA_TYPE = "application/json; charset=utf-8"
# Below this path, errors have the form of OData, and its version.
ODATA_PATH = "/odata"
ODATA_HEADERS = {"OData-Version": "4.0"}
ODATA_MEDIA_TYPE = "application/json;odata.metadata=minimal;charset=utf-8"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ErrorResponse(Response):
    """The response to a refused request. When it is sent, the log and the metrics learn the error."""

    problem: RequestError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        facts_of(scope).note_errors(self.problem.errors)
        await super().__call__(scope, receive, send)


def error_body(errors: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the body of an error response in the form that GraphQL has for errors."""
    return encode({"errors": errors})


def error_response(problem: RequestError, path: str = "") -> Response:
    """Return the response to a refused request for a path: in the form of OData below its path, else of GraphQL."""
    headers = {**problem.headers, **_HEADERS}
    if is_odata(path):
        response = ErrorResponse(odata_error_body(problem), problem.status, headers | ODATA_HEADERS, ODATA_MEDIA_TYPE)
    else:
        response = ErrorResponse(error_body(problem.errors), problem.status, headers, MEDIA_TYPE)
    response.problem = problem
    return response


def is_odata(path: str) -> bool:
    """Return whether a path belongs to the OData service."""
    return path == ODATA_PATH or path.startswith(f"{ODATA_PATH}/")


def odata_error_body(problem: RequestError) -> bytes:
    """Return the body of an error response in the form that OData has for errors."""
    error = problem.errors[0]
    return encode({"error": {"code": error["extensions"]["code"], "message": error["message"]}})


async def send_error(
    problem: RequestError, scope: Scope, receive: Receive, send: Send, *, challenges: Sequence[str] = ()
) -> None:
    """Send that response from a middleware. The answer to HEAD has no body.

    `challenges` are the values of `WWW-Authenticate`, one header each.
    """
    response = error_response(problem, scope.get("path", ""))
    for challenge in challenges:
        response.headers.append("WWW-Authenticate", challenge)
    if scope.get("method") == "HEAD":
        response.body = b""
    await response(scope, receive, send)
