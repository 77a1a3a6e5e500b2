"""Small work is called at the next tick, all of it by one timer."""

import asyncio
from typing import Any

from server.ticks import TICK_SECONDS, Ticks


async def test_one_timer_calls_all() -> None:
    loop = asyncio.get_running_loop()
    ticks = Ticks(loop)
    called: list[str] = []
    failures: list[Any] = []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def again() -> None:
        called.append("again")
        if len(called) < 4:
            ticks.call(again)

    def fails() -> None:
        raise RuntimeError

    for function in (lambda: called.append("first"), fails, again):
        ticks.call(function)
    assert called == []
    await asyncio.sleep(1.5 * TICK_SECONDS)
    assert called == ["first", "again"]
    assert [type(failure) for failure in failures] == [RuntimeError]
    await asyncio.sleep(4 * TICK_SECONDS)
    assert called == ["first", "again", "again", "again"]
