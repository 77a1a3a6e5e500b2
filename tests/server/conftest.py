"""The browser of the tests of pages. A test or a fixture that takes `browser` runs in the browser's event loop."""

import inspect
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.server.browsing import chromium


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that use the browser in its event loop, which lasts as long as the worker."""
    for item in items:
        if not isinstance(item, pytest.Function) or not inspect.iscoroutinefunction(item.obj):
            continue
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests of a worker. Each test opens pages of its own in it: see `visiting`."""
    async with chromium() as browser:
        yield browser
