"""The tabs' examples: found once for all who see the same groups, however many ask at the same time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from resolvers.caller import EVERYONE, Caller
from server.execution.execution import Executor
from server.execution.operation import Operation
from server.execution.saved import SavedQuery
from server.pages.tabs import Tabs
from tests.server import toy_schema

SAVED = [
    SavedQuery("Prices", "", "query Prices { slow(seconds: 0.05) price }", {}, Path("Prices.graphql")),
    SavedQuery(
        "Double", "", "query Double($price: String) { price }", {"price": "@Prices price"}, Path("Double.graphql")
    ),
]
FOUND = [{**SAVED[0].tab(), "variables": {}}, {**SAVED[1].tab(), "variables": {"price": "5.00"}}]


class RecordingServer:
    """A server that records the callers of the graph."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.broken = False

    def context(self, operation: Operation) -> Any:
        self.callers.append(operation.caller)
        if self.broken:
            raise SystemError("the server is closed")
        return toy_schema.SlowFieldCounts()

    def tabs(self, seconds: float) -> Tabs:
        return Tabs(SAVED, Executor(toy_schema.schema, self.context), seconds)


async def test_they_are_found_once_for_all_who_wait_and_kept_for_a_while() -> None:
    server = RecordingServer()
    tabs = server.tabs(0.3)
    assert await asyncio.gather(*(tabs.of(EVERYONE) for _ in range(20))) == [FOUND] * 20
    assert await tabs.of(Caller("other", None)) == FOUND
    assert len(server.callers) == 1
    await asyncio.sleep(0.3)
    assert await tabs.of(EVERYONE) == FOUND
    assert len(server.callers) == 2


async def test_who_sees_other_groups_has_others() -> None:
    server = RecordingServer()
    tabs = server.tabs(60)
    one, other, same = (Caller(name, frozenset(groups)) for name, groups in (("a", [1]), ("b", [2]), ("c", [1])))
    await asyncio.gather(*(tabs.of(caller) for caller in (one, other, same, EVERYONE)))
    assert [caller.groups for caller in server.callers] == [frozenset([1]), frozenset([2]), None]


async def test_who_leaves_does_not_take_them_from_the_others() -> None:
    server = RecordingServer()
    tabs = server.tabs(60)
    first, second = (asyncio.create_task(tabs.of(EVERYONE)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == FOUND
    assert len(server.callers) == 1
    with pytest.raises(asyncio.CancelledError):
        await first
