"""Requests to an upstream: checked parameters, and an interval in its own words (C4-C7)."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream.call import Call
from upstream.errors import Malformed
from upstream.reports import table as reports
from upstream.reports.request import BadParameter, body, checked, query, sendable, settled, span, within
from upstream.reports.rows import GroupMovementRow
from upstream.values.interval import Interval, dates

UTC = ZoneInfo("UTC")
MADRID = ZoneInfo("Europe/Madrid")
DAY = dates(datetime.date(2024, 5, 1), datetime.date(2024, 5, 1), UTC)
ZONES = st.sampled_from([ZoneInfo(name) for name in ("UTC", "Europe/Madrid", "America/New_York", "America/Havana",
                                                     "Asia/Beirut", "Australia/Lord_Howe")])  # fmt: skip


def between(first: str, until: str) -> Interval:
    start, end = (datetime.datetime.fromisoformat(text).astimezone(datetime.UTC) for text in (first, until))
    return Interval(start, end)


def test_c06_equal_calls_are_equal_however_an_id_is_written() -> None:
    written = Call.of(reports.GROUP_MOVEMENTS, DAY, group_id="382")
    assert checked(written) == checked(Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=382))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call.of(reports.GROUP_MOVEMENTS, DAY), "group_id is required: a whole number"),
        (Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=0), "must be a whole number from 1"),
        (Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=-1), "must be a whole number from 1"),
        (Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=2**63), "must be a whole number from 1"),
        (Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=True), "must be a whole number from 1"),
        (Call.of(reports.GROUP_MOVEMENTS, DAY, group_id="1 "), "must be a whole number from 1"),
        (Call.of(reports.GROUP_MOVEMENTS, DAY, group_id="1&x=2"), "must be a whole number from 1"),
        (Call.of(reports.GROUP_MOVEMENTS, DAY, group_id="٣"), "must be a whole number from 1"),
        (Call.of(reports.ROOM_GAMES, DAY, status=9), "must be a game status from 1 to 8"),
        (Call.of(reports.ROOM_GAMES, DAY, status="Played"), "must be a game status from 1 to 8"),
        (Call.of(reports.USERS, username=""), "must be a text of 1 to 1,000"),
        (Call.of(reports.USERS, username="x" * 1001), "must be a text of 1 to 1,000"),
        (Call.of(reports.USERS, username="a\nb"), "must be a text of 1 to 1,000"),
        (Call.of(reports.USERS, username="a\ud800"), "must be a text of 1 to 1,000"),
        (Call.of(reports.USERS, username=7), "must be a text of 1 to 1,000"),
        *(
            (Call.of(reports.GAME_LOGS, DAY, game_type=kind), "game_type must be a game type such as slot")
            for kind in ('sl"ot', "sl\\ot", "slot\x00", "slot\t", "", "x" * 65)
        ),
        (Call.of(reports.USERS, group_id=7), "there is no parameter 'group_id'; allowed: id, username, fkgroup"),
        (Call.of(reports.USERS, DAY), "takes no period"),
        (Call.of(reports.USERS, agent="a"), "has no agent"),
        (Call(reports.USERS, (("id", 1), ("id", 2))), "is given twice"),
        (Call.of(reports.GROUP_MOVEMENTS, group_id=1), "a period is required"),
        (Call.of(reports.GROUP_MOVEMENTS, Interval(DAY.end, DAY.start), group_id=1), "must end after it starts"),
        (Call.of(reports.GROUP_MOVEMENTS, between("1800-01-01T00:00Z", "2024-01-01T00:00Z"), group_id=1), "between"),
        (
            Call.of(reports.GROUP_MOVEMENTS, Interval(datetime.datetime(2024, 1, 1), DAY.end), group_id=1),
            "need an offset",
        ),
        (Call.of(reports.GAME_LOGS, DAY, game_type="total_count"), "is a word of the answer itself"),
    ],
)
def test_c06_a_bad_parameter_never_leaves(call: Call, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        checked(call)


@pytest.mark.parametrize("name", ["Jean\u00a0Paul", "a\u200db", "👩‍🚀", "tab\tbed", "Ñandú", "x" * 999])
def test_c33_what_an_upstream_sends_can_be_sent_back(name: str) -> None:
    call = Call.of(reports.GAME_LOGS, DAY, game_type="slot", user_code=name)
    assert dict(checked(call).params)["user_code"] == sendable(name, "R9", "username") == name
    with pytest.raises(Malformed, match="R9: a username is not a text"):
        sendable(f"{name}\x01", "R9", "username")


def parameters_of(
    report: reports.Report, interval: Interval | None, zone: ZoneInfo = UTC, **params: Any
) -> dict[str, str]:
    call = checked(Call.of(report, interval, **params))
    return dict(query(call, span(interval, zone) if interval is not None else None))


def test_c05_whole_days_are_a_range_with_its_last_day() -> None:
    days = dates(datetime.date(2024, 2, 28), datetime.date(2024, 3, 1), MADRID)
    assert parameters_of(reports.GROUP_MOVEMENTS, days, MADRID, group_id=382) == {
        "report_type": "api_retail_movements",
        "group_id": "382",
        "timestamp": "range",
        "timestamp_range_from": "2024-02-28",
        "timestamp_range_to": "2024-03-01",
    }


def test_c26_anything_else_is_a_datetime_range_one_second_wider() -> None:
    interval = between("2024-05-01T09:45:00+02:00", "2024-05-03T21:15:31+02:00")
    found = parameters_of(reports.GAMES_ON_SALE, interval, MADRID, bs_room_id=2)
    assert found == {
        "report_type": "api_selling_and_preselling_games_report",
        "bs_room_id": "2",
        "starts_at": "datetime_range",
        "starts_at_range_from": "2024-05-01",
        "starts_at_range_to": "2024-05-03",
        "starts_at_range_from_time": "09:44:59",
        "starts_at_range_to_time": "21:15:31",
    }


def test_c04_a_day_elsewhere_is_no_whole_day_here() -> None:
    day = dates(datetime.date(2024, 5, 1), datetime.date(2024, 5, 1), ZoneInfo("America/New_York"))
    found = parameters_of(reports.FINANCIAL_MOVEMENTS, day, MADRID)
    assert found["timestamp"] == "datetime_range"
    assert (found["timestamp_range_from"], found["timestamp_range_from_time"]) == ("2024-05-01", "05:59:59")
    assert (found["timestamp_range_to"], found["timestamp_range_to_time"]) == ("2024-05-02", "06:00:00")


@pytest.mark.parametrize("report", [reports.ROOM_GAMES, reports.USER_TRANSACTIONS, reports.FINANCIAL_MOVEMENTS])
def test_c07_per_page_is_always_unlimited_where_it_exists(report: reports.Report) -> None:
    params: dict[str, Any] = {"user_id": 1} if report is reports.USER_TRANSACTIONS else {}
    assert parameters_of(report, DAY, **params)["per_page"] == "-1"


def test_c07_per_page_is_sent_nowhere_else() -> None:
    unpaged = {report.code for report in reports.REPORTS if report.unpaged}
    assert unpaged == {"R2", "R7", "R11"}
    assert "per_page" not in parameters_of(reports.GROUPS, None)


def test_c17_c18_parameters_have_the_reports_own_names() -> None:
    assert parameters_of(reports.DAILY_MOVEMENTS, DAY, groupid=23)["groupid"] == "23"
    assert parameters_of(reports.USERS, None, fkgroup=23)["fkgroup"] == "23"


def test_c26_the_game_log_is_asked_in_its_own_zone_one_second_wider() -> None:
    call = checked(Call.of(reports.GAME_LOGS, DAY, game_type="slot", user_code="u1"))
    whole = body(call, span(DAY, UTC, by_days=False), 0, 1000)
    assert whole == {
        "method": "get_game_log",
        "game_type": "slot",
        "user_code": "u1",
        "start": "2024-04-30 23:59:59",
        "end": "2024-05-02 00:00:00",
        "page": 0,
        "perPage": 1000,
    }
    elsewhere = body(call, span(DAY, ZoneInfo("Asia/Kolkata")), 2, 10)
    assert (elsewhere["start"], elsewhere["end"]) == ("2024-05-01 05:29:59", "2024-05-02 05:30:00")


def test_bounds_within_a_second_are_widened_and_the_rows_outside_left_out() -> None:
    interval = between("2024-05-01T10:00:00.500Z", "2024-05-01T11:00:00.250Z")
    found = span(interval, UTC)
    assert (found.first.isoformat(), found.last.isoformat()) == ("2024-05-01T09:59:59", "2024-05-01T11:00:01")
    assert found.window == interval
    start = int(interval.start.timestamp() * 1e6)
    rows: Any = [
        GroupMovementRow(movement_id=number, timestamp=start + offset, type="", currency_amount="0.00")
        for number, offset in enumerate((-1, 0, 3_599_749_999, 3_599_750_000))
    ]
    found_rows: list[Any] = within(rows, "timestamp", interval)
    assert [row.movement_id for row in found_rows] == [1, 2]


def test_bounds_in_a_repeated_hour_are_widened_beyond_it() -> None:
    interval = between("2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00")
    found = span(interval, MADRID)
    assert (found.first.isoformat(), found.last.isoformat()) == ("2024-10-27T01:59:59", "2024-10-27T03:00:00")
    assert found.window == interval


def test_rows_are_left_alone_where_the_span_is_the_interval() -> None:
    assert span(DAY, UTC).window is None
    hour = between("2024-05-01T10:00:00Z", "2024-05-01T11:00:00Z")
    assert span(hour, MADRID).window == hour


def test_c28_a_period_that_is_not_over_is_read_until_what_no_longer_grows() -> None:
    def until(now: str) -> datetime.datetime:
        return settled(DAY, datetime.datetime.fromisoformat(now)).end

    assert until("2024-05-01T12:00:07.900Z") == datetime.datetime(2024, 5, 1, 12, 0, 6, tzinfo=datetime.UTC)
    # What is over, has not begun or begins this very second is read as it is.
    for now in ("2024-05-02T00:00:02Z", "2024-04-30T12:00:00Z", "2024-05-01T00:00:01.500Z"):
        assert until(now) == DAY.end


@given(
    st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2036, 1, 1)),
    st.timedeltas(datetime.timedelta(microseconds=1), datetime.timedelta(days=40)),
    ZONES,
    st.sampled_from([0, 1]),
)
def test_a_span_always_holds_its_interval(
    start: datetime.datetime, length: datetime.timedelta, zone: ZoneInfo, fold: int
) -> None:
    """Whichever showing of a repeated hour the upstream takes a bound for."""
    interval = Interval(start.replace(tzinfo=datetime.UTC), (start + length).replace(tzinfo=datetime.UTC))
    found = span(interval, zone)
    if found.days:
        assert dates(found.first.date(), found.last.date(), zone) == interval
        return
    first, last = (
        bound.replace(tzinfo=zone, fold=fold).astimezone(datetime.UTC) for bound in (found.first, found.last)
    )
    assert first + datetime.timedelta(seconds=1) <= interval.start
    assert interval.end <= last
    assert found.window == interval
