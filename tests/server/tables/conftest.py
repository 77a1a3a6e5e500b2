"""Fixtures of the tests of tables: a graph of its own process over the world, and a library that fails on purpose."""

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from server.execution.saved import SavedQuery
from server.tables.config import TablesConfig
from tests.served import served
from tests.server.application import application
from tests.server.serving import serving
from tests.server.tables import library
from tests.stand import Sandbox

NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)


def saved(text: str) -> SavedQuery:
    """A saved query of a text."""
    first, _, rest = text.partition("\n")
    name = rest.split("query ")[1].partition("(")[0].partition(" ")[0]
    return SavedQuery(name, first.removeprefix("# "), text, {}, Path(f"{name}.graphql"))


class Library:
    """The library, served: its address, a client, the requested periods of its loans, and the folder of its files."""

    def __init__(self, address: str, client: httpx.Client, periods: list[Any], folder: Path) -> None:
        self.address = address
        self.client = client
        self.periods = periods
        self.folder = folder

    def get(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(f"/tables/{path}", headers={"accept-encoding": "identity", **named})


@contextmanager
def lending(folder: Path, served: Mapping[str, Any] = MappingProxyType({}), **more: Any) -> Iterator[Library]:
    """The library, for as long as a `with` block lasts; its files are kept in the folder.

    `more` goes to the setup of its tables, and `served` to that of the application.
    """
    periods: list[Any] = []
    app = application(
        library.schema,
        lambda operation: periods,
        saved=[saved(text) for text in (library.BOOKS, library.SHELVES, library.ONE, library.LOANS)],
        tables=TablesConfig(now=lambda: NOW, spool_dir=folder, **more),
        **served,
    )
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield Library(address, client, periods, folder)


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Library]:
    """The library, before the first request."""
    with lending(tmp_path / "spool") as library:
        yield library


@pytest.fixture(scope="module")
def open_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The library, for the tests of a module that only read."""
    with lending(tmp_path_factory.mktemp("spool")) as library:
        yield library


def settings(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings that connect a server with a sandbox."""
    return {
        "GAMEHUB_URL": sandbox.gamehub_url,
        "GAMEHUB_TOKEN": sandbox.gamehub_token,
        "GAMELOG_URL": sandbox.gamelog_url,
        "GAMELOG_AGENT_CODE": sandbox.agent_code,
        "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
    }


@pytest.fixture(scope="module")
def address(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The graph over the world, as a process of its own."""
    with served(tmp_path_factory.mktemp("served"), **settings(world)) as address:
        yield address
