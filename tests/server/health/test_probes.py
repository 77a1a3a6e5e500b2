"""Probes of the upstreams: many askers cause few probes."""

import asyncio

from server.health.probes import UpstreamProbes


async def test_a_finding_says_what_is_wrong() -> None:
    async def well() -> str | None:
        return None

    async def ill() -> str | None:
        return "refused"

    async def hangs() -> str | None:
        await asyncio.sleep(60)
        return None

    probes = UpstreamProbes({"A": well, "B": ill, "C": hangs}, deadline=0.05)
    assert probes.names == ["A", "B", "C"]
    found = await asyncio.gather(*map(probes.look, probes.names))
    assert [finding.wrong for finding in found] == [None, "refused", "no answer in 0.05 seconds"]


async def test_many_askers_are_one_question() -> None:
    checks = 0

    async def probe() -> str | None:
        nonlocal checks
        checks += 1
        await asyncio.sleep(0.05)
        return "no" if checks == 1 else None

    probes = UpstreamProbes({"A": probe}, cached_seconds=0.2)
    impatient = asyncio.create_task(probes.look("A"))
    await asyncio.sleep(0.01)
    impatient.cancel()  # which does not end the question for the others
    found = await asyncio.gather(*(probes.look("A") for _ in range(50)))
    assert [finding.wrong for finding in found] == ["no"] * 50
    assert checks == 1
    await asyncio.sleep(0.25)
    assert (await probes.look("A")).wrong is None
    assert checks == 2
