"""The game log over real HTTP: pages, totals that move, agents and failures (G1, C5, C7, C21, C22)."""

import asyncio
import datetime
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.upstream.conftest import AGENT_TOKEN, UTC, Make
from tests.upstream.examples import ROWS, example
from tests.upstream.server import ReceivedRequest, Reply, Server
from upstream import errors
from upstream.agents import Agent, Agents
from upstream.call import Call
from upstream.gamelog import GameLogConfig
from upstream.journal import Journal
from upstream.reports import table as reports
from upstream.transport.secret import Secret
from upstream.values.interval import Interval, dates

DAY = dates(datetime.date(2024, 5, 1), datetime.date(2024, 5, 1), UTC)
LOGS = Call.of(reports.GAME_LOGS, DAY, game_type="slot")
ROW = json.loads(example("G1"))["slot"][0] | {"created_at": "2024-05-01T10:00:00.000000Z"}


def page(request: ReceivedRequest, total: int, shown: int | None = None) -> Reply:
    """Return the requested page of a log of so many rows, which says that it has `shown`."""
    number, size = request.json["page"], request.json["perPage"]
    rows = [ROW | {"history_id": each} for each in range(total)[number * size : (number + 1) * size]]
    response = {"status": 1, "total_count": total if shown is None else shown, "page": number, "perPage": size}
    return Reply(response | {request.json["game_type"]: rows})


def log(total: int) -> Callable[[ReceivedRequest], Reply]:
    return lambda request: page(request, total)


async def test_the_example_is_read_over_http(server: Server, make: Make) -> None:
    server.script(Reply(example("G1").replace(b"340", b"1")))
    day = dates(datetime.date(2021, 9, 17), datetime.date(2021, 9, 17), UTC)
    answer = await make().fetch(Call.of(reports.GAME_LOGS, day, game_type="slot"))
    assert answer.rows == ROWS["G1"]
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/api/v1")
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "method": "get_game_log",
        "agent_code": "testAgent",
        "agent_token": AGENT_TOKEN,
        "game_type": "slot",
        "start": "2021-09-16 23:59:59",
        "end": "2021-09-18 00:00:00",
        "page": 0,
        "perPage": 10_000,
    }


async def test_c05_start_and_end_are_in_the_systems_own_zone(server: Server, make: Make) -> None:
    server.reply = log(0)
    await make(gamelog={"timezone": ZoneInfo("Asia/Kolkata")}).fetch(LOGS)
    assert (server.requests[0].json["start"], server.requests[0].json["end"]) == (
        "2024-05-01 05:29:59",
        "2024-05-02 05:30:00",
    )


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (9, 1), (10, 2), (11, 2), (95, 10), (100, 10)])
async def test_c07_all_pages_are_read_in_order(total: int, pages: int, server: Server, make: Make) -> None:
    server.reply = log(total)
    answer = await make(gamelog={"page_size": 10}).fetch(LOGS)
    assert [row.history_id for row in answer.rows] == list(range(total))
    assert answer.requests == len(server.requests) == pages
    assert sorted(request.json["page"] for request in server.requests) == list(range(pages))


async def test_c07_pages_are_read_a_few_at_once(server: Server, make: Make) -> None:
    async def reply(request: ReceivedRequest) -> Reply:
        await asyncio.sleep(0.02)
        return page(request, 400)

    server.reply = reply
    await make(gamelog={"page_size": 10, "pages_at_once": 3}).fetch(LOGS)
    assert server.most_at_once == 3


async def test_c07_an_upstream_with_shorter_pages_of_its_own_is_followed(server: Server, make: Make) -> None:
    def reply(request: ReceivedRequest) -> Reply:
        body = dict(request.json) | {"perPage": min(request.json["perPage"], 4)}
        return page(ReceivedRequest("POST", "", {}, json.dumps(body).encode(), 1), 10)

    server.reply = reply
    answer = await make(gamelog={"page_size": 100}).fetch(LOGS)
    assert [row.history_id for row in answer.rows] == list(range(10))
    assert answer.requests == 3


@pytest.mark.parametrize("size", [0, -1, 1_000_001])
def test_c07_a_page_size_beyond_the_maximum_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 1,000,000"):
        GameLogConfig(lambda: "", Agents(), UTC, page_size=size)


async def test_c07_a_total_that_moved_once_is_read_again(server: Server, make: Make) -> None:
    totals = iter([20, 21])
    server.reply = lambda request: page(request, next(totals, 21))
    answer = await make(gamelog={"page_size": 10, "pages_at_once": 1}).fetch(LOGS)
    assert [row.history_id for row in answer.rows] == list(range(21))
    # Read again in one page, which cannot move while it is read.
    assert server.requests[-1].json["page"] == 0
    assert server.requests[-1].json["perPage"] > 21


async def test_c07_a_total_that_moves_on_is_incomplete(server: Server, make: Make, journal: Journal) -> None:
    server.reply = lambda request: page(request, 20, shown=20 + len(server.requests))
    with pytest.raises(errors.Incomplete, match="not whole, also when read again"):
        await make(gamelog={"page_size": 10}).fetch(LOGS)
    assert [entry.code for entry in journal.entries()] == ["UPSTREAM_INCOMPLETE"]


@pytest.mark.parametrize("shown", [9, 11, 25])
async def test_c07_a_short_or_long_page_is_incomplete(shown: int, server: Server, make: Make) -> None:
    server.reply = lambda request: page(request, 10, shown)
    with pytest.raises(errors.Incomplete):
        await make().fetch(LOGS)


async def test_c07_a_row_on_two_pages_is_noticed(server: Server, make: Make) -> None:
    def reply(request: ReceivedRequest) -> Reply:
        response = page(request, 20)
        if request.json["page"] == 1:
            response.body["slot"][0]["history_id"] = 9
        return response

    server.reply = reply
    answer = await make(gamelog={"page_size": 10}).fetch(LOGS)
    assert [row.history_id for row in answer.rows] == list(range(20))
    assert server.requests[-1].json["perPage"] > 20


async def test_c37_identical_copies_are_one_row_and_different_ones_malformed(server: Server, make: Make) -> None:
    server.reply = lambda request: Reply({"status": 1, "total_count": 2, "slot": [ROW, ROW]})
    assert len((await make().fetch(LOGS)).rows) == 1
    server.reply = lambda request: Reply({"status": 1, "total_count": 2, "slot": [ROW, ROW | {"win_money": 77}]})
    with pytest.raises(errors.Malformed, match="G1: two different rows have the history_id"):
        await make().fetch(LOGS)


@pytest.mark.parametrize(("total", "pages"), [(10, 2), (25, 3), (30, 4)])
async def test_c40_a_total_may_count_the_page_alone(total: int, pages: int, server: Server, make: Make) -> None:
    def reply(request: ReceivedRequest) -> Reply:
        response = page(request, total)
        response.body["total_count"] = len(response.body["slot"])
        return response

    server.reply = reply
    answer = await make(gamelog={"page_size": 10}).fetch(LOGS)
    assert [row.history_id for row in answer.rows] == list(range(total))
    assert [request.json["page"] for request in server.requests] == list(range(pages))


async def test_the_first_page_that_fails_stops_the_rest(server: Server, make: Make) -> None:
    def reply(request: ReceivedRequest) -> Reply:
        if request.json["page"] == 3:
            return Reply(b"<html>", 500)
        response = page(request, 1000)
        response.delay = 0.02
        return response

    server.reply = reply
    with pytest.raises(errors.UpstreamFailed):
        await make(gamelog={"page_size": 10, "pages_at_once": 2}).fetch(LOGS)
    assert len(server.requests) < 50


async def test_c21_rows_stand_under_the_game_type(server: Server, make: Make) -> None:
    server.reply = log(3)
    live = Call.of(reports.GAME_LOGS, DAY, game_type="live", user_code="test")
    assert len((await make().fetch(live)).rows) == 3
    assert (server.requests[0].json["game_type"], server.requests[0].json["user_code"]) == ("live", "test")


@pytest.mark.parametrize(
    ("status", "msg", "detail", "kind"),
    [
        (200, "Invalid Parameter.", "perPage must be less than or equal to 1000000", errors.ContractBroken),
        (200, "Invalid Parameter.", "user_code is required", errors.ContractBroken),
        (200, "Invalid Method.", "method must be get_game_log", errors.ContractBroken),
        (200, "Invalid Agent.", "agent_code or agent_token is wrong", errors.Unauthenticated),
        (200, "INVALID_TOKEN", None, errors.Unauthenticated),
        (200, "Unauthorized", None, errors.Unauthenticated),
        (401, None, None, errors.Unauthenticated),
        (200, "Invalid User.", "user_code does not exist", errors.NotFound),
        (200, "Internal Error.", "unexpected error", errors.UpstreamFailed),
        (200, None, None, errors.UpstreamFailed),
        (500, "Internal Error.", None, errors.UpstreamFailed),
    ],
)
async def test_c21_status_0_is_an_error(
    status: int, msg: str | None, detail: str | None, kind: type[errors.UpstreamError], server: Server, make: Make
) -> None:
    server.script(Reply({"status": 0, "msg": msg, "detail": detail}, status))
    with pytest.raises(errors.UpstreamError) as caught:
        await make().fetch(LOGS)
    assert type(caught.value) is kind
    assert len(server.requests) == (2 if kind is errors.Unauthenticated else 1)
    assert caught.value.report == "G1"
    if kind is errors.NotFound:  # in the same words for every report
        assert caught.value.message == "G1: there is no such group, user, room or game"
    elif detail:
        assert detail in caught.value.message


async def test_c03_a_refused_agent_is_read_again_once(server: Server, make: Make, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    def reply(request: ReceivedRequest) -> Reply:
        if request.json["agent_token"] == "new":
            return page(request, 5)
        file.write_text("new")
        return Reply({"status": 0, "msg": "Invalid Agent.", "detail": "no"})

    server.reply = reply
    upstream = make(gamelog={"agents": Agents(Agent("a", Secret(file)))})
    assert len((await upstream.fetch(LOGS)).rows) == 5
    assert [request.json["agent_token"] for request in server.requests] == ["old", "new"]


def agents_file(path: Path, agents: Any) -> None:
    path.write_text(json.dumps(agents))
    # Two writings within the clock's grain and of one length look alike.
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


async def test_c22_a_map_of_groups_may_replace_the_agent(server: Server, make: Make, tmp_path: Path) -> None:
    server.reply = log(1)
    file = tmp_path / "agents.json"
    agents_file(file, {"382": {"agent_code": "other", "agent_token": "first"}})
    agents = Agents(Agent("default", Secret("mine")), file)
    upstream = make(gamelog={"agents": agents})
    for group in (382, 1):
        call = Call.of(reports.GAME_LOGS, DAY, game_type="slot", agent=agents.of_group(group))
        await upstream.fetch(call)
    agents_file(file, {"382": {"agent_code": "other", "agent_token": "again"}})
    await upstream.fetch(Call.of(reports.GAME_LOGS, DAY, game_type="slot", agent="other"))
    used = [(request.json["agent_code"], request.json["agent_token"]) for request in server.requests]
    assert used == [("other", "first"), ("default", "mine"), ("other", "again")]


async def test_c22_an_unknown_agent_is_unavailable(server: Server, make: Make) -> None:
    with pytest.raises(errors.Unavailable, match="no agent has the code 'nobody'"):
        await make().fetch(Call.of(reports.GAME_LOGS, DAY, game_type="slot", agent="nobody"))
    assert server.requests == []


async def test_an_unset_url_says_so(make: Make) -> None:
    with pytest.raises(errors.Unavailable, match="GAMELOG_URL is not set"):
        await make(gamelog={"url": lambda: ""}).fetch(LOGS)


@pytest.mark.parametrize(
    "response",
    [
        Reply(b"<html>"),
        Reply(b""),
        Reply({"total_count": 1}),
        Reply({"status": 1, "slot": []}),
    ],
)
async def test_c10_anything_but_the_documented_json_is_malformed(response: Reply, server: Server, make: Make) -> None:
    server.script(response)
    with pytest.raises(errors.Malformed):
        await make().fetch(LOGS)


async def test_a_redirect_is_never_followed(server: Server, make: Make) -> None:
    server.script(Reply(b"", 307, {"location": f"{server.url}/elsewhere"}), Reply(example("G1")))
    with pytest.raises(errors.Malformed, match="redirects"):
        await make().fetch(LOGS)
    assert len(server.requests) == 1


def stamped(number: int, at: datetime.datetime) -> dict[str, Any]:
    return ROW | {"history_id": number, "created_at": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"}


def bound(request: ReceivedRequest, name: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(request.json[name]).replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize("exact", [True, False])
async def test_c26_the_last_second_of_a_day_belongs_to_it(exact: bool, server: Server, make: Make) -> None:
    """This holds for upstreams that compare times to the millisecond, and to the second."""
    midnight = datetime.datetime(2024, 5, 2, tzinfo=datetime.UTC)
    times = [midnight + datetime.timedelta(milliseconds=each) for each in (-86_400_001, -86_400_000, -250, 0, 250)]

    def reply(request: ReceivedRequest) -> Reply:
        rows = []
        for number, time in enumerate(times):
            seen = time if exact else time.replace(microsecond=0)
            if bound(request, "start") <= seen <= bound(request, "end"):
                rows.append(stamped(number, time))
        return Reply({"status": 1, "total_count": len(rows), "page": 0, "perPage": 10_000, "slot": rows})

    server.reply = reply
    for day, expected in ((1, [1, 2]), (2, [3, 4])):
        date = datetime.date(2024, 5, day)
        answer = await make().fetch(Call.of(reports.GAME_LOGS, dates(date, date, UTC), game_type="slot"))
        assert [row.history_id for row in answer.rows] == expected


@pytest.mark.parametrize("key", [{}, {"user_code": "ana"}])
async def test_c28_a_log_that_grows_while_it_is_read_is_read(key: dict[str, str], server: Server, make: Make) -> None:
    """A row appears with every page: none of them makes the pages move."""
    now = datetime.datetime.now(datetime.UTC)
    today = Interval(now - datetime.timedelta(hours=1), now + datetime.timedelta(hours=12))
    times = [now - datetime.timedelta(minutes=59 - number) for number in range(55)]

    def reply(request: ReceivedRequest) -> Reply:
        times.append(datetime.datetime.now(datetime.UTC))
        rows = [stamped(number, time) | key for number, time in enumerate(times) if time <= bound(request, "end")]
        page, size = request.json["page"], request.json["perPage"]
        cut = rows[page * size : (page + 1) * size]
        return Reply({"status": 1, "total_count": len(rows), "page": page, "perPage": size, "slot": cut})

    server.reply = reply
    call = replace(Call.of(reports.GAME_LOGS, today, game_type="slot", **key), moment=now)
    answer = await make(gamelog={"page_size": 10}).fetch(call)
    assert [row.history_id for row in answer.rows] == list(range(55))
    assert len(server.requests) == 6
    until = (now.replace(microsecond=0) - datetime.timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S")
    assert {request.json["end"] for request in server.requests} == {until}
