"""The age of an answer of `/graphql`, the demand for a fresher one, and the time of caching: over real HTTP."""

import datetime
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox
from tests.upstream.redis_server import RedisServer

DAYS = '{ group(id: 382) { dailyMovements(during: {dates: {from: "2026-03-10", to: "2026-03-12"}}) { date net } } }'
PARTLY = DAYS[:-1] + " progressiveJackpots { value } }"
SECOND = datetime.timedelta(seconds=1)
TRUST = 30 * 86_400
# Groups are rows without a day: they are trusted for so long here that no test is late.
KEPT = {"CACHE_OPEN_SECONDS": "3000"}


@pytest.fixture(scope="module")
def alone() -> Iterator[Sandbox]:
    """A world without other clients, so that its calls are this server's."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=["compiled", "graphql"])
def address(request: pytest.FixtureRequest, alone: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("served"), **settings(alone), **KEPT, ENGINE=request.param) as address:
        yield address


def get(address: str, query: str = DAYS, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = httpx.get(f"{address}/graphql", params={"query": query}, headers=named, trust_env=False, timeout=60)
    assert answer.status_code in (200, 304), answer.text
    return answer


def post(address: str, query: str = DAYS, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{address}/graphql", json={"query": query}, headers=named, trust_env=False, timeout=60)


def calls(sandbox: Sandbox, ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, list[str]]:
    """An answer, and the reports that were called for it."""
    sandbox.reset()
    answer = ask()
    return answer, sorted(call["report"] for call in sandbox.calls())


def readings(address: str) -> list[dict[str, Any]]:
    """When the rows of the query were read, as the trace has it."""
    found: list[dict[str, Any]] = post(address, x_graph_trace="1").json()["extensions"]["freshness"]
    return found


def ages(read_at: str, ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, range]:
    """An answer, and which ages are right for rows that were read then: there are two if a second ends meanwhile."""
    oldest = datetime.datetime.fromisoformat(read_at)
    first = (datetime.datetime.now(datetime.UTC) - oldest) // SECOND
    answer = ask()
    return answer, range(first, (datetime.datetime.now(datetime.UTC) - oldest) // SECOND + 1)


def test_the_age_of_the_oldest_row(address: str, alone: Sandbox) -> None:
    _, made = calls(alone, lambda: get(address, cache_control="no-cache"))
    assert made == ["api_groups_report", "users_report"]
    read = readings(address)
    assert [(one["report"], one.get("from"), one.get("to")) for one in read] == [
        ("R1", "2026-03-10", "2026-03-12"),
        ("R8", None, None),
    ]
    oldest = min(one["readAt"] for one in read)
    time.sleep(1.1)
    for ask in (get, post):
        answer, right = ages(oldest, lambda ask=ask: ask(address))  # type: ignore[misc]
        assert int(answer.headers["age"]) in right
        assert right.start >= 1
    trusted = [
        datetime.datetime.fromisoformat(one["nextCheck"]) - datetime.datetime.fromisoformat(one["readAt"])
        for one in read
    ]
    assert trusted == [TRUST * SECOND, 3000 * SECOND]


def test_fresher_rows_are_read_when_they_are_demanded_and_kept_for_everyone(address: str, alone: Sandbox) -> None:
    get(address)
    assert calls(alone, lambda: get(address))[1] == []
    time.sleep(1.1)
    assert calls(alone, lambda: get(address, cache_control="max-age=3000"))[1] == []
    for demand in ({"cache_control": "max-age=1"}, {"cache_control": "no-cache"}, {"pragma": "no-cache"}):
        before = readings(address)
        answer, made = calls(alone, lambda demand=demand: post(address, **demand))  # type: ignore[misc]
        assert made == ["api_groups_report", "users_report"]
        assert int(answer.headers["age"]) <= 1
        _, made = calls(alone, lambda: get(address))
        assert made == []
        assert all(new["readAt"] > old["readAt"] for new, old in zip(readings(address), before, strict=True))
        time.sleep(1.1)


def test_a_get_may_be_kept_for_as_long_as_its_rows_are_trusted(address: str) -> None:
    before = datetime.datetime.now(datetime.UTC)
    answer = get(address, cache_control="no-cache")
    read = readings(address)
    assert set(answer.headers) == {
        "age", "cache-control", "content-length", "content-security-policy", "content-type",
        "cross-origin-opener-policy", "cross-origin-resource-policy", "date", "etag", "permissions-policy",
        "referrer-policy", "vary", "x-content-type-options", "x-frame-options", "x-request-id",
    }  # fmt: skip
    assert answer.headers["vary"] == (
        "Accept, Accept-Encoding, Authorization, X-Api-Key, X-Graph-Trace, X-Graph-Explain, X-Graph-Max-Calls"
    )
    how_long = answer.headers["cache-control"]
    assert how_long.startswith("max-age=")
    left = int(how_long.removeprefix("max-age=")) - int(answer.headers["age"])
    ends = min(datetime.datetime.fromisoformat(one["nextCheck"]) for one in read)
    assert 0 < left <= (ends - before) / SECOND
    with_key = get(address, authorization="Bearer somebody-elses")
    assert with_key.headers["cache-control"].startswith("private, max-age=")
    assert with_key.headers["vary"] == answer.headers["vary"]
    assert get(address, x_api_key="somebody-elses").headers["cache-control"].startswith("private, max-age=")
    assert post(address).headers["cache-control"] == "no-store"
    assert "etag" not in post(address).headers


def test_an_answer_that_is_known_is_not_sent_again(address: str) -> None:
    answer = get(address)
    tag = answer.headers["etag"]
    assert get(address).headers["etag"] == tag
    assert get(address, accept="application/graphql-response+json").headers["etag"] != tag
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = get(address, if_none_match=known)
        assert (same.status_code, same.content) == (304, b"")
        for name in ("etag", "vary", "content-type"):
            assert same.headers[name] == answer.headers[name]
        assert same.headers["cache-control"].startswith("max-age=")
        assert int(same.headers["age"]) >= int(answer.headers["age"])
    assert get(address, if_none_match='"other"').status_code == 200
    assert post(address, if_none_match=tag).status_code == 200


def test_what_must_not_be_kept(address: str, alone: Sandbox) -> None:
    for headers in ({"x_graph_trace": "1"}, {"x_graph_explain": "1"}):
        answer = get(address, **headers)
        assert (answer.headers["cache-control"], "etag" in answer.headers) == ("no-store", False)
    assert "age" not in answer.headers  # a plan holds no rows
    alone.fault("500", "progressive_jackpot_summary")
    try:
        partly = get(address, PARTLY)
    finally:
        alone.heal()
    assert partly.json()["data"]["group"]["dailyMovements"]
    assert (partly.headers["cache-control"], "etag" in partly.headers) == ("no-store", False)
    assert int(partly.headers["age"]) >= 0
    wrong = get(address, "{ nothing }")
    assert (wrong.headers["cache-control"], "age" in wrong.headers) == ("no-store", False)


def test_what_holds_no_rows_has_no_age(address: str) -> None:
    for query in ("{ __typename }", "{ __schema { queryType { name } } }"):
        answer = get(address, query)
        assert "age" not in answer.headers
        assert answer.headers["cache-control"] == "no-cache"
        assert get(address, query, if_none_match=answer.headers["etag"]).status_code == 304
        assert "age" not in post(address, query).headers


def test_stale_rows_are_marked_and_not_kept(alone: Sandbox, tmp_path: Path) -> None:
    with served(tmp_path, **settings(alone), CACHE_OPEN_SECONDS="0.5", MOVEMENT_JOIN="never") as address:
        jackpots = "{ progressiveJackpots { value } }"
        get(address, jackpots)
        alone.fault("reset", "progressive_jackpot_summary")
        try:
            time.sleep(1.1)
            stale = get(address, jackpots)
        finally:
            alone.heal()
    assert stale.json()["extensions"]["stale"][0]["report"] == "R10"
    assert (stale.headers["cache-control"], "etag" in stale.headers) == ("no-store", False)
    assert int(stale.headers["age"]) >= 1


def test_without_a_cache_every_answer_is_new(alone: Sandbox, tmp_path: Path) -> None:
    with served(tmp_path, **settings(alone), CACHE_URL="off") as address:
        for _ in range(2):
            answer, made = calls(alone, lambda: get(address))
            assert made == ["api_groups_report", "users_report"]
            # As old as the reading took, and not to be used again.
            assert answer.headers["cache-control"] == f"max-age={answer.headers['age']}"


def test_servers_that_share_a_redis_share_what_one_of_them_reads(alone: Sandbox, tmp_path: Path) -> None:
    shared = {**settings(alone), **KEPT}
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        RedisServer(tmp_path) as redis,
        served(folders[0], **shared, CACHE_URL=redis.url) as one,
        served(folders[1], **shared, CACHE_URL=redis.url) as two,
    ):
        assert calls(alone, lambda: get(one))[1] == ["api_groups_report", "users_report"]
        read = readings(one)
        time.sleep(1.1)
        (answer, right), made = _with_calls(alone, lambda: ages(min(t["readAt"] for t in read), lambda: get(two)))
        assert made == []
        assert int(answer.headers["age"]) in right
        assert readings(two) == read
        assert calls(alone, lambda: get(two, cache_control="no-cache"))[1] == ["api_groups_report", "users_report"]
        assert calls(alone, lambda: get(one))[1] == []
        assert readings(one) == readings(two) != read
        assert get(one).headers["etag"] == answer.headers["etag"]  # the same rows, read later


def _with_calls(sandbox: Sandbox, ask: Callable[[], Any]) -> tuple[Any, list[dict[str, Any]]]:
    sandbox.reset()
    return ask(), sandbox.calls()
