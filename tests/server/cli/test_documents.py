"""`gamehub-graph documents`, and a server that reads what it added."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest

from server.settings.settings import NAMES
from tests.programs import run
from tests.served import served
from tests.stand import Sandbox

MANIFESTS = Path(__file__).parents[1] / "execution" / "manifests"
GROUP = "33190f04774a632bfafe121eaa6be2e515336540dc00ac61c537977d8477868c"
VARIABLES = {"group": "382"}

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def documents(tmp_path: Path) -> Command:
    """Run the command with a folder of documents."""

    def ran(*arguments: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
        bare = {name: value for name, value in os.environ.items() if name not in NAMES}
        settings = {"DOCUMENTS_FOLDER": str(tmp_path / "folder"), **settings}
        found = run("documents", *arguments, folder=tmp_path, environment=bare | settings)
        assert found.returncode == code, (found.stdout, found.stderr)
        assert "Traceback" not in found.stderr
        return found

    return ran


def test_documents_are_added_once(documents: Command, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "mine.graphql").write_text("query Mine { rooms { name } }")
    files = [*map(str, sorted(MANIFESTS.iterdir())), "mine.graphql"]
    added = documents("add", *files).stdout.splitlines()
    assert [line.split("\t")[1] for line in added] == [
        "GroupName", "RoomNames", "GroupName", "RoomNames", "AppGroupNameQuery", "Mine",
    ]  # fmt: skip
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert [name.rpartition("-")[0] for name in names] == [
        "mine", "persisted-documents", "persisted-query-manifest", "persisted_queries",
    ]  # fmt: skip
    assert documents("add", *files).stdout.splitlines() == added
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == names
    listed = [line.split("\t") for line in documents("list").stdout.splitlines()]
    assert ["GroupWalk", "GroupWalk", "saved query"] in listed
    assert [GROUP, "GroupName", names[1]] in listed
    settings = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token, "DOCUMENTS": "saved"}
    with served(tmp_path, DOCUMENTS_FOLDER=str(tmp_path / "folder"), **settings) as address:
        for id in (GROUP, f"sha256:{GROUP}"):
            asked = {"documentId": id, "variables": VARIABLES}
            answer = httpx.post(f"{address}/graphql", json=asked, trust_env=False).json()
            assert answer["data"]["group"]["id"] == "382"
        # A manifest of codegen is about the text that its client sends.
        text = orjson.loads((MANIFESTS / "persisted-documents.json").read_bytes())[f"sha256:{GROUP}"]
        sent = httpx.post(f"{address}/graphql", json={"query": text, "variables": VARIABLES}, trust_env=False)
        assert sent.json() == answer


def test_what_cannot_run_is_not_added(documents: Command, tmp_path: Path) -> None:
    shutil.copy(MANIFESTS / "persisted_queries.json", tmp_path / "good.json")
    for name, content, says in (
        ("wrong.graphql", "{ none }", "Cannot query field 'none'"),
        ("wrong.json", "[]", "documents by id"),
        ("wrong.txt", "{ rooms { id } }", "neither a document"),
        ("deep.graphql", "{ a" * 50 + " }" * 50, "levels of fields"),
    ):
        (tmp_path / name).write_text(content)
        refused = documents("add", "good.json", name, code=1)
        assert says in refused.stderr
    assert "cannot be read" in documents("add", "missing.graphql", code=1).stderr
    assert list((tmp_path / "folder").iterdir()) == []
    assert "DOCUMENTS_FOLDER is not set" in documents("add", "good.json", code=2, DOCUMENTS_FOLDER="").stderr
    assert "no folder" in documents("list", code=1, DOCUMENTS_FOLDER="elsewhere").stderr
