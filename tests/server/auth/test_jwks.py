"""The issuer's keys: rotation, an address that is down, and no more requests than needed."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from server.auth import jwks
from server.auth.jwks import KeySet, NoKeys
from tests.server.auth.echo import Issuer, issuing
from tests.server.serving import serving


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


class Clock:
    """A clock that may be put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(jwks, "time", clock)
    return clock


async def settled(keys: KeySet) -> None:
    """Until a request in the background has ended."""
    if keys._reading is not None:
        await keys._reading


async def test_one_request_for_all_who_wait(issuer: Issuer) -> None:
    keys = KeySet(issuer.url)
    found = await asyncio.gather(*(keys.key("first") for _ in range(50)))
    assert [key and key["kid"] for key in found] == ["first"] * 50
    assert issuer.requests == 1


async def test_who_gives_up_leaves_the_others(issuer: Issuer) -> None:
    keys = KeySet(issuer.url)
    waits = [asyncio.create_task(keys.key("first")) for _ in range(3)]
    await asyncio.sleep(0)
    waits[0].cancel()
    assert [key and key["kid"] for key in await asyncio.gather(*waits[1:])] == ["first"] * 2
    assert issuer.requests == 1


async def test_rotation(issuer: Issuer, clock: Clock) -> None:
    keys = KeySet(issuer.url, again=10)
    assert await keys.key("first")
    issuer.add("second")
    assert await keys.key("second") is None  # read a moment ago
    assert issuer.requests == 1
    clock.ahead += 11
    assert (await keys.key("second") or {})["kid"] == "second"
    assert issuer.requests == 2
    # Whoever makes up ids causes one request in a while.
    for number in range(20):
        assert await keys.key(f"made up {number}") is None
    assert issuer.requests == 2
    # A key that is taken back ends when the set is read again: known keys wait for nothing meanwhile.
    del issuer.published["first"]
    clock.ahead += 400
    assert await keys.key("first")
    await settled(keys)
    assert issuer.requests == 3
    assert await keys.key("first") is None


async def test_an_address_that_is_down(issuer: Issuer, clock: Clock) -> None:
    keys = KeySet(issuer.url, fresh=300, again=10, stale_seconds=3600)
    assert await keys.key("first")
    issuer.status = 500
    clock.ahead += 3000
    assert await keys.key("first")
    await settled(keys)
    assert issuer.requests == 2
    clock.ahead += 700
    with pytest.raises(NoKeys):
        await keys.key("first")
    assert issuer.requests == 3
    issuer.status = 200
    clock.ahead += 11
    assert await keys.key("first")


async def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    redirect = Route("/keys", lambda request: RedirectResponse(issuer.url))
    with serving(Starlette(routes=[redirect])) as address, pytest.raises(NoKeys):
        await KeySet(f"{address}/keys").key("first")
    assert issuer.requests == 0


async def test_an_address_that_never_answered() -> None:
    with pytest.raises(NoKeys):
        await KeySet("http://127.0.0.1:9/keys").key("first")


async def test_without_an_id_the_only_key(issuer: Issuer, clock: Clock) -> None:
    keys = KeySet(issuer.url)
    assert (await keys.key(None) or {})["kid"] == "first"
    issuer.add("second")
    clock.ahead += 400
    await keys.key(None)
    await settled(keys)
    assert await keys.key(None) is None


async def test_keys_that_do_not_sign(issuer: Issuer) -> None:
    issuer.published = {
        "shared": {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        "cipher": issuer.published["first"] | {"kid": "cipher", "use": "enc"},
    }
    keys = KeySet(issuer.url)
    assert await keys.key("shared") is None
    assert await keys.key("cipher") is None


async def test_what_is_no_key_set(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "MOST_BYTES", 20)
    with pytest.raises(NoKeys):
        await KeySet(issuer.url).key("first")
