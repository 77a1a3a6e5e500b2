"""Answers, read into canonical rows: the documents' examples, and each quirk of the contract."""

import datetime
import json
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upstream.examples import ROWS, example
from upstream.decoding.envelope import Failure, LogPage, failure, log_page, report_rows
from upstream.errors import Incomplete, Malformed
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.reports.rows import Row
from upstream.values.bad_value import sound

UTC = ZoneInfo("UTC")
MADRID = ZoneInfo("Europe/Madrid")
REPORTS = {report.code: report for report in reports.REPORTS}
MOVEMENT = {"movement_id": 1, "timestamp": 1660752199, "type": "Bingo - Wager", "currency_amount": 1}


def read(report: reports.Report, body: object, zone: ZoneInfo = UTC) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = report_rows(report, text, zone)
    assert isinstance(found, list)
    return found


def movement(**columns: object) -> Any:
    return read(reports.GROUP_MOVEMENTS, {"error": False, "report": [MOVEMENT | columns]})[0]


@pytest.mark.parametrize("code", [code for code in ROWS if code != "G1"])
def test_every_example_of_gamehub_is_read_exactly(code: str) -> None:
    assert read(REPORTS[code], example(code)) == ROWS[code]


def test_the_example_of_game_history_is_read_exactly() -> None:
    assert log_page(reports.GAME_LOGS, "slot", example("G1"), UTC) == LogPage(ROWS["G1"], 340, 1000)


def test_the_examples_of_failures_are_read_exactly() -> None:
    failure = Failure("00001", "These credentials do not match our records.")
    assert report_rows(reports.GROUPS, example("unauthenticated"), UTC) == failure
    refused = Failure(None, "Invalid Parameter.: perPage must be less than or equal to 1000000")
    assert log_page(reports.GAME_LOGS, "slot", example("invalid_parameter"), UTC) == refused


@pytest.mark.parametrize("key", ["report", "Report"])
def test_c08_rows_stand_under_either_key(key: str) -> None:
    assert read(reports.GROUPS, {"error": False, key: [{"id": 1}]}) == [rows.GroupRow(id=1)]


def test_c08_rows_under_both_keys_are_malformed() -> None:
    with pytest.raises(Malformed, match="rows twice"):
        read(reports.GROUPS, {"error": False, "report": [], "Report": []})


@pytest.mark.parametrize("report", [reports.GAME_DETAIL, reports.GAME_SUMMARY])
def test_c09_one_game_is_an_object_or_a_list_of_one(report: reports.Report) -> None:
    column = "game_id" if report is reports.GAME_DETAIL else "bs_game_id_main"
    for body in ({column: 7}, [{column: "7"}]):
        assert read(report, {"error": False, "report": body}) == [report.row(**{column: 7})]


def test_c09_a_list_is_a_list() -> None:
    found = read(reports.PROGRESSIVE_JACKPOTS, {"error": False, "report": [{"description": "PJP", "value": "12.5"}]})
    assert found == [rows.ProgressiveJackpotRow(description="PJP", value="12.50")]
    with pytest.raises(Malformed, match="column report"):
        read(reports.PROGRESSIVE_JACKPOTS, {"error": False, "report": {"description": "PJP", "value": "12.5"}})


@pytest.mark.parametrize(
    "body",
    [
        {"error": True, "code": "00001", "message": "no"},
        {"error": True, "code": 1, "message": "no", "report": []},
        {"error": True, "code": "1", "message": "no", "report": "none"},
    ],
)
def test_c10_error_true_is_a_failure(body: object) -> None:
    assert report_rows(reports.GROUPS, json.dumps(body).encode(), UTC) == Failure("00001", "no")


def test_c10_a_failure_without_words() -> None:
    assert failure(b'{"error": true}') == Failure(None, "")
    assert failure(b'{"error": false, "report": []}') is None
    assert failure(b"<html>") is None


GOOD = json.dumps({"error": False, "report": [MOVEMENT]}).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "R5: not the documented JSON"),
        (b"<html><body>Welcome</body></html>", "R5: not the documented JSON"),
        (GOOD[: len(GOOD) // 2], "R5: not the documented JSON"),
        (GOOD[:-2] + b",]}", "R5: not the documented JSON"),
        (GOOD[:-1] + b",}", "R5: not the documented JSON"),
        (GOOD + GOOD, "R5: not the documented JSON"),
        (GOOD + b" x", "R5: not the documented JSON"),
        (b"null", "R5: not the documented JSON"),
        (b"[" + GOOD + b"]", "R5: not the documented JSON"),
        (GOOD[:-1] + b',"x":"\xff\xfe"}', "R5: not the documented JSON"),
        (b'{"report":' + b"[" * 100_000, "R5"),
        (b'{"error": false}', "R5: the answer holds no rows: neither `report` nor `Report`"),
        (b'{"error": false, "data": []}', "R5: the answer holds no rows"),
        (b'{"error": false, "report": {}}', "R5, column report: Expected `array | null`, got `object`"),
        (b'{"error": false, "report": [7]}', "R5, row 1: Expected `object`, got `int`"),
        (b'{"error": false, "report": [{}]}', "R5, row 1, column movement_id: is missing"),
        (GOOD.replace(b'"report": [', b'"report": [],"report": ['), "the key 'report' is written twice"),
        (GOOD.replace(b'"type"', b'"movement_id": 2, "type"'), "the key 'movement_id' is written twice"),
    ],
)
def test_c10_anything_but_the_documented_json_is_malformed(body: bytes, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(reports.GROUP_MOVEMENTS, body)
    assert message in str(caught.value)
    assert caught.value.payload == body


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("movement_id", None, "R5, row 3, column movement_id: Expected `int`, got `null`"),
        ("movement_id", "", "R5, row 3, column movement_id"),
        ("movement_id", True, "R5, row 3, column movement_id: Expected `int`, got `bool`"),
        ("movement_id", {"wrong": 1}, "R5, row 3, column movement_id: Expected `int`, got `object`"),
        ("type", 7, "R5, row 3, column type: Expected `str`, got `int`"),
        ("currency_amount", None, "R5, row 3, column currency_amount: 'None' must not be empty"),
        ("currency_amount", "", "R5, row 3, column currency_amount: '' is not an amount"),
        ("currency_amount", "1e3", "R5, row 3, column currency_amount: '1e3' is not an amount"),
        ("currency_amount", 1e300, "R5, row 3, column currency_amount: '1e+300' is not an amount"),
        ("currency_amount", True, "R5, row 3, column currency_amount: 'True' is neither a number nor a text"),
        ("currency_amount", [1], "R5, row 3, column currency_amount: '[1]' is neither a number nor a text"),
        ("timestamp", None, "R5, row 3, column timestamp: 'None' must not be empty"),
        ("timestamp", "soon", "R5, row 3, column timestamp: 'soon' is not a time"),
        ("timestamp", False, "R5, row 3, column timestamp: 'False' is neither a number nor a text"),
        ("game_id", "7a", "R5, row 3, column game_id: '7a' is not an id"),
        ("ticket_id", {"a": 1}, "R5, row 3, column ticket_id"),
    ],
)
def test_c10_a_wrong_value_is_named_by_report_row_and_column(column: str, value: object, message: str) -> None:
    listed = [dict(MOVEMENT, movement_id=number) for number in range(5)]
    listed[2][column] = value
    with pytest.raises(Malformed) as caught:
        sound(getattr(read(reports.GROUP_MOVEMENTS, {"error": False, "report": listed})[2], column))
    assert message in str(caught.value)
    # Without its id or its time a row is of no use; any other column spoils nothing but itself.
    assert bool(caught.value.payload) is (column in reports.GROUP_MOVEMENTS.keys)


def test_c10_a_value_that_looks_like_a_key_is_no_duplicate() -> None:
    assert movement(type="movement_id").type == "movement_id"


def test_c10_a_wrong_value_inside_a_row_is_named_too() -> None:
    games = [{"id": 1, "prizes": []}, {"id": 2, "prizes": [{"prize_name": "One line", "paid": "much"}]}]
    found = read(reports.ROOM_GAMES, {"error": False, "report": games})
    with pytest.raises(Malformed, match=r"R2, row 2, column prizes\[0\].paid: 'much' is not an amount"):
        sound(found[1].prizes[0].paid)
    assert found[1].prizes[0].prize_name == "One line"


def test_c12_break_is_incomplete() -> None:
    with pytest.raises(Incomplete, match="cut short"):
        read(reports.USERS, {"error": False, "report": [{"id": 1}], "break": True})
    assert read(reports.USERS, {"error": False, "report": [{"id": 1}], "break": False}) == [rows.UserRow(id=1)]


@pytest.mark.parametrize("value", [60, "60"])
def test_c13_ids_are_numbers_or_their_text(value: object) -> None:
    found = movement(movement_id=value, user_id=value, external_user_id=value)
    assert (found.movement_id, found.user_id, found.external_user_id) == (60, 60, "60")


@pytest.mark.parametrize("value", ["", 0, "0", None])
def test_c13_none_is_written_in_four_ways(value: object) -> None:
    found = movement(game_id=value, ticket_id=value)
    assert found.game_id is None
    assert found.ticket_id is None


def test_c13_ticket_and_card_ids_are_texts() -> None:
    assert movement(ticket_id="6010-2").ticket_id == "6010-2"
    assert movement(ticket_id="164522q8bs").ticket_id == "164522q8bs"
    assert movement(ticket_id=10813).ticket_id == "10813"


def test_c13_big_ids_are_exact() -> None:
    big = 2**63 + 1
    found = movement(movement_id=big, user_id=big, game_id=str(big))
    assert (found.movement_id, found.user_id, found.game_id) == (big, big, big)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b'"5.00"', "5.00"),
        (b'"-0.10"', "-0.10"),
        (b"1", "1.00"),
        (b"2000", "2000.00"),
        (b"0.08", "0.08"),
        (b"0.125", "0.125"),
        (b"5.0", "5.00"),
        (b"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        (b"123456789012345678901234567890.12", "123456789012345678901234567890.12"),
    ],
)
def test_c14_money_never_passes_through_a_binary_float(wire: bytes, text: str) -> None:
    body = b'{"error":false,"report":[{"movement_id":1,"timestamp":1,"type":"x","currency_amount":' + wire + b"}]}"
    assert read(reports.GROUP_MOVEMENTS, body)[0].currency_amount == text


@pytest.mark.parametrize(
    "wire", [b"NaN", b"Infinity", b"-Infinity", b"1e3", b"1E2", b"1.5e-7", b'"NaN"', b'"1,000.00"']
)
def test_c14_nan_infinity_and_exponents_are_refused(wire: bytes) -> None:
    body = b'{"error":false,"report":[{"movement_id":1,"timestamp":1,"type":"x","currency_amount":' + wire + b"}]}"
    with pytest.raises(Malformed):
        sound(read(reports.GROUP_MOVEMENTS, body)[0].currency_amount)


def test_c15_each_systems_way_of_writing_time() -> None:
    assert movement(timestamp="1660752199").timestamp == 1660752199_000000
    day = read(reports.DAILY_MOVEMENTS, example("R1"))[0]
    assert day.timestamp == datetime.date(2019, 9, 5)
    local = read(reports.USER_TRANSACTIONS, example("R7"), MADRID)[0]
    assert local.timestamp == 1660836522_000000 - 2 * 3600_000_000


@pytest.mark.parametrize("value", [None, 0, "", "0000-00-00 00:00:00"])
def test_c15_a_game_that_is_not_over_has_no_end(value: object) -> None:
    game = read(reports.ROOM_GAMES, {"error": False, "report": [{"id": 1, "finished_at": value}]})[0]
    assert game.finished_at is None


@pytest.mark.parametrize(("wire", "row"), [(False, False), (None, None), ("false", False)])
def test_c16_a_progressive_jackpot_is_false_or_an_object(wire: object, row: object) -> None:
    found = read(reports.GAME_DETAIL, {"error": False, "report": {"game_id": 1, "progressive_jackpot": wire}})[0]
    assert found.progressive_jackpot is row


@pytest.mark.parametrize(
    "wire", [{"3": {"id": "3", "name": "PJP", "amount": 7}}, [{"id": 3, "name": "PJP", "amount": 7}]]
)
def test_c16_prizes_are_keyed_by_their_id(wire: Any) -> None:
    ticket = {"ticket_id": "a", "win_info": [{"card_id": "b", "prizes": wire}]}
    found = read(reports.GAME_DETAIL, {"error": False, "report": {"game_id": 1, "tickets": [ticket]}})[0]
    prizes = found.tickets[0].win_info[0].prizes
    assert list(prizes.values() if isinstance(prizes, dict) else prizes) == [
        rows.WinPrize(id=3, name="PJP", amount="7.00")
    ]


def test_c16_an_empty_object_is_phps_empty_list() -> None:
    ticket = {"ticket_id": "a", "win_info": [{"card_id": "b", "prizes": []}], "pay_info": [], "sell_info": []}
    found = read(reports.GAME_DETAIL, {"error": False, "report": {"game_id": 1, "tickets": [ticket]}})[0]
    assert found.tickets[0].win_info[0].prizes == []
    assert found.tickets[0].pay_info is None


@pytest.mark.parametrize("report", reports.REPORTS, ids=lambda report: report.code)
def test_c16_only_required_columns_need_be_there(report: reports.Report) -> None:
    values: dict[str, object] = {
        "timestamp": "2024-05-01" if report.code == "R1" else 1660752199,
        "created_at": "2024-05-01T00:00:00Z",
        "total_paid_tickets": 1,
        "subtype": 1,
    }
    row = {}
    for field in msgspec.structs.fields(report.row):
        if field.required:
            number = field.type is int or "Annotated" in str(field.type)
            row[field.name] = values.get(field.name, 1 if number else "x")
    if report.code == "G1":
        page = log_page(report, "slot", json.dumps({"status": 1, "total_count": 1, "slot": [row]}).encode(), UTC)
        assert isinstance(page, LogPage)
        assert len(page.rows) == 1
    else:
        assert len(read(report, {"error": False, "report": [row]})) == 1


def test_c16_columns_of_tomorrow_are_passed_over() -> None:
    assert movement(tomorrow={"a": [1]}).movement_id == 1


def test_c17_the_columns_mean_what_the_contract_says() -> None:
    sale = read(reports.GAMES_ON_SALE, example("R6"))[0]
    assert (sale.bs_room_id, sale.status) == ("E2E Bingo 90", "Currently Selling")
    summary = {"bs_game_id_main": 1, "bs_room_id": "Room", "pjp_id": "Jackpot", "starts_at": 1660734078, "status": 3}
    found = read(reports.GAME_SUMMARY, {"error": False, "report": summary})[0]
    assert (found.bs_room_id, found.pjp_id, found.starts_at) == ("Room", "Jackpot", 1660734078_000000)


def test_c18_fkgroup_of_a_row_is_the_groups_name() -> None:
    assert read(reports.USERS, example("R9"))[0].fkgroup == "Group Name"


def test_c19_signs_are_passed_on() -> None:
    daily = read(reports.DAILY_MOVEMENTS, example("R1"))[0]
    assert (daily.total_wagers_real, daily.total_paid, daily.net) == ("30.00", "-20.00", "10.00")
    assert read(reports.USER_TRANSACTIONS, example("R7"))[0].currency_amount == "-0.10"
    assert read(reports.GROUP_MOVEMENTS, example("R5"))[0].currency_amount == "1.00"


def test_c29_an_hour_that_the_clock_shows_twice_is_its_first_showing_whatever_the_neighbours() -> None:
    clock = {11: "02:50:00", 10: "02:10:00", 13: "02:40:00", 12: "02:05:00"}
    listed = [
        {"movement_id": number, "timestamp": f"2024-10-27 {time}", "movement_type": "x", "currency_amount": "0.10"}
        for number, time in clock.items()
    ]
    found = read(reports.USER_TRANSACTIONS, {"error": False, "report": listed}, MADRID)
    times = {row.movement_id: datetime.datetime.fromtimestamp(row.timestamp / 1e6, MADRID).isoformat() for row in found}
    assert times == {
        11: "2024-10-27T02:50:00+02:00",
        10: "2024-10-27T02:10:00+02:00",
        13: "2024-10-27T02:40:00+02:00",
        12: "2024-10-27T02:05:00+02:00",
    }
    assert [row.movement_id for row in found] == list(clock)


def test_c21_rows_stand_under_the_key_of_their_game_type() -> None:
    body = example("G1").replace(b'"slot"', b'"live"')
    page = log_page(reports.GAME_LOGS, "live", body, UTC)
    assert isinstance(page, LogPage)
    assert page.rows == ROWS["G1"]
    with pytest.raises(Malformed, match="lacks `slot`"):
        log_page(reports.GAME_LOGS, "slot", body, UTC)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"status": 0, "msg": "Invalid Agent.", "detail": "no"}, "Invalid Agent.: no"),
        ({"status": "0", "msg": "Down"}, "Down"),
        ({"status": 0, "slot": "none", "msg": "Down"}, "Down"),
    ],
)
def test_c21_status_0_is_a_failure(body: object, message: str) -> None:
    assert log_page(reports.GAME_LOGS, "slot", json.dumps(body).encode(), UTC) == Failure(None, message)


@pytest.mark.parametrize("change", [{"total_count": None}, {"total_count": -1}, {"status": None}, {"slot": None}])
def test_c21_a_page_that_is_not_whole_is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        log_page(reports.GAME_LOGS, "slot", json.dumps(json.loads(example("G1")) | change).encode(), UTC)


@given(st.lists(st.tuples(st.integers(1, 2**63), st.decimals(allow_nan=False, allow_infinity=False, places=3,
       min_value=-(10**9), max_value=10**9), st.integers(1, 4 * 10**9)), max_size=20))  # fmt: skip
def test_rows_are_what_was_written(written: list[tuple[int, Any, int]]) -> None:
    listed = [
        MOVEMENT | {"movement_id": number, "currency_amount": str(amount), "timestamp": time, "user_id": str(number)}
        for number, amount, time in written
    ]
    found = read(reports.GROUP_MOVEMENTS, {"error": False, "report": listed})
    # Decimal writes a negative zero, which no wallet knows.
    texts = [str(amount) if amount else "0.000" for _, amount, _ in written]
    assert [row.movement_id for row in found] == [row.user_id for row in found] == [number for number, _, _ in written]
    assert [row.currency_amount for row in found] == texts
    assert [row.timestamp for row in found] == [time * 1_000_000 for _, _, time in written]


@given(st.binary(max_size=60))
def test_no_bytes_cause_anything_but_malformed(body: bytes) -> None:
    for text in (body, GOOD[:20] + body, GOOD[:-3] + body):
        try:
            found: list[Row] | Failure = report_rows(reports.GROUP_MOVEMENTS, text, UTC)
        except (Malformed, Incomplete):
            continue
        assert isinstance(found, (list, Failure))
