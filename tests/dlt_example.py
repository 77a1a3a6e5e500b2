"""The dlt source of `examples`, as a user imports it, for tests. dlt takes a second to import: only who loads does."""

import datetime
import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from upstream.caching.trust import Trust

EXAMPLES = Path(__file__).parents[1] / "examples"


def imported(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the package, with dlt's settings for tests. It tries no request again."""
    from dlt.sources.helpers import requests

    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "ERROR")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    package = importlib.import_module("gamehub_graph_dlt")
    monkeypatch.setattr(package.server, "requests", requests.Client(request_max_attempts=1))
    return package


def pipeline_into(destination: Any, folder: Path, dataset: str) -> Any:
    """Return a pipeline that loads into a dataset of a destination."""
    import dlt

    return dlt.pipeline(
        "gamehub_graph", pipelines_dir=str(folder / "pipelines"), destination=destination, dataset_name=dataset
    )


def let_days_end(monkeypatch: pytest.MonkeyPatch, package: Any, now: Callable[[], datetime.datetime]) -> None:
    """Let the server say the days of another moment: which day it is, and the last one that is over."""
    listed = package.source.TableServer.list

    def list_then(server: Any) -> Any:
        found = listed(server)
        closed_until = Trust().closed_until(now(), ZoneInfo(found.timezone))
        return replace(found, today=now().date(), closed_until=closed_until)

    monkeypatch.setattr(package.source.TableServer, "list", list_then)
