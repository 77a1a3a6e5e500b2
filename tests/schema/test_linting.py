"""graphql-eslint's rules for schemas pass, those of Relay included; linting/eslint.config.mjs has the exceptions."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from schema import graph
from tests.packages import node_packages
from tests.requirements import require

LINTING = Path(__file__).parent / "linting"

WRONG = """
type Lonely {
  Name: String
}

extend type Query {
  getLonely: Lonely
  pages(first: Int): UserConnection
  old: Int @deprecated
}
"""


def faults(folder: Path, text: str) -> list[str]:
    """Return the faults of a schema: the rule and the message."""
    (folder / "schema.graphql").write_text(text)
    ran = subprocess.run(
        [require("node"), "node_modules/eslint/bin/eslint.js", "schema.graphql", "--format", "json"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stderr
    (file,) = json.loads(ran.stdout)
    return [f"{each['ruleId']}: {each['message']}" for each in file["messages"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linting")
    shutil.copy(LINTING / "eslint.config.mjs", folder)
    (folder / "node_modules").symlink_to(node_packages(LINTING) / "node_modules")
    return folder


def test_the_schema_that_clients_see_has_no_fault(folder: Path) -> None:
    assert faults(folder, graph.schema.api) == []


def test_faults_are_found(folder: Path) -> None:
    found = {
        each.partition(":")[0].removeprefix("@graphql-eslint/") for each in faults(folder, graph.schema.api + WRONG)
    }
    assert found == {
        "naming-convention",
        "relay-arguments",
        "require-deprecation-reason",
        "require-description",
        "strict-id-in-types",
    }
