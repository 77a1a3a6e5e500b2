"""The tools for assistants, used with the client of the official SDK over real HTTP."""

import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
from graphql import OperationDefinitionNode, parse

from resolvers.caller import Caller
from resolvers.prediction.predict import foresee
from schema.graph import schema
from server.auth.key import Rates
from server.auth.key_file import KeyFile
from server.execution.saved import saved_queries
from server.mcp.endpoint import MISSING
from server.mcp.inputs import variables_schema
from server.mcp.schema_search import SchemaSearch
from tests.served import served
from tests.server import toy_schema
from tests.server.application import application
from tests.server.http.test_incremental import server
from tests.server.serving import serving
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

if TYPE_CHECKING:  # the import takes a second
    from mcp import Client

DAY = {"dates": {"from": "2026-03-10", "to": "2026-03-10"}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "Groups", "arguments": {}}}
ACCEPT = {"accept": "application/json, text/event-stream"}


class Place:
    """A server that needs keys: its address, and the key of each caller."""

    def __init__(self, address: str, keys: dict[str, str]) -> None:
        self.address = address
        self.keys = keys

    @asynccontextmanager
    async def client(self, name: str) -> "AsyncIterator[Client]":
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        headers = {"authorization": f"Bearer {self.keys[name]}"}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
            Client(streamable_http_client(f"{self.address}/mcp", http_client=http)) as client,
        ):
            yield client

    def post(self, content: Any = CALL, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.address}/mcp", json=content, headers=ACCEPT | headers, trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def place(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("mcp")
    file = KeyFile(folder / "keys.sqlite")
    explore = frozenset({"explore"})
    keys = {
        "all": file.create(Caller("all", permissions=explore))[1],
        "outsider": file.create(Caller("outsider", groups=frozenset({383}), permissions=explore))[1],
        "tables": file.create(Caller("tables", permissions=frozenset({"tables"})))[1],
        "limited": file.create(Caller("limited", permissions=explore), Rates(calls=1))[1],
    }
    more = {"AUTH": "required", "KEYS_FILE": str(folder / "keys.sqlite"), "CACHE_URL": "off"}
    with served(folder, **more, **settings(world)) as address:
        yield Place(address, keys)


async def test_the_saved_queries_are_tools(place: Place, sandbox: Sandbox) -> None:
    async with place.client("all") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == [*(one.name for one in saved_queries()), "explain", "schema-search"]
        walk = tools["UserTransactions"]
        assert walk.description == "All movements of one user, wherever they were made, with their currency."
        assert walk.input_schema["required"] == ["user"]
        assert walk.annotations is not None
        assert walk.annotations.read_only_hint
        sandbox.reset()
        found = await client.call_tool("UserTransactions", {"user": "2001", "during": DAY})
    assert not found.is_error
    assert found.structured_content["data"]["user"]["id"] == "2001"
    assert json.loads(found.content[0].text) == found.structured_content  # type: ignore[union-attr]
    calls = [call["report"] for call in sandbox.calls()]
    assert found.meta is not None
    assert found.meta["explain"]["calls"] == len(calls)
    assert [step["type"] for step in found.meta["trace"]] == calls


async def test_explain_makes_no_call(place: Place, sandbox: Sandbox) -> None:
    sandbox.reset()
    async with place.client("all") as client:
        saved = await client.call_tool("explain", {"query": "UserTransactions", "variables": {"user": "2001"}})
        text = await client.call_tool("explain", {"query": "{ groups { nodes { id } } }"})
        wrong = await client.call_tool("explain", {"query": "{ groups { nodes { none } } }"})
        missing = await client.call_tool("explain", {})
    assert sandbox.calls() == []
    assert {part["report"] for part in saved.structured_content["explain"]["plan"]} >= {"R7", "R9"}
    assert [part["report"] for part in text.structured_content["explain"]["plan"]] == ["R8"]
    assert wrong.is_error
    assert missing.is_error
    assert missing.structured_content["errors"][0]["message"] == "The argument query must be a text."


async def test_the_schema_can_be_searched(place: Place) -> None:
    async with place.client("all") as client:
        found = await client.call_tool("schema-search", {"text": "transactions of a group", "first": 3})
    names = [one["name"] for one in found.structured_content["found"]]
    assert len(names) == 3
    assert names[0] == "Group.transactions"


async def test_errors_are_answers(place: Place, sandbox: Sandbox) -> None:
    from mcp import MCPError

    sandbox.fault("10018", "api_groups_report")
    async with place.client("all") as client:
        failed = await client.call_tool("Groups", {})
        wrong = await client.call_tool("UserTransactions", {"user": "2001", "during": {"frame": "NEVER"}})
        with pytest.raises(MCPError, match="no tool of this name"):
            await client.call_tool("none", {})
    assert failed.structured_content["data"] == {"groups": None}
    assert failed.structured_content["errors"][0]["path"] == ["groups"]
    assert wrong.is_error
    assert wrong.structured_content["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_caller_sees_its_own_groups(place: Place) -> None:
    async with place.client("outsider") as client:
        groups = await client.call_tool("Groups", {})
        hidden = await client.call_tool("Users", {"group": "382"})
    assert [group["id"] for group in groups.structured_content["data"]["groups"]["nodes"]] == ["383"]
    assert not str(hidden.structured_content).count("username")


def test_credentials_and_limits(place: Place) -> None:
    assert place.post().status_code == 401
    assert place.post(authorization="Bearer wrong").status_code == 401
    assert place.post(authorization=f"Bearer {place.keys['tables']}").status_code == 403
    limited = {"authorization": f"Bearer {place.keys['limited']}"}
    assert place.post(**limited).json()["result"]["isError"] is False
    # The calls of tools count for their caller.
    assert place.post(**limited).status_code == 429


def test_pages_of_other_sites_and_other_messages_are_refused(place: Place) -> None:
    key = {"authorization": f"Bearer {place.keys['all']}"}
    foreign = place.post(origin="https://evil.example", **key)
    assert (foreign.status_code, foreign.json()["errors"][0]["extensions"]["code"]) == (403, "CROSS_SITE")
    assert place.post(origin=place.address, **key).status_code == 200
    address = f"{place.address}/mcp"
    refused = httpx.get(address, headers=key, trust_env=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    large = httpx.post(address, content=b" " * (1 << 20) + b"{}", headers=key | ACCEPT, trust_env=False)
    assert large.status_code == 413
    assert place.post([], **key).status_code == 400


def test_a_client_that_goes_ends_its_tool(sandbox: Sandbox, tmp_path: Path) -> None:
    with server(sandbox, tmp_path, saved=saved_queries(), foresee=foresee) as running, ThreadPoolExecutor(1) as pool:
        place = Place(running.address, {})
        assert place.post().status_code == 200
        sandbox.fault("hang", "api_groups_report")
        running.left.clear()
        asked = pool.submit(httpx.post, f"{place.address}/mcp", json=CALL, headers=ACCEPT, trust_env=False, timeout=3)
        assert running.left.wait(20), "nothing was planned"
        running.left.clear()
        assert running.left.wait(20), "the tool goes on without a client"
        assert isinstance(asked.exception(), httpx.ReadTimeout)


def test_what_is_hidden_is_no_tool(world: Sandbox, tmp_path: Path) -> None:
    with served(tmp_path, INTROSPECTION="off", DOCUMENTS="saved", **settings(world)) as address:
        place = Place(address, {})
        listed = place.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json()["result"]["tools"]
        assert [tool["name"] for tool in listed][-1] == "explain"
        arguments = {"query": "{ rooms { nodes { id } } }"}
        asked = CALL | {"params": {"name": "explain", "arguments": arguments}}
        (error,) = place.post(asked).json()["result"]["structuredContent"]["errors"]
        assert error["extensions"]["code"] == "DOCUMENT_NOT_REGISTERED"


def test_the_setting_and_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(application(toy_schema.schema, lambda operation: None, mcp=False)) as address:
        assert Place(address, {}).post().status_code == 404
    monkeypatch.setattr("server.mcp.endpoint.find_spec", lambda name: None)
    with serving(application(toy_schema.schema, lambda operation: None)) as address:
        refused = Place(address, {}).post()
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (501, MISSING)


def test_inputs() -> None:
    variables = "$id: ID!, $where: TransactionWhere, $first: Int = 5, $ids: [ID!]"
    document = parse(f"query Q({variables}) {{ groups(first: $first) {{ totalCount }} }}")
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    found = variables_schema(schema._schema, document, operation, {"id": "1"})
    first = schema._schema.query_type.fields["groups"].args["first"]
    assert found["properties"]["first"] == {"description": first.description, "type": "integer", "default": 5}
    assert found["properties"]["ids"] == {"type": "array", "items": {"type": "string"}}
    assert found["properties"]["where"] == {"$ref": "#/$defs/TransactionWhere"}
    assert (found["required"], found["examples"]) == (["id"], [{"id": "1"}])
    amount = found["$defs"]["TransactionWhere"]["properties"]["amount"]
    assert found["$defs"][amount["$ref"].rpartition("/")[2]]["type"] == "object"
    assert "examples" not in variables_schema(schema._schema, document, operation, {"id": "@Groups groups.nodes.0.id"})


@pytest.mark.parametrize(
    ("text", "first"), [("game logs", "User.gameLogs"), ("PLAYED", "GameStatus.PLAYED"), ("xylophones", None)]
)
def test_search(text: str, first: str | None) -> None:
    found = SchemaSearch(schema._schema).find(text, 1)
    assert ([one["name"] for one in found] or [None])[0] == first
