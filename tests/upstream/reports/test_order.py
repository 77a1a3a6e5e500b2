import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.upstream.ledger import START, movement
from upstream.reports.order import Claim, RowOrder, RowOrders, Share, shares
from upstream.reports.rows import DailyMovementRow
from upstream.values import days
from upstream.values.interval import Interval

UTC = ZoneInfo("UTC")
A, B = b"a" * 8, b"b" * 8
SHAPE = "R5"


def row(number: int, day: int, hour: int = 12) -> Any:
    return movement(number, START + datetime.timedelta(days=day, hours=hour))


def cut(fetch: bytes, rows: list[Any], first: int, last: int) -> tuple[Claim, list[Share]]:
    interval = Interval(START + datetime.timedelta(days=first), START + datetime.timedelta(days=last + 1))
    found = shares(rows, "timestamp", False, days.pieces(interval, UTC), fetch)
    assert found is not None
    return found


def numbers(rows: list[Any] | None) -> list[int] | None:
    return None if rows is None else [each.movement_id for each in rows]


@pytest.mark.parametrize(
    ("rows", "claim"),
    [
        ([], Claim(RowOrder.NONE)),
        ([row(1, 0)], Claim(RowOrder.NONE)),
        ([row(1, 0), row(2, 0)], Claim(RowOrder.NONE)),
        ([row(1, 0, 3), row(2, 0, 4)], Claim(RowOrder.ASCENDING)),
        ([row(1, 0, 4), row(2, 0, 3)], Claim(RowOrder.DESCENDING)),
        ([row(1, 0, 4), row(2, 0, 3), row(3, 0, 4)], Claim(RowOrder.UNSURE)),
        ([row(1, 0, 4), row(2, 0, 3), row(3, 1)], Claim(RowOrder.ASCENDING, True)),
        ([row(1, 1), row(2, 0, 3), row(3, 0, 4)], Claim(RowOrder.DESCENDING, True)),
        ([row(1, 0), row(2, 1), row(3, 0)], Claim(RowOrder.MIXED, True)),
    ],
)
def test_what_a_fetch_tells_of_the_order(rows: list[Any], claim: Claim) -> None:
    assert cut(A, rows, 0, 1)[0] == claim


def test_a_row_that_belongs_to_no_piece_leaves_nothing_to_share_out() -> None:
    pieces = days.pieces(Interval(START, START + datetime.timedelta(days=1)), UTC)
    nameless = row(1, 0)
    nameless.timestamp = None
    for stray in (row(1, 1), row(1, -1), nameless):
        assert shares([row(2, 0), stray], "timestamp", False, pieces, A) is None
    assert shares([row(1, 0, 0)], "timestamp", False, pieces, A) is not None


def test_rows_that_are_dates_belong_to_their_day() -> None:
    def daily(day: int) -> DailyMovementRow:
        money = dict.fromkeys(("total_wagers_real", "total_wins_real", "total_refunds_real", "total_paid", "net"), "0")
        return DailyMovementRow(timestamp=datetime.date(2026, 3, day), total_paid_tickets=0, **money)

    pieces = days.pieces(Interval(START, START + datetime.timedelta(days=2)), UTC)
    found = shares([daily(2), daily(1)], "timestamp", True, pieces, A)
    assert found is not None
    assert [[each.timestamp.day for each in share.rows] for share in found[1]] == [[1], [2]]
    assert shares([daily(3)], "timestamp", True, pieces, A) is None


def test_days_of_two_fetches_follow_each_other_as_either_fetch_shows() -> None:
    for first, second, expected in (
        ([row(1, 0), row(2, 1)], [row(3, 2)], [1, 2, 3]),
        ([row(2, 1), row(1, 0)], [row(3, 2)], [3, 2, 1]),
        ([row(1, 0), row(2, 1)], [row(4, 2, 8), row(3, 2, 9), row(5, 2, 7)], [1, 2, 4, 3, 5]),
    ):
        found = cut(A, first, 0, 1)[1] + cut(B, second, 2, 2)[1]
        assert numbers(RowOrders().join(SHAPE, found, START)) == expected


def test_times_inside_a_day_are_a_hint_where_nothing_better_is_known() -> None:
    found = cut(A, [row(2, 0, 9), row(1, 0, 8)], 0, 0)[1] + cut(B, [row(3, 1)], 1, 1)[1]
    assert numbers(RowOrders().join(SHAPE, found, START)) == [3, 2, 1]


def test_without_a_hint_or_with_contrary_ones_there_is_no_answer() -> None:
    single, other = cut(A, [row(1, 0)], 0, 0)[1], cut(B, [row(2, 1)], 1, 1)[1]
    assert RowOrders().join(SHAPE, single + other, START) is None
    up, down = cut(A, [row(1, 0, 8), row(2, 0, 9)], 0, 0)[1], cut(B, [row(4, 1, 9), row(3, 1, 8)], 1, 1)[1]
    assert RowOrders().join(SHAPE, up + down, START) is None
    unsure = cut(A, [row(1, 0, 8), row(2, 0, 9), row(3, 0, 8)], 0, 0)[1]
    assert RowOrders().join(SHAPE, unsure + down, START) is None


def test_what_was_proven_once_holds_for_calls_of_that_shape() -> None:
    orders = RowOrders()
    orders.learn(SHAPE, Claim(RowOrder.DESCENDING, True), START)
    found = cut(A, [row(1, 0)], 0, 0)[1] + cut(B, [row(2, 1)], 1, 1)[1]
    assert numbers(orders.join(SHAPE, found, START)) == [2, 1]
    assert orders.join("R7", found, START) is None


def test_rows_of_one_fetch_stand_as_they_stood_however_that_was() -> None:
    rows = [row(1, 0, 8), row(2, 1, 8), row(3, 0, 9), row(4, 2), row(5, 1, 9)]
    _, found = cut(A, rows, 0, 2)
    orders = RowOrders()
    assert numbers(orders.join(SHAPE, found, START)) == [1, 2, 3, 4, 5]
    window = Interval(START + datetime.timedelta(hours=9), START + datetime.timedelta(days=1))
    assert numbers(orders.join(SHAPE, [found[0].within("timestamp", window), found[1]], START)) == [2, 3, 5]


def test_an_upstream_that_lists_by_room_is_not_believed_for_a_day() -> None:
    orders = RowOrders()
    claim, mixed = cut(A, [row(1, 0), row(2, 1), row(3, 0, 13)], 0, 1)
    orders.learn(SHAPE, claim, START)
    lucky = cut(B, [row(4, 2), row(5, 3)], 2, 3)
    orders.learn(SHAPE, lucky[0], START)
    assert orders.join(SHAPE, mixed + lucky[1], START) is None
    assert orders.hopeless(SHAPE, [lucky[0]], START)
    later = START + datetime.timedelta(days=1)
    assert orders.hopeless(SHAPE, [claim], later)
    assert not orders.hopeless(SHAPE, [lucky[0]], later)


def test_days_that_contradict_each_other_cannot_be_joined_by_a_further_fetch() -> None:
    up, down = Claim(RowOrder.ASCENDING), Claim(RowOrder.DESCENDING, True)
    assert RowOrders().hopeless(SHAPE, [up, down], START)
    assert not RowOrders().hopeless(SHAPE, [Claim(RowOrder.NONE), Claim(RowOrder.UNSURE)], START)
    assert not RowOrders().hopeless(SHAPE, [], START)
