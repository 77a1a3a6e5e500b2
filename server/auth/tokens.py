"""Verify tokens (JWT) with the public keys of their issuer, and read the caller from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from resolvers.caller import Caller
from server.auth.jwks import AGAIN_SECONDS, KeySet, NoKeys
from server.auth.permissions import PERMISSIONS
from server.http.request_error import GuessedCredential, RequestError, unauthenticated

# The algorithms with a private and a public key, and the type of key of each. Never `none`, and never HS256: there
# everybody who knows the public key could sign.
ALGORITHMS = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC", "ES384": "EC", "ES512": "EC", "EdDSA": "OKP",
}  # fmt: skip
MOST_CHARACTERS = 16 * 1024
_ALL = "*"
_MOST_NAME = 64
_CANONICAL = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class WrongToken(Exception):
    """A token is not valid. The text says why, without the token. `genuine`: the issuer has signed it."""

    def __init__(self, why: str, *, genuine: bool = False) -> None:
        super().__init__(why)
        self.genuine = genuine


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """The claims that a token must have, and the claims with the rights of its bearer."""

    issuer: str
    audience: str
    leeway: float = 30.0
    groups_claim: str = "groups"
    permissions_claim: str = "powers"


class TokenVerifier:
    """Verify tokens. Each key is prepared once, until the issuer changes it."""

    def __init__(self, keys: KeySet, terms: TokenTerms) -> None:
        self._keys = keys
        self._terms = terms
        self._ready: dict[tuple[str, str], tuple[Mapping[str, Any], jwt.PyJWK]] = {}

    async def admitted(self, text: str) -> Caller:
        """Return the caller of a token. Raises RequestError for the client."""
        try:
            return await self.caller(text)
        except WrongToken as wrong:
            kind = unauthenticated if wrong.genuine else GuessedCredential
            raise kind(f"The token is not accepted: {wrong}.") from None
        except NoKeys:
            raise RequestError(
                503, "ISSUER_UNAVAILABLE", "The keys of the token's issuer cannot be had; try again in a moment.",
                {"Retry-After": f"{AGAIN_SECONDS:.0f}"},
            ) from None  # fmt: skip

    async def caller(self, text: str) -> Caller:
        """Return the caller of a token. Raises WrongToken and NoKeys."""
        if len(text) > MOST_CHARACTERS:
            raise WrongToken("it is too long")
        try:
            header = jwt.get_unverified_header(text)
        except jwt.InvalidTokenError:
            raise WrongToken("it is no JWT") from None
        algorithm, id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise WrongToken(f"its algorithm is not one of {', '.join(ALGORITHMS)}")
        data = await self._keys.key(id if isinstance(id, str) else None)
        if data is None or data["kty"] != ALGORITHMS[algorithm] or data.get("alg", algorithm) != algorithm:
            raise WrongToken("its key is not one of the issuer's")
        return caller_of(self._verified(text, self._key(algorithm, data)), self._terms)

    def ends(self, text: str) -> float:
        """Return the time in unix seconds until which a token is accepted, given that it is valid now."""
        claims = jwt.decode(text, options={"verify_signature": False})
        return float(claims["exp"]) + self._terms.leeway

    def _key(self, algorithm: str, data: Mapping[str, Any]) -> jwt.PyJWK:
        name = (str(data.get("kid", "")), algorithm)
        prepared = self._ready.get(name)
        if prepared is not None and prepared[0] is data:
            return prepared[1]
        try:
            key = jwt.PyJWK(dict(data), algorithm)
        except jwt.PyJWTError:
            raise WrongToken("its key is not one that can be used") from None
        if len(self._ready) >= 100:
            self._ready.clear()
        self._ready[name] = (data, key)
        return key

    def _verified(self, text: str, key: jwt.PyJWK) -> dict[str, Any]:
        terms = self._terms
        try:
            return jwt.decode(
                text,
                key,
                algorithms=list(ALGORITHMS),
                issuer=terms.issuer,
                audience=terms.audience,
                leeway=terms.leeway,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            why = next((why for kind, why in _WHY if isinstance(error, kind)), "it is no JWT")
            raise WrongToken(why, genuine=isinstance(error, _GENUINE)) from None


# PyJWT checks these only after the signature was right.
_GENUINE = (
    jwt.ExpiredSignatureError,
    jwt.ImmatureSignatureError,
    jwt.InvalidAudienceError,
    jwt.InvalidIssuerError,
    jwt.MissingRequiredClaimError,
)
# The first match counts.
_WHY: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "it has expired"),
    (jwt.ImmatureSignatureError, "it is not valid yet"),
    (jwt.InvalidAudienceError, "it is for another audience"),
    (jwt.InvalidIssuerError, "it is of another issuer"),
    (jwt.MissingRequiredClaimError, "it lacks one of the claims exp, iss, aud and sub"),
    (jwt.InvalidSignatureError, "its signature is wrong"),
    (jwt.InvalidKeyError, "its key is not one that can be used"),
)


def caller_of(claims: Mapping[str, Any], terms: TokenTerms) -> Caller:
    """Return the caller of verified claims. A missing claim grants nothing: without a groups claim, no group."""
    subject = "".join(letter for letter in str(claims["sub"]) if letter.isprintable())[:_MOST_NAME]
    return Caller(
        f"jwt:{subject}", _groups(claims.get(terms.groups_claim)), _permissions(claims.get(terms.permissions_claim))
    )  # fmt: skip


def _groups(claim: Any) -> frozenset[int] | None:
    """Return the groups of a claim. One entry that is not a canonical id, such as "0382", makes it grant no group."""
    if claim in (_ALL, [_ALL]):  # some issuers write lists only
        return None
    groups = [_group(entry) for entry in claim if entry != _ALL] if isinstance(claim, list) else []
    known = [group for group in groups if group is not None]
    return frozenset(known) if len(known) == len(groups) else frozenset()


def _group(entry: Any) -> int | None:
    if isinstance(entry, str) and _CANONICAL.fullmatch(entry):
        entry = int(entry)
    whole = isinstance(entry, int) and not isinstance(entry, bool)
    return entry if whole and 0 < entry < 1 << 63 else None


def _permissions(claim: Any) -> frozenset[str]:
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(word for word in words if word in PERMISSIONS)
