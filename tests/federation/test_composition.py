"""The subgraph composes with real composers: alone, with a second subgraph, and in two parts, one for each system."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, lexicographic_sort_schema, parse, print_schema

from schema import graph
from tests.packages import node_packages
from tests.requirements import require
from upstream.reports.table import System

HERE = Path(__file__).parent
NOTES = (HERE.parents[1] / "examples" / "federation" / "notes.graphql").read_text()
WHOLE = {"gamehub": graph.sdl()}
PARTS = {system.name.lower(): graph.subgraph(system).sdl for system in System}
EDITED = {
    "gamehub": graph.sdl()
    .replace('import: ["@key"', 'import: ["@inaccessible", "@tag", "@key"')
    .replace("  externalId: ID\n", '  externalId: ID @inaccessible @tag(name: "private")\n')
}
# Each set of subgraphs that must compose, by name.
SETS: Mapping[str, Mapping[str, str]] = {
    "alone": WHOLE,
    "with a second subgraph": {**WHOLE, "notes": NOTES},
    "in two parts": PARTS,
    "in two parts with a third subgraph": {**PARTS, "notes": NOTES},
    "with edits": EDITED,
    "with costs": {"gamehub": graph.schema.sdl_with_costs},
}
COMPOSED_BY_ALL = ("with a second subgraph", "with costs")


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder of the installed composers."""
    return node_packages(HERE)


@pytest.fixture
def folder(packages: Path, tmp_path: Path) -> Path:
    """A folder whose programs find the composers."""
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    return tmp_path


def run(*command: str | Path, folder: Path, given: str = "") -> str:
    """Run a program, and return what it printed."""
    quiet = {"COSMO_TELEMETRY_DISABLED": "true", "DISABLE_UPDATE_CHECK": "true"}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **quiet}
    ran = subprocess.run(
        command, cwd=folder, env=environment, input=given, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def composed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The supergraphs that two libraries compose of each set of subgraphs, and their errors."""
    folder = tmp_path_factory.mktemp("composed")
    (folder / "node_modules").symlink_to(packages / "node_modules")
    shutil.copy(HERE / "compose.mjs", folder)
    return json.loads(run(require("node"), "compose.mjs", folder=folder, given=json.dumps(SETS)))


@pytest.mark.parametrize("library", ["apollo", "guild"])
@pytest.mark.parametrize("name", SETS)
def test_libraries(name: str, library: str, composed: Any) -> None:
    assert composed[name][library]["errors"] == []


@pytest.mark.parametrize("library", ["apollo", "guild"])
@pytest.mark.parametrize("name", ["alone", "in two parts"])
def test_the_same_graph(name: str, library: str, composed: Any) -> None:
    """Clients of a gateway see the graph that the server shows its own clients, whether it comes in one part or two."""
    assert in_order(composed[name][library]["api"]) == in_order(graph.schema.api)


def in_order(text: str) -> str:
    """Return a schema in alphabetical order, without what one of the libraries drops.

    That is `@oneOf`, so that a wrong period is refused by the subgraph alone, and the description of `@rows`.
    """
    found = print_schema(lexicographic_sort_schema(build_schema(text))).replace(" @oneOf {", " {")
    return re.sub(r'\A""".*?"""\n(?=directive @rows)', "", found, flags=re.DOTALL)


@pytest.mark.parametrize("library", ["apollo", "guild"])
def test_directives_of_a_second_subgraph(library: str, composed: Any) -> None:
    found = composed["with a second subgraph"][library]
    schema = build_schema(found["api"])
    note: Any = schema.type_map["Note"]
    assert "draft" not in note.fields, "@inaccessible"
    (written_by,) = re.findall(r"writtenBy: .*", found["supergraph"])
    assert '@tag(name: "internal")' in written_by
    (variant,) = re.findall(r"  variant: .*", found["supergraph"])
    assert 'override: "gamehub"' in variant
    user: Any = schema.type_map["User"]
    assert {"notes", "username", "transactions"} <= user.fields.keys()
    assert {kind.name for kind in schema.get_possible_types(schema.type_map["Node"])} == {  # type: ignore[arg-type]
        "Game", "GameLog", "Group", "Note", "Room", "Transaction", "User"
    }  # fmt: skip


def test_directives_on_our_own_fields(composed: Any) -> None:
    """An operator may edit the printed schema: `@tag` and `@inaccessible` need no more than their import."""
    assert EDITED["gamehub"].count("@inaccessible @tag") == 2
    found = composed["with edits"]["apollo"]
    assert found["errors"] == []
    user: Any = build_schema(found["api"]).type_map["User"]
    assert "externalId" not in user.fields


@pytest.mark.parametrize("library", ["apollo", "guild"])
def test_costs(library: str, composed: Any) -> None:
    """The supergraph keeps the costs, for gateways that use them."""
    supergraph = composed["with costs"][library]["supergraph"]
    assert re.search(r"transactions\([^)]*\): TransactionConnection .*@cost\(weight: 10\)", supergraph, re.DOTALL)
    assert re.search(r"@listSize\([^)]*assumedSize: 50", supergraph)


def test_versions() -> None:
    """The schema imports the directives that it uses, from the lowest version that has them."""
    for text in (*WHOLE.values(), *PARTS.values()):
        head = text[: text.index("{")]
        assert "/federation/v2.5" in head
        used = set(re.findall(r"@\w+", re.sub(r'""".*?"""|"[^"\n]*"', "", text, flags=re.DOTALL))) - {
            "@link", "@oneOf", "@rows", "@specifiedBy"
        }  # fmt: skip
        assert set(re.findall(r'"(@\w+)"', head)) == used
        parse(text)


@pytest.mark.parametrize("name", COMPOSED_BY_ALL)
def test_wgc(name: str, tmp_path: Path) -> None:
    folder, program = tmp_path, node_packages(HERE / "wgc") / "node_modules" / "wgc" / "dist" / "src"
    lines = ["version: 1", "subgraphs:"]
    for subgraph, text in SETS[name].items():
        (folder / f"{subgraph}.graphql").write_text(text)
        lines += [f"  - name: {subgraph}", f"    routing_url: http://localhost/{subgraph}"]
        lines += ["    schema:", f"      file: {subgraph}.graphql"]
    (folder / "graph.yaml").write_text("\n".join(lines))
    command = (program / "index.js", "router", "compose", "-i", "graph.yaml", "-o", "out.json")
    run(require("node"), *command, folder=folder)
    assert len(json.loads((folder / "out.json").read_text())["subgraphs"]) == len(SETS[name])


@pytest.mark.parametrize("name", COMPOSED_BY_ALL)
def test_mesh_compose(name: str, folder: Path) -> None:
    sources = []
    for subgraph, text in SETS[name].items():
        (folder / f"{subgraph}.graphql").write_text(text)
        options = {"endpoint": f"http://localhost/{subgraph}", "source": str(folder / f"{subgraph}.graphql")}
        sources.append(f"{{ sourceHandler: loadGraphQLHTTPSubgraph({subgraph!r}, {json.dumps(options)}) }}")
    (folder / "mesh.config.mjs").write_text(
        "import { defineConfig, loadGraphQLHTTPSubgraph } from '@graphql-mesh/compose-cli';\n"
        f"export const composeConfig = defineConfig({{ subgraphs: [{', '.join(sources)}] }});\n"
    )
    command = ("node_modules/.bin/mesh-compose", "-c", "mesh.config.mjs", "-o", "out.graphql")
    run(require("node"), *command, folder=folder)
    assert "type Group" in (folder / "out.graphql").read_text()


@pytest.mark.parametrize("name", COMPOSED_BY_ALL)
def test_grafbase(name: str, folder: Path) -> None:
    lines = []
    for subgraph, text in SETS[name].items():
        (folder / f"{subgraph}.graphql").write_text(text)
        lines += [f"[subgraphs.{subgraph}]", f'url = "http://localhost/{subgraph}"']
        lines += [f'schema_path = "{subgraph}.graphql"']
    (folder / "grafbase.toml").write_text("\n".join(lines))
    command = folder / "node_modules" / "@grafbase" / "cli-x86_64-unknown-linux-musl" / "grafbase"
    assert "type Group" in run(command, "compose", "-c", "grafbase.toml", folder=folder)
