"""The operations of one file leave nothing behind for the tests of another file."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def left_behind() -> Iterator[None]:
    """Remove the coroutines that graphql-core leaves behind while their warnings are still expected."""
    yield
    gc.collect()
