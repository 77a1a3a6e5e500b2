"""An answer has a limit of nodes and of bytes: the same in both engines, and before the nodes are built."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from resolvers.session import Session
from schema.graph import schema
from schema.mapping.entity import Entity
from server.execution.execution import Executor
from server.execution.limits import ORDINARY
from server.execution.operation import Operation
from server.settings.settings import Settings
from tests.graph import Graph
from tests.server.application import application
from tests.server.serving import serving
from tests.stand import Sandbox

HOSTILE = "{users(first:1000){nodes{group{users(first:1000){nodes{id username externalId nodeId}}}}}}"
USERS = "{ users(first: 1000) { nodes { id } } }"
DEEPER = "id transactions { nodes { id } } gameLogs { nodes { id } } group { users { nodes { id } } }"
SAME = {
    "nodes": "{ users(first: 60) { nodes { id } } }",
    "edges": "{ users(first: 60) { edges { cursor node { id nodeId } } } }",
    "both": "{ users(first: 30) { nodes { id } edges { cursor } } }",
    "alias": "{ users(first: 30) { a: nodes { id } b: nodes { username } } }",
    "fragment": "{ users(first: 60) { ...f } } fragment f on UserConnection { nodes { id } }",
    "below": "{ groups(first: 0) { nodes { id } } users(first: 60) { nodes { id } } }",
}


@pytest.fixture(scope="module")
def crowd() -> Iterator[Sandbox]:
    with Sandbox(users=2000, days=1) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("compiled", [True, False])
async def test_the_square_of_all_users_is_refused(crowd: Sandbox, compiled: bool) -> None:
    """The default refuses it before one node of the inner lists is built, and says what to ask instead."""
    async with Graph(crowd, compiled=compiled, most_nodes=ORDINARY.nodes) as graph:
        found = await graph.ask(HOSTILE)
    assert found.data is None
    (error,) = found.errors
    assert error["extensions"] == {"code": "ANSWER_TOO_LARGE"}
    assert error["message"].startswith("The answer has more than 200,000 nodes")
    assert "`first`" in error["message"]
    assert "`after: endCursor`" in error["message"]
    assert "/tables" in error["message"]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("deeper", ["id", "id group { name }", DEEPER])
async def test_it_is_refused_as_soon_as_the_rows_are_known(
    crowd: Sandbox, compiled: bool, deeper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is selected below: no more calls than for the first two levels, and no node of the second one."""

    query = f"{{users(first:1000){{nodes{{group{{users(first:1000){{nodes{{ {deeper} }}}}}}}}}}}}"
    built = 0
    on = Entity.__dict__["on"].__func__

    def counted(kind: type[Entity], *rows: Any, **fields: Any) -> Entity:
        nonlocal built
        built += 1
        return on(kind, *rows, **fields)

    monkeypatch.setattr(Entity, "on", classmethod(counted))
    async with Graph(crowd, compiled=compiled, most_nodes=ORDINARY.nodes) as graph:
        levels = await graph.ask("{users(first:1000){nodes{group{users(first:1){nodes{id}}}}}}")
        assert levels.errors == []
        built = 0
        found = await graph.ask(query)
    assert (found.data, [error["extensions"]["code"] for error in found.errors]) == (None, ["ANSWER_TOO_LARGE"])
    assert 0 < len(found.calls) <= len(levels.calls)
    # The users of the first level, their groups, and a sample of each list.
    assert built <= 4 * 1000 < ORDINARY.nodes


async def test_the_walk_over_all_users_is_allowed(crowd: Sandbox) -> None:
    inner = "users(first: 1000) { nodes { id transactions(first: 40) { nodes { id amount } } } }"
    walk = f"{{ groups(first: 1000) {{ nodes {{ {inner} }} }} }}"
    async with Graph(crowd, most_nodes=ORDINARY.nodes) as graph:
        found = await graph.ask(walk)
    assert found.errors == []
    assert found.data is not None
    users = [user for group in found.data["groups"]["nodes"] for user in group["users"]["nodes"]]
    assert len(users) == 2000


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", SAME)
async def test_nodes_are_counted_however_they_are_selected(sandbox: Sandbox, name: str, compiled: bool) -> None:
    async with Graph(sandbox, compiled=compiled, most_nodes=60) as graph:
        assert (await graph.ask(SAME[name])).errors == []
    async with Graph(sandbox, compiled=compiled, most_nodes=59) as graph:
        found = await graph.ask(SAME[name])
    assert (found.data, [error["extensions"]["code"] for error in found.errors]) == (None, ["ANSWER_TOO_LARGE"])


@pytest.mark.parametrize("compiled", [True, False])
async def test_a_count_needs_no_nodes(sandbox: Sandbox, compiled: bool) -> None:
    async with Graph(sandbox, compiled=compiled, most_nodes=1) as graph:
        assert await graph.data("{ users(first: 1000) { totalCount pageInfo { hasNextPage } } }") == {
            "users": {"totalCount": 60, "pageInfo": {"hasNextPage": False}}
        }


@pytest.mark.parametrize("compiled", [True, False])
async def test_only_the_items_of_a_page_are_counted(sandbox: Sandbox, compiled: bool) -> None:
    """The last page has fewer items than `first` asks for."""
    async with Graph(sandbox, compiled=compiled, most_nodes=20) as graph:
        found = await graph.data("{ users(first: 20) { nodes { id } pageInfo { endCursor } } }")
    after = found["users"]["pageInfo"]["endCursor"]
    async with Graph(sandbox, compiled=compiled, most_nodes=40) as graph:
        found = await graph.data(
            "query ($after: String) { users(first: 1000, after: $after) { nodes { id } } }", after=after
        )
    assert len(found["users"]["nodes"]) == 40


@pytest.mark.parametrize("compiled", [True, False])
async def test_lists_inside_games_count(sandbox: Sandbox, compiled: bool) -> None:
    query = "{ games(first: 3) { nodes { id tickets { id } } } }"
    async with Graph(sandbox, compiled=compiled) as graph:
        found = await graph.data(query)
    games = found["games"]["nodes"]
    count = len(games) + sum(len(game["tickets"] or ()) for game in games)
    assert count > len(games)
    async with Graph(sandbox, compiled=compiled, most_nodes=count) as graph:
        assert await graph.data(query) == found
    async with Graph(sandbox, compiled=compiled, most_nodes=count - 1) as graph:
        assert [error["extensions"]["code"] for error in (await graph.ask(query)).errors] == ["ANSWER_TOO_LARGE"]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "query",
    [
        "{ rooms { id } }",
        "{ progressiveJackpots { value } }",
        "{ rooms { gamesOnSale { id } } }",
        "{ games(first: 5) { nodes { room { gamesOnSale { id status } } } } }",
        "{ groups { nodes { dailyMovements(during: { frame: THIS_MONTH }) { net } } } }",
    ],
)
async def test_lists_without_pages_count(sandbox: Sandbox, query: str, compiled: bool) -> None:
    async with Graph(sandbox, compiled=compiled) as graph:
        found = await graph.data(query)
    count = items(found)
    assert count > 1
    async with Graph(sandbox, compiled=compiled, most_nodes=count) as graph:
        assert await graph.data(query) == found
    async with Graph(sandbox, compiled=compiled, most_nodes=count - 1) as graph:
        assert [error["extensions"]["code"] for error in (await graph.ask(query)).errors] == ["ANSWER_TOO_LARGE"]


def items(value: Any) -> int:
    """Count the objects that stand in lists, at any depth."""
    if isinstance(value, list):
        return sum(isinstance(each, dict) for each in value) + sum(map(items, value))
    return sum(map(items, value.values())) if isinstance(value, dict) else 0


@pytest.mark.parametrize("compiled", [True, False])
async def test_bytes_are_counted_while_they_are_written(crowd: Sandbox, compiled: bool) -> None:
    """Over HTTP: 1 MiB is too little for a list that `first` cuts down to less."""
    wide = "{ users(first: 1000) { " + " ".join(
        f"a{n}: nodes {{ id username externalId group {{ id name }} }}" for n in range(20)
    )
    wide += " } }"
    limits = replace(ORDINARY, answer_bytes=1 << 20)
    async with Graph(crowd) as graph:
        app = application(
            schema,
            lambda operation: Session(graph.upstream, graph.zone, now=graph.now),
            limits=limits,
            compiled=compiled,
        )
        with serving(app) as address:
            async with httpx.AsyncClient(timeout=60) as client:
                refused = await client.post(f"{address}/graphql", json={"query": wide})
                answered = await client.post(f"{address}/graphql", json={"query": wide.replace("1000", "10")})
    assert refused.json() == {
        "errors": [
            {
                "message": "The answer is longer than 1 MiB, and may not be longer. Ask for fewer items (`first`), for "
                "the next page of them (`after: endCursor`), or read whole lists as a table (`/tables`).",
                "extensions": {"code": "ANSWER_TOO_LARGE"},
            }
        ],
        "data": None,
    }
    assert refused.headers["cache-control"] == "no-store"
    assert answered.json().keys() == {"data"}


async def test_an_answer_in_pieces_is_one_answer(crowd: Sandbox) -> None:
    """Both engines send the same, and its tag holds for the whole of it."""
    query = "{users(first:1000){nodes{group{users(first:20){nodes{id username externalId nodeId}}}}}}"
    found = []
    async with Graph(crowd) as graph:
        for compiled in (True, False):
            app = application(
                schema, lambda operation: Session(graph.upstream, graph.zone, now=graph.now), compiled=compiled
            )
            with serving(app) as address:
                async with httpx.AsyncClient(timeout=60) as client:
                    first = await client.get(f"{address}/graphql", params={"query": query})
                    tag = first.headers["etag"]
                    again = await client.get(
                        f"{address}/graphql", params={"query": query}, headers={"if-none-match": tag}
                    )
            assert int(first.headers["content-length"]) == len(first.content) > 1 << 20
            assert (again.status_code, again.content) == (304, b"")
            found.append((first.json(), tag))
    assert found[0] == found[1]
    assert len(found[0][0]["data"]["users"]["nodes"]) == 1000


@pytest.mark.parametrize("compiled", [True, False])
async def test_the_probe_is_answered_while_a_large_answer_is_made(crowd: Sandbox, compiled: bool) -> None:
    """An answer of some ten thousand nodes leaves turns of the event loop to others, at every level."""
    large = "{users(first:1000){nodes{group{users(first:30){nodes{id username externalId nodeId}}}}}}"
    async with Graph(crowd) as graph:
        app = application(
            schema, lambda operation: Session(graph.upstream, graph.zone, now=graph.now), compiled=compiled
        )
        with serving(app) as address:
            async with httpx.AsyncClient(timeout=60) as client:
                task = asyncio.create_task(client.post(f"{address}/graphql", json={"query": large}))
                probed = 0
                while not task.done():
                    assert (await client.get(f"{address}/healthz")).json() == {"alive": True}
                    probed += 1
                answer = (await task).json()
    assert len(answer["data"]["users"]["nodes"]) == 1000
    # The last probe may have waited for the end of the answer, and the first one for nothing.
    assert probed > 5


@pytest.mark.parametrize("compiled", [True, False])
async def test_a_table_has_no_limit_of_bytes(sandbox: Sandbox, compiled: bool) -> None:
    """Tables read lists whole: their files and streams have limits of their own."""
    async with Graph(sandbox, whole=True) as graph:
        session = Session(graph.upstream, graph.zone, now=graph.now, whole=True)
        executor = Executor(
            schema, lambda operation: session, limits=replace(ORDINARY, answer_bytes=1), compiled=compiled
        )
        outcome = await executor.run(Operation("{ users { nodes { id } } }", whole=True), written=True)
    assert outcome.errors == []


def test_the_settings_are_the_limits() -> None:
    settings = Settings(max_nodes=7, max_answer_mebibytes=2)
    assert (settings.limits.nodes, settings.limits.answer_bytes) == (7, 2 << 20)
