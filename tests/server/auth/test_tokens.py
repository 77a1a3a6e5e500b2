"""Tokens: what verifies, what a claim grants, and that nothing is granted by its absence."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.caller import Caller
from server.auth.jwks import KeySet
from server.auth.permissions import PERMISSIONS
from server.auth.tokens import TokenTerms, TokenVerifier, WrongToken, caller_of
from tests.server.auth.echo import Issuer, issuing

TERMS = TokenTerms("https://issuer.example", "graph", leeway=5)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        issuer.add("rsa", "RS256")
        issuer.add("ed", "EdDSA")
        yield issuer


@pytest.fixture
def tokens(issuer: Issuer) -> TokenVerifier:
    return TokenVerifier(KeySet(issuer.url), TERMS)


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("id", ["first", "rsa", "ed"])
async def test_a_good_token(issuer: Issuer, tokens: TokenVerifier, id: str) -> None:
    text = issuer.token(id, groups=[382, "383"], powers=["explore", "tables"])
    assert await tokens.caller(text) == Caller("jwt:anna", frozenset({382, 383}), frozenset({"explore", "tables"}))
    late = issuer.token(id, exp=time.time() - 2, powers="explore unknown")
    assert await tokens.caller(late) == Caller("jwt:anna", frozenset(), frozenset({"explore"}))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1000}, "it has expired"),
        ({"nbf": time.time() + 1_000_000}, "it is not valid yet"),
        ({"aud": "another"}, "it is for another audience"),
        ({"iss": "https://other.example"}, "it is of another issuer"),
        ({"exp": None}, "it lacks one of the claims"),
        ({"iss": None}, "it lacks one of the claims"),
        ({"aud": None}, "it lacks one of the claims"),
        ({"sub": None}, "it lacks one of the claims"),
        ({"sub": ["anna"]}, "it is no JWT"),
        ({"exp": "soon"}, "it is no JWT"),
    ],
)
async def test_a_token_that_lets_nobody_in(
    issuer: Issuer, tokens: TokenVerifier, claims: dict[str, Any], why: str
) -> None:
    text = issuer.token("first", **claims)
    with pytest.raises(WrongToken, match=why) as wrong:
        await tokens.caller(text)
    assert "anna" not in str(wrong.value)


async def test_an_unknown_or_foreign_key(issuer: Issuer, tokens: TokenVerifier) -> None:
    with issuing() as stranger:
        stranger.add("unheard of")
        with pytest.raises(WrongToken, match="its signature is wrong"):
            await tokens.caller(stranger.token("first"))
        with pytest.raises(WrongToken, match="not one of the issuer's"):
            await tokens.caller(stranger.token("unheard of"))


async def test_only_public_key_signatures(issuer: Issuer, tokens: TokenVerifier) -> None:
    claims = {"iss": TERMS.issuer, "aud": TERMS.audience, "sub": "anna", "exp": time.time() + 60, "groups": "*"}
    unsigned = f"{part({'alg': 'none', 'kid': 'first'})}.{part(claims)}."
    with pytest.raises(WrongToken, match="its algorithm is not one of"):
        await tokens.caller(unsigned)
    # What everybody may read, the public key, taken for a shared secret.
    for secret in (json.dumps(issuer.published["rsa"]), issuer.published["rsa"]["n"]):
        head = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(claims)}"
        signature = hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest()
        forged = f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        with pytest.raises(WrongToken, match="its algorithm is not one of"):
            await tokens.caller(forged)
    # An algorithm of another kind than the key's.
    head, body, signature_text = issuer.token("first").split(".")
    with pytest.raises(WrongToken, match="not one of the issuer's"):
        await tokens.caller(f"{part({'alg': 'RS256', 'kid': 'first'})}.{body}.{signature_text}")
    with pytest.raises(WrongToken, match="it is no JWT"):
        await tokens.caller(f"{part({'alg': 'ES256', 'kid': 'first', 'crit': ['x']})}.{body}.{signature_text}")


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "e30.e30.e30", "." * 50_000, "eyJhbGciOjF9.e30.", "é.é.é"])
async def test_rubbish(tokens: TokenVerifier, text: str) -> None:
    with pytest.raises(WrongToken):
        await tokens.caller(text)


async def test_any_change_of_a_token_ends_it(issuer: Issuer, tokens: TokenVerifier) -> None:
    text = issuer.token("ed", groups=[382], powers=["explore"])
    assert await tokens.caller(text)
    # The signature's last letter has bits that mean nothing, so it is left alone.
    for place, letter in enumerate(text[:-1]):
        changed = text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :]
        with pytest.raises(WrongToken):
            await tokens.caller(changed)


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        ("*", None),
        (["*"], None),
        ([], frozenset()),
        ([382], frozenset({382})),
        (["382", 383], frozenset({382, 383})),
        (["*", 382], frozenset({382})),
        ("382", frozenset()),
        (382, frozenset()),
        (True, frozenset()),
        ([True, 1.0, None, "x", "³", {"a": 1}], frozenset()),
        *(([382, other], frozenset()) for other in ("0382", "+383", " 383", "3_83", "383.0", 383.0, "0", 0, -1, 2**63)),
        ([str(2**63), "382"], frozenset()),
        ([str(2**63 - 1), 382], frozenset({2**63 - 1, 382})),
        (None, frozenset()),
        ({"*": "*"}, frozenset()),
    ],
)
def test_groups(claim: Any, groups: frozenset[int] | None) -> None:
    assert caller_of({"sub": "a", "groups": claim}, TERMS).groups == groups


def test_claims_of_other_names() -> None:
    terms = TokenTerms("i", "a", groups_claim="https://x.example/groups", permissions_claim="roles")
    claims = {"sub": "a\nb" + "c" * 100, "https://x.example/groups": [1], "roles": ["admin", "root"], "groups": "*"}
    assert caller_of(claims, terms) == Caller("jwt:ab" + "c" * 62, frozenset({1}), frozenset({"admin"}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(groups=JSON, permissions=JSON)
def test_only_a_star_is_all(groups: Any, permissions: Any) -> None:
    caller = caller_of({"sub": "a", "groups": groups, "powers": permissions}, TERMS)
    assert (caller.groups is None) == (groups in ("*", ["*"]))
    assert caller.permissions <= set(PERMISSIONS)
    assert caller_of({"sub": "a"}, TERMS) == Caller("jwt:a", frozenset(), frozenset())
