"""The construction of the application: one place for the product, and one parameter for the application."""

import ast
import inspect
from pathlib import Path

import pytest

from server.app import create_app
from server.services import build, build_server
from server.settings.live import LiveSettings
from server.settings.reading import load
from server.settings.settings import NAMES

SERVER = Path(__file__).parents[2] / "server"
PARTS = frozenset({"Executor", "Gateway", "Services", "GraphServices", "RegisteredDocuments"})


def live(monkeypatch: pytest.MonkeyPatch, **values: str) -> LiveSettings:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return LiveSettings(load(Path("none.env")), env_file=None)


def test_nothing_else_constructs_the_parts() -> None:
    constructed = {
        (str(path.relative_to(SERVER)), node.func.id)
        for path in SERVER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PARTS
    }
    # The endpoint has a default without documents.
    assert constructed - {("http/graphql.py", "RegisteredDocuments")} == {
        ("services.py", name) for name in PARTS - {"Services"}
    }


def test_the_application_takes_the_services_alone() -> None:
    assert list(inspect.signature(create_app).parameters) == ["services"]


def test_commands_run_without_the_limits_of_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = live(monkeypatch, MAX_DEPTH="3", ENGINE="graphql", KEYS_FILE=str(tmp_path / "keys.sqlite"))
    command, server = build(settings), build_server(settings, closed=True)
    assert (command.executor.limits.depth, server.executor.limits.depth) == (20, 3)
    assert command.executor.engine is not None
    assert server.executor.engine is None
    assert (command.authenticator.required, server.authenticator.required) == (False, True)
    assert server.http.hosts is None
