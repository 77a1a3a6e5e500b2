"""GameHub over real HTTP: requests, answers, errors, tokens and what goes wrong on the wire."""

import asyncio
import dataclasses
import datetime
import json
import ssl
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trustme

from tests.upstream.conftest import TOKEN, UTC, Make
from tests.upstream.examples import ROWS, example
from tests.upstream.server import ReceivedRequest, Reply, Server
from upstream import errors
from upstream.call import Call
from upstream.client import GameHubConfig, Upstream
from upstream.journal import Journal
from upstream.reports import table as reports
from upstream.reports.request import BadParameter
from upstream.transport.secret import Secret
from upstream.transport.wire import Request
from upstream.values.interval import Interval, dates

DAY = dates(datetime.date(2024, 5, 1), datetime.date(2024, 5, 1), UTC)
YEARS = dates(datetime.date(2019, 1, 1), datetime.date(2024, 12, 31), UTC)  # of all the documents' examples
GROUPS = Call.of(reports.GROUPS)
MOVEMENTS = Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=382)
GROUP = {"error": False, "report": [{"id": 347}]}
REFUSED = {"error": True, "code": "00001", "message": "These credentials do not match our records."}

CALLS = {
    "R1": Call.of(reports.DAILY_MOVEMENTS, YEARS, groupid=350),
    "R2": Call.of(reports.ROOM_GAMES, YEARS, bs_room_id=1),
    "R3": Call.of(reports.GAME_DETAIL, id=23),
    "R4": Call.of(reports.GAME_SUMMARY, id=23),
    "R5": Call.of(reports.GROUP_MOVEMENTS, YEARS, group_id=390),
    "R6": Call.of(reports.GAMES_ON_SALE, YEARS, bs_room_id=2),
    "R7": Call.of(reports.USER_TRANSACTIONS, YEARS, user_id=2092),
    "R8": Call.of(reports.GROUPS),
    "R9": Call.of(reports.USERS, id=23),
    "R11": Call.of(reports.FINANCIAL_MOVEMENTS, YEARS, group_id=23),
}


@pytest.mark.parametrize("code", CALLS)
async def test_every_report_is_asked_for_and_read(code: str, server: Server, make: Make) -> None:
    server.script(Reply(example(code)))
    answer = await make().fetch(CALLS[code])
    assert answer.rows == ROWS[code]
    assert (answer.requests, answer.bytes) == (1, len(example(code)))
    (received,) = server.requests
    action = "group_reports" if code == "R11" else "reports"
    assert (received.method, received.path) == ("GET", f"/api/v1/{action}/")
    assert received.query["api_token"] == TOKEN
    assert received.query["report_type"] == CALLS[code].report.report_type
    assert received.body == b""


@pytest.mark.parametrize("slash", ["", "/", "//"])
async def test_c01_the_url_may_end_in_a_slash(slash: str, server: Server, make: Make) -> None:
    await make(gamehub={"url": lambda: server.url + slash}).fetch(GROUPS)
    assert server.requests[0].path == "/api/v1/reports/"


async def test_c03_a_changed_url_is_picked_up(server: Server, make: Make) -> None:
    urls = [f"{server.url}/old", f"{server.url}/new"]
    upstream = make(gamehub={"url": lambda: urls[min(len(server.requests), 1)]})
    await upstream.fetch(GROUPS)
    await upstream.fetch(GROUPS)
    assert [received.path for received in server.requests] == ["/api/v1/old/reports/", "/api/v1/new/reports/"]


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://127.0.0.1/", "http://", "http://[", "http://a b/"])
async def test_a_url_that_is_none_is_unavailable(url: str, make: Make) -> None:
    with pytest.raises(errors.Unavailable):
        await make(gamehub={"url": lambda: url, "attempts": 1}).fetch(GROUPS)


async def test_c03_a_changed_token_file_is_picked_up(server: Server, make: Make, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    upstream = make(gamehub={"token": Secret(file)})
    await upstream.fetch(GROUPS)
    file.write_text("second\n")
    await upstream.fetch(GROUPS)
    assert [received.query["api_token"] for received in server.requests] == ["first", "second"]


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(REFUSED, 401),
        Reply(b"<html>Unauthorized</html>", 401),
        Reply(REFUSED, 200),
        Reply(REFUSED | {"code": "10003"}, 401),
    ],
)
async def test_c03_a_refused_token_is_read_again_once_and_the_call_made_again(
    refusal: Reply, server: Server, make: Make
) -> None:
    token = ["old"]

    def reply(received: ReceivedRequest) -> Reply:
        if received.query["api_token"] == "new":
            return Reply(GROUP)
        token[0] = "new"
        return refusal

    server.reply = reply
    upstream = make(gamehub={"token": Secret(lambda: token[0])})
    assert len((await upstream.fetch(GROUPS)).rows) == 1
    assert len(server.requests) == 2


async def test_c03_a_token_that_stays_refused_is_unauthenticated(server: Server, make: Make, journal: Journal) -> None:
    server.script(Reply(REFUSED, 401))
    with pytest.raises(errors.Unauthenticated) as caught:
        await make().fetch(GROUPS)
    assert len(server.requests) == 2
    assert (caught.value.status, caught.value.upstream_code, caught.value.report) == (401, "00001", "R8")
    assert [entry.correlation_id for entry in journal.entries()] == [caught.value.correlation_id]


async def test_c03_calls_refused_together_share_one_reading(server: Server, make: Make, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    token = Secret(file)
    upstream = make(gamehub={"token": token})
    server.reply = lambda received: Reply(REFUSED, 401, delay=0.05)
    calls = [Call.of(reports.GROUPS, id=number) for number in range(1, 11)]
    found = await asyncio.gather(*map(upstream.fetch, calls), return_exceptions=True)
    assert {type(each) for each in found} == {errors.Unauthenticated}
    assert len(server.requests) == 20
    assert token.reading == 1


async def test_c03_a_token_that_is_read_seldom_is_read_at_once_when_it_is_refused(server: Server, make: Make) -> None:
    token, reads = ["old"], [0]

    def read() -> str:
        reads[0] += 1
        return token[0]

    def reply(received: ReceivedRequest) -> Reply:
        if received.query["api_token"] != token[0]:
            return Reply(REFUSED, 401)
        return Reply({"error": False, "report": [{"id": int(received.query.get("id", "347"))}]})

    server.reply = reply
    secret = Secret(read, 60.0)
    upstream = make(gamehub={"token": secret})
    for _ in range(3):
        await upstream.fetch(GROUPS)
    assert reads == [1]
    token[0] = "new"
    calls = [Call.of(reports.GROUPS, id=number) for number in range(1, 5)]
    await asyncio.gather(*map(upstream.fetch, calls))
    sent = Counter(received.query["api_token"] for received in server.requests[3:])
    assert sent == {"old": 4, "new": 4}
    assert (secret.reading, reads) == (1, [2])
    await upstream.fetch(GROUPS)
    assert (len(server.requests), reads) == (12, [2])


async def test_c03_rotation_under_load_loses_no_call(server: Server, make: Make, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token-0")
    valid, accepted = "token-0", 0

    async def reply(received: ReceivedRequest) -> Reply:
        nonlocal accepted
        await asyncio.sleep(0.002)
        if received.query["api_token"] != valid:
            return Reply(REFUSED, 401)
        accepted += 1
        return Reply({"error": False, "report": [{"id": int(received.query["id"])}]})

    server.reply = reply
    token = Secret(file)
    upstream = make(gamehub={"token": token})

    async def rotate() -> None:
        nonlocal valid
        for number in range(1, 7):
            while accepted < 40 * number:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            file.write_text(f"token-{number}")
            valid = f"token-{number}"

    async def load(worker: int) -> int:
        done = 0
        while not rotation.done():
            call = Call.of(reports.GROUPS, id=1 + worker * 100_000 + done)
            assert [row.id for row in (await upstream.fetch(call)).rows] == [dict(call.params)["id"]]
            done += 1
        return done

    rotation = asyncio.create_task(rotate())
    answered = sum(await asyncio.gather(*map(load, range(20))))
    assert answered == accepted > 100
    # At most one reading a rotation, however many calls it hit. A slow machine may see the new file before a refusal.
    assert token.reading <= 6


async def test_c03_authentication_is_one_replaceable_object(server: Server, make: Make) -> None:
    class Bearer:
        def __init__(self, token: Secret) -> None:
            self.token = token

        def __call__(self, request: Request) -> Request:
            return msgspec.structs.replace(request, headers=(("authorization", f"Bearer {self.token.value()}"),))

    await make(gamehub={"auth": Bearer, "token": Secret("abc")}).fetch(GROUPS)
    assert server.requests[0].headers["authorization"] == "Bearer abc"
    assert "api_token" not in server.requests[0].query


async def test_c03_a_missing_token_is_unavailable(server: Server, make: Make, tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable, match="token is not at hand"):
        await make(gamehub={"token": Secret(tmp_path / "none")}).fetch(GROUPS)
    assert server.requests == []


async def test_c06_a_bad_parameter_never_leaves(server: Server, make: Make) -> None:
    with pytest.raises(BadParameter):
        await make().fetch(Call.of(reports.GROUP_MOVEMENTS, DAY, group_id="0"))
    assert server.requests == []


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("10000", 404, errors.ContractBroken),
        ("10001", 404, errors.ContractBroken),
        ("10011", 422, errors.NotFound),
        ("10012", 422, errors.ContractBroken),
        ("10013", 422, errors.NotFound),
        ("10014", 422, errors.NotFound),
        ("10015", 422, errors.ContractBroken),
        ("10016", 422, errors.NotFound),
        ("10017", 422, errors.ContractBroken),
        ("10018", 400, errors.Incomplete),
        ("10019", 422, errors.ContractBroken),
        ("99999", 400, errors.UpstreamFailed),
        ("10016", 200, errors.NotFound),
        (10016, 422, errors.NotFound),
        (None, 400, errors.UpstreamFailed),
        (None, 200, errors.UpstreamFailed),
        (None, 500, errors.UpstreamFailed),
    ],
)
async def test_each_code_of_the_error_table(
    code: str | int | None, status: int, kind: type[errors.UpstreamError], server: Server, make: Make, journal: Journal
) -> None:
    body = {"error": True, "code": code, "message": "Mensaje"} if code is not None else {"error": True}
    server.script(Reply(body, status))
    with pytest.raises(errors.UpstreamError) as caught:
        await make().fetch(MOVEMENTS)
    error = caught.value
    assert type(error) is kind
    assert len(server.requests) == 1
    assert (error.report, error.status, error.upstream_code) == ("R5", status, str(code) if code else None)
    assert error.params == {"group_id": 382, "from": DAY.start.isoformat(), "until": DAY.end.isoformat()}
    (entry,) = journal.entries()
    assert entry.correlation_id == error.correlation_id
    assert len(error.correlation_id) == 12
    assert (entry.code, entry.report, entry.status, entry.params) == (kind.code, "R5", status, error.params)
    assert entry.payload is not None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"<html>oops</html>", errors.UpstreamFailed),
        (404, b"not here", errors.ContractBroken),
        (403, GROUP, errors.UpstreamFailed),
        (422, b"", errors.UpstreamFailed),
        (200, b"<html>Welcome</html>", errors.Malformed),
        (200, b"", errors.Malformed),
    ],
)
async def test_c10_a_bad_status_is_a_failure_whatever_the_body_says(
    status: int, body: Any, kind: type[errors.UpstreamError], server: Server, make: Make
) -> None:
    server.script(Reply(body, status))
    with pytest.raises(errors.UpstreamError) as caught:
        await make().fetch(GROUPS)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(("call", "status"), [(MOVEMENTS, 422), (CALLS["R3"], 422), (GROUPS, 200)])
async def test_c11_code_10002_is_an_empty_result(
    call: Call, status: int, server: Server, make: Make, journal: Journal
) -> None:
    server.script(Reply({"error": True, "code": "10002", "message": "No hay datos"}, status))
    assert (await make().fetch(call)).rows == []
    assert journal.entries() == []


async def test_c11_code_10002_of_a_broken_server_is_no_empty_result(server: Server, make: Make) -> None:
    server.script(Reply({"error": True, "code": "10002"}, 500))
    with pytest.raises(errors.UpstreamFailed):
        await make().fetch(GROUPS)


async def test_c12_break_is_incomplete(server: Server, make: Make) -> None:
    server.script(Reply({"error": False, "report": [{"id": 1}], "break": True}))
    with pytest.raises(errors.Incomplete):
        await make().fetch(CALLS["R9"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(status: int, server: Server, make: Make) -> None:
    server.script(Reply(b"", status, {"location": f"{server.url}/elsewhere?api_token={TOKEN}"}), Reply(GROUP))
    with pytest.raises(errors.Malformed, match="redirects"):
        await make().fetch(GROUPS)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_from_https_to_http_carries_no_token(status: int, server: Server) -> None:
    authority = trustme.CA()
    inside, outside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(inside)
    authority.configure_trust(outside)
    safe = Server()
    safe.script(Reply(b"", status, {"location": f"{server.url}/elsewhere?api_token={TOKEN}"}))
    async with await asyncio.start_server(safe._connection, "127.0.0.1", 0, ssl=inside) as listener:
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/api"
        wire = httpx.AsyncHTTPTransport(verify=outside, trust_env=False)
        async with Upstream(GameHubConfig(lambda: url, Secret(TOKEN), UTC, transport=wire), None) as upstream:
            with pytest.raises(errors.Malformed, match="redirects") as caught:
                await upstream.fetch(GROUPS)
    assert (len(safe.requests), len(server.requests)) == (1, 0)
    assert TOKEN not in str(caught.value)


async def test_rows_outside_a_widened_period_are_left_out(server: Server, make: Make) -> None:
    rows = [
        {"movement_id": number, "timestamp": 1714557600 + number, "type": "x", "currency_amount": 1}
        for number in range(-1, 2)
    ]
    server.script(Reply({"error": False, "report": rows}))
    start = datetime.datetime(2024, 5, 1, 10, tzinfo=datetime.UTC)
    half = datetime.timedelta(milliseconds=500)
    short = Call.of(reports.GROUP_MOVEMENTS, Interval(start - half, start + 3 * half), group_id=382)
    exact = Call.of(reports.GROUP_MOVEMENTS, Interval(start, start + 2 * half), group_id=382)
    upstream = make()
    assert [row.movement_id for row in (await upstream.fetch(short)).rows] == [0, 1]
    # The second around the period is requested, too; rows beyond it are of another period.
    assert [row.movement_id for row in (await upstream.fetch(exact)).rows] == [0]
    rows[0]["timestamp"] = 1714557600 - 2
    with pytest.raises(errors.Malformed, match="R5: a row's timestamp lies outside the requested period"):
        await upstream.fetch(exact)


@pytest.mark.parametrize("selected", [None, frozenset({"movement_id"})])
async def test_c37_an_id_is_one_row(selected: frozenset[str] | None, server: Server, make: Make) -> None:
    row = {"movement_id": 1, "timestamp": 1714557600, "type": "x", "currency_amount": 1, "game_id": "bad"}
    call = dataclasses.replace(Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=382), columns=selected)
    server.script(Reply({"error": False, "report": [row, row]}))
    assert len((await make().fetch(call)).rows) == 1
    # Also if the rows differ in a column that is not read.
    server.script(Reply({"error": False, "report": [row, row | {"ticket_id": "7"}]}))
    with pytest.raises(errors.Malformed, match="R5: two different rows have the movement_id 1"):
        await make().fetch(call)


async def test_c36_the_summary_of_another_game_is_malformed(server: Server, make: Make) -> None:
    server.script(Reply({"error": False, "report": {"bs_game_id_main": 8}}))
    with pytest.raises(errors.Malformed, match="R4: a row has bs_game_id_main '8', but the request was for id 7"):
        await make().fetch(Call.of(reports.GAME_SUMMARY, id=7))


async def test_c39_a_byte_order_mark_and_phps_empty_objects_are_read(server: Server, make: Make) -> None:
    winner = {"username": "ana", "amount": []}
    summary = {"bs_game_id_main": 7, "bs_game_prizes": [{"prize_name": "Line", "winners": [winner]}]}
    server.script(Reply(b"\xef\xbb\xbf" + json.dumps({"error": False, "report": summary}).encode()))
    (row,) = (await make().fetch(Call.of(reports.GAME_SUMMARY, id=7))).rows
    assert row.bs_game_prizes[0].winners[0].amount is None
    server.script(Reply({"error": False, "report": {"game_id": 7, "progressive_jackpot": []}}))
    (row,) = (await make().fetch(Call.of(reports.GAME_DETAIL, id=7))).rows
    assert row.progressive_jackpot is None


async def test_an_unset_system_says_which_setting_is_missing() -> None:
    async with Upstream(None, None) as upstream:
        with pytest.raises(errors.Unavailable, match="GAMEHUB_URL is not set"):
            await upstream.fetch(GROUPS)
        with pytest.raises(errors.Unavailable, match="GAMELOG_URL is not set"):
            await upstream.fetch(Call.of(reports.GAME_LOGS, DAY, game_type="slot"))


async def test_big_answers_are_read_whole(server: Server, make: Make) -> None:
    rows = [{"id": number, "name": "x" * 100} for number in range(1, 20_001)]

    def reply(received: ReceivedRequest) -> Reply:
        return Reply({"error": False, "report": rows}, zipped=True)

    server.reply = reply
    answer = await make().fetch(GROUPS)
    assert [row.id for row in answer.rows] == list(range(1, 20_001))
    assert answer.bytes > 2_000_000
