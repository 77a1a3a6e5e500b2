"""Rows of somebody else, or of another time, as far as rows show it."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from upstream.call import Call
from upstream.decoding.belonging import refuse_strangers
from upstream.errors import Malformed
from upstream.reports import request, rows
from upstream.reports import table as reports
from upstream.values.days import microseconds
from upstream.values.interval import dates

MADRID = ZoneInfo("Europe/Madrid")
MARCH_29 = datetime.date(2026, 3, 29)  # on which Madrid's clocks go forward
DAY = dates(datetime.date(2026, 3, 10), datetime.date(2026, 3, 10), MADRID)


def at(*moment: int) -> int:
    return microseconds(datetime.datetime(*moment, tzinfo=MADRID))  # type: ignore[misc, arg-type]


def movement(**columns: Any) -> rows.GroupMovementRow:
    given: dict[str, Any] = {
        "movement_id": 1,
        "timestamp": at(2026, 3, 10, 12),
        "group_id": 382,
        "type": "x",
        "currency_amount": "1.00",
    }
    return rows.GroupMovementRow(**{**given, **columns})


def check(call: Call, *found: Any) -> None:
    span = request.span(call.interval, MADRID) if call.interval is not None else None
    refuse_strangers(call, list(found), span, MADRID)


R5 = Call.of(reports.GROUP_MOVEMENTS, DAY, group_id=382)


def test_rows_that_were_asked_for_pass() -> None:
    check(R5)
    check(R5, movement(), movement(timestamp=at(2026, 3, 10, 0)), movement(timestamp=at(2026, 3, 10, 23, 59, 59)))


def test_a_row_that_does_not_say_whose_it_is_passes() -> None:
    check(R5, movement(group_id=None))


@pytest.mark.parametrize(
    "strange",
    [{"group_id": 383}, {"timestamp": at(2026, 3, 9, 23, 59, 59)}, {"timestamp": at(2026, 3, 11, 0)}],
)
def test_one_strange_row_spoils_the_answer(strange: Any) -> None:
    with pytest.raises(Malformed):
        check(R5, movement(), movement(**strange), movement())


def test_a_changing_clock_is_given_its_hour() -> None:
    call = Call.of(reports.GROUP_MOVEMENTS, dates(MARCH_29, MARCH_29, MADRID), group_id=382)
    check(call, movement(timestamp=at(2026, 3, 30, 0, 30)))
    with pytest.raises(Malformed):
        check(call, movement(timestamp=at(2026, 3, 30, 1, 30)))


def test_a_user_code_may_be_written_in_other_letters() -> None:
    call = Call.of(reports.GAME_LOGS, DAY, game_type="slot", user_code="Jorge.Brown")

    def log(code: str) -> rows.GameLogRow:
        columns: dict[str, Any] = {**dict.fromkeys(rows.GameLogRow.__struct_fields__, "1")}
        return rows.GameLogRow(**columns | {"user_code": code, "created_at": at(2026, 3, 10, 12)})

    check(call, log("jorge.brown"), log("Jorge.Brown"))
    with pytest.raises(Malformed, match=r"a row has user_code 'jorge.browne'"):
        check(call, log("jorge.browne"))


def test_a_day_that_was_not_asked_for() -> None:
    call = Call.of(reports.DAILY_MOVEMENTS, DAY, groupid=382)

    def day(date: datetime.date) -> Any:
        columns: dict[str, Any] = {**dict.fromkeys(rows.DailyMovementRow.__struct_fields__, "1.00")}
        return rows.DailyMovementRow(**columns | {"timestamp": date, "group_id": 382})

    span = request.days(DAY, MADRID)
    refuse_strangers(call, [day(datetime.date(2026, 3, 10))], span, MADRID)
    with pytest.raises(Malformed):
        refuse_strangers(call, [day(datetime.date(2026, 3, 11))], span, MADRID)
