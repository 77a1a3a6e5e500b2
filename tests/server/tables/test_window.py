"""Windows: dates, moments and names, in the business time zone, cut into days."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from schema import graph
from server.execution.saved import saved_queries
from server.http.request_error import RequestError
from server.tables.table import Tables
from server.tables.window import during, window_of

MADRID = ZoneInfo("Europe/Madrid")
NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
TABLES = Tables(saved_queries(), graph.schema)
TABLE = TABLES["GroupTransactions"]


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ({"since": "2026-03-01", "until": "2026-03-03"}, "2026-02-28T23:00:00+00:00/2026-03-02T23:00:00+00:00"),
        ({"since": "2026-03-14"}, "2026-03-13T23:00:00+00:00/2026-03-15T23:00:00+00:00"),
        (
            {"since": "2026-03-01T06:00", "until": "2026-03-01T06:00:00 00:00"},
            "2026-03-01T05:00:00+00:00/2026-03-01T06:00:00+00:00",
        ),
        ({"period": "LAST_MONTH"}, "2026-01-31T23:00:00+00:00/2026-02-28T23:00:00+00:00"),
        ({"period": "yesterday"}, "2026-03-13T23:00:00+00:00/2026-03-14T23:00:00+00:00"),
        ({}, "2026-03-14T23:00:00+00:00/2026-03-15T23:00:00+00:00"),
    ],
)
def test_what_it_means(said: dict[str, str], window: str) -> None:
    found = window_of(TABLE, said, NOW, MADRID)
    assert found is not None
    assert found.text == window


def test_it_is_cut_into_days_of_which_only_the_ends_are_less_than_whole() -> None:
    found = window_of(TABLE, {"since": "2026-03-28T12:00", "until": "2026-03-30T12:00"}, NOW, MADRID)
    assert found is not None
    assert [during(piece) for piece in found.pieces] == [
        {"between": {"from": "2026-03-28T11:00:00+00:00", "until": "2026-03-28T23:00:00+00:00"}},
        {"dates": {"from": "2026-03-29", "to": "2026-03-29"}},
        {"between": {"from": "2026-03-29T22:00:00+00:00", "until": "2026-03-30T10:00:00+00:00"}},
    ]
    assert (found.pieces[1].interval.end - found.pieces[1].interval.start).total_seconds() == 23 * 3600


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"period": "never"}, "There is no period 'never'; there are today, yesterday, this_week,"),
        ({"since": "soon"}, "since is 'soon'; it must be a date such as 2026-03-01"),
        ({"since": "2026-03-02", "until": "2026-03-02"}, "must be before until"),
        ({"until": "2026-03-02"}, "until needs a since"),
        ({"until": "2026-03-02", "period": "today"}, "Say either period, or since and until."),
        ({"since": "0001-01-01", "until": "2026-03-02"}, "A window is of 3700 days at most."),
    ],
)
def test_what_is_wrong_is_said(said: dict[str, str], says: str) -> None:
    with pytest.raises(RequestError) as refused:
        window_of(TABLE, said, NOW, MADRID)
    assert refused.value.status == 400
    assert says in str(refused.value)


def test_a_table_without_time_has_none() -> None:
    assert window_of(TABLES["Groups"], {}, NOW, MADRID) is None
    with pytest.raises(RequestError, match="The table Groups has no window of time: leave out since"):
        window_of(TABLES["Groups"], {"since": "2026-03-01"}, NOW, MADRID)
