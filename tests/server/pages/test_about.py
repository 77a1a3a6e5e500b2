"""`/explorer/about.json`: facts about the server for the pages, and little for strangers."""

from pathlib import Path

import httpx

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key import Rates
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.auth.limiter import Limiter
from server.execution.limits import Limits
from server.health.health import CacheHealth, ServerHealth, UpstreamHealth
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

HEALTH = ServerHealth(
    [UpstreamHealth("GameHub", True, None, 1.5), UpstreamHealth("Game History", False, "UPSTREAM: it says 382", 2.0)],
    CacheHealth("memory", 3, 300, 1000),
)


async def health() -> ServerHealth:
    return HEALTH


def test_it_says_to_each_caller_what_it_may_know(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, anna = file.create(Caller("anna", frozenset({383, 382}), frozenset({"tables"})), rates=Rates(calls=70))
    _, root = file.create(Caller("root", None, frozenset({"admin"})))
    _, idle = file.create(Caller("idle", None, frozenset()))
    app = application(
        toy_schema.schema,
        lambda operation: None,
        limits=Limits(depth=7, calls=12),
        authenticator=Authenticator(required=True, keys=Keys(file.path), limiter=Limiter(Rates(500, 0))),
        health=health,
        sandbox=lambda: True,
    )
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:

        def about(**headers: str) -> dict[str, object]:
            answer = client.get("/explorer/about.json", headers=headers)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            found: dict[str, object] = answer.json()
            return found

        little = {"data": "sandbox", "authentication": True}
        for credential in ({}, {"X-Api-Key": idle}, {"X-Api-Key": anna[:-1]}):
            found = about(**credential)
            assert {name: value for name, value in found.items() if value is not None} == little
        found = about(**{"X-Api-Key": anna})
        assert found.keys() == about().keys()
        assert found["caller"] == {"name": "anna", "groups": [382, 383], "permissions": ["tables"], "session": False}
        assert found["upstreams"] == [
            {"name": "GameHub", "sandbox": True, "wrong": None, "age": 1.5},
            {"name": "Game History", "sandbox": False, "wrong": "Game History does not answer as it should.", "age": 2},
        ]
        assert found["cache"] == {"store": "memory", "entries": 3, "bytes": 300, "limit": 1000, "wrong": None}
        assert found["limits"] == {
            "depth": 7, "fields": 1000, "rootFields": 50, "aliases": 100, "tokens": 1000, "nodes": 200_000,
            "answerBytes": 64 << 20, "seconds": 100, "calls": 12, "rows": None, "requestsPerMinute": 500,
            "callsPerMinute": 70,
        }  # fmt: skip
        everything = about(**{"X-Api-Key": root})
        assert "it says 382" in str(everything["upstreams"])
        assert everything["caller"] == {"name": "root", "groups": None, "permissions": ["admin"], "session": False}
