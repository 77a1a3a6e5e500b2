"""A moving sandbox for all tests of subscriptions, and a server over it that polls five times a second."""

from collections.abc import Iterator

import pytest

from tests.served import served
from tests.server.subscriptions.moving import MovingSandbox


@pytest.fixture(scope="package")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingSandbox]:
    with MovingSandbox(tmp_path_factory.mktemp("world")) as sandbox:
        sandbox.stand_still()
        yield sandbox


@pytest.fixture(scope="package")
def address(moving: MovingSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("served"), **moving.settings()) as found:
        yield found
