"""The connection to a Redis of any kind: what it says when Redis is away, and that it comes back by itself."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
import trustme
import uvloop

from tests.tls import write_issuer, write_pair
from tests.upstream.redis_server import (
    SECRET,
    ClusterServers,
    RedisServer,
    SentinelServer,
    ServedRedis,
    redis_connection,
    redis_of_kind,
)
from upstream.redis import clock
from upstream.redis.clock import ClockComparison
from upstream.redis.connection import RedisConnection, RedisDown
from upstream.transport.secure import Secure


@pytest.fixture(scope="module", params=["tls", "sentinel"])
def protected(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRedis]:
    with redis_of_kind(request.param, tmp_path_factory.mktemp("redis")) as found:
        yield found


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is true. The limit is for broken tests alone."""
    async with asyncio.timeout(60):
        while not await check():  # noqa: ASYNC110  # another process is waited for
            await asyncio.sleep(0.05)


async def until_it_answers(connection: RedisConnection) -> None:
    """Wait until a value can be kept."""

    async def kept() -> bool:
        return await connection.attempt(lambda client: client.set("key", b"value")) is not None

    await until(kept)


@pytest.mark.parametrize(("part", "instead"), [("secret", "wrong"), ("127.0", "127.9")])
async def test_what_is_wrong_is_said_without_a_secret(part: str, instead: str, protected: ServedRedis) -> None:
    url = protected.url.replace(part, instead)
    async with redis_connection(url, secure=protected.secure, timeout=5) as connection:
        assert connection.notes() == []
        with structlog.testing.capture_logs() as lines, pytest.raises(RedisDown) as down:
            await connection.run(lambda client: client.get("key"))
        (note,) = connection.notes()
        said = f"{down.value} {note} {lines} {connection.address!r} {await connection.wrong('key')}"
    assert [line["event"] for line in lines] == ["redis.down"]
    assert note.startswith("Redis does not answer, so this server reads, counts and polls for itself (")
    assert SECRET not in said
    assert "wrong" not in said.replace("'wrong'", "")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("redis+sentinel://127.0.0.1:9,[::1]:9/days",
         "MasterNotFoundError: the Sentinels 127.0.0.1:9, [::1]:9 name no master of 'days' (network:ConnectionError)"),
        ("{sentinel}/days/0?sentinel_password=x",
         "MasterNotFoundError: the Sentinels {nodes} name no master of 'days' (network:ConnectionError, auth:"
         "AuthenticationError)"),
        ("{sentinel}/nights/0?sentinel_password={password}",
         "MasterNotFoundError: the Sentinels {nodes} name no master of 'nights' (network:ConnectionError, it is not "
         "known, or it is down)"),
    ],
)  # fmt: skip
async def test_it_is_said_why_no_sentinel_names_the_master(address: str, says: str, tmp_path: Path) -> None:
    with redis_of_kind("sentinel", tmp_path) as served:
        real, _, password = served.url.rpartition("=")
        start = real.partition("/days")[0]
        nodes = ", ".join(start.rpartition("@")[2].split(","))
        where = {"sentinel": start, "nodes": nodes, "password": password}
        async with redis_connection(address.format(**where), secure=served.secure, timeout=30) as connection:
            with pytest.raises(RedisDown) as down:
                await connection.run(lambda client: client.get("key"))
    assert str(down.value) == says.format(**where)


@pytest.mark.parametrize("kind", ["single", "sentinel", "cluster"])
@pytest.mark.parametrize(("ahead", "words"), [(42.04, "42.0 s ahead of"), (-600, "600.0 s behind")])
async def test_a_clock_that_differs_is_reported_once(
    kind: str, ahead: float, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, shift = time.time, 0.0
    monkeypatch.setattr(clock, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr("upstream.redis.connection.time.time", lambda: real() + shift)
    with redis_of_kind(kind, tmp_path) as served:
        async with redis_connection(served.url, secure=served.secure, timeout=30) as connection:

            async def reported() -> bool:
                await connection.look()  # a slow answer reports nothing
                return connection.clock.differs is (shift != 0)

            with structlog.testing.capture_logs() as lines:
                await connection.look()
                assert (connection.notes(), lines) == ([], [])
                assert -0.5 < connection.clock.ahead < 0.5
                shift = ahead
                for _ in range(2):
                    await until(reported)
                said = f"The clock of this machine is {words} that of Redis"
                assert await connection.clock_wrong() == said
                (note,) = connection.notes()
                assert note.startswith(f"{said}, so ")
                shift = 0.0
                for _ in range(2):
                    await until(reported)
            assert (connection.notes(), await connection.clock_wrong()) == ([], None)
    assert [line["event"] for line in lines] == ["redis.clock_differs", "redis.clock_agrees"]
    assert lines[0]["ahead"] == pytest.approx(ahead, abs=0.5)


@pytest.mark.parametrize(
    ("ahead", "seconds", "before", "after"),
    [
        (0.9, 0.1, False, False), (1.2, 0.1, False, True), (-1.2, 0.1, False, True),
        # Redis may have looked at its clock at any moment of the answer.
        (1.2, 1.0, False, False), (0.9, 1.0, True, True), (0.4, 1.0, True, False), (-0.9, 0.1, True, False),
    ],
)  # fmt: skip
def test_a_slow_answer_does_not_say_what_a_quick_one_does(
    ahead: float, seconds: float, before: bool, after: bool
) -> None:
    comparison = ClockComparison()
    assert (comparison.due, comparison.wrong) == (True, None)
    comparison.differs = before
    comparison.note(1000.0 + ahead - seconds / 2, 1000.0, seconds)
    assert comparison.differs is after
    assert comparison.ahead == pytest.approx(ahead)
    assert not comparison.due


async def test_a_command_that_redis_refuses_is_no_outage(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with redis_connection(server.url, pause=3600) as connection:
            with structlog.testing.capture_logs() as lines:
                for _ in range(2):
                    with pytest.raises(RedisDown, match="unknown command"):
                        await connection.run(lambda client: client.execute_command("NOTHING"))
            assert [line["event"] for line in lines] == ["redis.refused"]
            assert not connection.down
            assert await connection.pipeline([("SET", "key", b"x"), ("GET", "key")]) == [True, b"x"]


@pytest.mark.parametrize("kind", ["single", "sentinel", "cluster"])
async def test_many_commands_at_once_are_no_outage(kind: str, tmp_path: Path) -> None:
    """The client has 100 connections to a server, and raises an error when a command needs one more."""
    with redis_of_kind(kind, tmp_path) as served:
        async with redis_connection(served.url, timeout=30) as connection:
            names = [f"key {number}".encode() for number in range(300)]
            await asyncio.gather(*(connection.pipeline([("SET", name, name)]) for name in names))
            found = await asyncio.gather(
                *(connection.get_many([name]) for name in names),
                *(connection.run(lambda client, name=name: client.get(name)) for name in names),  # type: ignore[misc]
            )
            assert found == [[name] for name in names] + names
            assert connection.failures == 0


async def test_commands_of_many_callers_go_together(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with redis_connection(server.url, timeout=30) as connection:
            await connection.pipeline([("SET", "key", b"value")])
            before = sum(connection.commands.counts)
            wrong: list[tuple[str, ...]] = [("INCR", "key")]
            asked = [connection.pipeline([("ECHO", f"{number}")] * (number % 4 + 1)) for number in range(100)]
            found = await asyncio.gather(*asked[:50], connection.pipeline(wrong), *asked[50:])
            # A command that Redis refuses is an error for its caller alone.
            (refused,) = found.pop(50)
            assert "not an integer" in str(refused)
            assert found == [[f"{number}".encode()] * (number % 4 + 1) for number in range(100)]
            assert sum(connection.commands.counts) - before == 1
            await connection.pipeline([("LPUSH", "list", b"x")])
            with pytest.raises(RedisDown, match="WRONGTYPE"):
                await connection.run(lambda client: client.get("list"))


async def test_a_caller_that_leaves_takes_no_answer_of_others(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with redis_connection(server.url, timeout=30) as connection:
            asked = [asyncio.create_task(connection.pipeline([("ECHO", f"{number}")])) for number in range(1000)]
            for number in range(0, 1000, 3):
                asked[number].cancel()
                if number % 100 == 0:
                    await asyncio.sleep(0)
            found = await asyncio.gather(*asked, return_exceptions=True)
            for number, answer in enumerate(found):
                assert (answer == [f"{number}".encode()]) or (number % 3 == 0)


async def test_callers_that_wait_for_a_dead_redis_do_not_wait_one_after_the_other(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with redis_connection(server.url, timeout=0.2, pause=3600) as connection:
            server.hang(True)
            asked = [connection.pipeline([("ECHO", f"{number}")]) for number in range(600)]
            asked += [connection.run(lambda client: client.get("key")) for _ in range(600)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(each, RedisDown) for each in found)
            # No more commands went to Redis than could run at once.
            assert connection.failures <= 32 + 4
            server.hang(False)


@pytest.mark.parametrize("connected", [True, False])
def test_a_pause_of_this_process_is_no_silence_of_redis(connected: bool, tmp_path: Path) -> None:
    """The time of a command passes while the event loop, that of a server, stands still, and the answer waits."""

    async def pause(server: RedisServer) -> None:
        async with redis_connection(server.url, timeout=1, pause=3600) as connection:
            if connected:
                await connection.pipeline([("SET", "key", b"value")])
            server.hang(True)
            asked = asyncio.create_task(connection.pipeline([("ECHO", "x")]))
            await asyncio.sleep(0.05)
            server.hang(False)
            time.sleep(2)  # noqa: ASYNC251  # the pause
            assert await asked == [b"x"]
            assert not connection.down

    with RedisServer(tmp_path) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(pause(server))


@pytest.mark.parametrize("kind", ["single", "tls"])
def test_no_connection_stays_open_after_a_silence(kind: str, tmp_path: Path) -> None:
    """A silent Redis takes no part in the end of TLS. A transport that stays open is a ResourceWarning, so an error."""

    async def fail(served: ServedRedis) -> None:
        assert served.server is not None
        async with redis_connection(served.url, secure=served.secure, timeout=0.3) as connection:
            await asyncio.gather(*(connection.run(lambda client: client.ping()) for _ in range(3)))
            served.server.hang(True)
            with pytest.raises(RedisDown, match="Timeout"):
                await connection.run(lambda client: client.ping())

    with redis_of_kind(kind, tmp_path) as served:
        asyncio.run(fail(served))
        gc.collect()


async def test_files_of_tls_are_read_again(tmp_path: Path) -> None:
    with redis_of_kind("tls", tmp_path) as served:
        assert served.secure.ca_file is not None
        stranger = trustme.CA()
        mine = tmp_path / "mine"
        mine.mkdir()
        issuer = write_issuer(mine / "issuer.pem", stranger)
        pair = write_pair(mine, "client", stranger.issue_cert("graph.example"))
        async with redis_connection(served.url, secure=Secure(issuer, *pair), pause=0.0) as connection:
            assert "CERTIFICATE_VERIFY_FAILED" in (await connection.wrong("key") or "")
            issuer.write_bytes(served.secure.ca_file.read_bytes())
            # The server closes the connection of a client whose certificate it does not trust.
            assert await connection.wrong("key") is not None
            for path, good in zip(pair, (served.secure.cert_file, served.secure.key_file), strict=True):
                assert good is not None
                path.write_bytes(good.read_bytes())
            assert await connection.wrong("key") is None


async def test_a_sentinel_names_the_new_master(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for name in ("master", "replica", "sentinel"):
            (tmp_path / name).mkdir()
        master = stack.enter_context(RedisServer(tmp_path / "master"))
        following = ("--replicaof", f"127.0.0.1 {master.port}", "--repl-diskless-sync-delay", "0")
        replica = stack.enter_context(RedisServer(tmp_path / "replica", *following))
        lines = ("sentinel down-after-milliseconds days 300", "sentinel failover-timeout days 2000")
        sentinel = SentinelServer(tmp_path / "sentinel", master, *lines)
        stack.enter_context(sentinel)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/days"
        async with redis_connection(url, pause=0.05) as connection:
            await until_it_answers(connection)

            async def replicated() -> bool:
                known = "slaves=1" in sentinel.say("INFO", "sentinel")
                return known and f"port={replica.port}" in master.say("INFO", "replication")

            await until(replicated)
            master.stop()
            await until_it_answers(connection)
            assert replica.say("GET", "key").startswith("$5")
            assert not connection.down


async def test_a_cluster_recovers_when_its_node_is_back(tmp_path: Path) -> None:
    with ClusterServers(tmp_path) as cluster:
        async with redis_connection(cluster.url, pause=0.05) as connection:
            names = [f"key {number}".encode() for number in range(30)]
            assert await connection.pipeline([("SET", name, name) for name in names]) == [True] * 30
            assert await connection.get_many(names) == names
            cluster.nodes[1].stop()
            with pytest.raises(RedisDown):
                await connection.get_many(names)
            assert connection.down
            cluster.nodes[1].start()

            async def whole() -> bool:
                try:
                    return await connection.get_many(names) != []
                except RedisDown:
                    return False

            await until(whole)
            found = await connection.get_many(names)
            lost = [name for name, value in zip(names, found, strict=True) if value is None]
            assert 0 < len(lost) < 30
            assert not connection.down
