"""The client: shared calls, waiters that give up, secrets that stay inside, a storm of cancellations."""

import asyncio
import datetime
import gc
import io
import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from tests.upstream.conftest import AGENT_TOKEN, TOKEN, UTC, Make
from tests.upstream.server import ReceivedRequest, Reply, Server
from upstream import errors
from upstream.call import Answer, Call
from upstream.client import Upstream
from upstream.errors import UpstreamError
from upstream.journal import Journal
from upstream.reports import table as reports
from upstream.resilience import single_flight
from upstream.transport.secret import Secret
from upstream.values.interval import dates

DAY = dates(datetime.date(2024, 5, 1), datetime.date(2024, 5, 1), UTC)
GROUPS = Call.of(reports.GROUPS)
LOGS = Call.of(reports.GAME_LOGS, DAY, game_type="slot")
GOOD = {"error": False, "report": [{"id": 347}]}


def group(number: int) -> Call:
    return Call.of(reports.GROUPS, id=number)


def echo(request: ReceivedRequest) -> Reply:
    """Return the requested group."""
    return Reply({"error": False, "report": [{"id": int(request.query["id"])}]}, delay=0.005)


async def test_equal_calls_in_flight_are_one(server: Server, make: Make) -> None:
    server.script(Reply(GOOD, delay=0.05))
    upstream = make()
    found = await asyncio.gather(*(upstream.fetch(Call.of(reports.GROUPS, id=each)) for each in (347, "347") * 50))
    assert len(server.requests) == 1
    assert {id(answer) for answer in found} == {id(found[0])}
    await upstream.fetch(Call.of(reports.GROUPS, id=347))
    assert len(server.requests) == 2


async def test_who_gives_up_waiting_stops_nobody_else(server: Server, make: Make) -> None:
    server.script(Reply(GOOD, delay=0.2))
    upstream = make()
    waiting = [asyncio.create_task(upstream.fetch(GROUPS)) for _ in range(10)]
    await asyncio.sleep(0.05)
    for task in waiting[:9]:
        task.cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [asyncio.CancelledError] * 9 + [Answer]
    assert len(server.requests) == 1


async def test_a_failure_that_nobody_waits_for_is_kept_and_not_complained_of(
    server: Server, make: Make, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the answer comes later than the usual grace allows.
    monkeypatch.setattr(single_flight, "GRACE", 10)
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    asked, left = asyncio.Event(), asyncio.Event()

    async def reply(request: ReceivedRequest) -> Reply:
        asked.set()
        await left.wait()
        return Reply(b"<html>")

    server.script(reply)
    upstream = make()
    task = asyncio.create_task(upstream.fetch(GROUPS))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left.set()
    await upstream.aclose()
    gc.collect()
    assert [entry.code for entry in journal.entries()] == ["UPSTREAM_MALFORMED"]
    assert complaints == []


async def test_one_failure_reaches_everyone_who_waits_and_is_kept_once(
    server: Server, make: Make, journal: Journal, logs: list[Any]
) -> None:
    server.script(Reply({"error": True, "code": "10011", "message": "Invalid group"}, 422, delay=0.05))
    upstream = make()
    found = await asyncio.gather(*(upstream.fetch(GROUPS) for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in found} == {errors.NotFound}
    assert len(journal.entries()) == 1
    (line,) = [line for line in logs if line["event"] == "upstream.failed"]
    assert line["code"] == "NOT_FOUND"
    assert (line["report"], line["status"], line["upstream_code"], line["requests"]) == ("R8", 422, "10011", 1)
    assert line["correlation_id"] == journal.entries()[0].correlation_id
    assert line["ms"] >= 0
    assert line["params"] == {}


async def test_closing_lets_what_is_under_way_end(server: Server, make: Make) -> None:
    server.reply = echo
    upstream = make()
    waiting = [asyncio.create_task(upstream.fetch(group(number))) for number in range(1, 41)]
    await asyncio.sleep(0)
    await upstream.aclose()
    assert [(await task).rows[0].id for task in waiting] == list(range(1, 41))
    with pytest.raises(errors.Unavailable, match="stopping"):
        await upstream.fetch(GROUPS)


async def test_listeners_are_told_of_each_call_once(server: Server, make: Make) -> None:
    events: list[tuple[Any, ...]] = []
    mine: list[tuple[Any, ...]] = []

    def broken(*_: Any) -> None:
        raise KeyError("x")

    upstream = make(listeners=[broken, lambda *each: events.append(each)])
    server.script(Reply(GOOD), Reply(b"["))
    answer = await upstream.fetch(GROUPS, observe=lambda *each: mine.append(each))
    with pytest.raises(errors.Malformed):
        await upstream.fetch(group(1))
    assert [(call, type(outcome)) for call, outcome, _, _ in events] == [
        (GROUPS, Answer),
        (group(1), errors.Malformed),
    ]
    assert all(started <= ended for _, _, started, ended in events)
    assert [(call, outcome) for call, outcome, _, _ in mine] == [(GROUPS, answer)]


async def test_a_hung_system_leaves_the_other_alone(server: Server, make: Make) -> None:
    server.reply = lambda request: Reply(fault="hang") if request.method == "POST" else Reply(GOOD)
    upstream = make(gamelog={"timeout": 0.5, "concurrency": 1})
    hung = asyncio.create_task(upstream.fetch(LOGS))
    await asyncio.sleep(0.05)
    assert len((await upstream.fetch(GROUPS)).rows) == 1
    with pytest.raises(errors.Unavailable):
        await hung


async def test_a_storm_of_cancellations_loses_no_slot_and_no_innocent(server: Server, make: Make) -> None:
    server.reply = echo
    upstream = make(gamehub={"timeout": 30.0, "concurrency": 8})

    async def impatient(number: int) -> None:
        task = asyncio.create_task(upstream.fetch(group(1 + number % 500)))
        await asyncio.sleep((number % 17) / 2000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    innocent = [asyncio.create_task(upstream.fetch(group(number))) for number in range(1, 501, 5)]
    await asyncio.gather(*map(impatient, range(3000)))
    assert [(await task).rows[0].id for task in innocent] == list(range(1, 501, 5))
    while upstream._flights:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    # Every slot works: nothing is answered until eight calls are there at once.
    eight = asyncio.Barrier(8)

    async def together(request: ReceivedRequest) -> Reply:
        if int(request.query["id"]) > 1000:  # and none that was given up, and comes late
            await eight.wait()
        return echo(request)

    server.reply = together
    found = await asyncio.gather(*(upstream.fetch(group(number)) for number in range(1001, 1041)))
    assert [answer.rows[0].id for answer in found] == list(range(1001, 1041))


async def failure(upstream: Upstream, call: Call) -> UpstreamError:
    """The error of a call, whose traceback holds no frame of a test that itself knows the token."""
    try:
        await upstream.fetch(call)
    except UpstreamError as error:
        return error
    raise AssertionError("it did not fail")


FAULTS: dict[str, Callable[[str], Reply]] = {
    "refused token": lambda echoed: Reply({"error": True, "code": "00001", "message": f"no {echoed}"}, 401),
    "token in the message": lambda echoed: Reply({"error": True, "code": "99999", "message": echoed}, 400),
    "token in the code": lambda echoed: Reply({"error": True, "code": echoed, "message": ""}, 400),
    "token in the log's message": lambda echoed: Reply({"status": 0, "msg": "Down", "detail": echoed}),
    "token in a page": lambda echoed: Reply(f"<html>{echoed} {echoed}</html>".encode()),
    "token in a row": lambda echoed: Reply({"error": False, "report": [{"id": echoed}], "status": 1}),
    "token at the cut": lambda echoed: Reply(b"x" * (16 * 1024 - 5) + echoed.encode() + b"x" * 999),
    "overloaded": lambda echoed: Reply(echoed.encode(), 503),
    "redirect": lambda echoed: Reply(b"", 302, {"location": f"http://127.0.0.1:1/{echoed}"}),
    "too long": lambda echoed: Reply(echoed.encode() * 50_000),
    "not compressed": lambda echoed: Reply(echoed.encode(), headers={"content-encoding": "gzip"}),
    **{
        fault: lambda echoed, fault=fault: Reply({"x": echoed * 9}, fault=fault)  # type: ignore[misc]
        for fault in ("cut", "chunks_cut", "reset", "reset_in_body", "close", "garbage", "hang", "stall", "trickle")
    },
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", [GROUPS, LOGS], ids=["gamehub", "gamelog"])
async def test_c02_no_token_is_shown_or_kept_whatever_fails(
    fault: str, call: Call, server: Server, make: Make, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    log = io.StringIO()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(log), cache_logger_on_first_use=False)
    sent: list[str] = []

    def reply(request: ReceivedRequest) -> Reply:
        # Everything the client sent comes back, in the forms in which it was sent.
        sent.append(request.target + request.body.decode())
        return FAULTS[fault](f"{request.target} {request.body.decode()} {TOKEN} {AGENT_TOKEN}")

    server.reply = reply
    settings = {"timeout": 0.4, "body_limit": 1_000_000}
    upstream = make(gamehub=settings, gamelog=settings)
    shown: list[str] = []
    try:
        with caplog.at_level(logging.DEBUG):
            error = await failure(upstream, call)
        shown += [repr(error), str(error), repr(vars(error)), repr(error.args)]
        shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        assert error.__cause__ is None
        assert error.__context__ is None
        assert error.payload is None or len(error.payload) <= 16 * 1024
    finally:
        structlog.reset_defaults()
    journal.flush()
    journal.close()
    kept = b"".join(file.read_bytes() for file in journal._path.parent.glob("errors.sqlite*"))
    assert kept
    shown += [log.getvalue(), caplog.text, kept.decode("latin-1")]
    assert any(TOKEN.split("/")[0] in each or AGENT_TOKEN in each for each in sent)
    everything = "\n".join(shown)
    for secret in (TOKEN, "s3cret%2Ftoken", "s3cret", AGENT_TOKEN, AGENT_TOKEN[:12]):
        assert secret not in everything


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api", "http://nohost.invalid/api"])
async def test_c02_no_token_is_shown_where_there_is_no_upstream(
    url: str, make: Make, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = make(gamehub={"url": lambda: url}, gamelog={"url": lambda: url})
    for call in (GROUPS, LOGS):
        with caplog.at_level(logging.DEBUG):
            error = await failure(upstream, call)
        assert type(error) is errors.Unavailable
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert "s3cret" not in shown + caplog.text
        assert AGENT_TOKEN not in shown + caplog.text


async def test_c02_a_former_token_is_redacted_too(server: Server, make: Make) -> None:
    values = iter(["first-token", "second-token", "third-token"])
    server.script(Reply(GOOD), Reply(b"<html>first-token second-token</html>"))
    upstream = make(gamehub={"token": Secret(lambda: next(values))})
    await upstream.fetch(GROUPS)
    with pytest.raises(errors.Malformed) as caught:
        await upstream.fetch(GROUPS)
    assert caught.value.payload == b"<html>*** ***</html>"
