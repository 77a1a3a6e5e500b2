"""Answers in parts over HTTP: what is sent first, what is sent later, and how an answer ends."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers.session import Session
from schema import graph
from server.execution.limits import ORDINARY, Limits
from server.execution.trace import finish
from server.gateway import Gateway
from server.http.negotiation import DEFER_2022, INCREMENTAL_0_2, incremental_format
from server.settings.live import LiveSettings
from server.settings.settings import NAMES, Settings
from tests.engine.test_parts import merge
from tests.server.application import application
from tests.server.serving import serving
from tests.stand import Sandbox

DAY = 'during: {dates: {from: "2026-03-10", to: "2026-03-10"}}'
QUERY = f"""query Person {{
  user(id: 2001) {{
    id
    username
    ... @defer(label: "moves") {{ transactions({DAY}) {{ totalCount }} }}
    ... @defer(label: "plays") {{ gameLogs({DAY}) {{ totalCount }} }}
  }}
}}"""
LEGACY = {"accept": "multipart/mixed;deferSpec=20220824, application/json"}
NEWER = {"accept": "multipart/mixed;incrementalSpec=v0.2, application/json"}
USER, MOVES, PLAYS = "api_users_report", "transaction_report", "get_game_log"
INCREMENTAL = replace(ORDINARY, incremental=True)
SCHEMA = graph.with_incremental_delivery(graph.schema)


class Served:
    """A server with incremental delivery over a sandbox, without a cache. `left` is set when an operation is over."""

    def __init__(self, address: str, left: threading.Event) -> None:
        self.address = address
        self.left = left

    @contextmanager
    def stream(self, query: str, headers: dict[str, str], **more: Any) -> Iterator[httpx.Response]:
        self.left.clear()
        with (
            httpx.Client(base_url=self.address, trust_env=False, timeout=30) as client,
            client.stream("POST", "/graphql", json={"query": query}, headers={**headers, **more}) as answer,
        ):
            yield answer

    def parts(self, query: str, headers: dict[str, str], **more: Any) -> list[dict[str, Any]]:
        with self.stream(query, headers, **more) as answer:
            assert answer.status_code == 200
            return list(parts(answer))

    def whole(self, query: str) -> dict[str, Any]:
        with self.stream(query, {"accept": "application/json"}) as answer:
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
            found: dict[str, Any] = json.loads(answer.read())
            return found


def parts(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the parts of an answer as clients do: each as soon as the delimiter after it is there."""
    buffer = b""
    for piece in answer.iter_raw():
        buffer += piece
        while b"\r\n---" in buffer:
            part, _, buffer = buffer.partition(b"\r\n---")
            if part:
                head, _, body = part.partition(b"\r\n\r\n")
                assert head == b"\r\nContent-Type: application/json; charset=utf-8"
                yield json.loads(body)
    assert buffer == b"--\r\n"


@contextmanager
def server(
    sandbox: Sandbox, folder: Path, limits: Limits = INCREMENTAL, *, compiled: bool = True, **parts: Any
) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delenv(name, raising=False)
        settings = Settings(
            gamehub_url=sandbox.gamehub_url,
            gamehub_token=sandbox.gamehub_token,  # type: ignore[arg-type]
            gamelog_url=sandbox.gamelog_url,
            gamelog_agent_code=sandbox.agent_code,
            gamelog_agent_token=sandbox.agent_token,  # type: ignore[arg-type]
            cache_url="off",  # type: ignore[arg-type]
            error_journal=folder / "errors.sqlite",
        )
    gateway = Gateway(LiveSettings(settings, env_file=None))
    left = threading.Event()

    def leave(session: Session) -> None:
        session.close()
        left.set()

    app = application(
        SCHEMA, gateway.session, lifespan=gateway.open, leave=leave, limits=limits, finish=finish, compiled=compiled,
        **parts,
    )  # fmt: skip
    with serving(app) as address:
        yield Served(address, left)


@pytest.fixture(scope="module")
def running(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with server(world, tmp_path_factory.mktemp("incremental")) as served:
        yield served


def reports(sandbox: Sandbox) -> list[str]:
    """The reports that were answered."""
    return sorted(call["report"] for call in sandbox.calls() if call["status"] is not None)


def test_the_first_part_is_there_before_the_slow_report(running: Served, sandbox: Sandbox) -> None:
    sandbox.reset()
    whole = running.whole(QUERY)
    calls = reports(sandbox)
    assert calls == [USER, PLAYS, MOVES]
    user = whole["data"]["user"]
    person = {"id": "2001", "username": user["username"]}
    sandbox.fault("slow", MOVES, value=1)
    sandbox.reset()
    with running.stream(QUERY, LEGACY) as answer:
        assert answer.headers["content-type"] == 'multipart/mixed; boundary="-"; deferSpec=20220824'
        assert (answer.headers["cache-control"], answer.headers["vary"]) == ("no-store", "Accept")
        found = parts(answer)
        assert next(found) == {"data": {"user": person}, "hasNext": True}
        assert MOVES not in reports(sandbox)
        plays = {"data": {"gameLogs": user["gameLogs"]}, "path": ["user"], "label": "plays"}
        assert next(found) == {"incremental": [plays], "hasNext": True}
        assert MOVES not in reports(sandbox)
        moves = {"data": {"transactions": user["transactions"]}, "path": ["user"], "label": "moves"}
        assert next(found) == {"incremental": [moves], "hasNext": False}
        assert list(found) == []
    assert reports(sandbox) == calls


def test_the_newer_format(running: Served, sandbox: Sandbox) -> None:
    user = running.whole(QUERY)["data"]["user"]
    sandbox.fault("slow", MOVES, value=0.5)
    first, plays, moves = running.parts(QUERY, NEWER)
    assert first == {
        "data": {"user": {"id": "2001", "username": user["username"]}},
        "pending": [
            {"id": "1", "path": ["user"], "label": "moves"},
            {"id": "2", "path": ["user"], "label": "plays"},
        ],
        "hasNext": True,
    }
    assert plays == {
        "incremental": [{"id": "2", "data": {"gameLogs": user["gameLogs"]}}],
        "completed": [{"id": "2"}],
        "hasNext": True,
    }
    assert moves == {
        "incremental": [{"id": "1", "data": {"transactions": user["transactions"]}}],
        "completed": [{"id": "1"}],
        "hasNext": False,
    }


def test_a_column_of_another_report_is_deferred_and_its_report_called_once(running: Served, sandbox: Sandbox) -> None:
    games = running.whole(f"{{ games({DAY}, first: 1) {{ nodes {{ id }} }} }}")["data"]["games"]["nodes"]
    query = f"{{ game(id: {games[0]['id']}) {{ duration ... @defer {{ tickets {{ id }} }} }} }}"
    sandbox.reset()
    whole = running.whole(query)["data"]["game"]
    calls = reports(sandbox)
    slow = "api_retail_game_details"
    assert calls == [slow, "api_retail_game_details_simplified"]
    assert len(whole["tickets"]) > 1
    sandbox.fault("slow", slow, value=0.5)
    sandbox.reset()
    with running.stream(query, LEGACY) as answer:
        found = parts(answer)
        assert next(found) == {"data": {"game": {"duration": whole["duration"]}}, "hasNext": True}
        assert slow not in reports(sandbox)
        later = {"data": {"tickets": whole["tickets"]}, "path": ["game"]}
        assert next(found) == {"incremental": [later], "hasNext": False}
    assert reports(sandbox) == calls


@pytest.mark.parametrize(
    "items",
    [
        "... @defer {{ nodes {{ {duration} }} }}",
        "... @defer {{ edges {{ node {{ {duration} }} }} }}",
        "edges {{ cursor ... @defer {{ node {{ {duration} }} }} }}",
        "nodes {{ id ... @defer {{ {duration} }} }}",
        "nodes {{ id }} ... @defer {{ nodes {{ {duration} }} }}",
    ],
)
def test_late_items_of_a_list_wait_for_their_columns(running: Served, sandbox: Sandbox, items: str) -> None:
    """The list itself waits for its own report only."""
    query = f"{{ games({DAY}, first: 2) {{ totalCount {items.format(duration='duration')} }} }}"
    sandbox.reset()
    whole = running.whole(query)["data"]
    calls = reports(sandbox)
    slow = "api_retail_game_details_simplified"
    assert calls == ["api_bulk_games_report", slow, slow]
    sandbox.fault("slow", slow, value=0.3)
    sandbox.reset()
    with running.stream(query, LEGACY) as answer:
        found = parts(answer)
        data = next(found)["data"]
        assert slow not in reports(sandbox)
        for later in (part for payload in found for part in payload["incremental"]):
            assert "errors" not in later
            place = data
            for key in later["path"]:
                place = place[key]
            merge(place, later["data"])
    assert data == whole
    assert reports(sandbox) == calls


def test_an_error_comes_in_its_part(running: Served, sandbox: Sandbox) -> None:
    sandbox.fault("10018", MOVES)
    found = running.parts(QUERY, LEGACY)
    assert "errors" not in found[0]
    by_label = {part["label"]: part for payload in found[1:] for part in payload["incremental"]}
    assert "errors" not in by_label["plays"]
    assert by_label["moves"]["data"] == {"transactions": None}
    (error,) = by_label["moves"]["errors"]
    assert error["path"] == ["user", "transactions"]


@pytest.mark.parametrize("part", ["... @defer(if: false) { username }", "...F @skip(if: true) @defer"])
def test_an_operation_of_one_part_is_answered_as_a_whole(running: Served, part: str) -> None:
    fragment = "fragment F on User { username }" if "F" in part else ""
    with running.stream(f"{{ user(id: 2001) {{ id {part} }} }} {fragment}", LEGACY) as answer:
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert json.loads(answer.read())["data"]["user"]["id"] == "2001"


def test_a_list_with_stream_is_sent_at_once(running: Served) -> None:
    query = "{ groups { nodes @stream(initialCount: 1) { id } } }"
    assert running.whole(query) == running.whole("{ groups { nodes { id } } }")
    with running.stream(query, LEGACY) as answer:
        assert len(json.loads(answer.read())["data"]["groups"]["nodes"]) > 1


def test_errors_before_the_run_are_no_parts(running: Served) -> None:
    with running.stream("{ user(id: 2001) { ... @defer { none } } }", LEGACY) as answer:
        (error,) = json.loads(answer.read())["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_the_trace_comes_in_the_last_part(running: Served) -> None:
    *others, last = running.parts(QUERY, LEGACY, **{"x-graph-trace": "1"})
    assert not any("extensions" in part for part in others)
    steps = last["extensions"]["trace"]
    assert sorted(step["report"] for step in steps) == ["G1", "R7", "R9"]


def test_a_client_that_goes_ends_the_rest(running: Served, sandbox: Sandbox) -> None:
    sandbox.fault("hang", MOVES)
    with running.stream(QUERY, LEGACY) as answer:
        assert next(parts(answer))["hasNext"]
        assert not running.left.is_set()
    assert running.left.wait(20), "the operation goes on without a client"


def test_the_deadline_holds_for_all_parts(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault("hang", MOVES)
    with server(sandbox, tmp_path, replace(INCREMENTAL, seconds=4)) as served:
        *_, last = served.parts(QUERY, LEGACY)
    (moves,) = last["incremental"]
    assert (moves["label"], moves["data"], last["hasNext"]) == ("moves", {"transactions": None}, False)
    assert moves["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"


def test_the_size_of_all_parts_is_limited(sandbox: Sandbox, tmp_path: Path) -> None:
    query = "{ groups { nodes { id ... @defer { name users { nodes { id username } } } } } rooms { id } }"
    with server(sandbox, tmp_path, replace(INCREMENTAL, answer_bytes=1_000)) as served:
        first, last = served.parts(query, LEGACY)
    assert first["hasNext"]
    assert not last["hasNext"]
    assert {part["errors"][0]["extensions"]["code"] for part in last["incremental"]} == {"ANSWER_TOO_LARGE"}


def test_without_the_engine_all_parts_are_sent_at_the_end(sandbox: Sandbox, tmp_path: Path) -> None:
    with server(sandbox, tmp_path, compiled=False) as served:
        user = served.whole(QUERY)["data"]["user"]
        sandbox.reset()
        first, rest = served.parts(QUERY, LEGACY)
        assert reports(sandbox) == [USER, PLAYS, MOVES]
        assert first == {"data": {"user": {"id": "2001", "username": user["username"]}}, "hasNext": True}
        assert [part["label"] for part in rest["incremental"]] == ["moves", "plays"]
        assert rest["hasNext"] is False


def test_without_the_setting_the_message_names_it(sandbox: Sandbox, tmp_path: Path) -> None:
    app = application(graph.schema, lambda operation: None)
    with serving(app) as address:
        answer = httpx.post(f"{address}/graphql", json={"query": QUERY}, headers=LEGACY, trust_env=False)
    messages = {error["message"] for error in answer.json()["errors"]}
    assert messages == {"Unknown directive '@defer'. The setting INCREMENTAL_DELIVERY turns it on."}


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        (None, None),
        ("application/json", None),
        ("*/*", None),
        ("multipart/*", None),
        ("multipart/mixed", DEFER_2022),
        ("application/json, text/event-stream, multipart/mixed", DEFER_2022),
        ("multipart/mixed;deferSpec=20220824,application/graphql-response+json", DEFER_2022),
        ("multipart/mixed; incrementalSpec=v0.2, application/json", INCREMENTAL_0_2),
        ('Multipart/Mixed; boundary="x"; deferSpec="20220824"', DEFER_2022),
        ("multipart/mixed;deferSpec=20220824;q=0.5, multipart/mixed;incrementalSpec=v0.2", INCREMENTAL_0_2),
        ("multipart/mixed;deferSpec=20220824;q=0", None),
        ('multipart/mixed;subscriptionSpec="1.0", application/json', None),
        ("multipart/mixed;deferSpec=20991231", None),
    ],
)
def test_formats(accept: str | None, found: str | None) -> None:
    assert incremental_format(accept) == found
