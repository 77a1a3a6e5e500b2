"""Load shedding over HTTP, and the end of a server that is busy."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.graph import NOON
from tests.served import launched
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving
from tests.stand import Sandbox

SLOW = {"query": "{ slow(seconds: 0.4) }"}


async def test_the_next_one_is_told_to_come_back() -> None:
    visits = toy_schema.SlowFieldCounts()
    app = application(toy_schema.schema, lambda operation: visits, most_running=2, most_waiting=1)
    with serving(app) as address:
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=10) as client:
            running = []
            for _ in range(3):
                running.append(asyncio.create_task(client.post("/graphql", json=SLOW)))
                await asyncio.sleep(0.05)
            refused = await client.post("/graphql", json=SLOW)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["errors"][0]["extensions"]["code"] == "OVERLOADED"
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).status_code == 200
            scraped = (await client.get("/metrics")).text.splitlines()
            for name, count in (("running", 2), ("waiting", 1), ("shed_total", 1)):
                assert f"gamehub_graph_operations_{name} {count}.0" in scraped
            answers = await asyncio.gather(*running)
            assert [answer.json() for answer in answers] == [{"data": {"slow": True}}] * 3
            assert (await client.post("/graphql", json=SLOW)).status_code == 200
    assert visits.begun == visits.ended == 4


async def test_one_who_fills_the_waiting_room_does_not_keep_others_out() -> None:
    """Callers go by their address when the server is open to everybody."""
    app = application(toy_schema.schema, lambda operation: toy_schema.SlowFieldCounts(), most_running=1, most_waiting=2)
    with serving(app) as address:
        there = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with (
            httpx.AsyncClient(base_url=address, trust_env=False, timeout=10) as heavy,
            httpx.AsyncClient(base_url=address, transport=there, timeout=10) as light,
        ):
            many = []
            for _ in range(4):
                many.append(asyncio.create_task(heavy.post("/graphql", json=SLOW)))
                await asyncio.sleep(0.05)
            mine = asyncio.create_task(light.post("/graphql", json=SLOW))
            answers = [await each for each in asyncio.as_completed([*many, mine])]
            assert [answer.status_code for answer in answers] == [503, 200, 200, 200, 200]
            assert mine.result().status_code == 200


async def test_a_crowd_is_answered_or_refused() -> None:
    app = application(toy_schema.schema, lambda operation: toy_schema.SlowFieldCounts(), most_running=5, most_waiting=5)
    with serving(app) as address:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60, limits=limits) as client:
            body = {"query": "{ slow(seconds: 0.01) }"}
            answers = await asyncio.gather(*(client.post("/graphql", json=body) for _ in range(500)))
            statuses = {answer.status_code for answer in answers}
            assert statuses == {200, 503}
            assert (await client.post("/graphql", json=body)).status_code == 200


async def test_a_server_that_is_told_to_stop_ends_what_it_has_begun(tmp_path: Path) -> None:
    with Sandbox(now=NOON) as sandbox:
        settings = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token, "DRAIN_SECONDS": "1.5"}
        with launched(tmp_path, **settings) as (address, process):
            async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client:
                await asyncio.to_thread(sandbox.fault, "slow", "api_groups_report", None, 2.5)
                begun = [
                    asyncio.create_task(client.post("/graphql", json={"query": f"{{ group(id: {n}) {{ id }} }}"}))
                    for n in (382, 383, 384)
                ]
                await asyncio.sleep(0.5)
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.5)
                # It still serves, and says that it will not for long.
                ready = await client.get("/readyz")
                assert (ready.status_code, ready.json()["notReady"]) == (503, {"server": "is stopping"})
                assert ready.headers["connection"] == "close"
                answers = await asyncio.gather(*begun)
                assert [answer.json() for answer in answers] == [
                    {"data": {"group": {"id": str(n)}}} for n in (382, 383, 384)
                ]
                async with asyncio.timeout(10):
                    assert await asyncio.to_thread(process.wait) == 0
                with pytest.raises(httpx.ConnectError):
                    await client.get("/healthz")
