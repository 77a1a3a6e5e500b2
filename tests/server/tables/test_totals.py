"""Totals of tables: groups, exact sums, the business calendar, currencies, and the limit of memory."""

import datetime
from collections import defaultdict
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from schema import graph
from server.execution.saved import saved_queries
from server.http.request_error import RequestError
from server.tables.arrow import Unfit, texts, typed
from server.tables.table import Table, Tables, table_of
from server.tables.totals import Aggregate, GroupKey, TableTotals, calendar
from tests.server.tables import library
from tests.server.tables.conftest import saved

MADRID = ZoneInfo("Europe/Madrid")
TABLES = Tables(saved_queries(), graph.schema)
LEDGER = TABLES["GroupLedger"]
SUM, COUNT = Aggregate("amount", "sum"), Aggregate("", "count")


def graph_table(text: str) -> Table:
    table = table_of(saved(f"# It.\n{text}"), graph.schema)
    assert table is not None
    return table


def rows_of(table: Table, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return rows as they are read. An absent column has nulls, or empty texts if it has none."""
    filled = [{field.name: None if field.nullable else "" for field in table.read_schema} | row for row in rows]
    return pa.RecordBatch.from_pylist(filled, schema=table.read_schema)


def total(
    table: Table, keys: list[GroupKey], figures: list[Aggregate], *batches: pa.RecordBatch, most: int = 1 << 26
) -> list[dict[str, Any]]:
    totals = TableTotals(table, keys, figures, MADRID)
    fold = totals.fold(most)
    for batch in batches:
        fold.add(totals.prepared(table, batch))
    found = fold.rows()
    assert found.schema.equals(totals.table.read_schema)
    found.validate(full=True)
    return list(found.to_pylist())


def moved(timestamp: str, amount: str | None, type: str = "Bingo - Wager", currency: str | None = "EUR") -> Any:
    moment = datetime.datetime.fromisoformat(timestamp)
    return {"timestamp": moment, "amount": amount, "type": type, "currency": currency}


def test_sums_are_exact_beyond_the_digits_of_a_column_and_never_mix_currencies() -> None:
    most = "9" * 28 + ".9999999999"
    rows = [moved("2026-03-01T00:00Z", most) for _ in range(1000)]
    rows += [moved("2026-03-01T00:00Z", one, currency="USD") for one in ("0.0000000001", "-0.30", "0.10")]
    rows += [moved("2026-03-01T00:00Z", None, currency="USD"), moved("2026-03-01T00:00Z", "1.00", currency=None)]
    figures = [SUM, Aggregate("amount", "min"), Aggregate("amount", "max"), COUNT]
    batches = [rows_of(LEDGER, rows[place : place + 7]) for place in range(0, len(rows), 7)]
    assert total(LEDGER, [], figures, *batches) == [
        {
            "currency": "EUR",
            "amount_sum": "9" * 31 + ".9999999",
            "amount_min": most,
            "amount_max": most,
            "count": 1000,
        },
        {"currency": "USD", "amount_sum": "-0.1999999999", "amount_min": "-0.30", "amount_max": "0.10", "count": 4},
        {"currency": None, "amount_sum": "1.00", "amount_min": "1.00", "amount_max": "1.00", "count": 1},
    ]


@pytest.mark.parametrize("seed", range(4))
def test_they_are_what_a_loop_over_the_rows_adds_up(seed: int) -> None:
    random = Random(seed)
    start = datetime.datetime(2026, 10, 23, tzinfo=datetime.UTC)
    rows = [
        moved(
            (start + datetime.timedelta(seconds=random.randrange(5 * 86_400))).isoformat(),
            random.choice([None, f"{random.randrange(-(10**12), 10**12) / 10**4:.4f}"]),
            random.choice(["a", "b", 'c"']),
            random.choice(["EUR", "USD", None]),
        )
        | {"userId": str(random.randrange(30))}
        for _ in range(3000)
    ]
    expected: defaultdict[Any, dict[str, Any]] = defaultdict(lambda: {"sum": None, "n": 0, "users": set()})
    for row in rows:
        local = row["timestamp"].astimezone(MADRID)
        hour = local.replace(minute=0, second=0, microsecond=0).astimezone(datetime.UTC)
        group = expected[local.date(), hour, row["type"], row["currency"]]
        group["n"] += 1
        group["users"].add(row["userId"])
        if row["amount"] is not None:
            group["sum"] = (group["sum"] or 0) + Decimal(row["amount"])
    keys = [GroupKey("timestamp", "day"), GroupKey("timestamp", "hour"), GroupKey("type")]
    batch = rows_of(LEDGER, rows)
    batches = [batch.slice(place, 700) for place in range(0, 3000, 700)]
    figures = [SUM, COUNT, Aggregate("userId", "countdistinct", "users")]
    # Rows as they are read, and typed, have the same totals.
    for shaped in (batches, [typed(LEDGER, one) for one in batches]):
        found = total(LEDGER, keys, figures, *shaped)
        assert list(found[0]) == ["timestamp_day", "timestamp_hour", "type", "currency", "amount_sum", "count", "users"]
        summed = {
            tuple(list(row.values())[:4]): (
                None if row["amount_sum"] is None else Decimal(row["amount_sum"]),
                row["count"],
                row["users"],
            )
            for row in found
        }
        assert summed == {key: (one["sum"], one["n"], len(one["users"])) for key, one in expected.items()}
        order = [(tuple(row.values())[:3], row["currency"] is None, row["currency"] or "") for row in found]
        assert order == sorted(order)


@pytest.mark.parametrize(("change", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_days_of_other_lengths_and_repeated_hours(change: str, hours: int) -> None:
    midnight = datetime.datetime.fromisoformat(change).replace(tzinfo=MADRID).astimezone(datetime.UTC)
    moments = [midnight + datetime.timedelta(minutes=15 * number) for number in range(-4, hours * 4 + 4)]
    batch = rows_of(LEDGER, [moved(moment.isoformat(), "0.25") for moment in moments])
    by_day = total(LEDGER, [GroupKey("timestamp", "day")], [SUM, COUNT], batch)
    assert [(str(row["timestamp_day"]), row["amount_sum"]) for row in by_day][1] == (change, f"{hours}.00")
    assert [row["count"] for row in by_day] == [4, hours * 4, 4]
    by_hour = total(LEDGER, [GroupKey("timestamp", "hour", "hour")], [COUNT], batch)
    assert [(row["hour"], row["count"]) for row in by_hour] == [
        (midnight + datetime.timedelta(hours=number), 4) for number in range(-1, hours + 1)
    ]


@pytest.mark.parametrize("name", ["Europe/Madrid", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "UTC"])
def test_the_calendar_is_that_of_the_zone(name: str) -> None:
    zone = ZoneInfo(name)
    start = datetime.datetime(2025, 12, 20, tzinfo=datetime.UTC)
    moments = [start + datetime.timedelta(minutes=41 * number, microseconds=number) for number in range(13_000)]
    moments += [datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, datetime.UTC)]
    times = pa.array([*moments, None], pa.timestamp("us", "UTC"))
    days = [moment.astimezone(zone).date() for moment in moments]
    assert calendar(times, "day", zone).to_pylist() == [*days, None]
    weeks = [day - datetime.timedelta(days=day.weekday()) for day in days]
    assert calendar(times, "week", zone).to_pylist() == [*weeks, None]
    assert calendar(times, "month", zone).to_pylist() == [*(day.replace(day=1) for day in days), None]
    assert calendar(times, "year", zone).to_pylist() == [*(day.replace(month=1, day=1) for day in days), None]
    assert calendar(pa.array(days, pa.date32()), "week", zone).to_pylist() == weeks
    hours = calendar(times, "hour", zone)
    assert hours.type == times.type
    for moment, hour in zip(moments, hours.to_pylist(), strict=False):
        local = hour.astimezone(zone)
        assert (local.minute, local.second, local.microsecond) == (0, 0, 0) or name == "Australia/Lord_Howe"
        assert datetime.timedelta() <= moment - hour < datetime.timedelta(hours=1)


def test_the_ends_of_the_calendar_are_no_failure() -> None:
    times = texts(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z"])
    moments = times.cast(pa.timestamp("us", "UTC"))
    for name in ("Europe/Madrid", "Pacific/Kiritimati", "America/Los_Angeles"):
        for part in ("hour", "day", "week", "month", "year"):
            calendar(moments, part, ZoneInfo(name)).validate(full=True)


def test_without_rows_there_is_one_row_of_totals_without_keys() -> None:
    logs = TABLES["GameLogs"]
    figures = [Aggregate("bet", "sum"), Aggregate("win", "max"), COUNT, Aggregate("userCode", "countdistinct")]
    empty = {"bet_sum": None, "win_max": None, "count": 0, "userCode_countdistinct": 0}
    assert total(logs, [], figures) == [empty]
    assert total(logs, [], figures, rows_of(logs, [])) == [empty]
    assert total(logs, [GroupKey("type")], figures) == []
    row = {"bet": "0.30000000000000004", "win": "0", "userCode": "a", "createdAt": datetime.datetime(2026, 3, 1)}
    assert total(logs, [], figures, rows_of(logs, [row, row])) == [
        {"bet_sum": "0.60000000000000008", "win_max": "0.00", "count": 2, "userCode_countdistinct": 1}
    ]


def test_kinds_of_keys_and_figures() -> None:
    books = table_of(saved(library.BOOKS), library.schema)
    assert books is not None
    days = [datetime.date(2026, 1, day) for day in (1, 2, 3)]
    batch = rows_of(
        books,
        [
            {"id": str(place), "pages": pages, "cover": cover, "lent": lent, "printed": day, "price": price}
            for place, (pages, cover, lent, day, price) in enumerate(
                [
                    (2**62, "HARD", True, days[1], "5.0"),
                    (2**62 - 1, "SOFT", False, days[0], "5.00"),
                    (1, "SOFT", None, None, "7.1250"),
                    (None, None, False, days[2], None),
                ]
            )
        ],
    )
    figures = [Aggregate("pages", "sum"), Aggregate("printed", "min"), Aggregate("id", "max")]
    assert total(books, [GroupKey("cover")], figures, batch, batch.slice(0, 0)) == [
        {"cover": "HARD", "pages_sum": 2**62, "printed_min": days[1], "id_max": "0"},
        {"cover": "SOFT", "pages_sum": 2**62, "printed_min": days[0], "id_max": "2"},
        {"cover": None, "pages_sum": None, "printed_min": days[2], "id_max": "3"},
    ]
    assert total(books, [GroupKey("price")], [COUNT], batch) == [
        {"price": "5.00", "count": 2}, {"price": "7.125", "count": 1}, {"price": None, "count": 1},
    ]  # fmt: skip
    assert [row["lent"] for row in total(books, [GroupKey("lent")], [], batch)] == [False, True, None]
    with pytest.raises(RequestError, match="A sum in the column pages_sum does not fit 64 bits"):
        total(books, [], [Aggregate("pages", "sum")], batch, batch)


def test_totals_of_totals() -> None:
    first = TableTotals(LEDGER, [GroupKey("type"), GroupKey("userId")], [SUM], MADRID)
    assert {column.name: column.currency for column in first.table.columns} == {
        "type": "", "userId": "", "currency": "", "amount_sum": "currency"
    }  # fmt: skip
    batch = rows_of(first.table, [
        {"type": "a", "userId": str(user), "currency": "EUR", "amount_sum": f"{user}.50"} for user in range(4)
    ])  # fmt: skip
    assert total(first.table, [], [Aggregate("amount_sum", "max", "best")], batch) == [
        {"currency": "EUR", "best": "3.50"}
    ]
    # Amounts as keys may be of several currencies, unless the currency is a key, too.
    amounts = TableTotals(LEDGER, [GroupKey("amount")], [COUNT], MADRID)
    with pytest.raises(RequestError, match="may be of several currencies"):
        TableTotals(amounts.table, [], [SUM], MADRID)
    both = TableTotals(LEDGER, [GroupKey("amount"), GroupKey("currency", name="of")], [COUNT], MADRID)
    assert [key.column for key in TableTotals(both.table, [], [SUM], MADRID).keys] == ["of"]


@pytest.mark.parametrize(
    ("keys", "figures", "says"),
    [
        ([GroupKey("kind")], [COUNT], "The table GroupLedger has no column 'kind'; it has group_id, userId, username,"),
        ([], [Aggregate("amounts", "sum")], "The table GroupLedger has no column 'amounts'; it has group_id, userId,"),
        ([GroupKey("type", "day")], [COUNT], "The column type is no time, so it has no day."),
        ([GroupKey("timestamp", "minute")], [COUNT], "no part 'minute' of a time; there are day, hour, week, month, y"),
        ([], [Aggregate("type", "sum")], "There is no sum of the column type (String!); it can be of amount."),
        ([], [Aggregate("amount", "mean")], "There is no function 'mean'; there are sum, min, max, count, countdistin"),
        ([GroupKey("type"), GroupKey("type")], [], "Two columns of the totals are called type."),
        ([GroupKey("type", name="COUNT")], [COUNT], "Two columns of the totals are called count."),
        ([], [], "Totals need a key or a figure."),
    ],
)
def test_what_does_not_fit_is_said(keys: list[GroupKey], figures: list[Aggregate], says: str) -> None:
    with pytest.raises(RequestError) as refused:
        TableTotals(LEDGER, keys, figures, MADRID)
    assert refused.value.status == 400
    assert says in str(refused.value)


def test_the_currency_of_an_amount_is_beside_it_or_around_it() -> None:
    currencies = {
        name: {column.name: column.currency for column in TABLES[name].columns if column.currency}
        for name in ("GroupTransactions", "UserTransactions", "Games", "GroupLedger")
    }
    assert currencies == {
        "GroupTransactions": {"amount": "group_currency"},
        "UserTransactions": {"amount": "currency", "baseAmount": "baseCurrency"},
        "Games": {},
        "GroupLedger": {"amount": "currency"},
    }
    both = [Aggregate("amount", "sum"), Aggregate("baseAmount", "sum")]
    of_user = TableTotals(TABLES["UserTransactions"], [GroupKey("baseCurrency")], both, MADRID)
    assert [key.column for key in of_user.keys] == ["baseCurrency", "currency"]


def test_an_amount_whose_currency_the_query_does_not_select_has_no_totals() -> None:
    table = graph_table(
        "query A($u: ID!, $during: Period) { user(id: $u) { id transactions(during: $during) "
        "{ nodes @rows { id amount baseAmount group { currency } } } } }"
    )
    assert total(table, [], [COUNT, Aggregate("amount", "countdistinct")]) == [{"count": 0, "amount_countdistinct": 0}]
    for column, field in {"amount": "currency", "baseAmount": "baseCurrency"}.items():
        with pytest.raises(RequestError, match=f"does not say which: add {field} to its query, beside it"):
            TableTotals(table, [], [Aggregate(column, "max")], MADRID)


def test_an_amount_that_does_not_fit_its_column_is_an_error() -> None:
    with pytest.raises(Unfit, match=r"row 2: the column amount \(Decimal\) cannot hold 0.12345678901"):
        total(LEDGER, [], [SUM], rows_of(LEDGER, [moved("2026-03-01T00:00Z", one) for one in ("1", "0.12345678901")]))


def test_groups_take_limited_memory() -> None:
    def batches(distinct: int) -> Any:
        for start in range(0, 200_000, 10_000):
            ids = [str(number % distinct) for number in range(start, start + 10_000)]
            schema = LEDGER.read_schema
            columns = [texts(ids) if field.name == "id" else pa.nulls(10_000, field.type) for field in schema]
            yield pa.RecordBatch.from_arrays(columns, names=schema.names)

    most = 1 << 20
    for keys, figures in (([GroupKey("id")], [COUNT]), ([], [Aggregate("id", "countdistinct")])):
        few = total(LEDGER, keys, figures, *batches(5000), most=most)
        assert few[0].get("id_countdistinct", len(few)) == 5000
        with pytest.raises(RequestError, match=r"too many groups: they take more than 1 MiB\. Group by fewer"):
            total(LEDGER, keys, figures, *batches(150_000), most=most)
