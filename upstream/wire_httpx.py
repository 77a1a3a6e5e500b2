"""The wire of httpx, over a transport that is given: a server in the same process, say. Not loaded without one."""

import http.cookiejar
from collections.abc import Callable

import httpx

from upstream.errors import Malformed, Unavailable
from upstream.wire import HEADERS, JSON, Broken, Received, Request, TooLong, broken, gathered


class HttpxWire:
    """httpx, over a transport that is given. A cancelled request may take its connection with it, as of httpx 0.28."""

    stoppable = False

    def __init__(self, transport: httpx.AsyncBaseTransport, connect_timeout: float) -> None:
        # An upstream's session cookie would have PHP answer our calls one after the other.
        no_cookies = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(None, connect=connect_timeout),
            headers={**HEADERS, "accept-encoding": "gzip, deflate"},
            cookies=no_cookies,
            follow_redirects=False,
            trust_env=False,
        )

    async def exchange(self, request: Request, received: Received, limit: int, count: Callable[[int], None]) -> None:
        content = request.content()
        headers = [*request.headers, *([("content-type", JSON)] if content is not None else [])]
        failed: Exception
        try:
            sent = self._client.build_request(
                request.method, request.url, params=list(request.query) or None, headers=headers, content=content
            )
            response = await self._client.send(sent, stream=True)
            try:
                received.status = response.status_code
                received.retry_after = response.headers.get("retry-after")
                received.content_type = response.headers.get("content-type")
                await gathered(response.aiter_bytes(), received, limit, count)
                return
            finally:
                await response.aclose()
        except TooLong:
            raise
        except Exception as error:
            failed = error
        if isinstance(failed, httpx.RemoteProtocolError) and received.status is None and "disconnected" in str(failed):
            raise Broken(Unavailable, "the connection was closed before an answer") from None
        broken(failed, _HTTPX, received)

    async def aclose(self) -> None:
        await self._client.aclose()


# The first match counts.
_HTTPX = (
    ((httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError), Unavailable,
     "the request could not be sent", False),
    (httpx.ConnectTimeout, Unavailable, "no connection in time", True),
    (httpx.TimeoutException, Unavailable, "no answer in time", True),
    (httpx.ConnectError, Unavailable, "no connection: refused, reset or no such host", True),
    (httpx.DecodingError, Malformed, "the answer is cut off, or not compressed as it says", True),
    (httpx.NetworkError, Unavailable, "the connection was lost", True),
    (httpx.ProxyError, Unavailable, "no connection", True),
    (httpx.RemoteProtocolError, Malformed, "the answer is cut off, or not HTTP", True),
    (httpx.HTTPError, Unavailable, "the request failed", True),
)  # fmt: skip
