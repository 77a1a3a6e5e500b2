"""Fixtures of several rooms: one sandbox process, the graph over it, and the turns of parallel workers."""

import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import certifi
import pytest
import structlog
from hypothesis import settings

from server import garbage
from server.without import do_without
from tests.alone import Turns
from tests.effort import tries
from tests.graph import Graph
from tests.order import early_first, shuffled
from tests.stand import Sandbox

TURNS = pytest.StashKey[Turns]()

# How long an example takes depends on the load of the machine, and proves nothing.
settings.register_profile("untimed", deadline=None, max_examples=tries(50))
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Keep this checkout's worlds and locks in its own folder: another checkout's sandbox may make other worlds."""
    folder = config.rootpath / ".pytest_cache"
    worlds, turns = folder / "worlds", folder / "turns"
    for each in (worlds, turns):
        each.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(worlds)
    config.stash[TURNS] = Turns(turns)
    # Tests start hundreds of Python processes. Without bytecode on disk each of them compiles the project anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # jsonschema checks formats with it. It compiles a grammar for three seconds, and no test has such a format.
    # httpcore looks for sniffio, which nothing needs, before each request.
    do_without("rfc3987_syntax", "sniffio")
    write_plain_tracebacks()
    trust_one_authority(folder / "authority.pem")
    garbage.settle()


def write_plain_tracebacks() -> None:
    """Write the traceback of a logged exception as Python does: to draw it in a frame takes longer than most tests."""
    structlog.get_config()["processors"][-1].exception_formatter = structlog.dev.plain_traceback


def trust_one_authority(file: Path) -> None:
    """Trust one public authority instead of all, here and in processes that tests start.

    Every HTTP client reads the certificates of all authorities that it trusts, which takes longer than most tests. Each
    test that checks certificates names its own authority.
    """
    end = "-----END CERTIFICATE-----\n"
    every = Path(certifi.where()).read_text("utf-8")
    if not file.exists():
        file.write_text(every.partition(end)[0] + end, "utf-8")
    os.environ["SSL_CERT_FILE"] = str(file)
    os.environ.pop("SSL_CERT_DIR", None)
    certifi.where = lambda: str(file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put modules with tests that run alone or long first, or shuffle the tests if `TEST_ORDER_SEED` is set."""
    seed = os.environ.get("TEST_ORDER_SEED")
    items[:] = shuffled(items, seed) if seed else early_first(items)


def pytest_collection_finish() -> None:
    """Collect garbage as a server does: without scanning the tests and the modules each time."""
    garbage.settle()


def pytest_report_header() -> str | None:
    """Print the seed of the order, so that a failure can be repeated."""
    seed = os.environ.get("TEST_ORDER_SEED")
    return f"order of tests: TEST_ORDER_SEED={seed}" if seed else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Run a test marked `alone` while no other worker runs a test."""
    alone, next_alone = (bool(each and each.get_closest_marker("alone")) for each in (item, nextitem))
    with item.config.stash[TURNS].turn(alone=alone, next_alone=next_alone):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn every skipped test into a failure if `REQUIRE_ALL=1` is set."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1, but the test skipped: {report.longreprtext}"
    return report


@pytest.fixture(scope="session")
def world() -> Iterator[Sandbox]:
    """The default world at noon on 15 March 2026, served over HTTP for the whole run."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox) -> Iterator[Sandbox]:
    """The world without faults, before and after the test."""
    world.heal()
    yield world
    world.heal()


@pytest.fixture
async def graph(sandbox: Sandbox) -> AsyncIterator[Graph]:
    """The graph over the world."""
    async with Graph(sandbox) as graph:
        yield graph
