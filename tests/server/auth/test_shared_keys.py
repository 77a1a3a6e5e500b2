"""Keys in a Redis: every server knows them, and a Redis that loses some gets them back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from resolvers.caller import Caller
from server.auth.key import Key, KeysUnreadable, KeyTrouble, Rates
from server.auth.key_file import KeyFile, write
from server.auth.key_redis import HASH, KeyRedis
from server.auth.shared_keys import SharedKeys
from tests.upstream.redis_server import RedisServer, redis_connection
from upstream.redis.connection import RedisConnection

ANNA = Caller("anna", frozenset({383, 382}), frozenset({"explore", "tables"}))
BEN = Caller("ben", None, frozenset({"admin"}))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def redis(running: RedisServer) -> AsyncIterator[RedisConnection]:
    """A connection to an empty Redis."""
    async with redis_connection(running.url, timeout=0.2, pause=0.01) as connection:
        assert connection is not None
        await connection.insist(lambda client: client.flushall())
        yield connection


@pytest.fixture
def store(running: RedisServer) -> KeyRedis:
    """The keys, as a command on any host writes them."""
    return KeyRedis(lambda: RedisConnection(running.url))


@asynccontextmanager
async def following(redis: RedisConnection, **options: float) -> AsyncIterator[SharedKeys]:
    keys = SharedKeys(redis, **options)
    await keys.follow()
    yield keys
    await keys.aclose()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 (a server follows Redis in steps of time)
            await asyncio.sleep(0.01)


async def says(keys: SharedKeys, text: str, valid: bool | None) -> bool:
    return await opens(keys, text) is valid


async def opens(keys: SharedKeys, text: str) -> bool | None:
    """Return whether a key is valid, as far as the server knows at the moment; None if it is unknown."""
    try:
        return keys.key(text) is not None
    except KeysUnreadable:
        return None


async def create(store: KeyRedis, caller: Caller, rates: Rates = Rates()) -> tuple[Key, str]:  # noqa: B008
    return await asyncio.to_thread(store.create, caller, rates)


async def test_every_server_knows_what_a_command_did(redis: RedisConnection, store: KeyRedis) -> None:
    made, text = await create(store, ANNA, Rates(60, None))
    async with following(redis) as one, following(redis) as other:
        assert one.key(text) == other.key(text) == one.by_id(made.id) == made
        ben, second = await create(store, BEN)
        assert (await one.find(second), await other.find_id(ben.id)) == (ben, ben)  # at once
        assert await one.find("ghk_00000000_" + "x" * 43) is None
        assert (await asyncio.to_thread(store.revoke, "anna")).id == made.id
        for keys in (one, other):
            await until(lambda keys=keys: says(keys, text, False))  # type: ignore[misc]
            assert await keys.find(text) is None
        states = {key.caller.name: key.revoked is None for key in await asyncio.to_thread(store.listed)}
        assert states == {"anna": False, "ben": True}
    kept = await redis.run(lambda client: client.hgetall(HASH))
    assert not [value for value in kept.values() if second.encode() in value or second[-43:-20].encode() in value]


def test_of_equal_names_one_wins(running: RedisServer, store: KeyRedis) -> None:
    def attempt(number: int) -> str:
        try:
            return store.create(Caller("one"))[0].caller.name
        except KeyTrouble as trouble:
            return str(trouble)

    with ThreadPoolExecutor(4) as pool:
        said = Counter(pool.map(attempt, range(8)))
    assert said == {"one": 1, "there is a key named one: revoke it first, or choose another name": 7}
    store.revoke("one")
    with ThreadPoolExecutor(4) as pool:  # different names never disturb each other
        made = list(pool.map(lambda number: store.create(Caller(f"many-{number}"))[0], range(8)))
    assert {key.id for key in made} <= {key.id for key in store.listed()}
    with pytest.raises(KeyTrouble, match="no key 'one', or it is revoked"):
        store.revoke("one")


async def test_without_redis_keys_stay_valid_for_a_time(
    redis: RedisConnection, store: KeyRedis, running: RedisServer
) -> None:
    _, text = await create(store, ANNA)
    async with following(redis) as patient, following(redis, stale_seconds=0.3, look_seconds=0.05) as strict:
        running.hang(True)
        try:
            assert await opens(strict, text) is True
            await until(lambda: says(strict, text, None))
            with pytest.raises(KeysUnreadable, match="CACHE_URL does not answer"):  # it is not wrong
                await strict.find("ghk_00000000_" + "x" * 43)
            assert (await patient.find(text)) is not None
        finally:
            running.hang(False)
        await until(lambda: says(strict, text, True))
    with pytest.raises(KeyTrouble, match="cannot be read or written"):
        await asyncio.to_thread(KeyRedis(lambda: RedisConnection("redis://127.0.0.1:1/0")).listed)


async def test_an_empty_redis_gets_back_what_a_server_knows(redis: RedisConnection, store: KeyRedis) -> None:
    _, anna = await create(store, ANNA)
    _, ben = await create(store, BEN)
    await asyncio.to_thread(store.revoke, "ben")
    async with following(redis) as keys:
        before = await asyncio.to_thread(store.listed)
        await redis.run(lambda client: client.flushall())
        await keys.look()
        assert await asyncio.to_thread(store.listed) == before
        assert [await keys.find(text) is not None for text in (anna, ben)] == [True, False]
    await redis.run(lambda client: client.flushall())
    async with following(redis) as keys:  # a server that starts now knows nothing, and says so
        for text in (anna, "anything"):
            with pytest.raises(KeysUnreadable, match="keys restore"):
                await keys.find(text)


async def test_a_revocation_that_redis_lost_still_counts(redis: RedisConnection, store: KeyRedis) -> None:
    _, anna = await create(store, ANNA)
    older = await redis.run(lambda client: client.dump(HASH))
    async with following(redis) as keys:
        await asyncio.to_thread(store.revoke, "anna")
        _, ben = await create(store, BEN)
        await until(lambda: says(keys, anna, False))
        assert await keys.find(ben) is not None
        await redis.run(lambda client: client.restore(HASH, 0, older, replace=True))  # as after a failover
        await keys.look()
        assert [await keys.find(text) is not None for text in (anna, ben)] == [False, True]
    async with following(redis) as new:
        assert [await new.find(text) is not None for text in (anna, ben)] == [False, True]


async def test_keys_move_between_a_file_and_redis(redis: RedisConnection, store: KeyRedis, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, anna = file.create(ANNA)
    _, ben = file.create(BEN, Rates(0, 5))
    file.revoke("ben")
    assert await asyncio.to_thread(store.join, file.listed()) == file.listed()
    async with following(redis) as keys:
        assert [await keys.find(text) is not None for text in (anna, ben)] == [True, False]
    await asyncio.to_thread(store.revoke, "anna")
    found = await asyncio.to_thread(store.listed)
    write(tmp_path / "backup.sqlite", found)
    assert sorted(KeyFile(tmp_path / "backup.sqlite").listed(), key=lambda key: key.id) == sorted(
        found, key=lambda key: key.id
    )
    assert await asyncio.to_thread(store.join, file.listed()) == []  # an older backup makes no key valid again
