"""Daily totals (R1): the days of GameHub's clock, each once. Other days are added up from R5, or are an error."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.world import PRIZE, REFUND, WAGER, Daily, Movement, moment

ASUNCION = ZoneInfo("America/Asuncion")  # three hours behind UTC
EXACT = "date totalWagers totalRefunds totalPaid net group { id }"
ALL = f"{EXACT} totalWins paidTickets"


@pytest.fixture(autouse=True)
def _world(stranger: Stranger, client: Client) -> None:
    """GameHub's clock is UTC, the business is in Asuncion; a movement late on the 25th of the business."""
    stranger.become(zone=ZoneInfo("UTC"))
    client.zone = ASUNCION
    client.options["now"] = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
    stranger.world.movements = [
        Movement(9004, moment("2026-11-26 02:59:59"), 60, 391, PRIZE, "0.50"),
        Movement(9003, moment("2026-11-26 02:00:00"), 60, 391, WAGER, "-4.00"),
        Movement(9002, moment("2026-11-25 12:00:00"), 60, 391, REFUND, "1.25"),
        Movement(9001, moment("2026-11-25 03:00:00"), 60, 391, WAGER, "-2.00"),
        Movement(9000, moment("2026-11-25 02:59:59"), 60, 391, WAGER, "-1.00"),
    ]  # fmt: skip
    stranger.world.daily = [
        Daily(datetime.date(2026, 11, day), 391, f"{day}.00", "0.00", "0.00", "0.00", 0, f"{day}.00")
        for day in (24, 25, 26)
    ]


def query(during: str, fields: str) -> str:
    return f'{{ group(id: "391") {{ dailyMovements(during: {during}) {{ {fields} }} }} }}'


def between(start: str, end: str) -> str:
    return f'{{between: {{from: "{start}", until: "{end}"}}}}'


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "during",
    [
        '{dates: {from: "2026-11-24", to: "2026-11-25"}}',
        between("2026-11-24T03:00:00Z", "2026-11-26T03:00:00Z"),
    ],
)
async def test_business_days_are_added_up_from_the_movements(
    stranger: Stranger, client: Client, during: str, compiled: bool
) -> None:
    async with client:
        answer = await client.outcome(query(during, EXACT), compiled=compiled)
        assert answer.errors == []
        assert answer.data["group"]["dailyMovements"] == [
            {
                "date": "2026-11-24", "totalWagers": "1.00", "totalRefunds": "0.00", "totalPaid": "0.00",
                "net": "1.00", "group": {"id": "391"},
            },
            {
                "date": "2026-11-25", "totalWagers": "6.00", "totalRefunds": "-1.25", "totalPaid": "-0.50",
                "net": "4.25", "group": {"id": "391"},
            },
        ]  # fmt: skip
        assert [call.split()[0] for call in stranger.calls()] == ["api_groups_report", "api_retail_movements"]


async def test_days_of_gamehubs_clock_are_the_reports(stranger: Stranger, client: Client) -> None:
    async with client:
        answer = await client.data(query(between("2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z"), "date net totalWins"))
        assert answer["group"]["dailyMovements"] == [
            {"date": "2026-11-24", "net": "24.00", "totalWins": "0.00"},
            {"date": "2026-11-25", "net": "25.00", "totalWins": "0.00"},
        ]
        assert stranger.calls()[1] == "users_report groupid=391 2026-11-24 00:00:00/2026-11-25 23:59:59"


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("during", "fields", "words"),
    [
        (between("2026-11-24T10:00:00Z", "2026-11-25T11:00:00Z"), EXACT, "begin and end at midnight"),
        (between("2026-11-24T10:00:00Z", "2026-11-25T11:00:00Z"), ALL, "begin and end at midnight"),
        (between("2026-11-24T00:00:00Z", "2026-11-24T00:00:01Z"), EXACT, "begin and end at midnight"),
        ('{dates: {from: "2026-11-24", to: "2026-11-25"}}', ALL, "paidTickets, totalWins"),
        ("{frame: THIS_MONTH}", "date totalWins", "totalWins"),
    ],
)
async def test_what_no_report_tells_is_an_error(
    stranger: Stranger, client: Client, during: str, fields: str, words: str, compiled: bool
) -> None:
    async with client:
        answer = await client.outcome(query(during, fields), compiled=compiled)
    assert answer.data == {"group": {"dailyMovements": None}}
    (error,) = answer.errors
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert words in error["message"]
    assert [call.split()[0] for call in stranger.calls()] == ["api_groups_report"]


async def test_a_movement_of_another_type_makes_the_totals_unknown(stranger: Stranger, client: Client) -> None:
    stranger.world.movements[0].type = "Corrección"
    async with client:
        answer = await client.outcome(query('{dates: {from: "2026-11-24", to: "2026-11-25"}}', EXACT), compiled=True)
    assert [error["extensions"]["code"] for error in answer.errors] == ["UPSTREAM_INCOMPLETE"]


@pytest.mark.parametrize("zone", ["UTC", "America/Asuncion", "Europe/Madrid"])
async def test_where_the_clocks_agree_nothing_changes(stranger: Stranger, client: Client, zone: str) -> None:
    """Also on a day of 23 or 25 hours."""
    stranger.become(zone=ZoneInfo(zone))
    client.zone = ZoneInfo(zone)
    async with client:
        data = await client.data(query('{dates: {from: "2026-10-01", to: "2026-11-25"}}', ALL))
    assert [(day["date"], day["net"]) for day in data["group"]["dailyMovements"]] == [
        ("2026-11-24", "24.00"), ("2026-11-25", "25.00"),
    ]  # fmt: skip
    assert stranger.calls()[1] == "users_report groupid=391 2026-10-01 00:00:00/2026-11-25 23:59:59"
