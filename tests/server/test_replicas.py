"""Two servers over one Redis, and two over one journal: what they share, and what happens when one of them dies."""

import asyncio
import datetime
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.programs import Piped
from tests.served import launched
from tests.server.subscriptions.moving import MovingSandbox
from tests.server.subscriptions.socket_client import connected
from tests.upstream.redis_server import RedisServer
from upstream.redis.leases import NAMESPACE

GROUP = 382
COLD_GROUP = 384  # one test alone asks for it
ADDED = "subscription ($group: ID!) { transactionAdded(groupId: $group) { id } }"
YESTERDAY = """query ($group: ID!) { group(id: $group) {
  transactions(during: { frame: YESTERDAY }, first: 1) { totalCount } } }"""
USERS = "query ($group: ID!) { group(id: $group) { users(first: 5) { nodes { id } } } }"
INTERVAL = 0.2


@dataclass
class Replica:
    """One of the servers, its process, and the folder of its journal."""

    address: str
    process: Any
    folder: Path

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of an answer without errors."""
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.address}/graphql", json=body, trust_env=False, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingSandbox]:
    with MovingSandbox(tmp_path_factory.mktemp("world")) as sandbox:
        sandbox.stand_still()
        yield sandbox


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def start(stack: ExitStack, folder: Path, moving: MovingSandbox, **settings: str) -> Replica:
    folder.mkdir(exist_ok=True)
    shared = moving.settings(SUBSCRIPTION_SECONDS=str(INTERVAL), **settings)
    return Replica(*stack.enter_context(launched(folder, **shared)), folder)


@pytest.fixture(scope="module")
def both(
    moving: MovingSandbox, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Replica, Replica]]:
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        yield tuple(
            start(stack, folder / name, moving, CACHE_URL=redis.url, GAMEHUB_CALLS_PER_MINUTE="100000")
            for name in ("one", "two")
        )  # type: ignore[misc]


def until(check: Callable[[], bool]) -> None:
    """Wait until something is true. The limit is for broken tests alone."""
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


def no_poll_runs(moving: MovingSandbox) -> bool:
    """Return whether no server polls for subscribers of an earlier test. Reset the calls."""
    moving.reset()
    time.sleep(4 * INTERVAL)
    return moving.counts() == {}


async def test_two_hundred_clients_cause_one_call(both: tuple[Replica, Replica], moving: MovingSandbox) -> None:
    moving.reset()
    moving.fault("slow", value=0.5)  # longer than it takes to accept all requests
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=httpx.Limits(max_connections=200)) as client:

            async def ask(number: int) -> Any:
                body = {"query": YESTERDAY, "variables": {"group": COLD_GROUP}}
                answer = await client.post(f"{both[number % 2].address}/graphql", json=body)
                return answer.json()

            answers = await asyncio.gather(*map(ask, range(200)))
    finally:
        moving.heal()
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["data"]["group"]["transactions"]["totalCount"] > 0
    assert set(moving.counts().values()) == {1}


def test_a_document_that_one_learned_is_known_to_the_other(both: tuple[Replica, Replica]) -> None:
    text = "{ progressiveJackpots { value } }"
    extension = {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}
    taught = {"query": text, "extensions": extension}
    said = [
        httpx.post(f"{each.address}/graphql", json=body, trust_env=False, timeout=60).json()
        for each, body in (
            (both[1], {"extensions": extension}),
            (both[0], taught),
            (both[1], {"extensions": extension}),
        )
    ]
    assert said[0]["errors"][0]["message"] == "PersistedQueryNotFound"
    assert said[1] == said[2]
    assert said[2]["data"]["progressiveJackpots"]


async def test_subscribers_of_two_servers_share_polls_and_one_server_goes_on(
    moving: MovingSandbox, redis: RedisServer, both: tuple[Replica, Replica], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        mortal = start(stack, tmp_path / "mortal", moving, CACHE_URL=redis.url)
        async with connected(both[0].address) as one:
            async with connected(mortal.address) as other:
                for client in (one, other):
                    await client.subscribe("a", ADDED, group=GROUP)
                await moving.polled(4)
                began = time.monotonic()
                moving.reset()
                expected = moving.book(GROUP, 100, 200, 300)
                for client in (one, other):
                    found = [(await client.data("a"))["transactionAdded"]["id"] for _ in expected]
                    assert found == expected
                await asyncio.sleep(2)
                polls = moving.counts()["api_retail_movements"]
                # Two servers that poll by themselves would make twice as many.
                assert polls <= (time.monotonic() - began) / INTERVAL + 2
                await die_during_a_call(mortal, both[0], moving, redis)
            (lost,) = moving.book(GROUP, 400)
            assert (await one.data("a"))["transactionAdded"]["id"] == lost
            (last,) = moving.book(GROUP, 500)
            assert (await one.data("a"))["transactionAdded"]["id"] == last


async def die_during_a_call(mortal: Replica, other: Replica, moving: MovingSandbox, redis: RedisServer) -> None:
    """Kill a server that makes a call for which another server waits."""
    moving.fault("slow", "api_users_report", value=3)
    began = datetime.datetime.now(datetime.UTC)
    asked = [asyncio.create_task(asyncio.to_thread(mortal.ask, USERS, group=GROUP))]
    try:
        async with asyncio.timeout(30):
            while "R9" not in redis.say("KEYS", f"{NAMESPACE}:R9:*"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        asked.append(asyncio.create_task(asyncio.to_thread(other.ask, USERS, group=GROUP)))
        await asyncio.sleep(0.2)
        mortal.process.kill()
        mortal.process.wait(30)
        moving.heal()
        found: Any
        lost, found = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        moving.heal()
    assert isinstance(lost, httpx.TransportError)
    assert isinstance(found, dict), found
    assert len(found["group"]["users"]["nodes"]) > 1
    # Its lease ended after three seconds. The limit is generous for a busy machine.
    assert datetime.datetime.now(datetime.UTC) - began < datetime.timedelta(seconds=25)


def forget(replica: Replica, moving: MovingSandbox, **settings: str) -> str:
    """Have the command line forget all reports, on the host of a replica."""
    environment = {**os.environ, "ERROR_JOURNAL": str(replica.folder / "errors.sqlite"), **moving.settings(**settings)}
    command = Piped("gamehub-graph", "cache", "--forget", "all", folder=replica.folder, environment=environment)
    said = command.stdout.read()
    command.close(30)
    assert command.returncode == 0
    return said


def test_a_day_that_is_forgotten_is_read_again_by_every_server(
    both: tuple[Replica, Replica], moving: MovingSandbox, redis: RedisServer
) -> None:
    for each in both:
        each.ask(YESTERDAY, group=GROUP)
        age(each)  # its first table looks for the currency of the group, in rows of today
    until(lambda: no_poll_runs(moving))
    for each in both:
        each.ask(YESTERDAY, group=GROUP)
    assert "api_retail_movements" not in moving.counts()
    until(lambda: all(age(each) >= 2 for each in both))
    assert re.fullmatch(r"\d+ entries forgotten\n", forget(both[0], moving, CACHE_URL=redis.url))
    # The answers that the other server has stored are not used either, at once.
    both[1].ask(YESTERDAY, group=GROUP)
    assert moving.counts()["api_retail_movements"] == 1, moving.calls()
    both[0].ask(YESTERDAY, group=GROUP)
    assert moving.counts()["api_retail_movements"] == 1, moving.calls()
    # The files of tables follow when the servers learn of the request.
    until(lambda: all(age(each) < 2 for each in both))


def test_workers_of_one_machine_share_what_is_forgotten_and_what_changed(moving: MovingSandbox, tmp_path: Path) -> None:
    """Without Redis, the file of the journal carries both."""
    with ExitStack() as stack:
        workers = [start(stack, tmp_path, moving) for _ in range(2)]

        def totals() -> list[int]:
            return [each.ask(YESTERDAY, group=GROUP)["group"]["transactions"]["totalCount"] for each in workers]

        before = totals()
        assert before[0] == before[1]
        moving.reset()
        assert totals() == before
        assert moving.counts() == {}
        moving.lose_yesterday(GROUP)
        assert totals() == before
        # One of them finds that the day changed.
        anew = {"query": YESTERDAY, "variables": {"group": GROUP}}
        headers = {"Cache-Control": "no-cache"}
        httpx.post(f"{workers[0].address}/graphql", json=anew, headers=headers, trust_env=False, timeout=60)
        until(lambda: totals() == [before[0] - 1] * 2)
        moving.lose_yesterday(GROUP)
        assert totals() == [before[0] - 1] * 2
        assert forget(workers[0], moving) == "requested; a running server forgets within seconds\n"
        until(lambda: totals() == [before[0] - 2] * 2)


def age(replica: Replica) -> int:
    """Return the age of a table's file, in seconds."""
    url = f"{replica.address}/tables/GroupTransactions.csv?group={GROUP}&period=YESTERDAY"
    answer = httpx.get(url, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    return int(answer.headers["age"])
