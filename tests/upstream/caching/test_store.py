import asyncio
import datetime
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.upstream.ledger import START, Clock
from tests.upstream.redis_server import RedisServer, redis_connection
from upstream.caching.cache import open_store
from upstream.caching.store import Key, MemoryStore, Pattern, Store, series
from upstream.caching.store_redis import RedisStore

WHERE = series("R5", "f00", "here", "", [("group_id", 5)])
OTHER = series("R7", "f00", "here", "caller: a/b %", [("user_id", 60)])
AGENT = series("G1", "f00", "here", "", [("game_type", "slot"), ("user_code", "ñ:&= %*"), ("agent", "")])


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with redis_connection(request.getfixturevalue("redis").url) as connection:
        found = RedisStore(connection, "test [a]*")
        await found.clear(Pattern())
        yield found


def day(number: int, name: str = WHERE) -> Key:
    return name, f"2026-03-{number:02}"


async def test_what_was_set_is_there_and_nothing_else(store: Store) -> None:
    await store.set_many([(day(1), b"one"), (day(2), b""), (day(1, OTHER), b"\x00\xff")], 60)
    assert await store.get_many([day(3), day(1), day(1, OTHER)]) == [None, b"one", b"\x00\xff"]
    assert await store.get_many([]) == []
    await store.set_many([], 60)
    await store.set_many([(day(1), b"two")], 60)
    assert await store.get_many([day(1)]) == [b"two"]


async def test_a_peek_shows_the_beginning(store: Store) -> None:
    await store.set_many([(day(1), b"beginning and end")], 60)
    found = await store.peek_many([day(2), day(1)], 9)
    assert found[0] is None
    assert found[1] is not None
    assert found[1][:9] == b"beginning"
    assert await store.peek_many([], 9) == []


async def test_deleted_is_gone(store: Store) -> None:
    await store.set_many([(day(1), b"one"), (day(2), b"two")], 60)
    await store.delete([day(1), day(9)])
    await store.delete([])
    assert await store.get_many([day(1), day(2)]) == [None, b"two"]


async def test_nothing_stays_past_its_time(store: Store) -> None:
    await store.set_many([(day(1), b"one")], 0.02)
    await asyncio.sleep(0.1)
    assert await store.get_many([day(1)]) == [None]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        (Pattern(), 0),
        (Pattern("R5"), 2),
        (Pattern("R"), 5),
        (Pattern(params={"group_id": 5}), 2),
        (Pattern(params={"group_id": "5"}), 2),
        (Pattern("R7", {"group_id": 5}), 5),
        (Pattern(params={"user_code": "ñ:&= %*"}), 4),
        (Pattern(params={"agent": ""}), 4),
        (Pattern(first=datetime.date(2026, 3, 2)), 2),
        (Pattern(last=datetime.date(2026, 3, 2)), 2),
        (Pattern("R5", {}, datetime.date(2026, 3, 2), datetime.date(2026, 3, 2)), 4),
    ],
)
async def test_what_matches_is_cleared(store: Store, pattern: Pattern, left: int) -> None:
    keys = [day(1), day(2), day(3), (OTHER, "2026-03-01T00:00:00+00:00/2026-03-02T00:00:00+00:00"), day(2, AGENT)]
    await store.set_many([(key, b"x") for key in keys], 60)
    assert await store.clear(pattern) == 5 - left
    assert (await store.stats()).entries == left
    assert sum(value is not None for value in await store.get_many(keys)) == left


async def test_the_stats_count_entries_and_bytes(store: Store) -> None:
    empty = await store.stats()
    assert (empty.entries, empty.bytes, empty.down) == (0, 0, False)
    await store.set_many([(day(1), bytes(1000)), (day(2), bytes(2000))], 60)
    full = await store.stats()
    assert full.entries == 2
    assert 3000 <= full.bytes < 4000


async def test_memory_makes_room_by_dropping_what_was_used_longest_ago() -> None:
    store = MemoryStore(limit=4000)
    await store.set_many([(day(number), bytes(1000)) for number in (1, 2, 3)], 60)
    await store.get_many([day(1)])
    await store.peek_many([day(2)], 1)
    await store.set_many([(day(4), bytes(1000))], 60)
    found = await store.get_many([day(1), day(2), day(3), day(4)])
    assert [value is not None for value in found] == [True, False, True, True]
    stats = await store.stats()
    assert (stats.evictions, stats.entries, stats.limit) == (1, 3, 4000)
    assert stats.bytes <= 4000


async def test_what_is_larger_than_memory_drops_nothing_else() -> None:
    store = MemoryStore(limit=4000)
    await store.set_many([(day(1), bytes(1000))], 60)
    await store.set_many([(day(2), bytes(4000)), (day(1), bytes(5000))], 60)
    assert await store.get_many([day(2), day(1)]) == [None, None]
    assert (await store.stats()).bytes == 0


async def test_memory_goes_by_its_clock() -> None:
    clock = Clock(START)
    store = MemoryStore(clock=clock.seconds)
    await store.set_many([(day(1), b"one")], 60)
    clock.move(seconds=59)
    assert await store.get_many([day(1)]) == [b"one"]
    clock.move(seconds=1)
    assert await store.get_many([day(1)]) == [None]


def test_the_url_says_which_store() -> None:
    assert open_store("off") is None
    assert isinstance(open_store("memory://"), MemoryStore)
    for wrong in ("", "on", "memory", "http://127.0.0.1", "redis:/x"):
        with pytest.raises(ValueError, match="memory://"):
            open_store(wrong)


def test_a_key_tells_caller_and_parameters_apart_whatever_stands_in_them() -> None:
    events = [
        series("R7", "f", "o", "a:b", [("user_id", 1)]),
        series("R7", "f", "o", "a", [("b:user_id", 1)]),
        series("R7", "f", "o", "a", [("username", "x&id=1")]),
        series("R7", "f", "o", "a", [("username", "x"), ("id", 1)]),
    ]
    assert len(set(events)) == len(events)
    assert all(name.count(":") == 4 for name in events)
