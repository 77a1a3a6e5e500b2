"""The documentation is up to date: pages that a program writes, links, contract codes, settings and commands."""

import ast
import re
import runpy
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from server.settings.settings import NAMES
from tests.served import served

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
BIN = Path(sys.executable).parent
WRITER = runpy.run_path(str(DOCS / "write.py"))

_TRACKED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
FILES = [ROOT / name for name in _TRACKED.split("\0") if name and (ROOT / name).is_file()]
# The licences of packages are copies of their own files.
PAGES = [path for path in FILES if path.suffix == ".md" and path.name != "licenses.md"]
OUR_PAGES = [ROOT / "README.md", *(path for path in PAGES if DOCS in path.parents)]


def name(path: Path) -> str:
    """Return the name of a file within the repository."""
    return path.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """Return a page without its code blocks and code words, in which a link is no link."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))


@cache
def anchors(path: Path) -> set[str]:
    """Return the anchors of a page: those of its headings, as GitHub makes them, and those of its `<a id>`."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        kept = (c for c in words if c in " -_" or unicodedata.category(c)[0] in "LN")
        found.add("".join(kept).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", WRITER["PAGES"])
def test_the_written_pages_are_up_to_date(page: str) -> None:
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    assert WRITER["written"](page, text) == text, f"docs/reference/{page}.md is out of date: run `make docs`"


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (page.parent / unquote(file)).resolve() if file else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{name(page)}: {link}")
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    listed = {(DOCS / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)\)", index)}
    assert {path for path in DOCS.rglob("*.md") if path.name != "README.md"} == listed


def test_every_code_of_the_contract_is_explained() -> None:
    explained = anchors(DOCS / "explanation" / "contract.md")
    assert {f"c{number}" for number in range(1, 41)} <= explained
    unknown = [
        f"{name(path)}: {code}"
        for path in FILES
        if path.suffix in (".py", ".md")
        for code in set(re.findall(r"\bC[1-9][0-9]?\b", path.read_text("utf-8")))
        if code.lower() not in explained
    ]
    assert unknown == [], "docs/explanation/contract.md has no heading for these codes"


def test_every_file_that_the_pages_name_exists() -> None:
    tests = {path.name for path in FILES}
    missing = []
    for page in OUR_PAGES:
        text = page.read_text("utf-8")
        rooms = r"benchmarks|docs|engine|examples|explorer|queries|resolvers|sandbox|schema|server|tests|upstream"
        named = set(re.findall(rf"`((?:{rooms})/[\w./-]*)`", text))
        missing += [f"{name(page)}: {each}" for each in named if not (ROOT / each).exists()]
        files = set(re.findall(r"`(test_\w+\.py)", text))
        missing += [f"{name(page)}: {each}" for each in files if each not in tests]
    assert missing == []


def test_the_picture_of_the_rooms_shows_their_imports() -> None:
    text = (DOCS / "explanation" / "architecture.md").read_text("utf-8")
    picture = re.search(r"```mermaid\n(.*?)```", text, re.DOTALL)
    assert picture is not None
    rooms = ("engine", "resolvers", "sandbox", "schema", "server", "upstream")
    drawn = set(re.findall(r"^ *(\w+) --> (\w+)$", picture[1], re.MULTILINE))
    imports = set()
    for path in FILES:
        room = name(path).split("/")[0]
        if path.suffix == ".py" and room in rooms:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                modules += [each.name for each in node.names] if isinstance(node, ast.Import) else []
                imports |= {(room, each.split(".")[0]) for each in modules}
    assert {(a, b) for a, b in imports if b in rooms and a != b} == drawn


# Words that look like settings and are something else.
NOT_SETTINGS = {
    "REQUIRE_ALL",  # of the tests
    "ENGINE_SEED", "ENGINE_OPERATIONS", "ORACLE_SEED", "ORACLE_DOCUMENTS", "ORACLE_KNOWN",  # of the Makefile
    "NODE_ENV",
    "GAMEHUB_GRAPH_KEY",  # of the command line, and of the programs that the explorer writes
    "GAMEHUB_GRAPH_EXIT_CODE",  # for commands after an export
}  # fmt: skip
PREFIXES = tuple({each.split("_")[0] + "_" for each in NAMES if "_" in each})


def test_every_setting_that_the_pages_name_exists() -> None:
    unknown = []
    for page in OUR_PAGES:
        text = page.read_text("utf-8")
        named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", text))
        named |= set(re.findall(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)=", text))
        named = {each for each in named if each.startswith(PREFIXES)} - set(NAMES) - NOT_SETTINGS - error_codes()
        unknown += [f"{name(page)}: {each}" for each in sorted(named)]
    assert unknown == []


@cache
def error_codes() -> set[str]:
    """Return the codes in the tables of docs/reference/errors.md."""
    return set(re.findall(r"^\| `([A-Z_]+)` \|", (REFERENCE / "errors.md").read_text("utf-8"), re.MULTILINE))


CODE = re.compile(r"[A-Z]+(_[A-Z]+)*")


def used_codes() -> tuple[set[str], set[str]]:
    """Return the texts in capitals of the program, and those of them that surely are error codes.

    Surely a code is one that a call has beside a message, that stands under "code" in a dictionary, or that a class has
    as its `code`.
    """
    texts: set[str] = set()
    codes: set[str] = set()
    for path in FILES:
        if path.suffix != ".py" or name(path).split("/")[0] not in ("resolvers", "schema", "server", "upstream"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found: list[ast.expr | None] = []
            if isinstance(node, ast.Call) and any(is_message(each) for each in node.args):
                found = [*node.args]
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                found = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "code"]
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                found = [node.value for each in targets if isinstance(each, ast.Name) and each.id == "code"]
            elif isinstance(node, ast.Constant) and is_code(node):
                texts.add(str(node.value))
            codes |= {str(each.value) for each in found if isinstance(each, ast.Constant) and is_code(each)}
    return texts, codes


def is_message(node: ast.expr) -> bool:
    """Return whether an argument is a message for people."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    )


def is_code(node: ast.Constant) -> bool:
    """Return whether a constant looks like an error code."""
    return isinstance(node.value, str) and len(node.value) > 3 and CODE.fullmatch(node.value) is not None


def test_every_error_code_is_listed() -> None:
    texts, codes = used_codes()
    assert len(codes) > 30
    assert codes - error_codes() - set(NAMES) - {each.rstrip("_") for each in PREFIXES} == set(), (
        "docs/reference/errors.md lacks these codes"
    )
    composed = {"TOO_MANY_CALLS", "TOO_MANY_ROWS"}
    assert error_codes() - texts - composed == set(), (
        "docs/reference/errors.md lists codes that the program does not use"
    )


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 180


def test_every_saved_query_is_listed() -> None:
    page = (REFERENCE / "saved-queries.md").read_text("utf-8")
    missing = [path.stem for path in ROOT.glob("queries/*.graphql") if f"\n## {path.stem}\n" not in page]
    assert missing == [], "run `make docs`"


def blocks(page: Path) -> list[str]:
    """Return the commands of a page that are marked with `<!-- try -->`."""
    return re.findall(r"<!-- try -->\n```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the commands run: `.venv/bin` is there, and what they write stays there."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Serve the sandbox and the graph, as `make serve` does."""
    with served(folder) as address:
        yield address


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        DOCS / "tutorial.md",
        DOCS / "how-to" / "bi-tools.md",
        DOCS / "how-to" / "nightly-loads.md",
        DOCS / "reference" / "tables.md",
    ],
    ids=name,
)
def test_the_commands_run(page: Path, folder: Path, address: str) -> None:
    """Each marked block runs as it is written, beside a server; only the address of the server differs."""
    found = blocks(page)
    assert found
    for block in found:
        script = block.replace("http://127.0.0.1:8000", address).replace("curl -s", "curl -sS --fail")
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, timeout=300
        )
        assert ran.returncode == 0, f"{block}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"
        assert '"errors"' not in ran.stdout, f"{block}\n{ran.stdout[:2000]}"
        assert ran.stdout.strip() or "export" in block, f"{block} prints nothing"


def test_the_first_query_has_an_answer(address: str) -> None:
    words = shlex.split(blocks(ROOT / "README.md")[0])
    answer = httpx.post(
        f"{address}/graphql",
        content=words[words.index("-d") + 1],
        headers={"content-type": "application/json"},
        trust_env=False,
        timeout=60,
    ).json()
    assert "errors" not in answer
    group = answer["data"]["group"]
    assert group["name"] == "E2E Development - Physical"
    assert [user["username"] for user in group["users"]["nodes"]] == ["jorge.brown", "olivia.gomez"]


def test_the_printed_function_is_what_the_engine_writes(tmp_path: Path) -> None:
    page = (DOCS / "explanation" / "engine.md").read_text("utf-8")
    shown = re.search(r"<!-- code -->\n```python\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    printed = subprocess.run(
        [BIN / "gamehub-graph", "explain", "GroupWalk", "--var", "group=382", "--code"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert shown[1] in printed, (
        "copy the functions of `explain GroupWalk --var group=382 --code` into docs/explanation/engine.md"
    )
