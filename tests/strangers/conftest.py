"""The stranger that serves this folder's tests, and the graph on top of it."""

from collections.abc import Iterator

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger


@pytest.fixture(scope="session")
def _serving() -> Iterator[Stranger]:
    with Stranger() as stranger:
        yield stranger


@pytest.fixture
def stranger(_serving: Stranger) -> Iterator[Stranger]:
    """Both systems in their first state. After the test they must have no complaints."""
    _serving.reset()
    yield _serving
    assert _serving.complaints == []


@pytest.fixture
def client(stranger: Stranger) -> Client:
    """The graph on top of them. Open it with `async with`."""
    return Client(stranger)
