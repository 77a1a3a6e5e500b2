"""Comparisons on a schedule inside the server: the result as page, JSON and metrics, and the end of a server."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from server.auth.permissions import area
from server.pages.reconcile import CONTENT_SECURITY_POLICY
from server.reconcile.reconciliation import COMPARISONS
from tests.served import launched
from tests.server.browsing import visiting
from tests.server.changing_proxy import ChangedDigit, ChangingProxy, changing_proxy, other
from tests.server.http.test_metrics import figures
from tests.server.tables.conftest import settings
from tests.stand import Sandbox
from tests.upstream.redis_server import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

NET = ChangedDigit("users_report", ("group_id", 384), ("net",))
PAGE = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def alive() -> Iterator[Sandbox]:
    """A sandbox whose clock goes on: the schedule compares the last day that is over."""
    with Sandbox(users=20, rooms=1, days=3, now=None) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def proxy(alive: Sandbox) -> AsyncIterator[ChangingProxy]:
    async with changing_proxy(alive) as proxy:
        proxy.remembers = False
        yield proxy


def scheduled(sandbox: Sandbox, proxy: ChangingProxy, tmp_path: Path, **more: str) -> dict[str, str]:
    through = {"GAMEHUB_URL": proxy.gamehub_url, "GAMELOG_URL": proxy.gamelog_url}
    keys = {"KEYS_FILE": str(tmp_path / "keys.sqlite")}
    return {**settings(sandbox), **through, **keys, "RECONCILE_EVERY": "1", "RECONCILE_DAYS": "1", **more}


async def finished(client: httpx.AsyncClient) -> Any:
    """Wait for the end of the first comparison."""
    async with asyncio.timeout(120):
        while True:
            state = (await client.get("/reconcile")).json()
            if state["last"] is not None:
                return state
            assert state["next"] is None
            await asyncio.sleep(0.2)


async def test_a_comparison_its_page_and_its_metrics(
    browser: Browser, alive: Sandbox, proxy: ChangingProxy, tmp_path: Path
) -> None:
    proxy.changes = (NET,)
    try:
        with launched(tmp_path, **scheduled(alive, proxy, tmp_path)) as (address, process):
            async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
                state = await finished(client)
                last = state["last"]
                assert (state["everyHours"], state["days"], state["runs"], state["runningSince"]) == (1.0, 1, 1, None)
                assert state["next"] > last["started"]
                assert (last["daysCompared"], len(last["days"]), last["failures"], last["notes"]) == (1, 1, [], [])
                assert set(last["compared"]) == set(COMPARISONS)
                assert (last["found"], last["differencesLeftOut"]) == ({"daily": 1}, 0)
                (difference,) = last["differences"]
                assert (difference["day"], difference["key"]) == (last["days"][0], "group 384")
                r1, r5, r11 = difference["told"]
                assert (r1["report"], r1["value"], r5["value"]) == ("R1", other(r11["value"]), r11["value"])

                page = await client.get("/reconcile", headers=PAGE)
                assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
                assert "script" not in CONTENT_SECURITY_POLICY
                assert page.headers["cache-control"] == "no-store"
                assert "<script" not in page.text
                assert alive.gamehub_token not in page.text
                assert alive.agent_token not in page.text

            with httpx.Client(base_url=address, trust_env=False) as client:
                found = figures(client)
            name = "reconcile"
            assert found[f"{name}_differences", "daily"] == 1
            assert all(found[f"{name}_differences", each] == 0 for each in COMPARISONS if each != "daily")
            assert found[f"{name}_compared", "games"] == last["compared"]["games"] > 100
            assert (found[f"{name}_runs_total",], found[f"{name}_failures",], found[f"{name}_day_count",]) == (1, 0, 1)
            assert found[f"{name}_last_duration_seconds",] == pytest.approx(last["seconds"], abs=0.001)
            assert found[f"{name}_last_run_timestamp_seconds",] > 1_700_000_000

            async with visiting(browser, address, java_script_enabled=False) as visit:
                await visit.page.goto(f"{address}/reconcile")
                await expect(visit.page.locator("h2").first).to_have_text(f"{last['days'][0]}: 1 differences")
                row = visit.page.locator("table").nth(1).locator("tbody tr")
                await expect(row).to_have_count(1)
                await expect(row).to_contain_text(f"R1 net {r1['value']} | R5 sum {r5['value']}")
                font = await visit.page.locator("body").evaluate("body => getComputedStyle(body).fontFamily")
                assert font.startswith("Roboto")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        proxy.changes = ()


async def test_a_comparison_reads_past_the_cache_and_little_at_once(
    alive: Sandbox, proxy: ChangingProxy, tmp_path: Path
) -> None:  # fmt: skip
    server = proxy.server
    server.most_at_once = 0
    before = len(server.requests)
    with launched(tmp_path, **scheduled(alive, proxy, tmp_path)) as (address, _):
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            last = (await finished(client))["last"]
    assert (last["found"], last["failures"]) == ({}, [])
    assert server.most_at_once <= 4  # two at a time, each of which may read two reports
    reports = [one.query.get("report_type") for one in server.requests[before:]]
    assert reports.count("api_groups_report") == 1
    assert reports.count("users_report") == 8
    assert reports.count("transaction_report") == 20


async def test_a_server_that_stops_gives_the_comparison_up(
    alive: Sandbox, proxy: ChangingProxy, tmp_path: Path
) -> None:
    log = tmp_path / "serve.log"
    proxy.hold = asyncio.Event()
    try:
        with launched(tmp_path, log, **scheduled(alive, proxy, tmp_path, LOG_LEVEL="info")) as (address, process):
            async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
                state = (await client.get("/reconcile")).json()
                assert (state["last"], state["runningSince"] is not None) == (None, True)
                page = (await client.get("/reconcile", headers=PAGE)).text
                assert "A comparison has been under way since" in page
                assert "gamehub_graph_reconcile_runs_total 0.0" in (await client.get("/metrics")).text
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0
    finally:
        proxy.hold.set()
        proxy.hold = None
    text = log.read_text()
    assert "Traceback" not in text
    assert "reconcile.done" not in text
    assert alive.gamehub_token not in text


async def test_one_server_of_a_redis_compares_for_all(alive: Sandbox, proxy: ChangingProxy, tmp_path: Path) -> None:
    """Also if the one that compares is killed. A server that starts later shows the result, and makes no call."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path))
        started: list[tuple[httpx.AsyncClient, Any]] = []

        async def start() -> httpx.AsyncClient:
            folder = tmp_path / f"server {len(started)}"
            folder.mkdir()
            more = scheduled(alive, proxy, folder, CACHE_URL=redis.url)
            address, process = stack.enter_context(launched(folder, **more))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=address, trust_env=False))
            started.append((client, process))
            return client

        proxy.hold = asyncio.Event()
        try:
            first = await start()
            async with asyncio.timeout(60):
                while (await first.get("/reconcile")).json()["runningSince"] is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            waiting = [await start(), await start()]
            states = [(await client.get("/reconcile")).json() for client in waiting]
            assert [(state["runningSince"], state["last"], state["next"]) for state in states] == [
                (None, None, None)
            ] * 2
            started[0][1].send_signal(signal.SIGKILL)
            before = len(proxy.server.requests)
        finally:
            proxy.hold.set()
            proxy.hold = None
        others = [await finished(client) for client, _ in started[1:]]
        assert others[0]["last"] == others[1]["last"]
        assert others[0]["next"] is not None
        assert others[0]["last"]["daysCompared"] == 1
        assert sorted(state["runs"] for state in others) == [0, 1]
        reports = [one.query.get("report_type") for one in proxy.server.requests[before:]]
        assert reports.count("api_groups_report") == 1
        before = len(proxy.server.requests)
        late = await finished(await start())
        assert (late["last"], late["runs"]) == (others[0]["last"], 0)
        assert len(proxy.server.requests) == before


async def test_without_the_setting_nothing_is_compared(alive: Sandbox, proxy: ChangingProxy, tmp_path: Path) -> None:
    before = len(proxy.server.requests)
    with launched(tmp_path, **scheduled(alive, proxy, tmp_path, RECONCILE_EVERY="0")) as (address, _):
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            state = (await client.get("/reconcile")).json()
            page = (await client.get("/reconcile", headers=PAGE)).text
            metrics = (await client.get("/metrics")).text
    assert (state["everyHours"], state["last"], state["runningSince"]) == (0.0, None, None)
    assert "RECONCILE_EVERY is not set" in page
    assert "gamehub_graph_reconcile" not in metrics
    assert len(proxy.server.requests) == before


async def test_a_fault_of_an_upstream_is_a_failure_of_the_run(
    proxy: ChangingProxy, alive: Sandbox, tmp_path: Path
) -> None:
    down = {"GAMEHUB_URL": "http://127.0.0.1:9/api/v1/"}
    with launched(tmp_path, **scheduled(alive, proxy, tmp_path, **down)) as (address, _):
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            last = (await finished(client))["last"]
            page = (await client.get("/reconcile", headers=PAGE)).text
    (failure,) = last["failures"]
    assert failure.startswith("groups and users: ")
    assert alive.gamehub_token not in failure
    assert last["daysCompared"] == 0
    assert '<p class="failed">groups and users: ' in page


async def test_the_page_and_its_files_are_the_administrator_s() -> None:
    for path in ("/reconcile", "/reconcile/page/index.css"):
        assert area(path).permission == "admin"
