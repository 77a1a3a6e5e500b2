"""Partial rows have the values of whole rows, and are replaced by these, in every written form of an answer."""

import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.mapping import expression
from upstream.decoding import envelope, partial_rows
from upstream.decoding.envelope import log_page, report_rows
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_row import PartialRow, distinct_values, getter, has_amounts, report_row
from upstream.errors import Malformed
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.reports.rows import Row
from upstream.values.bad_value import BadValue, sound
from upstream.values.clock import MixedForms

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Madrid", "Asia/Kolkata", "America/St_Johns")]
# The hour that Madrid's clocks show twice begins at 2025-10-26 02:00.
SECONDS = st.integers(1_761_430_000, 1_761_450_000)
AMOUNTS = st.one_of(
    st.integers(-3, 1000),
    st.decimals(-5, 1000, places=3, allow_nan=False).map(float),
    st.sampled_from(["5", "5.0", "-0.00", "0.125", 1e25, "x", None, True]),
)


@pytest.fixture(scope="module", autouse=True)
def of_short_answers_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial_rows, "_LONG_ANSWER", 0)
        yield


def written(seconds: int, how: str) -> Any:
    """A time in one of the ways in which upstreams write it."""
    text = f"2025-10-{25 + seconds % 2}T{seconds // 7 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return {
        "seconds": seconds,
        "text of seconds": str(seconds),
        "zulu": f"{text}.{seconds % 3:03}Z",
        "zulu, whole": f"{text}Z",
        "local": text.replace("T", " "),
        "none": "",
    }[how]


HOW = st.sampled_from(["seconds", "text of seconds", "zulu", "zulu, whole", "local", "none"])


@st.composite
def movements(draw: Any) -> list[dict[str, Any]]:
    """Rows of R5: most alike, some not."""
    how, odd = draw(HOW), draw(st.booleans())
    amounts = AMOUNTS if odd else st.one_of(st.integers(0, 1000), st.decimals(0, 9, places=2).map(float))
    found = []
    for number in range(draw(st.integers(1, 5))):
        row = {
            "movement_id": 100 - number,
            "timestamp": written(draw(SECONDS), draw(HOW) if odd and draw(st.booleans()) else how),
            "group_id": draw(st.sampled_from([60, "60", 0, "", None] if odd else [60])),
            "user_id": draw(st.sampled_from([7, 8, True, 7.0, -1] if odd else [7, 8])),
            "external_user_id": draw(
                st.sampled_from([4588, "4588", "p7", 0, True, [1]] if odd else [4588, "p7", None])
            ),
            "type": draw(st.sampled_from(["Bingo - Wager", "Bingo - Win", "a:b"])),
            "currency_amount": draw(amounts),
            "ticket_id": draw(st.sampled_from(["1q2", "", 382, "0"])),
            "game_id": draw(st.sampled_from([9, 0, "", None])),
        }
        if odd and draw(st.booleans()):
            row.pop(draw(st.sampled_from(sorted(row))))
        found.append(row)
    return found


COLUMNS = st.frozensets(st.sampled_from([*rows.GroupMovementRow.__struct_fields__, "movement_type"]), min_size=1)


def answered(body: bytes, zone: ZoneInfo, columns: frozenset[str] | None = None) -> LazyRows | str:
    """The answer, or what is wrong with it."""
    try:
        found = report_rows(reports.GROUP_MOVEMENTS, body, zone, columns)
    except Malformed as error:
        return error.message
    assert isinstance(found, LazyRows)
    return found


def plain(value: Any) -> Any:
    """A value, or what a bad one says of itself."""
    return value.error.message if isinstance(value, BadValue) else value


def cells(found: list[Row], names: Any = rows.GroupMovementRow.__struct_fields__) -> list[list[Any]]:
    return [[plain(getattr(row, name)) for name in sorted(names)] for row in found]


@given(movements(), COLUMNS, st.sampled_from(ZONES))
def test_excerpts_tell_what_whole_rows_tell(
    found: list[dict[str, Any]], columns: frozenset[str], zone: ZoneInfo
) -> None:
    body = json.dumps({"error": False, "report": found}).encode()
    whole, lazy = answered(body, zone), answered(body, zone, columns)
    if isinstance(whole, str) or isinstance(lazy, str):
        # What makes an answer malformed does so whatever is read of it.
        assert whole == lazy
        return
    lazy.read(columns)
    parts = list(lazy)
    own = columns & set(rows.GroupMovementRow.__struct_fields__)
    assert cells(parts, own) == cells(whole, own)
    for name in own - {*lazy.irregular}:
        expected = [getattr(row, name) for row in whole]
        assert distinct_values(parts, name) == set(expected)
        if name in ("timestamp", "movement_id"):
            read = getter(type(parts[0]), name)
            order = sorted(range(len(whole)), key=lambda place: expected[place])
            assert sorted(range(len(whole)), key=lambda place: read(parts[place])) == order
    lazy.read(columns)
    assert list(map(id, lazy)) == list(map(id, parts))
    lazy.read()
    assert cells(lazy) == cells(whole)
    assert lazy.irregular == whole.irregular
    assert cells(lazy.whole(parts)) == cells(whole)
    assert cells(lazy.whole(parts[1:])) == cells(whole[1:])


@given(movements(), COLUMNS, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_expressions_over_excerpts_give_what_they_give_over_rows(
    found: list[dict[str, Any]], columns: frozenset[str], zone: ZoneInfo, onto: ZoneInfo
) -> None:
    body = json.dumps({"error": False, "report": found}).encode()
    whole, lazy = answered(body, zone), answered(body, zone, columns)
    if isinstance(whole, str) or isinstance(lazy, str):
        return
    for name in columns & set(rows.GroupMovementRow.__struct_fields__):
        given: list[Any] = []
        for kind, each in ((type(lazy[0]), list(lazy)), (rows.GroupMovementRow, whole)):
            code = expression.moment(kind, name, onto) if name == "timestamp" else expression.plain(kind, name)
            assert code is not None
            try:
                given.append([sound(eval(code.code, {**code.names, "row": row})) for row in each])
            except MixedForms:
                return  # an hour that the engine leaves to the objects
            except (Malformed, TypeError, ValueError):
                given.append("a bad value")
        assert given[0] == given[1]
        assert (given[1] == "a bad value") == (name in whole.irregular)


def log(number: int) -> dict[str, Any]:
    own = {
        "history_id": number,
        "bet_money": 1.5,
        "win_money": number,
        "created_at": f"2026-03-14T00:{number:02}:00.000Z",
    }
    texts = ("agent_code", "user_code", "provider_code", "game_code", "type", "txn_id", "txn_type")
    return own | dict.fromkeys(texts, "x")


def pages(*numbers: list[int], columns: frozenset[str] = frozenset({"history_id", "win_money"})) -> list[LazyRows]:
    found = []
    for each in numbers:
        body = json.dumps(
            {"status": 1, "total_count": 9, "perPage": 3, "slot": [log(number) for number in each]}
        ).encode()
        page = log_page(reports.GAME_LOGS, "slot", body, ZONES[0], columns, frozenset())
        assert isinstance(page, envelope.LogPage)
        assert isinstance(page.rows, LazyRows)
        found.append(page.rows)
    return found


def ids(found: list[Row]) -> list[int]:
    return [row.history_id for row in found]  # type: ignore[attr-defined]


def test_excerpts_hold_what_is_read_and_nothing_else() -> None:
    (lazy,) = pages([1, 2])
    kind = type(lazy[0])
    assert issubclass(kind, PartialRow)
    assert report_row(kind) is rows.GameLogRow
    assert kind.__struct_fields__ == ("history_id", "raw_win_money")
    assert [row.win_money for row in lazy] == ["1.00", "2.00"]  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        lazy[0].bet_money  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("column", ["win_money", "user_start_balance"])
@pytest.mark.parametrize("value", [True, False, "x", "", "1e5", [], {}, None, 10**100])
def test_a_bad_amount_is_found_where_it_is_used(value: Any, column: str) -> None:
    logs = [log(1), log(1) | {"history_id": 2, column: value}, log(3)]
    for each in logs:
        each.setdefault(column, 1)
    body = json.dumps({"status": 1, "total_count": 3, "slot": logs}).encode()
    page = log_page(reports.GAME_LOGS, "slot", body, ZONES[0], {"history_id", column}, {"history_id"})
    assert isinstance(page, envelope.LogPage)
    assert isinstance(page.rows, LazyRows)
    parts = list(page.rows.take(frozenset({"history_id", column})))
    assert page.rows.irregular == set()
    code = expression.plain(type(parts[0]), column)
    assert code is not None

    def written(row: Row) -> Any:
        return eval(code.code, {**code.names, "row": row})

    good = value is None and column == "user_start_balance"
    assert [written(parts[0]), written(parts[2])] == [plain(getattr(row, column)) for row in (parts[0], parts[2])]
    if good:
        assert written(parts[1]) is None
    else:
        with pytest.raises((TypeError, ValueError)):
            written(parts[1])
        assert not has_amounts(parts, column, required=True)
    page.rows.read(frozenset({"history_id", column}))
    assert page.rows.irregular == (set() if good else {column})
    assert isinstance(page.rows[0], PartialRow) == good
    assert isinstance(getattr(page.rows[1], column), BadValue) == (not good)


def test_pages_give_way_together() -> None:
    lazy = LazyRows.joined(pages([1, 2, 3], [4, 5, 6], [7]))
    some = lazy.like([row for row in lazy if row.history_id % 2])  # type: ignore[attr-defined]
    assert ids(some) == [1, 3, 5, 7]
    parts = list(some)
    some.read({"history_id", "created_at"})
    assert [type(row) for row in some] == [rows.GameLogRow] * 4
    assert [row.created_at for row in some] == [(1773446400 + 60 * n) * 1_000_000 for n in (1, 3, 5, 7)]  # type: ignore[attr-defined]
    assert some.whole(parts) == list(some)


def test_pages_of_which_one_has_no_excerpts_are_whole() -> None:
    first, second = pages([1, 2])[0], pages([3], columns=frozenset())[0]
    (second,) = pages([3], columns=frozenset(rows.GameLogRow.__struct_fields__))
    assert type(second[0]) is rows.GameLogRow
    lazy = LazyRows.joined([first, second])
    assert [type(row) for row in lazy] == [rows.GameLogRow] * 3
    assert [row.win_money for row in lazy] == ["1.00", "2.00", "3.00"]  # type: ignore[attr-defined]


def test_the_head_of_an_answer_stands_by_itself() -> None:
    (lazy,) = pages([1, 2, 3, 4])
    head = lazy.head(2)
    head.read()
    assert ids(head) == [1, 2]
    assert type(head[0]) is rows.GameLogRow
    assert isinstance(lazy[0], PartialRow)
    joined = LazyRows.joined(pages([1, 2, 3], [4]))
    assert ids(joined.head(2)) == [1, 2]
    some = joined.like(joined[1:])
    assert ids(some.head(2)) == [2, 3]
    some.head(2).read()
    (whole,) = pages([1, 2, 3], columns=frozenset(rows.GameLogRow.__struct_fields__))
    kept = whole.head(1)
    kept.read()
    assert kept[0] is not whole[0]


def test_a_row_that_is_unlike_the_first_has_the_answer_read_row_by_row() -> None:
    body = json.dumps({"status": 1, "total_count": 2, "slot": [log(1), log(2) | {"history_id": "x"}]}).encode()
    with pytest.raises(Malformed, match=r"G1, row 2, column history_id"):
        log_page(reports.GAME_LOGS, "slot", body, ZONES[0], {"history_id"})
    twice = json.dumps({"status": 1, "total_count": 1, "slot": [log(1)]}).replace('"type"', '"win_money"').encode()
    with pytest.raises(Malformed):
        log_page(reports.GAME_LOGS, "slot", twice, ZONES[0], {"history_id"})
