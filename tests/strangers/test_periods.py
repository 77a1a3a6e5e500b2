"""Periods: every frame, whole days and intervals, over days of 23 and 25 hours and the ends of months and years."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger

QUERY = 'query ($p: Period) { group(id: "%s") { transactions(during: $p) { totalCount nodes { id } } } }'


async def _ids(client: Client, group: int, period: object) -> list[int]:
    data = await client.data(QUERY % group, p=period)
    return [int(node["id"]) for node in data["group"]["transactions"]["nodes"]]


# The business's Monday, 31 October 2022: the day after the 25-hour day.
FRAMES = {
    "TODAY": ("2022-10-31", "2022-10-31"),
    "YESTERDAY": ("2022-10-30", "2022-10-30"),
    "THIS_WEEK": ("2022-10-31", "2022-10-31"),
    "LAST_WEEK": ("2022-10-24", "2022-10-30"),
    "THIS_MONTH": ("2022-10-01", "2022-10-31"),
    "LAST_MONTH": ("2022-09-01", "2022-09-30"),
    "THIS_YEAR": ("2022-01-01", "2022-10-31"),
}


@pytest.mark.parametrize("frame", list(FRAMES))
async def test_frames(stranger: Stranger, client: Client, frame: str) -> None:
    first, last = FRAMES[frame]
    query = f"""{{ group(id: "390") {{ transactions(during: {{frame: {frame}}}) {{ nodes {{ id }} }}
        dailyMovements(during: {{frame: {frame}}}) {{ date }}
        financialMovements(during: {{frame: {frame}}}) {{ totalCount }} }}
      games(during: {{frame: {frame}}}) {{ totalCount }} gameLogs(during: {{frame: {frame}}}) {{ totalCount }}
      user(id: "60") {{ transactions(during: {{frame: {frame}}}) {{ totalCount }} }} }}"""
    async with client:
        data = await client.data(query)
    start, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    ends = f"{first} 00:00:00/{last} 23:59:59"
    # The log has no days, so one second more is read, and of today only the part that does not grow any more.
    until = "2022-10-31 11:59:59" if last == "2022-10-31" else f"{end + datetime.timedelta(days=1)} 00:00:00"
    log_ends = f"{start - datetime.timedelta(days=1)} 23:59:59/{until}"
    calls = stranger.calls()
    assert len(calls) == 8, "\n".join(calls)
    for call in calls:
        if "/" in call:
            assert call.endswith(log_ends if call.startswith("get_game_log") else ends)

    def inside(at: datetime.datetime) -> bool:
        return start <= at.astimezone(ZoneInfo("Europe/Madrid")).date() <= end

    world = stranger.world
    assert [int(node["id"]) for node in data["group"]["transactions"]["nodes"]] == [
        each.id for each in world.movements if each.group == 390 and inside(each.at)
    ]
    assert data["games"]["totalCount"] == sum(inside(game.at) for game in world.games)
    assert data["gameLogs"]["totalCount"] == sum(inside(log.at) for log in world.logs if log.game_type == "slot")
    assert data["user"]["transactions"]["totalCount"] == sum(m.user == 60 and inside(m.at) for m in world.movements)


CALENDAR = [
    ("2022-06-01T12:00:00+00:00", "LAST_MONTH", "2022-05-01", "2022-05-31"),
    ("2024-03-01T12:00:00+00:00", "YESTERDAY", "2024-02-29", "2024-02-29"),
    ("2023-03-01T12:00:00+00:00", "YESTERDAY", "2023-02-28", "2023-02-28"),
    ("2024-03-31T12:00:00+00:00", "LAST_MONTH", "2024-02-01", "2024-02-29"),
    ("2023-01-01T12:00:00+00:00", "LAST_MONTH", "2022-12-01", "2022-12-31"),
    ("2023-01-01T12:00:00+00:00", "LAST_WEEK", "2022-12-19", "2022-12-25"),
    ("2023-01-01T12:00:00+00:00", "THIS_WEEK", "2022-12-26", "2023-01-01"),
    ("2023-01-01T12:00:00+00:00", "THIS_YEAR", "2023-01-01", "2023-01-01"),
    ("2022-12-31T22:59:59+00:00", "TODAY", "2022-12-31", "2022-12-31"),
    ("2022-12-31T23:00:00+00:00", "TODAY", "2023-01-01", "2023-01-01"),
    ("2022-12-31T23:00:00+00:00", "YESTERDAY", "2022-12-31", "2022-12-31"),
    ("2022-03-27T00:59:59+00:00", "TODAY", "2022-03-27", "2022-03-27"),
    ("2022-10-30T00:30:00+00:00", "TODAY", "2022-10-30", "2022-10-30"),
    ("2022-10-30T01:30:00+00:00", "TODAY", "2022-10-30", "2022-10-30"),
]


@pytest.mark.parametrize(("now", "frame", "first", "last"), CALENDAR)
async def test_frames_by_the_calendar(
    stranger: Stranger, client: Client, now: str, frame: str, first: str, last: str
) -> None:
    client.options["now"] = datetime.datetime.fromisoformat(now)
    async with client:
        await client.data("query ($p: Period) { financialMovements(during: $p) { totalCount } }", p={"frame": frame})
    assert stranger.calls() == [f"api_movements_external_report {first} 00:00:00/{last} 23:59:59"]


DAYS = {
    "a day of 23 hours": (382, "2022-03-27", "2022-03-27", [3203, 3202, 3201, 3200]),
    "the day before": (382, "2022-03-26", "2022-03-26", [3199]),
    "the day after": (382, "2022-03-28", "2022-03-28", [3204]),
    "a day of 25 hours": (390, "2022-10-30", "2022-10-30", [3497, 3496, 3495]),
    "its first second": (382, "2022-10-30", "2022-10-30", [3494]),
    "the second before": (382, "2022-10-29", "2022-10-29", [3493]),
    "a month's last day": (23, "2022-09-30", "2022-09-30", [3399]),
    "a month's first day": (23, "2022-10-01", "2022-10-01", [3400]),
    "both": (23, "2022-09-30", "2022-10-01", [3400, 3399]),
    "29 February": (23, "2020-02-29", "2020-02-29", [3102, 3101]),
    "28 February": (23, "2020-02-28", "2020-02-28", [3100]),
    "1 March": (23, "2020-03-01", "2020-03-01", [3103]),
    "New Year's Eve": (23, "2021-12-31", "2021-12-31", [3150]),
    "New Year": (23, "2022-01-01", "2022-01-01", [3151]),
    "all of it": (23, "2020-01-01", "2022-12-31", [3400, 3399, 3151, 3150, 3103, 3102, 3101, 3100]),
}
ZONES = ["Europe/Madrid", "UTC", "America/Bogota", "Asia/Kathmandu"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", list(DAYS))
async def test_days_of_the_business_whatever_clock_the_system_keeps(
    stranger: Stranger, client: Client, name: str, zone: str
) -> None:
    stranger.become(zone=ZoneInfo(zone))
    group, first, last, expected = DAYS[name]
    async with client:
        assert await _ids(client, group, {"dates": {"from": first, "to": last}}) == expected


BETWEEN = {
    "from is in, until is not": ("2022-10-31T08:30:00Z", "2022-10-31T09:00:30Z", 382, [3501]),
    "a second later": ("2022-10-31T08:30:01Z", "2022-10-31T09:00:31Z", 382, [3502]),
    "by another clock": ("2022-10-31T03:30:00-05:00", "2022-10-31T04:00:31-05:00", 382, [3502, 3501]),
    "one second": ("2022-10-31T08:30:00Z", "2022-10-31T08:30:01Z", 382, [3501]),
    "within a second": ("2022-10-31T08:29:59.500Z", "2022-10-31T08:30:00.500Z", 382, [3501]),
    "after it began": ("2022-10-31T08:30:00.001Z", "2022-10-31T08:30:00.999Z", 382, []),
    "over midnight": ("2022-10-30T22:59:59Z", "2022-10-31T08:00:02Z", 390, [3500, 3497]),
    "the first 02:xx": ("2022-10-30T00:00:00Z", "2022-10-30T01:00:00Z", 390, [3495]),
    "the second 02:xx": ("2022-10-30T01:00:00Z", "2022-10-30T02:00:00Z", 390, [3496]),
    "from one to the other": ("2022-10-30T00:50:00Z", "2022-10-30T01:16:00Z", 390, [3496]),
    "the last before": ("2022-10-30T00:45:00Z", "2022-10-30T00:45:01Z", 390, [3495]),
    "the skipped hour": ("2022-03-27T00:59:59Z", "2022-03-27T01:00:01Z", 382, [3202, 3201]),
    "two days": ("2022-03-26T23:00:00Z", "2022-03-28T22:00:00Z", 382, [3204, 3203, 3202, 3201, 3200]),
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", list(BETWEEN))
async def test_intervals(stranger: Stranger, client: Client, name: str, zone: str) -> None:
    stranger.become(zone=ZoneInfo(zone))
    start, end, group, expected = BETWEEN[name]
    async with client:
        assert await _ids(client, group, {"between": {"from": start, "until": end}}) == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("day", "expected"),
    [("2022-10-29", [683]), ("2022-10-30", [690, 682, 681, 680]), ("2022-10-31", None)],
)
async def test_days_of_the_log(
    stranger: Stranger, client: Client, day: str, expected: list[int] | None, zone: str
) -> None:
    stranger.become(log_zone=ZoneInfo(zone))
    async with client:
        data = await client.data(
            "query ($p: Period) { gameLogs(during: $p) { nodes { id } } }", p={"dates": {"from": day, "to": day}}
        )
    ids = [int(node["id"]) for node in data["gameLogs"]["nodes"]]
    assert ids == expected if expected else len(ids) == 30


@pytest.mark.parametrize("zone", ZONES)
async def test_daily_totals_are_of_the_days_that_were_asked_for(stranger: Stranger, client: Client, zone: str) -> None:
    """R1 has days of the system's clock. It is not called for days of another clock."""
    stranger.become(zone=ZoneInfo(zone))
    own = zone == client.zone.key
    async with client:
        data = await client.data(
            """{ group(id: "391") { dailyMovements(during: {dates: {from: "2022-10-01", to: "2022-10-30"}}) { date }
              last: dailyMovements(during: {frame: LAST_MONTH}) { date } } }"""
        )
    assert [day["date"] for day in data["group"]["dailyMovements"]] == (["2022-10-01", "2022-10-30"] if own else [])
    assert [day["date"] for day in data["group"]["last"]] == (["2022-09-30"] if own else [])
    assert ("users_report" in {call.split()[0] for call in stranger.calls()}) is own


async def test_one_instant_cuts_all_periods_of_an_operation(stranger: Stranger, client: Client) -> None:
    client.options["now"] = datetime.datetime(2022, 10, 31, 22, 59, 59, 999999, tzinfo=datetime.UTC)
    async with client:
        await client.data(
            '{ group(id: "382") { users { nodes { transactions { totalCount } gameLogs { totalCount } } } } }'
        )
    framed = [call for call in stranger.calls() if "/" in call]
    assert len(framed) == 4
    logs = [call for call in framed if call.startswith("get_game_log")]
    assert all(call.endswith(" 2022-10-31 00:00:00/2022-10-31 23:59:59") for call in framed if call not in logs)
    assert all(call.endswith(" 2022-10-30 23:59:59/2022-10-31 23:59:58") for call in logs)


async def test_times_are_told_on_the_clock_of_the_business(stranger: Stranger, client: Client) -> None:
    query = '{ user(id: "60") { transactions(first: 1) { nodes { timestamp } } } game(id: "1384861") { startsAt } }'
    async with client:
        assert await client.data(query) == {
            "user": {"transactions": {"nodes": [{"timestamp": "2022-10-31T11:28:42+01:00"}]}},
            "game": {"startsAt": "2022-10-31T09:00:00+01:00"},
        }
    client.zone = ZoneInfo("America/Bogota")
    async with client:
        assert await client.data(query) == {
            "user": {"transactions": {"nodes": [{"timestamp": "2022-10-31T05:28:42-05:00"}]}},
            "game": {"startsAt": "2022-10-31T03:00:00-05:00"},
        }


@pytest.mark.parametrize("during", ["null", "{frame: TODAY}"])
async def test_no_period_is_the_default(stranger: Stranger, client: Client, during: str) -> None:
    async with client:
        await client.data(f"{{ games(during: {during}) {{ totalCount }} }}")
        await client.data(f'{{ group(id: "391") {{ dailyMovements(during: {during}) {{ date }} }} }}')
    month = "2022-10-31" if during != "null" else "2022-10-01"
    assert stranger.calls() == [
        "api_bulk_games_report 2022-10-31 00:00:00/2022-10-31 23:59:59",
        "api_groups_report id=391",
        f"users_report groupid=391 {month} 00:00:00/2022-10-31 23:59:59",
    ]
