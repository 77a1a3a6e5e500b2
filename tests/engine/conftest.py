"""Nothing of one file's operations is left to another's tests."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def left_behind() -> Iterator[None]:
    """The coroutines that graphql-core leaves behind are gone while their warnings are still expected."""
    yield
    gc.collect()
