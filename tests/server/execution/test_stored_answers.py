"""Stored answers: a server that uses them answers as one that does not, with no more upstream calls."""

import datetime
import json
import os
import random
import re
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Scope

from resolvers.caller import EVERYONE, Caller
from resolvers.rules.coherence import Coherence
from resolvers.rules.currency import Currencies
from resolvers.rules.join import Join, MovementJoin
from resolvers.session import Session
from resolvers.way import BULK
from schema.graph import schema
from server.app import create_app
from server.auth.authenticator import Authenticator, KnownCredential
from server.execution.execution import Executor
from server.execution.operation import Operation
from server.execution.saved import saved_queries
from server.execution.stored_answers import StoredAnswers
from server.execution.trace import finish
from server.http.config import HttpConfig
from server.services import Services
from server.tables.config import TablesConfig
from tests.effort import tries
from tests.programs import run
from tests.served import served
from tests.server.serving import serving
from tests.server.tables.conftest import settings
from tests.stand import Sandbox
from tests.strangers.stranger import Stranger
from tests.strangers.upstreams import connect
from tests.upstream.caching.test_freshness import DAYS, YESTERDAY, World
from tests.upstream.redis_server import RedisServer
from upstream.caching.cache import DayCache
from upstream.caching.store import MemoryStore, Store
from upstream.caching.store_redis import RedisStore
from upstream.redis.connection import RedisConnection

UTC = ZoneInfo("UTC")
LIMIT = 1 << 20
R1, R5, R7, R8, R9 = (
    "users_report", "api_retail_movements", "transaction_report", "api_groups_report", "api_users_report",
)  # fmt: skip

WALK = """query Walk($group: ID!, $during: Period!) {
  group(id: $group) { name users { nodes { username transactions(during: $during, inGroup: $group) {
    nodes { id type amount timestamp } } } } } }"""
ALONE = """query ($group: ID!, $during: Period!) {
  group(id: $group) { users { nodes { id transactions(during: $during) { nodes { id amount } } } } } }"""
TOTALS = """query ($group: ID!, $during: Period!) {
  group(id: $group) { dailyMovements(during: $during) { date totalWagers } transactions(during: $during) {
    nodes { id type amount user { username } } } } }"""
LOGS = "query ($during: Period!) { gameLogs(during: $during) { nodes { id bet user { username group { name } } } } }"
GROUPS = "{ groups { totalCount nodes { id name } } }"
# Of two days no file is read ahead, and so each request makes the same calls every time.
MOVEMENTS = "/odata/GroupTransactions?group=382&since=2022-10-29&until=2022-10-31"
PATHS = (
    MOVEMENTS, f"{MOVEMENTS}&$top=3&$skip=2", f"{MOVEMENTS}&$orderby=amount", f"{MOVEMENTS}&$count=true&$top=1",
    "/odata/GroupTransactions/$count?group=382&period=yesterday", "/odata/Groups?$select=id",
)  # fmt: skip
QUERIES = (WALK, ALONE, TOTALS, LOGS, GROUPS)


def period(first: datetime.date, last: datetime.date) -> dict[str, Any]:
    return {"dates": {"from": first.isoformat(), "to": last.isoformat()}}


PERIODS: tuple[dict[str, Any], ...] = (
    period(DAYS[0], DAYS[2]), period(DAYS[1], DAYS[5]), period(YESTERDAY, YESTERDAY), {"frame": "yesterday".upper()},
    {"frame": "TODAY"}, {"frame": "THIS_WEEK"},
    {"between": {"from": "2022-10-28T06:00:00Z", "until": "2022-10-30T12:00:00Z"}},
)  # fmt: skip


class ByHeader(Authenticator):
    """Every caller says in a header which groups it sees."""

    async def known(self, scope: Scope) -> KnownCredential | None:
        given = dict(scope["headers"]).get(b"x-groups")
        if given is None:
            return KnownCredential(EVERYONE, "open")
        groups = frozenset(map(int, given.split(b",")))
        return KnownCredential(Caller(f"of {given!r}", groups, EVERYONE.permissions), "some")


class GraphServer:
    """The whole application over the stranger, with the clock of the world. `store` makes its cache."""

    def __init__(
        self, world: World, store: Callable[[], Store], limit: int, join: MovementJoin = MovementJoin.TRUST
    ) -> None:
        self.world = world
        self.join = Join(join)
        self.currencies = Currencies()
        self.agents: dict[str, str] = {}
        self.stored = StoredAnswers(limit, self.facts, world.clock)
        self._store = store
        executor = Executor(
            schema, self.session, finish, leave=Session.close,
            settled=lambda session: self.coherence.settled(session.reads, session.readings),
        )  # fmt: skip
        tables = TablesConfig(
            now=world.clock, changed=lambda first, last: self.cache.changed_since(first, last), open_seconds=5.0
        )
        saved = [each for each in saved_queries() if each.name in ("GroupTransactions", "Groups")]
        self.app = create_app(
            Services(
                executor, saved, lifespan=self.open, authenticator=ByHeader(required=True), stored=self.stored,
                tables=tables, http=HttpConfig(hosts=None),
            )
        )  # fmt: skip

    def facts(self) -> Hashable:
        today = self.world.clock().date()
        return today, self.join.settled(today)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        store = self._store()
        async with (
            connect(self.world.stranger, breaker_failures=10_000) as upstream,
            DayCache(upstream, store, UTC, now=self.world.clock) as self.cache,
        ):
            self.coherence = Coherence(self.cache, UTC, True)
            yield
        if isinstance(store, RedisStore):
            await store._redis.aclose()

    def session(self, operation: Operation) -> Session:
        now = self.world.clock()
        found = Session(
            self.cache, UTC, now=now, join=self.join, caller=operation.caller, currencies=self.currencies,
            not_before=operation.options.oldest(now),
        )  # fmt: skip
        # Measured times must not choose the way: two servers are compared here.
        found.choose = lambda ways, before: next((way for way in ways if way.name == BULK), ways[0])
        return found


class Asked:
    """One of the servers, with a client."""

    def __init__(self, server: GraphServer, address: str, client: httpx.Client) -> None:
        self.server = server
        self.address = address
        self._client = client
        self.requests: list[str] = []

    def send(self, given: dict[str, Any], method: str = "POST", **headers: str) -> tuple[httpx.Response, list[str]]:
        """Return an answer of `/graphql`, or of the path of the request, and the reports that were called for it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        stranger = self.server.world.stranger
        stranger.requests.clear()
        if "path" in given:
            answer = self._client.get(self.address + given["path"], headers={"host": "graph.test", **named})
        elif method == "POST":
            answer = self._client.post(f"{self.address}/graphql", json=given, headers=named)
        else:
            texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
            answer = self._client.get(f"{self.address}/graphql", params=texts, headers=named)
        assert "path" in given or answer.status_code in (200, 304), answer.text
        self.requests = list(map(str, stranger.requests))
        return answer, [request.report for request in stranger.requests]

    @property
    def reused(self) -> float:
        """Return how many answers were used again, as the metrics say."""
        text = self._client.get(f"{self.address}/metrics").text
        found = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        return sum(found.get(("gamehub_graph_reused_answers_total", kind), 0) for kind in ("graphql", "odata"))


@contextmanager
def asked(server: GraphServer) -> Iterator[Asked]:
    with serving(server.app) as address, httpx.Client(trust_env=False, timeout=30) as client:
        yield Asked(server, address, client)


@pytest.fixture(scope="module")
def _serving() -> Iterator[Stranger]:
    with Stranger() as stranger:
        yield stranger


@pytest.fixture
def world(_serving: Stranger) -> Iterator[World]:
    yield World(_serving)
    assert _serving.complaints == []


@pytest.fixture
def one(world: World) -> Iterator[Asked]:
    with asked(GraphServer(world, lambda: MemoryStore(clock=world.clock.seconds), LIMIT)) as found:
        yield found


def walk(during: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"query": WALK, "variables": {"group": "382", "during": during or PERIODS[0]}, **more}


def answered(one: Asked, given: dict[str, Any], calls: list[str], *, reused: bool, **headers: str) -> httpx.Response:
    """Return an answer that must take these calls, and must or must not be a stored one."""
    before = one.reused
    answer, made = one.send(given, **headers)
    assert sorted(made) == sorted(calls)
    assert one.reused - before == reused
    return answer


def without_reuse(world: World) -> GraphServer:
    return GraphServer(world, lambda: MemoryStore(clock=world.clock.seconds), 0)


def test_an_answer_is_used_again_and_is_the_same(one: Asked) -> None:
    first = answered(one, walk(), [R8, R9, R5], reused=False)
    again = answered(one, walk(), [], reused=True)
    assert (again.content, again.headers["content-type"]) == (first.content, first.headers["content-type"])
    assert again.headers.keys() == first.headers.keys()


def settled(one: Asked, given: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    """Ask once, so that the answer is stored."""
    return one.send(given or walk(), **headers)[0]


def test_a_get_has_an_entity_tag_and_the_age_of_its_rows(one: Asked) -> None:
    settled(one)
    given = walk()
    first, _ = one.send(given, "GET")
    assert one.reused == 1
    tag = first.headers["etag"]
    same = answered(one, given, [], reused=True, method="GET", if_none_match=tag)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    for name in ("vary", "content-type"):
        assert same.headers[name] == first.headers[name]
    for answer in (first, same):  # the rows are of 2022 and HTTP has the real clock: no trust is left
        assert answer.headers["cache-control"] == f"max-age={answer.headers['age']}"
    other = answered(one, given, [], reused=True, method="GET", accept="application/graphql-response+json")
    assert other.content == first.content
    assert other.headers["etag"] != tag
    with asked(without_reuse(one.server.world)) as off:
        plain, _ = off.send(given, "GET")
    assert plain.headers["etag"] == tag
    assert "etag" not in one.send(given)[0].headers


def test_other_variables_operations_and_callers_have_other_answers(one: Asked) -> None:
    settled(one)
    answered(one, walk(PERIODS[1]), [R5], reused=False)
    answered(one, walk(extensions={"trace": True}), [], reused=False)
    answered(one, walk(), [], reused=False, x_graph_trace="1")
    answered(one, walk(), [], reused=False, x_groups="382")
    answered(one, walk(), [], reused=True, x_groups="382")
    hidden = answered(one, walk(), [], reused=False, x_groups="391")
    assert hidden.json()["data"] == {"group": None}
    assert answered(one, walk(), [], reused=True).json()["data"]["group"]["name"] == "E2E Development - Physical"


def test_rows_whose_trust_ended_are_read_before_the_answer_is_used_again(one: Asked) -> None:
    first = settled(one)
    clock = one.server.world.clock
    clock.move(seconds=5)
    # The groups and the users are read again. They are the same, so their entries keep their version.
    answered(one, {"query": GROUPS}, [R8], reused=False)
    assert answered(one, walk(), [R8, R9], reused=False).content == first.content
    assert answered(one, walk(), [], reused=True).content == first.content


def test_entries_that_were_read_again_with_the_same_rows_keep_their_version(one: Asked) -> None:
    other = walk(PERIODS[1])
    first, second = settled(one), settled(one, other)
    one.server.world.clock.move(seconds=5)
    answered(one, other, [R8, R9], reused=False)
    # The other answer read the groups and the users again, and this one needs no other entry.
    assert answered(one, walk(), [], reused=True).content == first.content
    assert answered(one, other, [], reused=True).content == second.content


def test_entries_that_were_read_again_with_other_rows_have_another_version(one: Asked) -> None:
    other = walk(PERIODS[1])
    settled(one)
    settled(one, other)
    next(user for user in one.server.world.stranger.world.users if user.id == 60).username = "renamed"
    one.server.world.clock.move(seconds=5)
    answered(one, other, [R8, R9], reused=False)
    assert b'"renamed"' in answered(one, walk(), [], reused=False).content
    assert b'"renamed"' in answered(one, walk(), [], reused=True).content


def test_a_correction_is_seen_as_soon_as_the_cache_sees_it(one: Asked) -> None:
    world = one.server.world
    first = settled(one)
    world.book(DAYS[1])
    world.clock.move(seconds=1)
    assert answered(one, walk(), [], reused=True).content == first.content
    fresh = answered(one, walk(), [R8, R9, R5], reused=False, cache_control="no-cache")
    assert len(fresh.content) > len(first.content)
    assert answered(one, walk(), [], reused=True).content == fresh.content


def test_a_change_that_another_report_shows_ends_the_use_of_an_answer(one: Asked) -> None:
    world = one.server.world
    settled(one)
    daily = {
        "query": "query ($during: Period!) { group(id: 382) { dailyMovements(during: $during) { date totalWagers } } }",
        "variables": {"during": PERIODS[0]},
    }
    one.send(daily)
    world.book(DAYS[1])
    world.clock.move(seconds=1)
    one.send(daily, cache_control="no-cache")
    answer = answered(one, walk(), [R5], reused=False)
    assert b"-7" in answer.content


def test_a_demand_for_fresher_rows_is_met(one: Asked) -> None:
    settled(one)
    one.server.world.clock.move(seconds=3)
    answered(one, walk(), [], reused=True, cache_control="max-age=3")
    answered(one, walk(), [R8, R9, R5], reused=False, cache_control="max-age=2")
    answered(one, walk(), [], reused=True, cache_control="max-age=2")
    one.server.world.clock.move(seconds=1)
    answered(one, walk(), [R8, R9, R5], reused=False, pragma="no-cache")


def test_a_named_period_ends_with_its_day(one: Asked) -> None:
    world = one.server.world
    given = walk({"frame": "YESTERDAY"})
    first = settled(one, given)
    answered(one, given, [], reused=True)
    world.clock.move(hours=12, seconds=-1)
    settled(one, given)
    assert answered(one, given, [], reused=True).content == first.content
    world.clock.move(seconds=1)
    before = one.reused
    later, calls = one.send(given)
    assert one.reused == before
    assert R5 in calls
    assert later.content != first.content


def test_what_failed_or_is_out_of_date_is_not_used_again(one: Asked) -> None:
    world = one.server.world
    first = settled(one)
    for gone in (walk(), walk()):
        gone["variables"] = {**gone["variables"], "group": "999"}
        answered(one, gone, [R8], reused=False)
    world.clock.move(seconds=5)
    world.stranger.faults[R9] = "500"
    before = one.reused
    for _ in range(2):
        stale, _ = one.send(walk())
        assert "stale" in stale.json()["extensions"]
        assert stale.json()["data"] == first.json()["data"]
    world.stranger.faults.clear()
    assert one.reused == before


def test_rows_of_an_open_day_are_trusted_for_seconds(one: Asked) -> None:
    given = walk({"frame": "TODAY"})
    settled(one, given)
    answered(one, given, [], reused=True)
    one.server.world.clock.move(seconds=5)
    answered(one, given, [R8, R9, R5], reused=False)


def test_reports_that_contradict_each_other_are_compared_again(one: Asked) -> None:
    world = one.server.world
    given = {"query": TOTALS, "variables": {"group": "382", "during": period(YESTERDAY, YESTERDAY)}}
    name = {"query": "{ group(id: 382) { name } }"}
    daily = {
        "query": "query ($during: Period!) { group(id: 382) { dailyMovements(during: $during) { date totalWagers } } }",
        "variables": {"during": period(YESTERDAY, YESTERDAY)},
    }
    settled(one, given)
    world.clock.move(seconds=5)
    answered(one, name, [R8], reused=False)
    answered(one, given, [], reused=True)
    world.clock.move(seconds=1)
    # R1 is read again, with the same rows. R5 was read together with the first R1, and not with this one.
    answered(one, daily, [R8, R1], reused=False, cache_control="no-cache")
    answered(one, given, [], reused=False)
    answered(one, given, [], reused=True)


def test_an_entry_that_was_dropped_for_lack_of_space_is_read_again(world: World) -> None:
    # An answer is in use while other rows fill the cache. Its entries are used with it, and stay.
    with asked(GraphServer(world, lambda: MemoryStore(9_000, world.clock.seconds), LIMIT)) as one:
        settled(one)
        for number in range(1, 9):
            day = DAYS[0] - datetime.timedelta(days=number)
            one.send({"query": TOTALS, "variables": {"group": "382", "during": period(day, day)}})
            answered(one, walk(), [], reused=True)
        assert one.server.cache._cached is not None
        dropped = one.server.cache._cached.store._evictions  # type: ignore[attr-defined]
        assert dropped > 0
        for number in range(1, 30):
            day = DAYS[0] - datetime.timedelta(days=number)
            one.send({"query": TOTALS, "variables": {"group": "382", "during": period(day, day)}})
        before = one.reused
        _, calls = one.send(walk())
        assert calls
        assert one.reused == before


def test_answers_are_limited_in_bytes(world: World) -> None:
    store = lambda: MemoryStore(clock=world.clock.seconds)  # noqa: E731
    with asked(GraphServer(world, store, 40_000)) as one:
        settled(one)
        for number in range(20):
            answered(one, walk(operationName="Walk", query=f"{WALK} # {number}"), [], reused=False)
        kept = one.server.stored._stored
        assert 0 < kept.size <= 40_000
        assert 0 < len(kept) < 20
        answered(one, walk(), [], reused=False)
    with asked(GraphServer(world, store, 8_000)) as one:
        for _ in range(3):
            answered(one, walk(), [], reused=False) if one.reused else one.send(walk())
        assert one.reused == 0


def draw(chance: random.Random) -> tuple[dict[str, Any], str, dict[str, str]]:
    """Return a request: what to send, the method, the headers."""
    query = chance.choice((*QUERIES, *PATHS))
    variables: dict[str, Any] = {}
    if "$during" in query:
        variables["during"] = chance.choice(PERIODS)
    if "$group" in query:
        variables["group"] = chance.choice(("382", "382", "391"))
    headers = chance.choice(({}, {}, {}, {"x_groups": "382"}, {"x_groups": "391"}, {"x_groups": "382,391"}))
    demand = chance.choice(({}, {}, {}, {}, {"cache_control": "no-cache"}, {"cache_control": "max-age=4"}))
    given = {"path": query} if query in PATHS else {"query": query, "variables": variables}
    return given, chance.choice(("GET", "POST")), {**headers, **demand}


def disturb(world: World, chance: random.Random) -> None:
    """Let time pass, or change something upstream."""
    kind = chance.randrange(12)
    if kind < 6:
        world.clock.move(seconds=chance.choice((1, 1, 2, 4, 5, 130, 301, 3601, 43_200)))
    elif kind < 8:
        world.book(chance.choice(DAYS), chance.choice((60, 61)), f"-{chance.randrange(1, 99)}.00")
    elif kind < 9:
        user = chance.choice(world.stranger.world.users)
        user.username = f"{user.username[:3]}{chance.randrange(1000)}"
    elif kind < 10:
        world.stranger.world.groups[3].name = f"Group {chance.randrange(3)}"
    elif kind < 11:
        fault = chance.choice(("", R5, R9, R1))
        world.stranger.faults = {fault: "500"} if fault else {}


NAMES = ("etag", "cache-control", "vary", "content-type", "content-length")


def compare(world: World, chance: random.Random, on: list[Asked], off: list[Asked], steps: int) -> int:
    """Ask servers with and without stored answers the same. Return how many upstream calls were saved."""
    saved = 0
    for _ in range(steps):
        given, method, headers = draw(chance)
        place = chance.randrange(len(on))
        for _ in range(chance.choice((1, 2, 3))):
            plain, _ = off[place].send(given, method, **headers)
            stored, _ = on[place].send(given, method, **headers)
            made, due = set(on[place].requests), set(off[place].requests)
            what = (given, method, headers)
            assert stored.status_code == plain.status_code, what
            assert _sorted_errors(stored) == _sorted_errors(plain), what
            for name in NAMES:
                assert _without_age(stored, name) == _without_age(plain, name), (name, what)
            assert abs(int(stored.headers.get("age", 0)) - int(plain.headers.get("age", 0))) <= 1, what
            # A call that fails ends the others that run at the same time, sooner or later.
            assert made <= due or world.stranger.faults, what
            saved += len(due - made)
        disturb(world, chance)
    return saved


def _without_age(answer: httpx.Response, name: str) -> str:
    """Return a header; of a lifetime only that there is one, since it grows with the age."""
    value = answer.headers.get(name, "")
    if "errors" in answer.text and name in ("content-length", "etag"):
        return ""
    return value.split("max-age=")[0] if "max-age=" in value else value


def _sorted_errors(answer: httpx.Response) -> Any:
    """Return the bytes of an answer; of one with errors all but the ids of the failed calls."""
    if '"errors"' not in answer.text:
        return answer.content
    found = answer.json()
    for error in found["errors"]:
        error["extensions"].pop("correlationId", None)
        error["message"] = re.sub(r"correlation id \w+", "", error["message"])
    return found


def test_a_page_of_odata_is_used_again_while_its_files_are_current(one: Asked) -> None:
    world = one.server.world
    page = {"path": f"{MOVEMENTS}&$top=3"}
    first = settled(one, page)
    assert first.status_code == 200
    again = answered(one, page, [], reused=True)
    assert again.content == first.content
    assert again.headers.keys() == first.headers.keys()
    tag = first.headers["etag"]
    same = answered(one, page, [], reused=True, if_none_match=tag)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    before = one.reused
    assert one.send(page, x_groups="382")[0].headers["etag"] == tag
    assert one.reused == before
    world.clock.move(seconds=5)
    # The file is written again, since the group is read again. It has the same rows.
    before = one.reused
    written, calls = one.send(page, if_none_match=tag)
    assert (written.status_code, one.reused) == (304, before)
    assert R8 in calls
    answered(one, {"path": f"{MOVEMENTS}&$top=2"}, [], reused=False)
    answered(one, page, [], reused=True)
    world.book(datetime.date(2022, 10, 29))
    world.clock.move(seconds=1)
    fresh, _ = one.send(page, cache_control="no-cache")
    assert fresh.headers["etag"] != tag
    assert answered(one, page, [], reused=True).content == fresh.content


@pytest.mark.parametrize("seed", range(2))
def test_answers_and_calls_are_those_of_a_server_without_stored_answers(world: World, seed: int) -> None:
    chance = random.Random(seed)
    limit = chance.choice((256 << 20, 30_000))

    def store() -> Store:
        return MemoryStore(limit, world.clock.seconds)

    with asked(GraphServer(world, store, LIMIT)) as on, asked(GraphServer(world, store, 0)) as off:
        compare(world, chance, [on], [off], tries(60))
        assert on.reused > tries(15)
        assert off.reused == 0


def redis_store(url: str, name: str) -> RedisStore:
    return RedisStore(RedisConnection(url), name)


@pytest.mark.parametrize("seed", range(1))
def test_servers_that_share_a_redis_answer_alike(world: World, seed: int, tmp_path: Path) -> None:
    chance = random.Random(100 + seed)
    with RedisServer(tmp_path) as redis, ExitStack() as stack:
        groups = [
            [
                stack.enter_context(asked(GraphServer(world, partial(redis_store, redis.url, name), limit)))
                for _ in range(2)
            ]
            for name, limit in (("on", LIMIT), ("off", 0))
        ]
        compare(world, chance, groups[0], groups[1], tries(40))
        assert sum(each.reused for each in groups[0]) > tries(10)
        assert sum(each.reused for each in groups[1]) == 0


LEDGER = """query ($user: ID!) { user(id: $user) { id username group { name }
  transactions(during: { dates: { from: "2026-03-10", to: "2026-03-12" } }) { totalCount nodes { id amount } } } }"""


def key_of(groups: str, *options: str, **keys: str) -> str:
    """Return a new key that sees these groups."""
    words = ("keys", "create", f"of-{groups}", "--groups", groups, *options)
    made = run(*words, folder=Path.cwd(), environment={**os.environ, **keys})
    made.check_returncode()
    return made.stdout.strip().splitlines()[-1].split()[-1]


def test_keys_limits_and_the_agents_of_groups_count(tmp_path: Path) -> None:
    agents, keys = tmp_path / "agents.json", {"KEYS_FILE": str(tmp_path / "keys.sqlite")}
    agents.write_text("{}")
    more = {"GAMELOG_AGENTS_FILE": str(agents), "RATE_REQUESTS": "9", "CACHE_OPEN_SECONDS": "3000", **keys}
    with Sandbox() as sandbox, served(tmp_path, AUTH="required", **settings(sandbox), **more) as address:
        made = {groups: key_of(groups, **keys) for groups in ("382", "383")}
        made["all"] = key_of("all", "--permissions", "admin", "--rate-requests", "0", **keys)
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:

            def send(groups: str) -> tuple[httpx.Response, int]:
                sandbox.reset()
                given = {"query": LEDGER, "variables": {"user": "2001"}}
                answer = client.post("/graphql", json=given, headers={"x-api-key": made[groups]})
                return answer, len(sandbox.calls())

            first, calls = send("382")
            assert (first.status_code, calls > 0) == (200, True)
            assert first.json()["data"]["user"]["transactions"]["nodes"]
            for left in ("7", "6"):
                again, calls = send("382")
                assert (again.content, calls, again.headers["ratelimit-remaining"]) == (first.content, 0, left)
            assert send("383")[0].json()["data"] == {"user": None}
            count = "gamehub_graph_reused_answers_total"
            assert f'{count}{{kind="graphql"}} 2.0' in client.get("/metrics", headers={"x-api-key": made["all"]}).text
            agents.write_text('{"383": {"agent_code": "other", "agent_token": "token"}}')
            again, calls = send("382")
            assert (again.content, calls) == (first.content, 0)
            assert f'{count}{{kind="graphql"}} 2.0' in client.get("/metrics", headers={"x-api-key": made["all"]}).text
