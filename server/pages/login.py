"""`/login` and `/logout`: a page that accepts a key or a token, and keeps it for the session of the browser.

The form works without a script. A script sends it in the background, and asks for JSON.
"""

from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from server.auth import session
from server.auth.authenticator import Authenticator
from server.http.body import whole_body
from server.http.error_response import error_response
from server.http.negotiation import JSON, preferred
from server.http.public_address import prefix_of
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders
from server.pages.bundle import CONTENT_SECURITY_POLICY
from server.pages.front import bundle

# The page sends its form to this server.
POLICY = CONTENT_SECURITY_POLICY.replace("form-action 'none'", "form-action 'self'")
LONGEST_FORM = 16 * 1024
FORM = "application/x-www-form-urlencoded"

NO_KEY = "Type a key or a token."
TOO_LONG = f"The token is longer than {session.LONGEST} characters, which is more than a browser can keep."
ENDED = "You were logged out: the key is wrong, revoked or expired. Log in again."
FOREIGN = "Only the login page of this server may log in here."
OPEN = "This server asks nobody to log in."


class Login:
    """The routes of the session of a browser."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route(session.PATH, self._page, methods=["GET"]),
            Route(session.PATH, self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        there = session.wanted(request.query_params.get("to"))
        if not self._authenticator.required:
            return RedirectResponse("/", 303)
        answer = written(request.scope, there, ENDED if "ended" in request.query_params else "")
        if "ended" in request.query_params:
            _end(answer, request.scope)
        return answer

    async def _log_in(self, request: Request) -> Response:
        there, text = "/", ""
        headers = RequestHeaders.of(request.scope)
        try:
            if not session.own(request.scope, headers):
                raise RequestError(403, "CROSS_SITE", FOREIGN)
            if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
                raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", f"The form is sent as {FORM}.")
            form = parse_qs((await whole_body(headers, request.receive, LONGEST_FORM)).decode("latin-1"))
            there = session.wanted(form.get("to", [None])[0])
            text = form.get("key", [""])[0].strip().removeprefix("Bearer ").strip()
            await self._check(request.scope, text)
        except RequestError as refusal:
            if _by_script(request):
                return error_response(refusal)
            return written(request.scope, there, str(refusal), refusal.status, refusal.headers)
        answer = JSONResponse({"to": there}) if _by_script(request) else RedirectResponse(there, 303)
        secure = session.is_secure(request.scope, headers)
        cookie = session.header(text, secure=secure, prefix=prefix_of(request.scope))
        answer.headers.append("Set-Cookie", cookie)
        return _fresh(answer)

    async def _check(self, scope: Scope, text: str) -> None:
        """Raise RequestError unless the text is a key or a token that is right."""
        if not self._authenticator.required:
            raise RequestError(409, "OPEN", OPEN)
        if not text:
            raise RequestError(400, "BAD_USER_INPUT", NO_KEY)
        if len(text) > session.LONGEST:
            raise RequestError(400, "BAD_USER_INPUT", TOO_LONG)
        sent = {
            "type": "http", "method": "GET", "path": session.PATH, "query_string": b"", "client": scope.get("client"),
            "headers": [(b"authorization", b"Bearer " + text.encode("utf-8", "replace"))],
        }  # fmt: skip
        await self._authenticator.known(sent)

    async def _log_out(self, request: Request) -> Response:
        if not session.own(request.scope, RequestHeaders.of(request.scope)):
            return error_response(RequestError(403, "CROSS_SITE", FOREIGN))
        answer = JSONResponse({"to": session.PATH}) if _by_script(request) else RedirectResponse(session.PATH, 303)
        return _end(_fresh(answer), request.scope)


def written(
    scope: Scope, there: str, message: str = "", status: int = 200, more: Mapping[str, str] | None = None
) -> Response:
    """Return the login page, with a message and with the address that was wanted."""
    shown = f'<p class="failed" role="alert">{escape(message)}</p>' if message else ""
    html = bundle.filled(scope, "login.html", {"message": shown, "to": escape(there, quote=True)})
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY, **(more or {})}
    return Response(html, status, headers, "text/html")


def _by_script(request: Request) -> bool:
    return preferred(request.headers.get("accept"), ("text/html", JSON)) == JSON


def _fresh(answer: Response) -> Response:
    """Have the browser forget the answers that the former caller got."""
    answer.headers["Clear-Site-Data"] = '"cache"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _end(answer: Response, scope: Scope) -> Response:
    for line in session.ended(prefix_of(scope)):
        answer.headers.append("Set-Cookie", line)
    return answer
