"""The calls of a minute: never more than the vendor allows, and every wait is known beforehand."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upstream.conftest import Make
from tests.upstream.server import Reply, Server
from upstream import errors
from upstream.call import Call
from upstream.reports import table as reports
from upstream.resilience.bucket import MINUTE, Bucket
from upstream.resilience.deadline import within
from upstream.resilience.queue import QUEUE_CALLER, Queue, QueueCaller

GROUPS = Call.of(reports.GROUPS)
GOOD = Reply({"error": False, "report": [{"id": 347, "name": "Integrations"}]})
BUSY = Reply(b"busy", 503, {"retry-after": "0"})


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def one(request: Any) -> Reply:
    """Answer with the requested group."""
    return Reply({"error": False, "report": [{"id": int(request.query["id"])}]})


def test_a_bucket_holds_one_token_at_least() -> None:
    with pytest.raises(ValueError, match="one token"):
        Bucket(0)


def test_a_token_comes_back_a_minute_after_it_was_taken() -> None:
    clock = Clock()
    bucket = Bucket(2, clock=clock)
    assert bucket.take()
    clock.now += 20
    assert bucket.take()
    assert (bucket.take(), bucket.free) == (False, 0)
    assert [bucket.wait(tokens) for tokens in (1, 2, 3, 5)] == [40, 60, 100, 160]
    clock.now += 40
    assert (bucket.free, bucket.wait(), bucket.wait(2)) == (1, 0, 20)


@given(most=st.integers(1, 6), waits=st.lists(st.integers(0, 30), max_size=60))
def test_no_minute_holds_more_than_allowed_and_no_token_comes_late(most: int, waits: list[int]) -> None:
    clock, sent = Clock(), list[float]()
    bucket = Bucket(most, clock=clock)
    for wait in waits:
        clock.now += wait
        seconds = bucket.wait()
        taken = bucket.take()
        assert taken == (seconds == 0)
        if not taken:
            clock.now += seconds
            assert bucket.take()
        sent.append(clock.now)
        assert sum(moment > clock.now - MINUTE for moment in sent) <= most


@given(most=st.integers(1, 5), taken=st.lists(st.integers(0, 30), max_size=5), tokens=st.integers(1, 20))
def test_the_wait_for_many_is_that_of_taking_them_one_after_the_other(most: int, taken: list[int], tokens: int) -> None:
    clock = Clock()
    bucket = Bucket(most, clock=clock)
    for wait in taken:
        clock.now += wait
        bucket.take()
    seconds, began = bucket.wait(tokens), clock.now
    for _ in range(tokens):
        clock.now += bucket.wait()
        assert bucket.take()
    assert clock.now - began == seconds


async def test_tokens_go_round_among_askers() -> None:
    queue, order = Queue(5, Bucket(1, minute=0.02)), list[str]()

    async def ask(name: str) -> None:
        QUEUE_CALLER.set(QueueCaller(name))
        async with queue:
            order.append(name)

    tasks = []
    for name in ("heavy", "heavy", "heavy", "heavy", "light", "light"):
        tasks.append(asyncio.create_task(ask(name)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["heavy", "heavy", "light", "heavy", "light", "heavy"]
    assert queue.waiting == 0


async def test_who_gives_up_waiting_for_a_token_takes_none() -> None:
    bucket = Bucket(1, minute=0.1)
    queue = Queue(2, bucket)
    await queue.take("first")
    lost = [asyncio.create_task(queue.take("lost")) for _ in range(3)]
    kept = asyncio.create_task(queue.take("kept"))
    await asyncio.sleep(0)
    for task in lost:
        task.cancel()
    await asyncio.wait_for(kept, 30)
    assert (queue.waiting, bucket.free) == (0, 0)
    queue.give()
    queue.give()
    await asyncio.wait_for(queue.take("after"), 30)


async def test_the_calls_beyond_the_limit_are_sent_later_and_say_so(server: Server, make: Make) -> None:
    server.reply = one
    upstream = make(gamehub={"bucket": Bucket(2, minute=0.2)})
    found = await asyncio.gather(*(upstream.fetch(Call.of(reports.GROUPS, id=number)) for number in range(1, 6)))
    assert [answer.rows[0].id for answer in found] == [1, 2, 3, 4, 5]
    assert len(server.requests) == 5
    assert [answer.waited > 0 for answer in found] == [False, False, True, True, True]
    assert all(answer.waited <= answer.seconds for answer in found)


async def test_a_call_that_cannot_have_its_token_in_time_is_not_made(server: Server, make: Make) -> None:
    server.script(GOOD)
    upstream = make(gamehub={"bucket": Bucket(1), "breaker_failures": 1})
    await upstream.fetch(GROUPS)
    for seconds in (0.05, 20.0):  # the deadline of the operation, and that of the call
        with within(seconds), pytest.raises(errors.Overloaded, match="may be sent 1 calls a minute") as caught:
            await upstream.fetch(GROUPS)
        assert (caught.value.code, caught.value.requests) == ("OVERLOADED", 0)
    assert len(server.requests) == 1
    # The upstream is not to blame, so its breaker stays closed.
    assert upstream.notes() == []
    assert upstream.stats()["GameHub"]["overloaded"] == 2


async def test_a_call_whose_token_others_took_ends_at_its_deadline(server: Server, make: Make) -> None:
    """It could have had the next token; by turns it was another caller's."""
    server.reply = one
    upstream = make(gamehub={"bucket": Bucket(1, minute=0.5), "timeout": 0.8})

    async def ask(name: str, number: int) -> str:
        QUEUE_CALLER.set(QueueCaller(name))
        try:
            return str((await upstream.fetch(Call.of(reports.GROUPS, id=number))).rows[0].id)
        except errors.UpstreamError as error:
            return error.code

    found = await asyncio.gather(*(ask(name, number) for number, name in enumerate("abc", 1)))
    assert found == ["1", "2", "OVERLOADED"]
    assert len(server.requests) == 2


async def test_a_retry_takes_a_token(server: Server, make: Make) -> None:
    bucket = Bucket(3)
    server.script(BUSY, BUSY, GOOD)
    answer = await make(gamehub={"bucket": bucket}).fetch(GROUPS)
    assert (answer.requests, bucket.free) == (3, 0)


async def test_a_retry_without_a_token_leaves_the_answer_as_it_stands(server: Server, make: Make) -> None:
    server.script(BUSY)
    with pytest.raises(errors.Unavailable, match="answered 503") as caught:
        await make(gamehub={"bucket": Bucket(2)}).fetch(GROUPS)
    assert (caught.value.requests, len(server.requests)) == (2, 2)


async def test_a_second_request_takes_a_token_or_is_not_made(server: Server, make: Make) -> None:
    for tokens, requests in ((2, 2), (1, 1)):
        server.requests.clear()
        server.script(Reply(GOOD.body, delay=0.3), GOOD)
        upstream = make(gamehub={"bucket": Bucket(tokens), "hedge_after": "0.02"})
        assert len((await upstream.fetch(GROUPS)).rows) == 1
        assert len(server.requests) == requests


async def test_without_a_limit_nothing_waits(server: Server, make: Make) -> None:
    server.reply = one
    found = await asyncio.gather(*(make().fetch(Call.of(reports.GROUPS, id=number)) for number in range(1, 11)))
    assert {answer.waited for answer in found} == {0.0}
