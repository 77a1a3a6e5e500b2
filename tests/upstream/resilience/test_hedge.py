import asyncio

import pytest

from tests.upstream.conftest import Make
from tests.upstream.server import ReceivedRequest, Reply, Server
from upstream.call import Call
from upstream.reports import table as reports
from upstream.resilience.hedge import Hedge

GOOD = {"error": False, "report": [{"id": 347}]}
GROUPS = Call.of(reports.GROUPS)


def test_never_by_default() -> None:
    assert Hedge().delay("R8") is None


def test_seconds_are_seconds() -> None:
    assert Hedge("0.5").delay("R8") == 0.5


def test_a_share_is_of_what_the_same_report_took() -> None:
    hedge = Hedge("p90")
    for number in range(19):
        hedge.learn("R8", number)
        assert hedge.delay("R8") is None
    hedge.learn("R8", 19)
    assert hedge.delay("R8") == 18
    assert hedge.delay("R9") is None


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "p0", "p100", "p", "often"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|could not convert"):
        Hedge(text)


async def test_what_is_late_is_asked_for_again_and_one_answer_is_taken(server: Server, make: Make) -> None:
    server.script(Reply(GOOD, delay=3.0), Reply(GOOD))
    upstream = make(gamehub={"hedge_after": "0.05"})
    async with asyncio.timeout(2):
        answer = await upstream.fetch(GROUPS)
    assert (len(answer.rows), answer.requests, len(server.requests)) == (1, 2, 2)


async def test_a_second_one_that_fails_leaves_the_first(server: Server, make: Make) -> None:
    server.script(Reply(GOOD, delay=0.3), Reply(b"", 503))
    answer = await make(gamehub={"hedge_after": "0.05"}).fetch(GROUPS)
    assert (len(answer.rows), answer.requests) == (1, 2)


async def test_there_is_no_second_one_without_a_free_slot_or_a_budget(server: Server, make: Make) -> None:
    server.reply = lambda request: Reply(GOOD, delay=0.15)
    upstream = make(gamehub={"hedge_after": "0.01", "concurrency": 1})
    await upstream.fetch(GROUPS)
    assert len(server.requests) == 1
    upstream = make(gamehub={"hedge_after": "0.01", "concurrency": 100})

    def echo(request: ReceivedRequest) -> Reply:
        return Reply({"error": False, "report": [{"id": int(request.query["id"])}]}, delay=0.15)

    server.reply = echo
    server.requests.clear()
    await asyncio.gather(*(upstream.fetch(Call.of(reports.GROUPS, id=number)) for number in range(1, 41)))
    assert 40 < len(server.requests) <= 40 + 14
