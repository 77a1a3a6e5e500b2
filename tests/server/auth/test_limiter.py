"""Limits by caller: what counts, the headers that say so, and Redis, which counts for several servers."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key import AS_SET, Rates
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.auth.limiter import Limiter
from tests.server.auth.echo import echo
from tests.server.serving import serving
from tests.upstream.redis_server import RedisServer
from upstream.redis.connection import RedisConnection

ALL = frozenset({"explore", "tables", "admin"})


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "memory":
        return None
    found: str = request.getfixturevalue("redis").url
    return found


class AloneLimiter(Limiter):
    """A limiter with a connection of its own to the Redis at `url`."""

    def __init__(self, rates: Rates, url: str | None, pause: float = 1.0) -> None:
        self.connection = None if url is None else RedisConnection(url, pause=pause)
        super().__init__(rates, self.connection)

    async def aclose(self) -> None:
        await super().aclose()
        if self.connection is not None:
            await self.connection.aclose()


def rates(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if "ratelimit" in name or name == "retry-after"}


def test_requests(tmp_path: Path, url: str | None) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, anna = file.create(Caller("anna", None, ALL))
    _, bert = file.create(Caller("bert", None, ALL), Rates(5, None))
    _, free = file.create(Caller("free", None, ALL), Rates(0, None))
    callers = Authenticator(required=True, keys=Keys(file.path), limiter=AloneLimiter(Rates(3, 0), url))
    with serving(echo(callers)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:

        def ask(key: str, path: str = "/graphql") -> httpx.Response:
            return client.get(path, headers={"X-Api-Key": key})

        for left in (2, 1, 0):
            answer = ask(anna)
            assert answer.status_code == 200
            found = rates(answer)
            assert 0 < int(found.pop("ratelimit-reset")) <= 60
            assert found == {
                "ratelimit-limit": "3",
                "ratelimit-remaining": str(left),
                "ratelimit-policy": '3;w=60;comment="requests"',
            }
        refused = ask(anna)
        assert refused.status_code == 429
        (error,) = refused.json()["errors"]
        assert error["extensions"] == {"code": "TOO_MANY_REQUESTS"}
        assert error["message"].startswith("The caller may make 3 requests a minute, and has: wait ")
        found = rates(refused)
        assert 0 < int(found["retry-after"]) <= 60
        assert found["retry-after"] == found["ratelimit-reset"]
        assert (found["ratelimit-limit"], found["ratelimit-remaining"]) == ("3", "0")
        # What does no work is not counted, and others are not held up.
        assert (ask(anna, "/explorer/x").status_code, rates(ask(anna, "/explorer/x"))) == (200, {})
        assert [ask(bert).status_code for _ in range(6)] == [200] * 5 + [429]
        assert [ask(free).status_code for _ in range(9)] == [200] * 9
        assert rates(ask(free)) == {}


def test_upstream_calls(tmp_path: Path, url: str | None) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, carl = file.create(Caller("carl", None, ALL))
    _, dora = file.create(Caller("dora", None, ALL), Rates(100, 4))
    callers = Authenticator(required=True, keys=Keys(file.path), limiter=AloneLimiter(Rates(0, 10), url))
    with serving(echo(callers)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:

        def ask(key: str, calls: int = 0) -> httpx.Response:
            answer = client.get(f"/graphql?calls={calls}", headers={"X-Api-Key": key})
            while (writing := callers.limiter._writing) is not None and not writing.done():
                time.sleep(0.001)  # calls are counted beside the answer
            return answer

        def left(key: str) -> str:
            return ask(key).headers["ratelimit-remaining"]

        assert ask(carl, 7).headers["ratelimit-remaining"] == "10"
        assert left(carl) == "3"
        assert ask(carl, 20).status_code == 200  # it began with three left
        refused = ask(carl)
        assert refused.status_code == 429
        assert "The caller may make 10 upstream calls a minute" in refused.json()["errors"][0]["message"]
        assert refused.headers["ratelimit-policy"] == '10;w=60;comment="calls"'
        both = ask(dora, 3)
        assert both.headers["ratelimit-policy"] == '100;w=60;comment="requests", 4;w=60;comment="calls"'
        assert (both.headers["ratelimit-limit"], both.headers["ratelimit-remaining"]) == ("100", "99")
        near = ask(dora, 1)
        assert (near.headers["ratelimit-limit"], near.headers["ratelimit-remaining"]) == ("4", "1")
        refused = ask(dora)
        assert refused.status_code == 429
        assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("4", "0")


def test_without_credentials_each_address_counts() -> None:
    with serving(echo(Authenticator(limiter=Limiter(Rates(2, 0))))) as origin:

        def ask(address: str) -> int:
            headers = {"X-Forwarded-For": address}  # a proxy on this machine is believed
            return httpx.get(f"{origin}/graphql", headers=headers, trust_env=False).status_code

        assert [ask("192.0.2.1") for _ in range(3)] == [200, 200, 429]
        assert ask("192.0.2.2") == 200


async def test_two_servers_count_together(redis: RedisServer) -> None:
    one, other = AloneLimiter(Rates(3, 0), redis.url), AloneLimiter(Rates(3, 0), redis.url)
    over = [(await limiter.request("both", AS_SET)).over is not None for limiter in (one, other, one, other)]
    assert over == [False, False, False, True]
    for limiter in (one, other):
        await limiter.aclose()


async def test_without_redis_each_server_counts(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis:
        limiter = AloneLimiter(Rates(2, 0), redis.url, pause=0.0)

        async def over() -> bool:
            return (await limiter.request("erna", AS_SET)).over is not None

        assert [await over() for _ in range(3)] == [False, False, True]
        redis.stop()
        assert [await over() for _ in range(3)] == [False, False, True]
        redis.start()
        assert [await over() for _ in range(3)] == [False, False, True]
        await limiter.aclose()
