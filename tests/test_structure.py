"""Rules for the structure of the code. Each list of exceptions is a ratchet: it may become shorter, never longer.

A failure says what to do. Where code became better than its list says, the failure asks you to shorten the list, so
that nobody makes it longer again by accident.
"""

import ast
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# All rooms of the product.
ROOMS = ("engine", "resolvers", "sandbox", "schema", "server", "upstream")

# Names of two or more classes, without leading underscores. Give one of the classes a name that says what it is, then
# take the name off this list.
DUPLICATES: set[str] = set()

MOST_MODULES = 15
# Folders with more modules than that, without __init__.py, and the reason for each.
LARGE_FOLDERS: dict[str, str] = {
    "sandbox": "one module for each noun of the two made-up systems",
    "schema": "one module for each type of the graph",
    "server/auth": "one module for each kind of credential and of limit",
    "server/cli/commands": "one module for each command",
    "server/http": "one module for each middleware and each concept of HTTP",
}

MOST_BRANCHES = 15
MOST_PARAMETERS = 7
# Functions above the limits, by file, with the reason. pyproject.toml names the same files under per-file-ignores.
# Parameters are not limited in tests: there they are the columns of a table, or drawn by hypothesis.
LARGE_FUNCTIONS: dict[str, dict[str, str]] = {
    "resolvers/session.py": {"Session.__init__": "the facts of an operation, given by name; most have a default"},
    "sandbox/__main__.py": {"main": "one parameter for each option of the command"},
    "sandbox/bingo.py": {"_settle": "one step of a simulation, which gets the arrays of the steps before"},
    "server/cli/commands/export.py": {"export": "one parameter for each option of the command"},
    "server/execution/execution.py": {"Executor.__init__": "the parts of the executor, given by name"},
    "server/reconcile/reconciliation.py": {"Reconciliation.__init__": "the choices of one run, given by name"},
    "upstream/caching/cache.py": {"DayCache.__init__": "the parts and the settings of the cache, given by name"},
    "upstream/errors.py": {"UpstreamError.__init__": "the facts about a failure, given by name"},
}

# A docstring begins with a verb ("Return the rows of one key.") or with the thing ("One call within an operation.").
FORBIDDEN_OPENINGS = ("What ", "Whose ", "Who ", "Whether ", "How ")


@cache
def modules(room: str) -> dict[str, ast.Module]:
    """Return the modules of a room, by path."""
    paths = sorted((ROOT / room).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


def test_no_class_name_exists_twice() -> None:
    places: dict[str, list[str]] = {}
    for room in ROOMS:
        for path, tree in modules(room).items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name.lstrip("_"), []).append(f"{path}:{node.lineno}")
    twice = {name: found for name, found in places.items() if len(found) > 1}
    new = [f"{name} in {', '.join(found)}" for name, found in sorted(twice.items()) if name not in DUPLICATES]
    assert not new, "rename one class of each pair, so that a search for the name finds one class: " + "; ".join(new)
    gone = sorted(DUPLICATES - twice.keys())
    assert not gone, f"these class names exist only once now: take them off DUPLICATES in {__file__}: {gone}"


def test_a_folder_has_few_modules() -> None:
    counts: Counter[str] = Counter()
    for room in ROOMS:
        for path in modules(room):
            folder, _, name = path.rpartition("/")
            counts[folder] += name != "__init__.py"
    large = {folder: count for folder, count in counts.items() if count > MOST_MODULES}
    new = {folder: count for folder, count in large.items() if folder not in LARGE_FOLDERS}
    assert not new, (
        f"these folders have more than {MOST_MODULES} modules: move modules of one purpose into a folder of their own, "
        f"or name the folder in LARGE_FOLDERS with the reason: {new}"
    )
    gone = sorted(LARGE_FOLDERS.keys() - large.keys())
    assert not gone, f"these folders are small now: take them off LARGE_FOLDERS in {__file__}: {gone}"


@cache
def large_functions() -> dict[str, set[str]]:
    """Return the functions that ruff finds above the limits, by file, also where a comment tells ruff to be silent."""
    rules = ["--select", "C901,PLR0913", "--ignore-noqa", "--config", "lint.per-file-ignores={}"]
    command = [
        str(Path(sys.executable).with_name("ruff")),
        "check",
        "--exit-zero",
        "--no-cache",
        "--output-format",
        "json",
    ]
    ran = subprocess.run([*command, *rules, "."], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, set[str]] = {}
    for fault in json.loads(ran.stdout):
        path = Path(fault["filename"])
        if fault["code"] == "PLR0913" and ROOT / "tests" in path.parents:
            continue
        line = fault["location"]["row"]
        name = next(name for name, node in functions(ast.parse(path.read_text("utf-8"))) if node.lineno == line)
        found.setdefault(path.relative_to(ROOT).as_posix(), set()).add(name)
    return found


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the functions of a module with their qualified names."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{node.name}."
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield name.removesuffix("."), node
        yield from functions(node, name)


def test_a_function_has_few_branches_and_parameters() -> None:
    found = {f"{path}: {name}" for path, names in large_functions().items() for name in names}
    known = {f"{path}: {name}" for path, names in LARGE_FUNCTIONS.items() for name in names}
    new = sorted(found - known)
    assert not new, (
        f"these functions have more than {MOST_BRANCHES} branches or {MOST_PARAMETERS} parameters: split each "
        f"by purpose, or pass one object instead of many parameters: {new}"
    )
    gone = sorted(known - found)
    assert not gone, f"these functions are small now, or gone: take them off LARGE_FUNCTIONS in {__file__}: {gone}"


def test_ruff_has_the_same_limits_and_the_same_exceptions() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert ruff["mccabe"]["max-complexity"] == MOST_BRANCHES
    assert ruff["pylint"]["max-args"] == MOST_PARAMETERS
    assert ruff["per-file-ignores"].pop("tests/**") == ["PLR0913"]
    ignored = {path for path, rules in ruff["per-file-ignores"].items() if {"C901", "PLR0913"} & set(rules)}
    assert ignored == LARGE_FUNCTIONS.keys(), (
        "make per-file-ignores of pyproject.toml name the files of LARGE_FUNCTIONS"
    )


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_docstrings_begin_in_plain_words(room: str) -> None:
    found = []
    for path, tree in modules(room).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text is not None and text.startswith(FORBIDDEN_OPENINGS):
                    found.append(f"{path}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}")
    assert not found, (
        f"these docstrings begin with one of {', '.join(map(str.strip, FORBIDDEN_OPENINGS))}. Begin yours with "
        'a verb ("Return the rows of one key."):\n' + "\n".join(found)
    )
