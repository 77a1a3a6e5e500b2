"""Pages for browsers that open an address and get no answer: unknown, forbidden, or broken. Programs get JSON as ever.

A browser without a credential is sent to the login page.
"""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from html import escape
from typing import Any

import orjson
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.auth import links, session
from server.auth.credentials import NAMES
from server.auth.permissions import REST, area
from server.http.negotiation import wants_page
from server.http.public_address import prefix_of, public
from server.http.request_error import RequestError, without_names
from server.http.request_facts import facts_of
from server.http.request_headers import RequestHeaders
from server.pages.bundle import CONTENT_SECURITY_POLICY
from server.pages.front import bundle

TITLES = {
    401: "You are not logged in",
    403: "You may not see this",
    404: "There is no such page",
    405: "This address is not for browsers",
    429: "Too many requests",
    503: "The server cannot answer now",
}
SENTENCES = {404: "Nothing is at the address {path}.", 405: "The address {path} takes other methods than GET."}
PAGES = (
    "/explorer",
    "/tables",
    "/sql",
    "/odata",
    "/login",
    "/graphql",
    "/metrics",
    "/reconcile",
    "/readyz",
    "/healthz",
)
# Headers of a refusal that say something about its own body.
_OF_BODY = (
    "cache-control", "content-encoding", "content-length", "content-security-policy", "content-type", "odata-version",
)  # fmt: skip
_TABLE = re.compile(r"/tables/([^/.]+)")


class ProblemPages:
    """The pages. `tables` returns the names of the tables, among which the nearest one is looked for."""

    def __init__(self, tables: Callable[[], Iterable[str]]) -> None:
        self._tables = tables

    def refused(self, scope: Scope, refusal: RequestError) -> Response | None:
        """Return the page for a browser that is refused before its request is looked at; None for other clients."""
        headers = RequestHeaders.of(scope)
        if not _opens(scope):
            return None
        facts_of(scope).note_errors(refusal.errors)
        if refusal.status == 401 and not links.is_link(scope["query_string"]):
            if not scope.get("session") and not NAMES.isdisjoint(headers):
                return None  # the browser asks for the password again
            return RedirectResponse(session.login_address(scope), 303, {"Cache-Control": "no-store"})
        if refusal.status == 403 and area(scope["path"]) is REST and scope["path"] not in PAGES:
            return self._page(scope, 404, "", {})  # nobody but an administrator learns what is there
        return self._page(scope, refusal.status, str(refusal), refusal.headers)

    def over(self, app: ASGIApp) -> ASGIApp:
        """Return the application, whose errors are pages for browsers that open an address."""

        async def shown(scope: Scope, receive: Receive, send: Send) -> None:
            if not _opens(scope):
                await app(scope, receive, send)
                return
            start: Message | None = None
            body = b""

            async def sent(message: Message) -> None:
                nonlocal start, body
                if message["type"] == "http.response.start" and _is_error(message):
                    start = message
                elif start is None:
                    await send(message)
                else:
                    body += message.get("body", b"")
                    if not message.get("more_body"):
                        await self._instead(scope, start, body)(scope, receive, send)

            await app(scope, receive, sent)

        return shown

    def _instead(self, scope: Scope, start: Message, body: bytes) -> Response:
        headers = MutableHeaders(scope=start)
        kept = {name: text for name, text in headers.items() if name not in _OF_BODY}
        return self._page(scope, start["status"], _message(body), kept)

    def _page(self, scope: Scope, status: int, message: str, headers: Any) -> Response:
        """Return the page about the path of a request."""
        path = scope["path"]
        text = message if message not in ("", "Not Found", "Method Not Allowed") else SENTENCES.get(status, message)
        near = self._near(path) if status in (403, 404) else None
        found = {
            "status": str(status),
            "title": escape(TITLES.get(status, "This cannot be shown")),
            "message": escape(without_names(text.replace("{path}", public(scope, path)[:200]))),
            "near": _suggestion(near, prefix_of(scope)) if near else "",
        }
        more = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-store"}
        return Response(bundle.filled(scope, "problem.html", found), status, {**headers, **more}, "text/html")

    def _near(self, path: str) -> str | None:
        """Return the address that was probably meant."""
        found = _TABLE.match(path)
        if found is not None:
            names = {name.lower(): name for name in self._tables()}
            near = get_close_matches(found[1].lower(), names, 1, 0.5)
            return f"/tables/{names[near[0]]}" if near else None
        near = get_close_matches(path.rstrip("/").lower(), PAGES, 1, 0.7)
        return near[0] if near and near[0] != path else None


def _suggestion(address: str, prefix: str) -> str:
    shown = escape(address, quote=True)
    return f'<p id="near">Did you mean <a href="{shown}">{prefix}{shown}</a>?</p>'


def _opens(scope: Scope) -> bool:
    """Return whether a browser opens an address to show it."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    return wants_page(RequestHeaders.of(scope).get("accept"))


def _is_error(message: Message) -> bool:
    kind = MutableHeaders(scope=message).get("content-type", "")
    return message["status"] >= 400 and kind.startswith("application/json")


def _message(body: bytes) -> str:
    """Return the message of an error in the form of GraphQL, or of OData."""
    try:
        content = orjson.loads(body)
        error = content["errors"][0] if "errors" in content else content["error"]
        return str(error["message"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return ""
