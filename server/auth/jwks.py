"""The public keys of the token issuer, fetched from its address and refreshed."""

import asyncio
import ssl
import time
from typing import Any

import httpx
import orjson
import structlog

from upstream.transport.secure import PLAIN, Secure
from upstream.transport.watched import Watched
from upstream.transport.wire_httpx import fault_of, secured

FRESH_SECONDS = 300.0
AGAIN_SECONDS = 10.0
STALE_SECONDS = 3600.0
TIMEOUT_SECONDS = 5.0
MOST_BYTES = 512 * 1024

_TROUBLE = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)

log = structlog.get_logger(__name__)


class NoKeys(Exception):
    """The keys cannot be fetched, and the cached ones are too old."""


class KeySet:
    """The key set at `url`, by key id.

    Fetch it again when it is older than `fresh` seconds, and when a token names an unknown key, because the issuer may
    have changed its keys. Invented key ids cause at most one request in `again` seconds, and all waiters share it.
    While the address does not answer, use the last answer for `stale_seconds`.
    """

    def __init__(
        self,
        url: str,
        *,
        fresh: float = FRESH_SECONDS,
        again: float = AGAIN_SECONDS,
        stale_seconds: float = STALE_SECONDS,
        secure: Secure = PLAIN,
    ) -> None:
        self._url = url
        self._secure = secure
        self._context: Watched[ssl.SSLContext] | None = None
        self._fresh = fresh
        self._again = again
        self._stale_seconds = stale_seconds
        self._keys: dict[str, dict[str, Any]] = {}
        self._read_at = self._tried_at = -float("inf")
        self._reading: asyncio.Task[None] | None = None

    async def key(self, id: str | None) -> dict[str, Any] | None:
        """Return the key of an id, or the only key if the id is None; None if there is no such key. Raises NoKeys."""
        age = time.monotonic() - self._read_at
        unknown = id is not None and id not in self._keys
        if age > self._fresh or unknown:
            reading = self._renew()
            if reading is not None and (unknown or age > self._stale_seconds):
                # A waiter that gives up does not cancel the request of the others.
                await asyncio.shield(reading)
        if time.monotonic() - self._read_at > self._stale_seconds:
            raise NoKeys
        if id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(id)

    async def wrong(self) -> str | None:
        """Fetch the keys once and describe what is wrong; None if nothing is."""
        try:
            keys = _table(await self._fetch())
        except _TROUBLE as error:
            return _why(error)
        return None if keys else "the key set holds no key that signs"

    def _renew(self) -> "asyncio.Task[None] | None":
        now = time.monotonic()
        if self._reading is None and now - self._tried_at >= self._again:
            self._tried_at = now
            self._reading = asyncio.create_task(self._read(), name="jwks")
            self._reading.add_done_callback(self._done)
        return self._reading

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._reading = None

    async def _read(self) -> None:
        try:
            keys = _table(await self._fetch())
        except _TROUBLE as error:
            log.warning("the token issuer's keys cannot be read", why=_why(error))
            return
        self._keys = keys
        self._read_at = time.monotonic()

    def _secured(self) -> ssl.SSLContext:
        """Return the TLS context of the current files. Raises ValueError if the files were never usable."""
        if not self._secure.files:
            return self._secure.context()
        if self._context is None:
            first, *others = self._secure.files
            self._context = Watched(first, lambda _: self._secure.context(), others=tuple(others))
        return self._context.value

    async def _fetch(self) -> bytes:
        body = bytearray()
        # Reading the certificates of the system would block the event loop for too long.
        transport = secured(await asyncio.to_thread(self._secured), self._secure.proxy)
        # One client per request: requests are minutes apart, and nothing stays open between them.
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            httpx.AsyncClient(
                transport=transport, timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
            ) as client,
            client.stream("GET", self._url, headers={"accept": "application/json"}) as response,
        ):
            if response.status_code != 200:
                raise ValueError(f"the answer's status is {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise ValueError(f"the answer is longer than {MOST_BYTES} bytes")
        return bytes(body)


def _why(error: Exception) -> str:
    """Describe what went wrong."""
    fault = fault_of(error)
    return (str(error) if fault is None else fault.what) or type(error).__name__


def _table(body: bytes) -> dict[str, dict[str, Any]]:
    """Return the signing keys by id. Raises ValueError for anything that is not a key set."""
    content = orjson.loads(body)
    keys = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(keys, list):
        raise ValueError("the answer is no key set")
    found = {}
    for key in keys:
        if isinstance(key, dict) and key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC", "OKP"):
            found[str(key.get("kid", ""))] = key
    return found
