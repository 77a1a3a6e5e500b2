"""The readiness of the server: many requests for it cause few probes."""

import asyncio

from server.http.readiness import Readiness


async def test_what_is_wrong_is_said_by_name() -> None:
    async def well() -> str | None:
        return None

    async def ill() -> str | None:
        return "refused"

    async def hangs() -> str | None:
        await asyncio.sleep(60)
        return None

    ready = Readiness({"A": well, "B": ill, "C": hangs}, deadline=0.05)
    assert await ready.wrong() == {"B": "refused", "C": "no answer in 0.05 seconds"}


async def test_many_askers_are_one_question() -> None:
    checks = 0

    async def probe() -> str | None:
        nonlocal checks
        checks += 1
        await asyncio.sleep(0.05)
        return "no" if checks == 1 else None

    ready = Readiness({"A": probe}, cached_seconds=0.2)
    impatient = asyncio.create_task(ready.wrong())
    await asyncio.sleep(0.01)
    impatient.cancel()  # which does not end the question for the others
    assert await asyncio.gather(*(ready.wrong() for _ in range(50))) == [{"A": "no"}] * 50
    assert checks == 1
    await asyncio.sleep(0.25)
    assert await ready.wrong() == {}
    assert checks == 2
