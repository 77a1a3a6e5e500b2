"""Send requests with httpx, over a given transport, such as a server in the same process. Loaded only if needed.

`secured` makes the transport with which httpx connects as a `Secure` says. The keys of tokens are fetched over it.
"""

import http.cookiejar
import ssl

import httpx

from upstream.errors import Malformed, Unavailable
from upstream.transport import fault
from upstream.transport.proxy import Proxy
from upstream.transport.wire import (
    HEADERS,
    JSON,
    SANDBOX_HEADER,
    ConnectionBroken,
    Received,
    Request,
    TooLong,
    broken,
    gathered,
)


class HttpxWire:
    """Send requests with httpx, over a given transport. A cancelled request may lose its connection (httpx 0.28)."""

    stoppable = False

    def __init__(self, transport: httpx.AsyncBaseTransport, connect_timeout: float) -> None:
        self.sandbox: bool | None = None
        # With a session cookie of the upstream, PHP would answer our calls one after the other.
        no_cookies = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(None, connect=connect_timeout),
            headers={**HEADERS, "accept-encoding": "gzip, deflate"},
            cookies=no_cookies,
            follow_redirects=False,
            trust_env=False,
        )

    async def exchange(self, request: Request, received: Received, limit: int) -> None:
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
                self.sandbox = SANDBOX_HEADER in response.headers
                await gathered(response.aiter_bytes(), received, limit)
                return
            finally:
                await response.aclose()
        except TooLong:
            raise
        except Exception as error:
            failed = error
        if isinstance(failed, httpx.RemoteProtocolError) and received.status is None and "disconnected" in str(failed):
            raise ConnectionBroken(Unavailable, "the connection was closed before an answer") from None
        broken(failed, _HTTPX, received, fault_of(failed))

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
    (httpx.RemoteProtocolError, Malformed, "the answer is cut off, or not HTTP", True),
    (httpx.HTTPError, Unavailable, "the request failed", True),
)  # fmt: skip


def fault_of(failed: BaseException) -> fault.TransportFault | None:
    """Return why a connection was not made; None if TLS and the proxy are not the cause."""
    if isinstance(failed, httpx.ProxyError):
        return _PROXY.get(str(failed)[:3], fault.PROXY_NO)
    return fault.of_openssl(failed)


_UNREACHABLE = "unreachable"
_PROXY = {"407": fault.PROXY_LOGIN, _UNREACHABLE[:3]: fault.PROXY_GONE}


def secured(context: ssl.SSLContext, proxy: Proxy | None = None) -> httpx.AsyncBaseTransport:
    """Return a transport that connects with this context, and through the proxy where it is not to be passed by."""
    direct = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
    return direct if proxy is None else _Proxied(direct, context, proxy)


class _Proxied(httpx.AsyncBaseTransport):
    """Use two transports: one for the hosts that are reached directly, one for the others."""

    def __init__(self, direct: httpx.AsyncHTTPTransport, context: ssl.SSLContext, proxy: Proxy) -> None:
        self._direct = direct
        self._through = httpx.AsyncHTTPTransport(
            verify=context,
            trust_env=False,
            proxy=httpx.Proxy(
                proxy.url, ssl_context=context if proxy.url.startswith("https:") else None, auth=proxy.login
            ),
        )
        self._proxy = proxy

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._proxy.passes(request.url.scheme, request.url.host):
            return await self._direct.handle_async_request(request)
        try:
            return await self._through.handle_async_request(request)
        except httpx.ConnectError as error:
            if fault_of(error) is not None:
                raise
            raise httpx.ProxyError(_UNREACHABLE) from None

    async def aclose(self) -> None:
        await self._direct.aclose()
        await self._through.aclose()
