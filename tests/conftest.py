"""What the tests of several rooms share: one sandbox process, and the graph over it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.graph import Graph
from tests.stand import Sandbox


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
