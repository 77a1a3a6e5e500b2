"""Persisted documents, batches and compression with the real packages of Apollo Client, urql and Apollo Gateway."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packages import node_packages
from tests.requirements import require
from tests.served import served
from tests.stand import Sandbox

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "http"
MANIFESTS = ROOT / "tests" / "server" / "execution" / "manifests"

HASH = {"method": "POST", "text": False, "status": 200}
TEXT = {"method": "POST", "text": True, "status": 200}
UNKNOWN = {"method": "GET", "text": False, "status": 200, "tag": False, "cache": "no-store"}


@pytest.fixture(scope="module")
def address(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {
        "GAMEHUB_URL": world.gamehub_url,
        "GAMEHUB_TOKEN": world.gamehub_token,
        "DOCUMENTS_FOLDER": str(MANIFESTS),
        "MAX_BATCHED_OPERATIONS": "5",
        "CACHE_OPEN_SECONDS": "60",
    }
    with served(tmp_path_factory.mktemp("clients"), **settings) as address:
        yield address


def ran(packages: Path, script: str, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return what a script printed, by the name of each line."""
    shutil.copy(SCRIPTS / script, packages)
    node = subprocess.run(
        [require("node"), script, *arguments], cwd=packages, capture_output=True, text=True, timeout=120, check=False
    )
    assert node.returncode == 0, node.stderr
    return {line["name"]: line for line in map(json.loads, node.stdout.splitlines())}


def test_apollo_client_and_urql(address: str) -> None:
    packages = node_packages(SCRIPTS)
    found = ran(packages, "run.mjs", address, str(MANIFESTS / "persisted-query-manifest.json"))
    group = {"id": "382", "name": found["urql by POST"]["read"]["group"]["name"]}
    named = {**group, "__typename": "Group"}
    for name, line in found.items():
        if name not in ("apollo in a batch", "fetch, compressed"):
            assert line["read"] == {"group": named if name.startswith("apollo") else group}, name
    for client in ("apollo", "urql"):
        assert found[f"{client} by POST"]["sent"] == [HASH, TEXT]
        assert found[f"{client} by POST again"]["sent"] == [HASH]
        # The document is known now: a cache may keep the answer.
        (kept,) = found[f"{client} by GET again"]["sent"]
        assert (kept["method"], kept["text"], kept["status"], kept["tag"]) == ("GET", False, 200, True)
        assert kept["cache"].startswith("max-age=")
    assert found["apollo by GET"]["sent"] == [UNKNOWN, TEXT]
    unknown, taught = found["urql by GET"]["sent"]
    assert unknown == UNKNOWN
    assert (taught["method"], taught["text"], taught["status"]) == ("GET", True, 200)
    assert found["apollo with a manifest"]["sent"] == [HASH]
    assert found["apollo in a batch"]["sent"] == [TEXT]
    first, wrong, third = found["apollo in a batch"]["read"]
    assert first == third == {"group": named}
    assert "is not an id" in wrong
    coding, users = found["fetch, compressed"]["read"]
    assert coding in ("gzip", "br", "zstd")
    assert users > 10


def test_apollo_gateway_names_documents_by_their_hash(address: str) -> None:
    found = ran(node_packages(ROOT / "examples" / "federation"), "ask-as-gateway.mjs", address)
    assert found["gateway"]["sent"] == [HASH, TEXT]
    assert found["gateway again"]["sent"] == [HASH]
    assert {json.dumps(line["read"]) for line in found.values()} == {'{"group": {"id": "382"}}'}
