"""Find the caller of a request from its link, key or token. An error says only that the credential is wrong."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from starlette.types import Scope

from resolvers.caller import EVERYONE, Caller
from server.auth import links
from server.auth.attempts import Attempts
from server.auth.credentials import WrongCredential, credential
from server.auth.key import AS_SET, PREFIX, KeysUnreadable, Rates, looks_like_key
from server.auth.keys import CurrentKeys, Keys
from server.auth.limiter import Limiter
from server.auth.permissions import TABLES, Area, area
from server.auth.standing import RateStatus
from server.http.request_error import GuessedCredential, RequestError, unauthenticated
from server.http.request_headers import RequestHeaders
from server.settings.live import LiveSettings
from server.settings.settings import Settings

if TYPE_CHECKING:  # imported at run time only where it is needed: see _tokens
    from server.auth.tokens import TokenVerifier
    from upstream.redis.connection import RedisConnection

ANONYMOUS = Caller("nobody", frozenset())
_FREE = RateStatus(())  # without limits

_NO_CREDENTIAL = (
    "Say who you are: Authorization: Bearer with a key or a token, X-Api-Key with a key, or Basic with a key as the "
    "password. `gamehub-graph keys create` makes keys."
)


def name_of_stranger(address: str) -> str:
    """Return the name under which requests without a credential are counted."""
    return f"{EVERYONE.name} {address}"


@dataclass(frozen=True, slots=True)
class KnownCredential:
    """A caller, the name under which its requests are counted, its own limits, and the id of its key if it has one."""

    caller: Caller
    name: str
    rates: Rates = AS_SET
    key_id: str | None = None


_ANONYMOUS = KnownCredential(ANONYMOUS, ANONYMOUS.name)


class Authenticator:
    """Authenticate requests by links, API keys and tokens.

    With `required` False, a request without a credential may do everything.
    """

    def __init__(
        self,
        *,
        required: bool = False,
        keys: CurrentKeys | None = None,
        tokens: "TokenVerifier | None" = None,
        signing_secret: Callable[[], str] = lambda: "",
        limiter: Limiter | None = None,
        attempts: Attempts | None = None,
    ) -> None:
        self.required = required
        self.signing_secret = signing_secret
        self.limiter = limiter or Limiter()
        self._keys = keys
        self._tokens = tokens
        self._attempts = attempts or Attempts()

    @classmethod
    def of(cls, live: LiveSettings, required: bool, redis: "RedisConnection | None" = None) -> Self:
        """Return the authenticator that the settings describe. With a Redis, servers count their callers together."""
        settings = live.first
        return cls(
            required=required,
            keys=_keys(settings, redis),
            tokens=_tokens(settings),
            signing_secret=live.signing_secret,
            limiter=Limiter(
                Rates(settings.rate_requests, settings.rate_calls),
                redis,
            ),
        )

    async def __aenter__(self) -> Self:
        """Begin to follow the keys."""
        if self._keys is not None:
            await self._keys.follow()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the remaining counts, and stop to follow the keys."""
        await self.limiter.aclose()
        if self._keys is not None:
            await self._keys.aclose()

    def wrong(self) -> str | None:
        """Describe why no key lets anybody in; None if keys are readable, or if callers need none."""
        if not self.required or self._keys is None:
            return None
        try:
            self._keys.by_id("")
        except KeysUnreadable:
            return "the API keys cannot be read"
        return None

    def by_key(self, headers: RequestHeaders) -> KnownCredential | None:
        """Return the caller of an ordinary request with an API key; None for any other, which `known` examines.

        The headers have only different names.
        """
        if self._keys is None or ("authorization" in headers and "x-api-key" in headers):
            return None
        text = headers["x-api-key"] if "x-api-key" in headers else headers["authorization"].removeprefix("Bearer ")
        try:
            key = self._keys.key(text) if text.startswith(PREFIX) else None
        except KeysUnreadable:
            return None
        return None if key is None else KnownCredential(key.caller, key.caller.name, key.rates, key.id)

    async def admit(self, scope: Scope) -> tuple[KnownCredential, RateStatus]:
        """Return the caller of a request that it may make, and the state of the caller's limits. Raises RequestError.

        Put the caller into the scope, and count the request.
        """
        where = area(scope["path"])
        known = await self._caller(scope, where)
        scope["caller"] = known.caller
        scope["key_id"] = known.key_id
        if not where.opens(known.caller.permissions):
            raise RequestError(
                403, "FORBIDDEN", f"This needs the permission {where.permission}, which the caller does not have."
            )
        if not where.counted:
            return known, _FREE
        return known, await self.count(known)

    async def count(self, known: KnownCredential) -> RateStatus:
        """Count a request of a caller, and return the state of the caller's limits.

        Raises RequestError if a limit is used up.
        """
        standing = await self.limiter.request(known.name, known.rates)
        over = standing.over
        if over is not None:
            what = {"requests": "requests", "calls": "upstream calls"}[over.kind]
            raise RequestError(
                429,
                "TOO_MANY_REQUESTS",
                f"The caller may make {over.limit} {what} a minute, and has: wait {max(over.seconds, 1)} seconds.",
                standing.headers(),
            )
        return standing

    async def _caller(self, scope: Scope, where: Area) -> KnownCredential:
        try:
            known = await self.known(scope)
        except RequestError:
            if where.permission is None:
                return _ANONYMOUS
            raise
        if known is None:
            if where.permission is None:
                return _ANONYMOUS
            raise unauthenticated(_NO_CREDENTIAL)
        return known

    async def known(self, scope: Scope) -> KnownCredential | None:
        """Return the caller of a request; None if it has no credential and one is required.

        Remove the parameters of a link from the request. Raises RequestError for a wrong credential.
        """
        address = scope["client"][0] if scope.get("client") else ""
        by_link = links.is_link(scope["query_string"])
        try:
            text = scope["query_string"].decode("latin-1") if by_link else credential(scope["headers"])
        except WrongCredential as wrong:
            if self.required:
                raise unauthenticated(str(wrong)) from None
            text = None
        # Without required authentication, ignore a credential for another system, which a gateway may have passed on.
        foreign = text is not None and not by_link and self._tokens is None and not looks_like_key(text)
        if text is None or (foreign and not self.required):
            return None if self.required else KnownCredential(EVERYONE, name_of_stranger(address))
        try:
            return await (self._by_link(scope) if by_link else self._by_credential(text))
        except KeysUnreadable as unreadable:
            raise RequestError(503, "STORAGE_UNAVAILABLE", str(unreadable), {"Retry-After": "5"}) from None
        except GuessedCredential as wrong:
            # Check the credential before the lockout: a right one always passes, whatever others do at this address.
            wait = self._attempts.wait(address)
            if not wait:
                self._attempts.failed(address)
                raise
            raise RequestError(
                429, "TOO_MANY_REQUESTS", f"{wrong} Too many wrong credentials came from this address: wait a little.",
                {"Retry-After": str(wait)},
            ) from None  # fmt: skip

    def expiry(self, scope: Scope) -> Callable[[], bool]:
        """Return a function that says whether the credential of an authenticated request is no longer valid."""
        keys, key_id = self._keys, scope.get("key_id")
        if keys is not None and key_id is not None:
            return partial(_is_over, keys, key_id)
        try:
            text = credential(scope["headers"])
        except WrongCredential:  # it was ignored
            return bool
        if self._tokens is None or text is None or looks_like_key(text):
            return bool
        ends = self._tokens.ends(text)
        return lambda: time.time() >= ends

    async def _by_credential(self, text: str) -> KnownCredential:
        if looks_like_key(text) or self._tokens is None:
            key = await self._keys.find(text) if self._keys is not None else None
            if key is None:
                raise GuessedCredential("The key is wrong, revoked or expired.")
            return KnownCredential(key.caller, key.caller.name, key.rates, key.id)
        caller = await self._tokens.admitted(text)
        return KnownCredential(caller, caller.name)

    async def _by_link(self, scope: Scope) -> KnownCredential:
        secret = self.signing_secret()
        if not secret or self._keys is None:
            raise unauthenticated("This server signs no links: SIGNING_SECRET is not set.")
        if scope.get("method") not in ("GET", "HEAD"):
            raise unauthenticated("A link is for reading: send GET.")
        try:
            key_id, rest = links.check(secret, scope["path"], scope["query_string"], datetime.now(UTC))
        except links.InvalidLink as wrong:
            kind = GuessedCredential if wrong.guessed else unauthenticated
            raise kind(f"The link is not accepted: {wrong}.") from None
        key = await self._keys.find_id(key_id)
        if key is None:
            raise unauthenticated("The link is not accepted: the key it was made for is revoked or expired.")
        scope["query_string"] = rest
        caller = replace(key.caller, permissions=key.caller.permissions & {TABLES})
        return KnownCredential(caller, caller.name, key.rates, key.id)


def _is_over(keys: CurrentKeys, key_id: str) -> bool:
    try:
        return keys.by_id(key_id) is None
    except KeysUnreadable:
        return True


def _keys(settings: Settings, redis: "RedisConnection | None") -> CurrentKeys:
    if settings.keys_store == "file" or redis is None:
        return Keys(settings.keys_path)
    from server.auth.shared_keys import SharedKeys  # the client of Redis is imported where it is used

    return SharedKeys(redis)


def _tokens(settings: Settings) -> "TokenVerifier | None":
    if settings.jwt_jwks_url is None:
        return None
    # Imported here because cryptography and httpx take 14 MiB, and only tokens need them.
    from server.auth.jwks import KeySet
    from server.auth.tokens import TokenTerms, TokenVerifier

    assert settings.jwt_issuer is not None
    assert settings.jwt_audience is not None
    terms = TokenTerms(
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_leeway,
        settings.jwt_groups_claim,
        settings.jwt_powers_claim,
    )
    return TokenVerifier(KeySet(settings.jwt_jwks_url, secure=settings.secure("jwks")), terms)
