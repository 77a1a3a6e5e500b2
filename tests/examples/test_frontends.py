"""The samples of clients: their real tools compile them, and each runs against a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLScalarType, specified_scalar_types

from schema import graph
from server.cli.client_schema import FORMS
from tests.packages import node_packages, python_packages
from tests.requirements import require
from tests.served import served
from upstream.journal import Journal

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
SCRIPTS = ("relay", "apollo", "urql", "codegen", "gql-tada")
WITH_TOTALS = ("codegen", "gql-tada", "ariadne-codegen")

EXPECTED = """{ group(id: "382") {
  name
  users(first: 4) { nodes { username } totalCount }
  transactions(during: {frame: YESTERDAY}, first: 1) { totals { sums { net } } }
} }"""
PACKAGES = (
    "relay-compiler",
    "relay-runtime",
    "@apollo/client",
    "@urql/core",
    "@urql/exchange-graphcache",
    "@graphql-codegen/cli",
    "@graphql-codegen/client-preset",
    "gql.tada",
)
# Both ways to a prize: only the first knows its call.
PRIZES = """{ games(during: {frame: YESTERDAY}, first: 40) { __typename nodes {
  __typename id
  prizes { __typename id name callNumber }
  configuration { __typename id name }
  tickets {
    __typename id
    wins { __typename cardId prizes { __typename id name callNumber } }
    cards { __typename id numbers }
  }
} } }"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the samples, compiled as their page says."""
    repository = tmp_path_factory.mktemp("repository")
    folder = repository / "examples"
    folder.mkdir()
    (repository / ".venv").symlink_to(sys.prefix)
    (repository / "schema").mkdir()
    shutil.copy(ROOT / "schema" / "schema.graphql", repository / "schema")
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(SAMPLES / name, folder)
    for name in (*SCRIPTS, "ariadne-codegen"):
        shutil.copytree(SAMPLES / name, folder / name)
    for name in ("codegen", "gql-tada"):
        expect_an_error_for_numbers(folder / name / "group.ts")
    (folder / "node_modules").symlink_to(node_packages(SAMPLES) / "node_modules")
    run(require("npm"), "run", "build", cwd=folder)
    return folder


def expect_an_error_for_numbers(sample: Path) -> None:
    """Let the compiler hold that a decimal is no number. Otherwise the comment is an error."""
    text = sample.read_text()
    line = "  const net: string | undefined = "
    _, found, expression = text.partition(line)
    wrong = f"  // @ts-expect-error\n  const wrong: number | undefined = {expression.partition(';')[0]};\n"
    assert found
    sample.write_text(text.replace(line, wrong + line))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server, with its error journal."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def address(server: Path) -> Iterator[str]:
    """The graph over a sandbox with the real clock."""
    with served(server) as address:
        yield f"{address}/graphql"


@pytest.fixture(scope="module")
def expected(address: str) -> dict[str, Any]:
    """The output of the samples."""
    group = ask(address, EXPECTED)["data"]["group"]
    assert group["users"]["totalCount"] > 4
    return {
        "name": group["name"],
        "users": [user["username"] for user in group["users"]["nodes"]],
        "net": group["transactions"]["totals"]["sums"][0]["net"],
    }


def ask(address: str, query: str) -> dict[str, Any]:
    answer = httpx.post(address, json={"query": query}, trust_env=False, timeout=60).json()
    assert "errors" not in answer
    return answer


def run(*command: str | Path, cwd: Path, address: str = "", given: str = "") -> str:
    environment = {**os.environ, "GRAPH_URL": address, "NO_PROXY": "127.0.0.1"}
    ran = subprocess.run(
        command, cwd=cwd, env=environment, input=given, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, f"{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    return ran.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_sample_in_typescript(samples: Path, address: str, expected: dict[str, Any], name: str) -> None:
    printed = json.loads(run(require("node"), f"built/{name}/group.js", cwd=samples, address=address))
    assert printed == {key: expected[key] for key in (expected if name in WITH_TOTALS else ("name", "users"))}


def test_apollo_client_says_who_it_is(samples: Path, address: str, server: Path) -> None:
    run(require("node"), "built/apollo/group.js", cwd=samples, address=address)
    deadline = time.monotonic() + 30
    with Journal(server / "errors.sqlite") as journal:
        while ("examples", "1.0") not in [(each.client, each.version) for each in journal.counted("User.username")[1]]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_sample_of_relay_has_the_printed_configuration() -> None:
    sample = json.loads((SAMPLES / "relay" / "relay.config.json").read_text())
    printed = json.loads(FORMS["relay"](graph.schema._schema))
    assert sample == {**printed, "src": ".", "schema": "../../schema/schema.graphql"}
    scalars = [name for name, kind in graph.schema._schema.type_map.items() if isinstance(kind, GraphQLScalarType)]
    own = {name for name in scalars if name not in specified_scalar_types and not name.startswith("_")}
    assert own - {"link__Import"} == printed["customScalarTypes"].keys()


def test_a_sample_with_ariadne_codegen(samples: Path, address: str, expected: dict[str, Any]) -> None:
    folder = samples / "ariadne-codegen"
    python = python_packages(folder / "requirements.lock") / "bin" / "python"
    run(python.with_name("ariadne-codegen"), cwd=folder)
    # Errors in the files of the generator are not shown: they are not ours.
    check = ("--strict", "--follow-imports=silent", "--config-file=", "--python-executable", python, "group.py")
    run(BIN / "mypy", *check, cwd=folder)
    assert json.loads(run(python, "group.py", cwd=folder, address=address)) == expected


def test_a_sample_with_gql(address: str, expected: dict[str, Any], tmp_path: Path) -> None:
    sample = SAMPLES / "gql" / "group.py"
    assert json.loads(run(BIN / "python", sample, cwd=tmp_path, address=address)) == expected


@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_a_cache_gives_back_what_was_written(samples: Path, address: str, client: str) -> None:
    """With the printed options. Without them the prize of a ticket overwrites the prize of the game."""
    answer = ask(address, PRIZES)
    games = answer["data"]["games"]["nodes"]
    assert any(game["tickets"] and any(ticket["wins"] for ticket in game["tickets"]) for game in games)
    shutil.copy(Path(__file__).with_name("caches.cjs"), samples)
    given = json.dumps({"query": PRIZES, "data": answer["data"]})
    found = json.loads(run(require("node"), "caches.cjs", client, cwd=samples, given=given))
    assert found["configured"] == answer["data"]
    assert found["unconfigured"] != answer["data"]


def test_the_minified_schema_is_that_of_urql(samples: Path, address: str) -> None:
    """`@urql/introspection` makes the same of the server's own introspection."""
    shutil.copy(Path(__file__).with_name("caches.cjs"), samples)
    given = json.dumps({"address": address})
    found = json.loads(run(require("node"), "caches.cjs", "minified", cwd=samples, given=given))
    assert by_name(found["printed"]) == by_name(found["minified"])


def by_name(schema: dict[str, Any]) -> dict[str, Any]:
    content = schema["__schema"]
    return {**content, "types": {kind["name"]: kind for kind in content["types"]}}


def test_the_page_names_the_versions_that_ran() -> None:
    page = (ROOT / "docs" / "reference" / "clients.md").read_text()
    lock = json.loads((SAMPLES / "package-lock.json").read_text())["packages"]
    versions = [lock[f"node_modules/{name}"]["version"] for name in PACKAGES]
    python = (SAMPLES / "ariadne-codegen" / "requirements.lock").read_text()
    versions += [version("gql"), re.search(r"^ariadne-codegen==(\S+)", python, re.MULTILINE)[1]]
    cells = {each for line in page.splitlines() if line.startswith("| ") for each in line.split("|")[2].split(", ")}
    assert set(versions) <= {each.strip() for each in cells}
