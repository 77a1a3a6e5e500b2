"""A server that does not show its schema: tables and OData name no column and no parameter that was not named."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from resolvers.session import Session
from schema import graph
from server.execution.limits import ORDINARY
from server.execution.operation import Operation
from server.tables.config import TablesConfig
from tests.server.application import application
from tests.server.serving import serving
from tests.server.tables import library
from tests.server.tables.conftest import NOW, saved
from upstream.call import Answer, Call

NAMES = ("author_name", "byline_id", "grades", "Shelves", "price", "ids")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    app = application(
        library.schema,
        lambda operation: [],
        saved=[saved(text) for text in (library.BOOKS, library.SHELVES)],
        tables=TablesConfig(now=lambda: NOW, spool_dir=tmp_path_factory.mktemp("spool")),
        limits=replace(ORDINARY, introspection=False),
    )
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/tables/Books/schema", "/tables/Books", "/odata/$metadata", "/odata/count=2/$metadata"]
)
def test_descriptions_are_refused(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, "Introspection is off here" in answer.text) == (403, True)
    assert "FORBIDDEN" in answer.text


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/tables/Boks.csv", "There is no table 'Boks'."),
        ("/tables/Books.csv?size=1", "The table Books has no parameter 'size'."),
        ("/tables/Books.csv?by=size", "The table Books has no column 'size'."),
        ("/odata/Boks", "There is no table 'Boks'."),
        ("/odata/a/b", "There is no 'a/b' here."),
        ("/odata/size=1/Books", "No table has a parameter 'size'."),
        ("/odata/Books?size=1", "The table Books has no parameter 'size'."),
        ("/odata/Books?$select=size", "$select names 'size'."),
        ("/odata/Books?$orderby=size", "$orderby names 'size'."),
        ("/odata/Books?$filter=size eq 1", "$filter names 'size'."),
    ],
)
def test_refusals_name_nothing(client: httpx.Client, path: str, says: str) -> None:
    answer = client.get(path)
    body = answer.json()
    error = body["error"] if "error" in body else body["errors"][0]
    assert error["message"] == says
    assert not any(name in answer.text for name in NAMES)


def test_the_list_names_tables_alone(client: httpx.Client) -> None:
    (books, _) = client.get("/tables").json()["tables"]
    assert sorted(books) == ["description", "formats", "name", "timed"]


def test_rows_are_served_as_ever(client: httpx.Client) -> None:
    assert client.get("/tables/Books.csv").text.startswith("id,")
    assert client.get("/odata/Books?$select=id&$top=1").json()["value"] == [{"id": "0"}]


def session(operation: Operation) -> Session:
    """Return a session whose operation calls no upstream."""
    return Session(NoUpstream(), ZoneInfo("UTC"))


class NoUpstream:
    """An upstream that accepts no call."""

    async def fetch(self, call: Call) -> Answer[Any]:
        raise AssertionError(call)


@pytest.mark.parametrize("compiled", [True, False])
def test_errors_of_the_graph_name_nothing(compiled: bool) -> None:
    operation = {"query": '{ _entities(representations: [{__typename: "Grup", id: 1}]) { __typename } }'}
    for limits, says in (
        (ORDINARY, '"Grup"; it has Group, User,'),
        (replace(ORDINARY, introspection=False), '"Grup".'),
    ):
        app = application(graph.schema, session, limits=limits, compiled=compiled)
        with serving(app) as address:
            body = httpx.post(f"{address}/graphql", json=operation, trust_env=False).json()
        assert says in body["errors"][0]["message"]
