"""A prebuilt page with its scripts, styles and fonts, all from our own origin."""

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from server.http import compression, conditions
from server.http.public_address import placed, prefix_of

# Our own table: `mimetypes` reads the machine's, which may lack fonts or, on some, call scripts plain text. What is
# already compressed is not compressed again.
MEDIA_TYPES = {
    ".css": ("text/css", True),
    ".js": ("text/javascript", True),
    ".svg": ("image/svg+xml", True),
    ".ttf": ("font/ttf", True),
    ".woff2": ("font/woff2", False),
}

# Everything comes from the page's own origin. These pages have no inline script and no inline style, so this policy is
# stricter than the policy of the explorer.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


_FIELD = re.compile(r"\{\{([a-z]+)\}\}")


class Bundle:
    """A page (`index.html` of a folder), its files, and its content security policy."""

    def __init__(self, folder: Path, assets: Path, policy: str) -> None:
        self._folder = folder
        self._assets = assets
        self._policy = policy
        self._compressed: dict[tuple[Path, str], bytes] = {}

    def page(self, request: Request) -> Response:
        """Return the page; 304 if the browser has it already."""
        if_none_match, prefix = request.headers.get("If-None-Match"), prefix_of(request.scope)
        html, etag = self._html if not prefix else _tagged(placed(self._text, prefix))
        headers = {
            "Cache-Control": "no-cache",  # it names the current files, which themselves never change
            "Content-Security-Policy": self._policy,
            "ETag": etag,
            "Vary": "Accept",
        }
        if conditions.names(if_none_match, etag):
            return Response(status_code=304, headers=headers)
        return Response(html, media_type="text/html", headers=headers)

    def filled(self, scope: Scope, name: str, texts: Mapping[str, str]) -> str:
        """Return another page of the folder. `{{name}}` in it becomes the text of that name, which must be escaped."""
        html = (self._folder / name).read_text("utf-8")
        return placed(_FIELD.sub(lambda found: texts[found[1]], html), prefix_of(scope))

    # Not async: Starlette runs it in a thread, so the first compression of a large script does not block.
    def asset(self, request: Request) -> Response:
        """Return the file of the path. Raises HTTPException for an unknown file."""
        path = self._files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        media_type, compressible = MEDIA_TYPES[path.suffix]
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",  # its name contains the hash of its content
            "Content-Security-Policy": self._policy,  # a worker goes by that of its own script
            "X-Content-Type-Options": "nosniff",
        }
        if not compressible:
            return Response(path.read_bytes(), media_type=media_type, headers=headers)
        headers["Vary"] = "Accept-Encoding"
        coding = compression.coding_of(request.headers.get("Accept-Encoding"))
        if coding is None:
            return Response(path.read_bytes(), media_type=media_type, headers=headers)
        headers["Content-Encoding"] = coding
        if (path, coding) not in self._compressed:
            content = path.read_bytes()
            self._compressed[path, coding] = compression.pack((content,), len(content), coding, compression.FILE)
        return Response(self._compressed[path, coding], media_type=media_type, headers=headers)

    @cached_property
    def _html(self) -> tuple[bytes, str]:
        return _tagged(self._text)

    @cached_property
    def _text(self) -> str:
        return (self._folder / "index.html").read_text("utf-8")

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Return the files by name, so that a request can reach no other file."""
        return {path.name: path for path in self._assets.iterdir() if path.suffix in MEDIA_TYPES}


def _tagged(text: str) -> tuple[bytes, str]:
    """Return a page and its ETag."""
    html = text.encode()
    return html, f'"{hashlib.sha256(html).hexdigest()[:32]}"'
