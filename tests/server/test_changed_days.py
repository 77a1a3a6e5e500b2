"""A day that changed or was forgotten disappears from every answer of every server within two seconds."""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.programs import run
from tests.served import launched
from tests.server.subscriptions.moving import MovingSandbox
from tests.upstream.redis_server import RedisServer

GROUP = 386
ANSWER = """query ($group: ID!) { group(id: $group) {
  transactions(during: { frame: YESTERDAY }, first: 1) { totalCount } } }"""
SUMS = """query ($group: ID!) { group(id: $group) { transactions(during: { frame: YESTERDAY }) {
  totals { count } buckets(by: [TYPE]) { totals { count } } } } }"""
OF_USER = (
    "query ($user: ID!) { user(id: $user) { transactions(during: { frame: YESTERDAY }, first: 1) { totalCount } } }"
)
WINDOW = {"group": str(GROUP), "period": "yesterday"}
ENTITIES = "/odata/GroupTransactions"
FRESH = {"Cache-Control": "no-cache"}
PAGES = {"Prefer": "odata.maxpagesize=40"}
PROMISED_SECONDS = 2.0
# A busy machine may wake a server late.
LATE_SECONDS = 10.0


@dataclass
class Server:
    """One of the servers, the settings of its command line, and the Redis that all share."""

    client: httpx.Client
    folder: Path
    settings: dict[str, str]
    texts: Iterator[int]
    redis: RedisServer | None

    def graph(self, query: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
        """Return the data of an answer without errors."""
        answer = self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def get(self, path: str, headers: Any = None, **options: str) -> httpx.Response:
        """Return an answer with the status 200."""
        answer = self.client.get(path, params=WINDOW | options, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    def counts(self) -> dict[str, int]:
        """Return the number of yesterday's movements, from each thing that a server keeps."""
        # Another text has no stored answer, so its figures come from kept sums.
        sums = self.graph(f"{SUMS} # {next(self.texts)}", group=GROUP)["group"]["transactions"]
        (applied,) = self.get(ENTITIES, **{"$apply": "aggregate($count as rows)"}).json()["value"]
        (total,) = self.get("/tables/GroupTransactions.json", count="1").json()
        return {
            "stored answer": self.graph(ANSWER, group=GROUP)["group"]["transactions"]["totalCount"],
            "kept sum": sums["totals"]["count"],
            "kept sums by type": sum(each["totals"]["count"] for each in sums["buckets"]),
            "page": len(self.get(ENTITIES).json()["value"]),
            "sorted page": len(self.get(ENTITIES, **{"$orderby": "amount"}).json()["value"]),
            "number of entities": int(self.get(f"{ENTITIES}/$count").text),
            "applied": applied["rows"],
            "file": self.get("/tables/GroupTransactions.csv").text.count("\r\n") - 1,
            "totals of a file": total["count"],
            "stream": self.get("/tables/GroupTransactions.ndjson").text.count("\n"),
        }

    def user_of_last(self) -> str:
        """Return the id of the user of yesterday's last movement."""
        rows = self.get("/tables/GroupTransactions.json").json()
        user: str = max(rows, key=lambda row: int(row["id"]))["user_id"]
        return user

    def of_user(self, user: str) -> int:
        """Return the number of yesterday's movements of a user, which another report knows."""
        count: int = self.graph(OF_USER, user=user)["user"]["transactions"]["totalCount"]
        return count


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingSandbox]:
    with MovingSandbox(tmp_path_factory.mktemp("world")) as sandbox:
        sandbox.stand_still()
        yield sandbox


@pytest.fixture(scope="module", params=["Redis", "the journal"])
def servers(
    request: pytest.FixtureRequest, moving: MovingSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    """Two servers that share a Redis, or a journal. With a Redis, a third one shares the files of the first."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        redis, shared = None, {}
        if request.param == "Redis":
            redis = stack.enter_context(RedisServer(tmp_path_factory.mktemp("redis")))
            shared = {"CACHE_URL": redis.url}
        found, texts = [], itertools.count()
        folders = {"one": "shared", "two": "own"} | ({"three": "shared"} if shared else {})
        for name, files in folders.items():
            own = folder / name if shared else folder
            own.mkdir(exist_ok=True)
            # Rows without a day stay for the whole test.
            settings = moving.settings(**shared, TABLES_SPOOL_DIR=str(folder / files), CACHE_OPEN_SECONDS="3600")
            address, _ = stack.enter_context(launched(own, **settings))
            client = stack.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=60))
            found.append(Server(client, own, settings, texts, redis))
        yield found


def within_the_promise(servers: list[Server], expected: int) -> None:
    """Wait until all answers of all servers have the new figure."""
    end = time.monotonic() + PROMISED_SECONDS + LATE_SECONDS
    while True:
        began = time.monotonic()
        found = [server.counts() for server in servers]
        if all(set(counts.values()) == {expected} for counts in found):
            return
        assert began < end, found
        time.sleep(0.1)


def same(servers: list[Server]) -> int:
    """Return the figure in which all answers of all servers agree."""
    found = [server.counts() for server in servers]
    (count,) = {each for counts in found for each in counts.values()}
    return count


def test_a_day_that_one_server_finds_changed(servers: list[Server], moving: MovingSandbox) -> None:
    before, user = same(servers[:2]), servers[0].user_of_last()
    of_user = [server.of_user(user) for server in servers[:2]]
    moving.lose_yesterday(GROUP)
    moving.reset()
    assert same(servers[:2]) == before
    assert [server.of_user(user) for server in servers[:2]] == of_user
    assert moving.counts() == {}  # all of it is kept
    servers[0].graph(ANSWER, FRESH, group=GROUP)
    within_the_promise(servers[:2], before - 1)
    # The day is dropped for every report.
    assert [server.of_user(user) for server in servers[:2]] == [count - 1 for count in of_user]


def test_days_that_an_operator_forgets(servers: list[Server], moving: MovingSandbox) -> None:
    before = same(servers[:2])
    moving.lose_yesterday(GROUP)
    moving.reset()
    assert same(servers[:2]) == before
    assert moving.counts() == {}
    environment = {**os.environ, **servers[0].settings, "ERROR_JOURNAL": str(servers[0].folder / "errors.sqlite")}
    done = run("cache", "--forget", "R5", folder=servers[0].folder, environment=environment)
    assert done.returncode == 0, done.stderr
    within_the_promise(servers[:2], before - 1)


@pytest.mark.parametrize("servers", ["Redis"], indirect=True)
def test_a_redis_that_loses_its_data(servers: list[Server], moving: MovingSandbox) -> None:
    """The server that found a day changed tells the others again: they have old files."""
    before = same(servers[:2])
    moving.lose_yesterday(GROUP)
    servers[0].graph(ANSWER, FRESH, group=GROUP)
    assert servers[0].redis is not None
    servers[0].redis.say("FLUSHALL")
    within_the_promise(servers[:2], before - 1)


@pytest.mark.parametrize("servers", ["Redis"], indirect=True)
@pytest.mark.parametrize(
    ("group", "options"),
    [("383", {}), ("384", {"$orderby": "amount desc"}), ("385", {"$apply": "groupby((id))"})],
)
def test_pages_continue_with_the_rows_of_the_first_one_or_say_that_they_cannot(
    servers: list[Server], moving: MovingSandbox, group: str, options: dict[str, str]
) -> None:
    """No client gets pages of which some have the rows of before, and some those of now."""
    one, stranger, other = servers
    options = options | {"group": group}
    before = [row["id"] for row in one.get(ENTITIES, **options).json()["value"]]
    first = one.get(ENTITIES, PAGES, **options).json()
    moving.lose_yesterday(int(group))
    one.graph(ANSWER, FRESH, group=group)
    found, answers = [row["id"] for row in first["value"]], itertools.cycle((other, one))
    assert len(one.get(ENTITIES, **options).json()["value"]) == len(before) - 1
    link = path_of(first["@odata.nextLink"])
    while link:
        # This server has not seen the rows of before, and cannot see the files of the others.
        assert stranger.client.get(link, headers=PAGES).status_code == 410
        page = next(answers).client.get(link, headers=PAGES).json()
        found += [row["id"] for row in page["value"]]
        link = path_of(page.get("@odata.nextLink", ""))
    assert found == before


@pytest.mark.parametrize("servers", ["Redis"], indirect=True)
@pytest.mark.parametrize("sorted_by", [None, "timestamp"])
def test_pages_over_two_days(servers: list[Server], moving: MovingSandbox, sorted_by: str | None) -> None:
    """A day that pages have begun stays as it was. In the order of the table, the next day is read at its turn."""
    one, _, other = servers
    today = datetime.now(moving.zone).date()
    window = {"group": "385", "since": f"{today - timedelta(1)}", "until": f"{today + timedelta(1)}"}
    options = window if sorted_by is None else window | {"$orderby": sorted_by}
    path = f"{ENTITIES}?{urlencode(options)}"
    before = ids_in(one.client.get(path, headers=FRESH))
    answer = one.client.get(path, headers=PAGES | FRESH)
    moving.lose_yesterday(385)
    (booked,) = moving.book(385, 100)
    for server in (one, other):
        assert booked in ids_in(server.client.get(path, headers=FRESH))
    found, answers = ids_in(answer), itertools.cycle((other, one))
    while link := path_of(answer.json().get("@odata.nextLink", "")):
        answer = next(answers).client.get(link, headers=PAGES)
        found += ids_in(answer)
    assert sorted(found) == sorted(before if sorted_by else [*before, booked])


def ids_in(page: httpx.Response) -> list[str]:
    """Return the ids of a page."""
    assert page.status_code == 200, page.text
    return [row["id"] for row in page.json()["value"]]


def path_of(link: str) -> str:
    """Return the path and the parameters of a link."""
    return link.removeprefix("http://").partition("/")[2]
