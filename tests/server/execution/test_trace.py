"""Trace, explanation and bound as a client has them: from a real server over a sandbox, over HTTP."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from resolvers.session import Session
from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.execution.trace import finish
from tests.queries.answers import Answer, saved
from tests.served import served
from tests.stand import Sandbox
from upstream import call as calls
from upstream.reports.table import GROUPS

WALK = saved()["GroupWalkInGroup"]
VARIABLES = Answer.read("GroupWalkInGroup").variables
RESPONSE_JSON = "application/graphql-response+json"


@pytest.fixture(scope="module")
def alone() -> Iterator[Sandbox]:
    """A world without other clients, so that its calls are this server's."""
    with Sandbox() as sandbox:
        yield sandbox


def settings(alone: Sandbox) -> dict[str, str]:
    return {
        "GAMEHUB_URL": alone.gamehub_url,
        "GAMEHUB_TOKEN": alone.gamehub_token,
        "GAMELOG_URL": alone.gamelog_url,
        "GAMELOG_AGENT_CODE": alone.agent_code,
        "GAMELOG_AGENT_TOKEN": alone.agent_token,
    }


@pytest.fixture(scope="module")
def address(alone: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("served"), **settings(alone), CACHE_URL="off") as address:
        yield address


def ask(address: str, query: str = WALK, extensions: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    body = {"query": query, "variables": VARIABLES if query is WALK else {}, "extensions": extensions}
    named = {"x-graph-" + name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{address}/graphql", json=body, headers={"accept": RESPONSE_JSON, **named}, trust_env=False)


def test_the_trace_tells_every_upstream_call(address: str, alone: Sandbox) -> None:
    ask(address)
    alone.reset()
    answer = ask(address, trace="1")
    trace = answer.json()["extensions"]["trace"]
    assert [step["type"] for step in trace] == [call["report"] for call in alone.calls()]
    assert [step["rows"] for step in trace] == [call["rows"] for call in alone.calls()]
    movements = next(step for step in trace if step["report"] == "R5")
    assert movements["parameters"] == {"group_id": 382}
    assert (movements["way"], movements["keys"], movements["fields"]) == ("bulk", 50, ["User.transactions"])
    assert movements["from"] == "2026-03-15T11:00:00+00:00"
    assert movements["bytes"] > 0 < movements["seconds"]
    (rejected,) = movements["rejected"]
    assert (rejected["way"], rejected["report"], rejected["calls"]) == ("per_key", "R7", 50)
    assert rejected["price"] > movements["price"]


def test_the_extensions_of_a_request_ask_for_it_too(address: str) -> None:
    assert "trace" in ask(address, extensions={"trace": True}).json()["extensions"]
    assert "extensions" not in ask(address).json()


def test_a_traced_answer_says_how_complex_its_operation_is(address: str) -> None:
    query = "{ group(id: 382) { key: id ...more } } fragment more on Group { users(first: 2) { nodes { id } } }"
    assert ask(address, query, trace="1").json()["extensions"]["complexity"] == {
        "depth": {"found": 4, "most": 20},
        "fields": {"found": 5, "most": 1000},
        "rootFields": {"found": 1, "most": 50},
        "aliases": {"found": 1, "most": 100},
        "nodes": {"found": 2, "most": 200_000},
    }


def test_no_token_stands_in_a_trace_or_a_plan(address: str, alone: Sandbox) -> None:
    for answer in (ask(address, trace="1"), ask(address, explain="1"), ask(address, max_calls="0")):
        for secret in (alone.gamehub_token, alone.agent_token):
            assert secret not in answer.text
        assert "token" not in answer.text.casefold()


def test_a_failed_call_stands_in_the_trace(address: str, alone: Sandbox) -> None:
    alone.fault("500", "progressive_jackpot_summary")
    try:
        body = ask(address, "{ progressiveJackpots { value } }", trace="1").json()
    finally:
        alone.heal()
    assert body["extensions"]["trace"][-1]["error"] == body["errors"][0]["extensions"]["code"]


def test_an_explanation_calls_nobody(address: str, alone: Sandbox) -> None:
    ask(address)
    alone.reset()
    answer = ask(address, explain="1")
    assert alone.calls() == []
    assert answer.status_code == 200
    body = answer.json()
    assert body["data"] is None
    assert "errors" not in body
    plan = body["extensions"]["explain"]
    ask(address)
    assert (plan["calls"], plan["depends"]) == (len(alone.calls()), False)
    assert [part["report"] for part in plan["plan"]] == ["R8", "R9", "R5", "G1"]
    assert plan["seconds"] > 0


def test_an_explanation_tells_what_is_wrong_with_the_request(address: str, alone: Sandbox) -> None:
    alone.reset()
    wrong = ask(address, '{ user(id: "x") { id } }', explain="1")
    assert (wrong.status_code, wrong.json()["errors"][0]["extensions"]["code"]) == (200, "BAD_USER_INPUT")
    assert wrong.json()["extensions"]["explain"]["calls"] == 0
    invalid = ask(address, "{ nothing }", explain="1")
    assert invalid.status_code == 422
    assert "data" not in invalid.json()
    assert alone.calls() == []


def test_a_plan_of_too_many_calls_is_refused_before_any_call(address: str, alone: Sandbox) -> None:
    ask(address)
    alone.reset()
    refused = ask(address, max_calls="3")
    assert alone.calls() == []
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["extensions"] == {"code": "TOO_MANY_CALLS", "calls": 4, "maxCalls": 3}
    assert "4 upstream calls" in error["message"]
    assert "data" not in refused.json()
    allowed = ask(address, max_calls="4", trace="1").json()
    assert len(alone.calls()) == len(allowed["extensions"]["trace"]) == 4


def test_a_bound_of_the_server_holds_for_every_operation(alone: Sandbox, tmp_path: Path) -> None:
    with served(tmp_path, **settings(alone), MAX_CALLS="3", MAX_ROWS="200", CACHE_URL="off") as address:
        alone.reset()
        for most, bound in ((None, 3), ("9", 3), ("2", 2)):
            options: Any = {"max_calls": most} if most else {}
            (error,) = ask(address, **options).json()["errors"]
            assert (error["extensions"]["code"], error["extensions"]["maxCalls"]) == ("TOO_MANY_CALLS", bound)
            assert error["extensions"]["calls"] > 3
        assert alone.calls() == []
        assert ask(address, "{ groups { nodes { id } } }").json()["data"]["groups"]["nodes"]
        alone.reset()
        (error,) = ask(address, "{ gameLogs(during: { frame: THIS_MONTH }) { nodes { id } } }").json()["errors"]
        assert (error["extensions"]["code"], error["extensions"]["maxRows"]) == ("TOO_MANY_ROWS", 200)
        assert error["extensions"]["rows"] > 200
        assert alone.calls() == []


def test_a_bound_that_is_no_number_is_refused(address: str) -> None:
    for value in ("many", "-1", "1e3"):
        refused = ask(address, max_calls=value)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")


def test_what_the_cache_holds_costs_no_call(alone: Sandbox, tmp_path: Path) -> None:
    with served(tmp_path, **settings(alone), CACHE_OPEN_SECONDS="600") as address:
        ask(address)
        ask(address)
        alone.reset()
        plan = ask(address, explain="1").json()["extensions"]["explain"]
        assert alone.calls() == []
        trace = ask(address, trace="1").json()["extensions"]["trace"]
    # Groups and users are at hand; what is less than a day is read anew.
    assert (plan["calls"], plan["held"]) == (2, 2)
    assert [step["cache"] for step in trace] == ["hit", "hit", "miss", "miss"]
    assert len(alone.calls()) == 2


def test_rows_past_their_time_are_marked() -> None:
    call = calls.Call.of(GROUPS)
    session = Session(Stale(), ZoneInfo("UTC"))
    asyncio.run(session.fetch(call, ("Query.groups",)))
    outcome = Outcome()
    finish(Operation("{ groups { totalCount } }"), session, outcome)
    assert outcome.extensions == {
        "stale": [{"report": "R8", "since": "2026-03-15 11:00:00+00:00", "fields": ["Query.groups"]}]
    }


class Stale:
    """An upstream that is out of reach, while the cache still holds what it said."""

    async def fetch(self, call: calls.Call) -> calls.Answer[Any]:
        return calls.Answer([], provenance=calls.Provenance("stale", datetime(2026, 3, 15, 11, tzinfo=UTC)))
