"""The application's other paths, and its life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from server.execution.saved import BrokenQuery, SavedQuery
from server.http.readiness import Readiness
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving


def test_another_server_recognises_it() -> None:
    config = uvicorn.Config(application(toy_schema.schema, lambda operation: None))
    config.load()
    assert config.interface == "asgi3"


def test_paths() -> None:
    events = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        events.append("open")
        yield
        events.append("closed")

    saved = [SavedQuery("Must", "What must be.", "query Must { must }")]
    app = application(
        toy_schema.schema,
        lambda operation: None,
        saved=saved,
        lifespan=lifespan,
        readiness=Readiness(notes=lambda: ["One is missing."]),
    )
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        assert events == ["open"]
        assert client.get("/healthz").json() == {"alive": True}
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "notes": ["One is missing."]})
        assert client.get("/").headers["content-type"].startswith("text/html")
        assert client.get("/explorer/queries.json").json() == [saved[0].tab()]
        missing = client.get("/none")
        assert missing.status_code == 404
        assert missing.json() == {"errors": [{"message": "Not Found", "extensions": {"code": "NOT_FOUND"}}]}
        refused = client.post("/healthz")
        assert refused.status_code == 405
        assert refused.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    assert events == ["open", "closed"]


def test_not_ready() -> None:
    app = application(toy_schema.schema, lambda operation: None, readiness=Readiness({"keys": lambda: "unreadable"}))
    with serving(app) as address:
        ready = httpx.get(f"{address}/readyz", trust_env=False)
        assert httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "notReady": {"keys": "unreadable"}})


def test_a_broken_saved_query_is_found_at_the_start() -> None:
    with pytest.raises(BrokenQuery, match=r"queries/none.graphql, line 1: Cannot query field 'none'"):
        application(
            toy_schema.schema, lambda _: None, saved=[SavedQuery("A", "", "query A { none }", {}, Path("none.graphql"))]
        )
