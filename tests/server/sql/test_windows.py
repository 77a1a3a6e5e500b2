"""The parts that are read for a statement are never too few: random statements have the same result on all rows."""

import datetime
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema import graph
from server.execution.saved import saved_queries
from server.http.request_error import RequestError
from server.sql import statement
from server.sql.parts import TableParts, parts_of
from server.sql.table import SqlTable, sql_tables
from server.tables.table import Tables
from tests.effort import tries

NOW = datetime.datetime(2026, 4, 3, 12, tzinfo=datetime.UTC)
ZONE = ZoneInfo("Europe/Rome")  # its clocks change on 29 March 2026
TABLES = sql_tables(Tables(saved_queries(), graph.schema), graph.schema)
# Every three hours and a little from 24 March to 3 April, at the edges of days, and for two groups.
MOMENTS = sorted(
    {
        *(datetime.datetime(2026, 3, 24, tzinfo=ZONE) + datetime.timedelta(hours=3, minutes=7) * n for n in range(75)),
        *(datetime.datetime(2026, 3, day, tzinfo=ZONE) for day in (26, 28, 29, 30)),
        *(datetime.datetime(2026, 3, day, 23, 59, 59, 999999, tzinfo=ZONE) for day in (26, 28, 29)),
    }
)
GROUPS = ("382", "383", "9")


def parts(text: str, now: datetime.datetime = NOW, zone: ZoneInfo = ZONE) -> dict[str, TableParts]:
    """Return the parts of each table of a statement; a second mention of a table has its number."""
    found: dict[str, TableParts] = {}
    for scan, table in statement.read(text, TABLES, now, zone).scans:
        name = table.shown if table.shown not in found else f"{table.shown} {len(found)}"
        found[name] = parts_of(scan, table, now, zone)
    return found


def days(found: TableParts) -> list[str]:
    return sorted({part.window.pieces[0].text for part in found.parts if part.window is not None})


def keys(found: TableParts) -> list[str]:
    return sorted({value for part in found.parts for value in part.keys.values()})


def error(text: str) -> tuple[str, str]:
    with pytest.raises(RequestError) as refusal:
        parts(text)
    one = refusal.value.errors[0]
    return one["extensions"]["code"], one["message"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("timestamp >= '2026-03-28' AND timestamp < '2026-03-30'", ["2026-03-28", "2026-03-29"]),
        ("timestamp > '2026-03-28 22:00' AND timestamp <= '2026-03-29'", ["2026-03-28", "2026-03-29"]),
        ("timestamp BETWEEN '2026-03-28' AND '2026-03-28 10:00'", ["2026-03-28"]),
        ("timestamp = '2026-03-28 10:00:00'", ["2026-03-28"]),
        ("date(timestamp) = '2026-03-28'", ["2026-03-28"]),
        ("timestamp::date = DATE '2026-03-28'", ["2026-03-28"]),
        ("CAST(timestamp AS DATE) IN ('2026-03-28', '2026-03-26')", ["2026-03-26", "2026-03-28"]),
        ("date_trunc('day', timestamp) = '2026-03-28'", ["2026-03-28"]),
        ("date_trunc('week', timestamp) = '2026-03-23'", [f"2026-03-{day}" for day in range(23, 30)]),
        ("timestamp >= current_date - 1", ["2026-04-02", "2026-04-03"]),
        ("timestamp >= now() - INTERVAL 1 DAY", ["2026-04-02", "2026-04-03"]),
        ("'2026-04-02' <= timestamp", ["2026-04-02", "2026-04-03"]),
        ("(timestamp < '2026-03-02' AND timestamp >= '2026-03-01') OR date(timestamp) = '2026-03-28'",
         ["2026-03-01", "2026-03-28"]),
        ("NOT (timestamp < '2026-04-02')", ["2026-04-02", "2026-04-03"]),
        # In UTC it is the evening before.
        ("timestamp >= '2026-04-02 22:30:00+00:00'", ["2026-04-03"]),
        ("timestamp >= '2026-04-02' AND 1 = 0", []),
    ],
)  # fmt: skip
def test_the_days_of_a_condition(condition: str, expected: list[str]) -> None:
    found = parts(f"SELECT id FROM transactions WHERE group_id = '382' AND ({condition})")
    assert days(found["transactions"]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WITH d AS (SELECT date(timestamp) AS day, sum(amount) FROM transactions WHERE group_id = '382' GROUP BY 1)"
         " SELECT * FROM d WHERE day = '2026-03-28'", {"transactions": 1}),
        ("WITH d AS (SELECT * FROM transactions), e AS (SELECT * FROM d) SELECT x.id FROM e AS x"
         " WHERE x.group_id = '382' AND x.timestamp >= '2026-04-03'", {"transactions": 1}),
        # Two mentions of an expression: both windows.
        ("WITH d AS (SELECT * FROM transactions WHERE group_id = '382') SELECT (SELECT count(*) FROM d WHERE"
         " date(timestamp) = '2026-03-28') - (SELECT count(*) FROM d WHERE date(timestamp) = '2026-03-26')",
         {"transactions": 2}),
        ("SELECT * FROM (SELECT * FROM transactions UNION ALL SELECT * FROM transactions) AS t"
         " WHERE t.group_id = '382' AND t.timestamp >= '2026-04-03'", {"transactions": 1, "transactions 1": 1}),
        # A join passes the group on, in the direction in which it is sure.
        ("SELECT t.id FROM users AS u LEFT JOIN transactions AS t ON t.user_id = u.id AND t.group_id = u.group_id"
         " AND t.timestamp >= '2026-04-02' WHERE u.group_id IN ('382', '383')", {"users": 2, "transactions": 4}),
        ("SELECT count(*) FROM transactions JOIN users USING (group_id) WHERE group_id = 382"
         " AND timestamp >= '2026-04-03'", {"transactions": 1, "users": 1}),
        # Each mention has its own window.
        ("SELECT 1 FROM transactions AS a, transactions AS b WHERE a.group_id = '382' AND b.group_id = '383'"
         " AND date(a.timestamp) = '2026-03-28' AND b.timestamp >= '2026-04-02'",
         {"transactions": 1, "transactions 1": 2}),
        ("SELECT * FROM transactions LIMIT 0", {"transactions": 0}),
        ("SELECT name FROM groups", {"groups": 1}),
    ],
)  # fmt: skip
def test_the_parts_through_queries_and_joins(text: str, expected: dict[str, int]) -> None:
    assert {name: len(found.parts) for name, found in parts(text).items()} == expected


def test_the_way_to_read_follows_the_keys() -> None:
    by_user = parts("SELECT id FROM transactions WHERE user_id = '2001' AND group_id = '382' AND timestamp >= today()")
    assert keys(by_user["transactions"]) == ["2001"]
    many = ", ".join(f"'{number}'" for number in range(2000, 2020))
    by_group = parts(
        f"SELECT id FROM transactions WHERE user_id IN ({many}) AND group_id = '382' AND timestamp >= today()"
    )
    assert keys(by_group["transactions"]) == ["382"]
    logs = parts(f"SELECT id FROM game_logs WHERE created_at >= today() AND user_id IN ({many})")["game_logs"]
    assert keys(logs) == ["slot"]
    rooms = parts("SELECT * FROM saved.Games WHERE room_id IN (1, 2) AND \"startsAt\" BETWEEN '2026-04-01' AND now()")
    assert keys(rooms["saved.Games"]) == ["1", "2"]


def test_the_type_of_game_logs_is_a_key() -> None:
    text = "SELECT id FROM game_logs WHERE created_at >= today()"
    many = [f"type{number}" for number in range(12)]
    for condition, expected in (
        ("", [{}]),
        (" AND game_type = 'live'", [{"game_type": "live"}]),
        (" AND game_type IN ('live', 'slot')", [{"game_type": "live"}, {"game_type": "slot"}]),
        (" AND user_id = 7 AND game_type = 'live'", [{"user_id": "7", "game_type": "live"}]),
        # The report cannot be asked for all types, so each is read by itself.
        (f" AND game_type IN {tuple(many)}", [{"game_type": one} for one in sorted(many)]),
    ):
        found = parts(text + condition)["game_logs"]
        assert [part.variables for part in found.parts] == expected
        assert {part.keys["game_type"] for part in found.parts} == {one.get("game_type", "slot") for one in expected}


def test_rooms_are_read_for_days() -> None:
    found = parts("SELECT DISTINCT id FROM rooms WHERE day BETWEEN '2026-03-28' AND '2026-03-29'")["rooms"]
    assert days(found) == keys(found) == ["2026-03-28", "2026-03-29"]
    code, message = error("SELECT id FROM rooms")
    assert code == "SQL_UNBOUNDED"
    assert message == (
        "The statement does not say the days to read of rooms: bound its time, for example WHERE day >= '2026-04-02' "
        "AND day < '2026-04-03'."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT * FROM transactions WHERE timestamp >= '2026-04-01'",
         "transactions is read by user_id or group_id: say which, for example WHERE group_id = '382'."),
        ("SELECT * FROM transactions WHERE group_id = '382'",
         "The statement does not say the days to read of transactions: bound its time, for example WHERE "
         "timestamp >= '2026-04-02' AND timestamp < '2026-04-03'."),
        ("SELECT * FROM transactions WHERE group_id = '382' AND timestamp < '2026-04-01'",
         "The statement does not say the first day to read of transactions: bound its time, for example WHERE "
         "timestamp >= '2026-04-02' AND timestamp < '2026-04-03'."),
        ("SELECT * FROM games WHERE starts_at >= '2026-04-01'",
         "The statement does not say the last day to read of games, and its rows may lie ahead: bound its time, for "
         "example WHERE starts_at >= '2026-04-02' AND starts_at < '2026-04-03'."),
        ("SELECT * FROM transactions WHERE group_id = '382' AND timestamp < '9999-12-31 23:59:59-01:00'",
         "The statement does not say the days to read of transactions: bound its time, for example WHERE "
         "timestamp >= '2026-04-02' AND timestamp < '2026-04-03'."),
        ("SELECT * FROM transactions WHERE group_id = '382' AND timestamp >= '2010-01-01'",
         "transactions would be read for 5,937 days, and 3,700 are allowed: bound timestamp closer."),
    ],
)  # fmt: skip
def test_a_statement_without_a_window_or_a_key_is_refused(text: str, message: str) -> None:
    assert error(text) == ("SQL_UNBOUNDED", message)


@pytest.mark.parametrize(
    "text",
    [
        # Fewer rows would change which rows stay.
        "SELECT * FROM (SELECT * FROM transactions ORDER BY id LIMIT 10) AS t WHERE {}",
        "SELECT * FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM transactions) AS t WHERE {}",
        "SELECT * FROM (SELECT DISTINCT ON (type) * FROM transactions ORDER BY id) AS t WHERE {}",
        # The rows of the left side stay.
        "SELECT * FROM transactions AS t LEFT JOIN groups AS g ON {}",
        "SELECT * FROM transactions AS t FULL JOIN groups AS g ON {}",
        # A null passes.
        "SELECT * FROM groups AS g LEFT JOIN transactions AS t ON g.id = t.group_id WHERE {} OR t.id IS NULL",
        "SELECT * FROM transactions AS t WHERE {} OR amount > 5",
        "SELECT * FROM transactions AS t WHERE coalesce({}, true)",
        "SELECT * FROM transactions AS t HAVING {}",
        "SELECT id FROM transactions AS t ORDER BY {}",
        "SELECT {} FROM transactions AS t",
        "SELECT * FROM transactions AS t(group_id, timestamp) WHERE {}",
    ],
)
def test_a_condition_that_cannot_be_moved_restricts_nothing(text: str) -> None:
    condition = "(t.group_id = '382' AND t.timestamp >= '2026-04-02')"
    assert error(text.format(condition))[0] == "SQL_UNBOUNDED"


# Random statements over two small tables


def rows(group: str, moments: list[datetime.datetime]) -> list[tuple[str, str, datetime.datetime]]:
    return [(f"{group}-{number}", group, moment) for number, moment in enumerate(moments)]


ALL = [row for place, group in enumerate(GROUPS) for row in rows(group, MOMENTS[place::2])]


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{ZONE}'")
        connection.execute("CREATE TABLE whole (id VARCHAR, group_id VARCHAR, timestamp TIMESTAMPTZ)")
        connection.executemany("INSERT INTO whole VALUES (?, ?, ?)", ALL)
        yield connection


literals = st.sampled_from(
    [
        "'2026-03-26'", "'2026-03-28 23:59:59'", "DATE '2026-03-29'", "TIMESTAMP '2026-03-29 02:30:00'",
        "'2026-03-29 00:30:00+00'", "TIMESTAMPTZ '2026-03-30 00:00:00+02'", "DATE '2026-03-25' + 3",
        "TIMESTAMP '2026-03-30 12:00:00' - INTERVAL 2 DAY", "current_date - 5", "now() - INTERVAL 100 HOUR",
        "date_trunc('month', today())", "date_trunc('week', TIMESTAMPTZ '2026-03-29 10:00:00+02')",
    ]
)  # fmt: skip
times = st.sampled_from(
    [
        "{}timestamp", "date({}timestamp)", "{}timestamp::date", "date_trunc('day', {}timestamp)",
        "date_trunc('week', {}timestamp)", "date_trunc('month', {}timestamp)", "{}timestamp::timestamp",
        "date_trunc('hour', {}timestamp)", "({}timestamp)",
    ]
)  # fmt: skip
words = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
groups = st.sampled_from(["'382'", "'383'", "382", "'404'"])


def atoms(prefix: str) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(lambda time, word, value: f"{time.format(prefix)} {word} {value}", times, words, literals),
        st.builds(lambda time, word, value: f"{value} {word} {time.format(prefix)}", times, words, literals),
        st.builds(lambda time, low, high: f"{time.format(prefix)} BETWEEN {low} AND {high}", times, literals, literals),
        st.builds(lambda low, high: f"date({prefix}timestamp) IN ({low}, {high})", literals, literals),
        st.builds(lambda word, value: f"{prefix}group_id {word} {value}", st.sampled_from(["=", "<>"]), groups),
        st.builds(lambda one, two: f"{prefix}group_id NOT IN ({one}, {two})", groups, groups),
        st.builds(lambda one, two: f"{prefix}group_id IN ({one}, {two})", groups, groups),
        st.sampled_from(
            ["1 = 1", "1 = 0", "true", "NULL", f"{prefix}id IS NULL", f"{prefix}id LIKE '%3'",
             f"extract(year FROM {prefix}timestamp) = 2026"]
        ),
    )  # fmt: skip


def conditions(prefix: str = "") -> st.SearchStrategy[str]:
    return st.recursive(
        atoms(prefix),
        lambda inner: st.one_of(
            st.builds(lambda one: f"NOT ({one})", inner),
            st.builds(lambda one, two: f"({one} AND {two})", inner, inner),
            st.builds(lambda one, two: f"({one} OR {two})", inner, inner),
        ),
        max_leaves=6,
    )


JOINS = ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN")
statements = st.one_of(
    st.builds("SELECT id FROM transactions WHERE {}".format, conditions()),
    st.builds(
        "WITH c AS (SELECT id, group_id, timestamp FROM transactions WHERE {}) SELECT id FROM c WHERE {}".format,
        conditions(), conditions(),
    ),
    st.builds(
        "SELECT d.day, d.n FROM (SELECT date(timestamp) AS day, group_id, count(*) AS n FROM transactions WHERE {} "
        "GROUP BY ALL) AS d WHERE d.day {} {} AND d.group_id IN ('382', '383')".format,
        conditions(), words, literals,
    ),
    st.builds(
        "SELECT a.id, b.id FROM transactions AS a {} transactions AS b ON a.group_id = b.group_id AND {} "
        "WHERE {}".format,
        st.sampled_from(JOINS[:4]), conditions("b."), conditions("a."),
    ),
    st.builds(
        "SELECT a.id, b.id FROM transactions AS a {} transactions AS b ON a.timestamp = b.timestamp AND {} "
        "WHERE {}".format,
        st.sampled_from(JOINS[:4]), conditions("a."), conditions("b."),
    ),
    st.builds(
        "SELECT a.id FROM transactions AS a {} transactions AS b ON a.timestamp = b.timestamp AND {} WHERE {}".format,
        st.sampled_from(JOINS[4:]), conditions("b."), conditions("a."),
    ),
    st.builds(
        "SELECT a.id, c.id FROM transactions AS a LEFT JOIN transactions AS b ON a.timestamp = b.timestamp AND {} {} "
        "transactions AS c ON b.group_id = c.group_id AND {} WHERE {}".format,
        conditions("b."), st.sampled_from(JOINS[:4]), conditions("c."), conditions("a."),
    ),
    st.builds(
        "WITH c AS (SELECT id, group_id, timestamp FROM transactions WHERE {}), d AS (SELECT c.id, e.group_id, "
        "e.timestamp FROM c LEFT JOIN transactions AS e ON c.timestamp = e.timestamp AND {}) SELECT a.id, d.id FROM "
        "transactions AS a {} d ON a.group_id = d.group_id AND a.timestamp = d.timestamp AND {}".format,
        conditions(), conditions("e."), st.sampled_from(JOINS[:4]), conditions("a."),
    ),
    st.builds(
        "SELECT id, group_id FROM (SELECT id, group_id, timestamp FROM transactions WHERE {} {} "
        "SELECT id, group_id, timestamp FROM transactions WHERE {}) AS u WHERE {}".format,
        conditions(), st.sampled_from(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]), conditions(), conditions(),
    ),
    st.builds(
        "SELECT id FROM transactions AS a WHERE {} AND EXISTS (SELECT 1 FROM transactions AS b WHERE "
        "b.timestamp = a.timestamp AND {})".format,
        conditions("a."), conditions("b."),
    ),
    st.builds(
        "SELECT id FROM (SELECT id, timestamp, group_id, max(timestamp) OVER (PARTITION BY group_id) AS last "
        "FROM transactions WHERE {}) AS w WHERE {}".format,
        conditions(), conditions(),
    ),
)  # fmt: skip


def narrowed(table: SqlTable, needed: object) -> str:
    """Return the rows of the parts of a scan, as a condition on the whole table."""
    assert isinstance(needed, dict) or needed is None
    if needed is None:
        return "false"
    limits = []
    for name, values in needed.items():
        if isinstance(values, frozenset):
            limits.append(f"{name} IN ({', '.join(map(repr, sorted(values)))})" if values else "false")
        else:
            inside = [row[0] for row in ALL if values >> _bit(row[2].astimezone(ZONE).date()) & 1]
            limits.append(f"id IN ({', '.join(map(repr, inside))})" if inside else "false")
    return " AND ".join(limits) or "true"


def _bit(day: datetime.date) -> int:
    from server.tables import days as calendar

    return calendar.place(day)


def result(duck: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Return the rows in any order, or the kind of error: some random types cannot be compared."""
    try:
        return sorted(map(str, duck.execute(text).fetchall()))
    except duckdb.Error as refusal:
        return [type(refusal).__name__]


@settings(max_examples=tries(75))
@given(text=statements)
def test_what_is_read_is_enough(duck: duckdb.DuckDBPyConnection, text: str) -> None:
    """The result over the parts is the result over everything."""
    found = statement.read(text, TABLES, NOW, ZONE)
    for scan, table in found.scans:
        duck.execute(
            f"CREATE OR REPLACE TEMP VIEW {scan.name} AS SELECT * FROM whole WHERE {narrowed(table, scan.needed)}"
        )
    narrow = result(duck, found.text)
    for scan, _ in found.scans:
        duck.execute(f"CREATE OR REPLACE TEMP VIEW {scan.name} AS SELECT * FROM whole")
    assert narrow == result(duck, found.text)
