"""The calls that a vendor allows in a minute, as a server keeps them: over HTTP, with the sandbox as the vendor."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from resolvers.session import Session
from schema.graph import schema
from server.execution.execution import Executor
from server.execution.operation import Operation
from tests.served import served
from tests.stand import NOON, Sandbox
from upstream.client import GameHubConfig, Upstream
from upstream.reports.table import USERS
from upstream.resilience.bucket import Bucket
from upstream.transport.secret import Secret

UTC = ZoneInfo("UTC")


@pytest.fixture(scope="module")
def vendor() -> Iterator[Sandbox]:
    """A world without other clients, so that its calls are this server's."""
    with Sandbox() as sandbox:
        yield sandbox


def settings(vendor: Sandbox, **more: str) -> dict[str, str]:
    return {
        "GAMEHUB_URL": vendor.gamehub_url,
        "GAMEHUB_TOKEN": vendor.gamehub_token,
        "GAMELOG_URL": vendor.gamelog_url,
        "GAMELOG_AGENT_CODE": vendor.agent_code,
        "GAMELOG_AGENT_TOKEN": vendor.agent_token,
        "CACHE_URL": "off",
        "MOVEMENT_JOIN": "trust",
        **more,
    }


def ask(address: str, query: str, **headers: str) -> Any:
    named = {"x-graph-" + name: value for name, value in headers.items()}
    return httpx.post(f"{address}/graphql", json={"query": query}, headers=named, trust_env=False, timeout=120).json()


def by_system(vendor: Sandbox) -> dict[str, int]:
    return dict(Counter(call["system"] for call in vendor.calls()))


def test_no_more_calls_are_sent_than_the_vendor_allows(vendor: Sandbox, tmp_path: Path) -> None:
    limits = {"GAMEHUB_CALLS_PER_MINUTE": "2", "GAMELOG_CALLS_PER_MINUTE": "1"}
    with served(tmp_path, **settings(vendor, **limits, GAMEHUB_TIMEOUT="5", GAMELOG_TIMEOUT="5")) as address:
        vendor.reset()
        for _ in range(2):
            assert "errors" not in ask(address, "{ groups { totalCount } }")
        answer = ask(address, "{ groups { totalCount } }", trace="1")
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "OVERLOADED"
        assert "2 calls a minute" in error["message"]
        assert "try again in" in error["message"]
        (step,) = answer["extensions"]["trace"]
        assert (step["error"], step["requests"]) == ("OVERLOADED", 0)
        # Each system has a limit of its own.
        assert "errors" not in ask(address, "{ gameLogs(during: { frame: TODAY }, first: 1) { totalCount } }")
        (error,) = ask(address, "{ gameLogs(during: { frame: TODAY }, first: 1) { totalCount } }")["errors"]
        assert error["extensions"]["code"] == "OVERLOADED"
        assert by_system(vendor) == {"gamehub": 2, "gamelog": 1}
        # That the minute is used up does not make the server unready.
        ready = httpx.get(f"{address}/readyz", trust_env=False)
        assert (ready.status_code, by_system(vendor)) == (200, {"gamehub": 2, "gamelog": 1})


@pytest.mark.parametrize(("most", "calls"), [(4, ["R8", "R9", "R7", "R7"]), (3, ["R8", "R9", "R5"])])
def test_where_a_minute_is_nearly_used_up_the_way_with_fewer_calls_is_cheaper(
    vendor: Sandbox, tmp_path: Path, most: int, calls: list[str]
) -> None:
    """Two users' movements are two cheap calls, or a dear one for their group: the second call would wait a minute."""
    query = """{ group(id: "382") { users(first: 2) { nodes {
        id transactions(during: { frame: LAST_MONTH }, inGroup: "382", first: 1) { totalCount }
    } } } }"""
    with served(tmp_path, **settings(vendor, GAMEHUB_CALLS_PER_MINUTE=str(most))) as address:
        plan = ask(address, query, explain="1")["extensions"]["explain"]
        assert plan["calls"] == len(calls)
        vendor.reset()
        answer = ask(address, query, trace="1")
    assert "errors" not in answer
    trace = answer["extensions"]["trace"]
    assert [step["report"] for step in trace] == calls
    assert len(vendor.calls()) == len(calls)
    (rejected,) = trace[-1]["rejected"]
    assert (rejected["price"] > 50) == (most == 3)


async def test_the_trace_tells_how_long_a_call_waited(vendor: Sandbox) -> None:
    """Over HTTP in this process, since no setting makes a minute shorter."""
    config = GameHubConfig(lambda: vendor.gamehub_url, Secret(vendor.gamehub_token), UTC, bucket=Bucket(1, minute=0.3))
    async with Upstream(config, None) as upstream:
        session = Session(upstream, UTC, now=datetime.fromisoformat(NOON))
        executor = Executor(schema, lambda operation: session)
        outcome = await executor.run(Operation("{ groups { totalCount } users { totalCount } }"))
    assert outcome.errors == []
    first, second = (step.to_dict() for step in session.steps)
    assert first["waited"] == 0 < second["waited"] <= second["seconds"]
    # The wait is no part of what a call costs.
    assert session.prices.latency(USERS) < second["waited"]
