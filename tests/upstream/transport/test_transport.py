"""Faults on the wire, over both transports: retries, deadlines, limits, connections."""

import asyncio
import datetime
import time
from email.utils import format_datetime
from typing import Any

import pytest

from tests.upstream.conftest import Make
from tests.upstream.server import ReceivedRequest, Reply, Server
from upstream import errors
from upstream.call import Answer, Call
from upstream.journal import Journal
from upstream.reports import table as reports
from upstream.resilience.queue import QUEUE_CALLER, QueueCaller

GROUPS = Call.of(reports.GROUPS)
GOOD = Reply({"error": False, "report": [{"id": 347, "name": "Integrations"}]})
# Whatever a deadline of half a second leads to must be there well within this.
SOON = 4.0


def bad(fault: str) -> Reply:
    return Reply(GOOD.body, fault=fault)


@pytest.mark.parametrize("fault", ["reset", "close", "cut", "chunks_cut", "reset_in_body", "garbage"])
async def test_a_lost_connection_is_tried_again(fault: str, server: Server, make: Make) -> None:
    server.script(bad(fault), bad(fault), GOOD)
    answer = await make().fetch(GROUPS)
    assert [row.id for row in answer.rows] == [347]
    assert answer.requests == len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ("reset", {errors.Unavailable}),
        ("close", {errors.Unavailable}),
        # A body that ends early is cut off, whatever its framing (C38).
        ("reset_in_body", {errors.Malformed}),
        ("cut", {errors.Malformed}),
        ("chunks_cut", {errors.Malformed}),
        ("garbage", {errors.Malformed}),
    ],
)
async def test_a_connection_that_stays_lost_is_an_error(fault: str, kinds: Any, server: Server, make: Make) -> None:
    server.script(bad(fault))
    with pytest.raises(errors.UpstreamError) as caught:
        await make().fetch(GROUPS)
    assert type(caught.value) in kinds
    assert caught.value.requests == len(server.requests) == 3


async def test_c38_the_breaker_counts_a_cut_answer_once(server: Server, make: Make) -> None:
    upstream = make(gamehub={"breaker_failures": 2})
    for number, fault in enumerate(("cut", "chunks_cut"), 1):
        server.script(bad(fault))
        with pytest.raises(errors.Malformed):
            await upstream.fetch(GROUPS)
        # Each call took three requests, and counts as one failure: the second opens the breaker.
        assert len(server.requests) == 3 * number
        states = {each["name"]: each["state"] for each in upstream.stats()["GameHub"]["breakers"]}
        assert states["R8 of GameHub"] == ("closed" if number == 1 else "open")


async def test_c39_a_retry_after_may_be_a_date(server: Server, make: Make) -> None:
    now = datetime.datetime.now(datetime.UTC)
    past = format_datetime(now - datetime.timedelta(seconds=1), usegmt=True)
    server.script(Reply(b"", 503, {"retry-after": past}), GOOD)
    assert (await make().fetch(GROUPS)).requests == 2
    # A date beyond the deadline leaves the answer as it stands.
    late = format_datetime(now + datetime.timedelta(hours=1), usegmt=True)
    server.script(Reply(b"", 503, {"retry-after": late}))
    with pytest.raises(errors.Unavailable, match="answered 503") as caught:
        await make().fetch(GROUPS)
    assert caught.value.requests == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_overloaded_upstream_is_asked_again(status: int, server: Server, make: Make) -> None:
    server.script(Reply(b"<html>busy</html>", status, {"retry-after": "0"}), GOOD)
    assert (await make().fetch(GROUPS)).requests == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_upstream_that_stays_overloaded_is_unavailable(status: int, server: Server, make: Make) -> None:
    server.script(Reply(b"<html>busy</html>", status))
    with pytest.raises(errors.Unavailable) as caught:
        await make().fetch(GROUPS)
    assert (caught.value.status, caught.value.payload) == (status, b"<html>busy</html>")
    assert len(server.requests) == 3


async def test_retry_after_is_waited_for(server: Server, make: Make) -> None:
    server.script(Reply(b"", 503, {"retry-after": "0.5"}), GOOD)
    started = time.monotonic()
    await make().fetch(GROUPS)
    assert time.monotonic() - started >= 0.45


async def test_retry_after_beyond_the_deadline_is_not(server: Server, make: Make) -> None:
    server.script(Reply(b"", 503, {"retry-after": "3600"}), GOOD)
    started = time.monotonic()
    with pytest.raises(errors.Unavailable) as caught:
        await make().fetch(GROUPS)
    assert time.monotonic() - started < SOON
    assert caught.value.status == 503
    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["soon", "Wed, 21 Oct 2015 07:28:00 GMT", "nan", "inf", "-5"])
async def test_a_retry_after_that_is_no_number_leaves_the_wait_to_the_back_off(
    text: str, server: Server, make: Make
) -> None:
    server.script(Reply(b"", 503, {"retry-after": text}), GOOD)
    assert (await make().fetch(GROUPS)).requests == 2


@pytest.mark.parametrize(
    "response",
    [
        Reply(b"{}", 400),
        Reply(b"{}", 404),
        Reply(b"{}", 500),
        Reply(b"[1,]"),
        Reply(b""),
    ],
)
async def test_nothing_else_is_tried_again(response: Reply, server: Server, make: Make) -> None:
    server.script(response)
    with pytest.raises(errors.UpstreamError):
        await make().fetch(GROUPS)
    assert len(server.requests) == 1


async def test_a_refused_connection_is_unavailable(server: Server, make: Make) -> None:
    with pytest.raises(errors.Unavailable, match="no connection"):
        await make(gamehub={"url": lambda: "http://127.0.0.1:1/api"}).fetch(GROUPS)


@pytest.mark.parametrize("fault", ["hang", "stall", "trickle"])
async def test_the_deadline_holds_for_the_whole_call(fault: str, server: Server, make: Make) -> None:
    server.script(Reply({"error": False, "report": [{"id": 1, "name": "x" * 5000}]}, fault=fault))
    started = time.monotonic()
    with pytest.raises(errors.Unavailable, match="no whole answer in time"):
        await make(gamehub={"timeout": 0.5}).fetch(GROUPS)
    assert time.monotonic() - started < SOON


async def test_the_deadline_holds_for_retries(server: Server, make: Make) -> None:
    server.script(Reply(b"", 503, delay=0.4))
    started = time.monotonic()
    with pytest.raises(errors.Unavailable):
        await make(gamehub={"timeout": 0.7, "attempts": 50}).fetch(GROUPS)
    assert time.monotonic() - started < SOON


async def test_a_hung_call_gives_its_slot_back(server: Server, make: Make) -> None:
    server.script(Reply(fault="hang"), GOOD)
    upstream = make(gamehub={"timeout": 0.5, "concurrency": 1, "attempts": 1})
    with pytest.raises(errors.Unavailable):
        await upstream.fetch(GROUPS)
    assert len((await upstream.fetch(GROUPS)).rows) == 1


@pytest.mark.parametrize("zipped", [False, True])
async def test_a_body_that_is_too_long_is_malformed(zipped: bool, server: Server, make: Make) -> None:
    server.script(Reply(b'{"x":"' + b"x" * 3_000_000 + b'"}', zipped=zipped))
    with pytest.raises(errors.Malformed, match="longer than 1000000 bytes"):
        await make(gamehub={"body_limit": 1_000_000}).fetch(GROUPS)
    assert len(server.requests) == 1


@pytest.mark.parametrize("zipped", [False, True])
async def test_a_body_of_exactly_the_limit_is_read(zipped: bool, server: Server, make: Make) -> None:
    body = b'{"error":false,"report":[{"id":347}]}' + b" " * 300_000  # several pieces
    server.script(Reply(body, zipped=zipped))
    upstream = make(gamehub={"body_limit": len(body)})
    answer = await upstream.fetch(GROUPS)
    assert len(answer.rows) == 1
    assert answer.bytes == len(body)
    server.script(Reply(body + b" ", zipped=zipped))
    with pytest.raises(errors.Malformed, match=f"longer than {len(body)} bytes"):
        await upstream.fetch(GROUPS)


async def test_a_body_that_is_not_compressed_as_it_says_is_malformed(server: Server, make: Make) -> None:
    server.script(Reply(GOOD.body, headers={"content-encoding": "gzip"}))
    with pytest.raises(errors.Malformed, match="not compressed as it says"):
        await make().fetch(GROUPS)


async def test_connections_are_used_again(server: Server, make: Make) -> None:
    server.script(GOOD)
    upstream = make()
    for _ in range(5):
        await upstream.fetch(GROUPS)
    assert server.connections == 1


async def test_no_more_run_at_once_than_allowed(server: Server, make: Make) -> None:
    server.reply = lambda request: Reply({"error": False, "report": [{"id": int(request.query["id"])}]}, delay=0.01)
    upstream = make(gamehub={"concurrency": 3})
    await asyncio.gather(*(upstream.fetch(Call.of(reports.GROUPS, id=number)) for number in range(1, 31)))
    assert server.most_at_once == 3
    assert len(server.requests) == 30


async def test_a_call_without_a_free_slot_waits_for_one(server: Server, make: Make) -> None:
    server.reply = lambda request: Reply({"error": False, "report": [{"id": int(request.query["id"])}]}, delay=0.1)
    upstream = make(gamehub={"concurrency": 1})
    calls = [asyncio.create_task(upstream.fetch(Call.of(reports.GROUPS, id=number))) for number in (1, 2, 3)]
    await asyncio.sleep(0.05)
    assert (upstream.stats()["GameHub"]["busy"], upstream.stats()["GameHub"]["waiting"]) == (1, 2)
    calls[1].cancel()  # it goes on waiting for a moment, and then gives up its turn
    first, _, third = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, Answer)
    assert isinstance(third, Answer)
    assert first.waited == 0
    assert third.waited > 0.04
    assert (upstream.stats()["GameHub"]["busy"], upstream.stats()["GameHub"]["waiting"]) == (0, 0)
    assert [each.requests for each in (first, third)] == [1, 1]


async def test_cookies_are_not_kept(server: Server, make: Make) -> None:
    server.script(Reply(GOOD.body, headers={"set-cookie": "PHPSESSID=1; path=/"}))
    upstream = make()
    await upstream.fetch(GROUPS)
    await upstream.fetch(GROUPS)
    assert "cookie" not in server.requests[1].headers


async def test_proxies_of_the_environment_are_not_used(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.script(GOOD)
    assert len((await make().fetch(GROUPS)).rows) == 1


async def test_no_compression_is_offered_that_could_blow_up_beyond_measure(server: Server, make: Make) -> None:
    def reply(request: ReceivedRequest) -> Reply:
        assert request.headers["accept-encoding"].replace(" ", "").replace(",", ", ") == "gzip, deflate"
        return GOOD

    server.reply = reply
    await make().fetch(GROUPS)


async def test_under_total_failure_there_are_few_more_requests_than_calls(server: Server, make: Make) -> None:
    server.script(Reply(b"", 503))
    upstream = make(gamehub={"breaker_failures": 0, "concurrency": 50})
    calls = [upstream.fetch(Call.of(reports.GROUPS, id=number)) for number in range(1, 101)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in found} == {errors.Unavailable}
    assert 100 < len(server.requests) <= 120


async def test_a_token_that_stays_refused_is_not_asked_with_for_ever(server: Server, make: Make) -> None:
    server.script(Reply({"error": True, "code": "00001", "message": "no"}, 401))
    upstream = make()
    calls = [upstream.fetch(Call.of(reports.GROUPS, id=number)) for number in range(1, 101)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in found} == {errors.Unauthenticated}
    assert 100 < len(server.requests) <= 120


async def test_an_upstream_that_is_down_is_left_alone(server: Server, make: Make, journal: Journal) -> None:
    server.script(Reply(b"", 503))
    upstream = make(gamehub={"attempts": 1, "breaker_seconds": 0.2})
    for _ in range(5):
        with pytest.raises(errors.Unavailable, match="answered 503"):
            await upstream.fetch(GROUPS)
    with pytest.raises(errors.Unavailable, match="circuit breaker is open and tries again in") as caught:
        await upstream.fetch(GROUPS)
    assert len(server.requests) == 5
    entries = journal.entries()
    assert (len(entries), entries[-1].correlation_id) == (5, caught.value.correlation_id)
    assert "1 calls were not made" in upstream.notes()[0]
    await asyncio.sleep(0.25)
    server.script(Reply(GOOD.body))
    await upstream.fetch(GROUPS)
    assert upstream.notes() == []


async def test_no_more_wait_for_a_slot_than_allowed(server: Server, make: Make) -> None:
    server.reply = lambda request: Reply({"error": False, "report": [{"id": int(request.query["id"])}]}, delay=0.1)
    upstream = make(gamehub={"concurrency": 1, "most_waiting": 2})
    calls = [upstream.fetch(Call.of(reports.GROUPS, id=number)) for number in range(1, 6)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each).__name__ for each in found] == ["Answer"] * 3 + ["Overloaded"] * 2
    assert len((await upstream.fetch(Call.of(reports.GROUPS, id=9))).rows) == 1


async def test_who_fills_the_waiting_room_does_not_keep_others_out(server: Server, make: Make) -> None:
    server.reply = lambda request: Reply({"error": False, "report": [{"id": int(request.query["id"])}]}, delay=0.1)
    upstream = make(gamehub={"concurrency": 1, "most_waiting": 2})

    async def ask(name: str, number: int) -> str:
        QUEUE_CALLER.set(QueueCaller(name))
        try:
            return str((await upstream.fetch(Call.of(reports.GROUPS, id=number))).rows[0].id)
        except errors.Overloaded:
            return "overloaded"

    callers = ["heavy"] * 5 + ["light"]
    found = await asyncio.gather(*(ask(name, number) for number, name in enumerate(callers, 1)))
    assert found == ["1", "2", "3", "overloaded", "overloaded", "6"]


async def test_another_charset_is_malformed(server: Server, make: Make) -> None:
    server.script(Reply('{"error": false, "report": [{"id": 347, "name": "é"}]}'.encode("latin-1")))
    upstream = make()
    with pytest.raises(errors.Malformed):
        await upstream.fetch(GROUPS)
    body = '{"error": false, "report": [{"id": 347, "name": "é"}]}'.encode()
    server.script(Reply(body, headers={"content-type": "application/json; charset=iso-8859-1"}))
    with pytest.raises(errors.Malformed, match="claims to be written in iso-8859-1"):
        await upstream.fetch(GROUPS)
    server.script(Reply(body, headers={"content-type": "application/json; charset=UTF-8"}))
    assert (await upstream.fetch(GROUPS)).rows[0].name == "é"
