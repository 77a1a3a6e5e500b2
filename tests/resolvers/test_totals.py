"""Columns are added up exactly, in turns of the event loop, into a bounded number of buckets."""

import asyncio
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.totals import (
    TURN,
    BucketSorting,
    Distinct,
    Extent,
    Shape,
    Signed,
    Sum,
    TooManyBuckets,
    add_up,
    in_order,
    ratio,
)

SIGNED, SUM, EXTENT, DISTINCT = Signed("amount", "currency"), Sum("amount"), Extent("at"), Distinct("user")
AMOUNTS = st.decimals(-(10**30), 10**30, places=22, allow_nan=False, allow_infinity=False) | st.none()
ROWS = st.lists(
    st.tuples(
        AMOUNTS,
        st.sampled_from(["USD", "EUR", None]),
        st.integers(0, 100) | st.none(),
        st.sampled_from([1, 2, 3, None]),
    ),
    max_size=40,
)


def columns(rows: list[Any]) -> dict[str, list[Any]]:
    """Return the columns of rows."""
    names = ("amount", "currency", "at", "user")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def exact(amounts: list[Decimal]) -> Fraction:
    """Return the exact sum of amounts."""
    return sum(map(Fraction, amounts), Fraction(0))


@given(ROWS, st.sampled_from([(), ("user",), ("user", "currency")]))
def test_totals_are_those_of_the_rows(rows: list[Any], keys: tuple[str, ...]) -> None:
    given = columns(rows)
    found = asyncio.run(add_up(Shape(keys, (SIGNED, EXTENT, DISTINCT)), given, len(rows)))
    places = {"amount": 0, "currency": 1, "at": 2, "user": 3}
    expected: dict[tuple[Any, ...], list[Any]] = {} if keys else {(): []}
    for row in rows:
        expected.setdefault(tuple(row[places[key]] for key in keys), []).append(row)
    assert found.keys() == expected.keys()
    for key, some in expected.items():
        bucket = found[key]
        assert bucket.count == len(some)
        assert bucket.figures[DISTINCT] == {row[3] for row in some} - {None}
        times = [row[2] for row in some if row[2] is not None]
        assert bucket.figures[EXTENT] == ((min(times), max(times)) if times else None)
        amounts: dict[Any, list[Decimal]] = {}
        for amount, currency, *_ in some:
            if amount is not None:
                amounts.setdefault(currency, []).append(amount)
        money = bucket.figures[SIGNED]
        assert money.keys() == amounts.keys()
        for currency, each in amounts.items():
            assert exact([money[currency].credits]) == exact([amount for amount in each if amount > 0])
            assert exact([money[currency].debits]) == -exact([amount for amount in each if amount < 0])
            assert exact([money[currency].net]) == exact(each)
            assert (money[currency].smallest, money[currency].largest) == (min(each), max(each))


@given(ROWS, st.integers(1, 7))
def test_turns_do_not_change_the_totals(rows: list[Any], turn: int) -> None:
    async def both() -> Any:
        shape = Shape(("user",), (SIGNED, SUM, EXTENT, DISTINCT))
        whole = await add_up(shape, columns(rows), len(rows))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("resolvers.totals.TURN", turn)
            return whole, await add_up(shape, columns(rows), len(rows))

    whole, parts = asyncio.run(both())
    assert {key: (each.count, each.first, each.figures) for key, each in whole.items()} == {
        key: (each.count, each.first, each.figures) for key, each in parts.items()
    }


async def test_there_are_not_too_many_buckets() -> None:
    users = list(range(11))
    with pytest.raises(TooManyBuckets):
        await add_up(Shape(("user",)), {"user": users}, 11, most=10)
    assert len(await add_up(Shape(("user",)), {"user": users}, 10, most=10)) == 10


async def test_other_tasks_run_while_rows_are_added_up() -> None:
    count = 20 * TURN
    given: dict[str, list[Any]] = {"amount": [Decimal("0.10")] * count, "currency": ["USD"] * count}
    turns = 0

    async def ticks() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(ticks())
    found = await add_up(Shape((), (SIGNED,)), given, count)
    task.cancel()
    assert turns >= 19
    assert found[()].figures[SIGNED]["USD"].net == Decimal(count) / 10


async def test_buckets_are_in_order_and_ties_are_broken_by_the_key() -> None:
    users = ["b", None, "a", "b", "a", "c"]
    found = await add_up(Shape(("user",)), {"user": users}, len(users))
    by_key = await in_order(found, BucketSorting())
    assert [key for key, _ in by_key] == [("a",), ("b",), ("c",), (None,)]
    falling = await in_order(found, BucketSorting(lambda bucket: bucket.count, falling=True))
    assert [key for key, _ in falling] == [("a",), ("b",), ("c",), (None,)]
    rising = await in_order(found, BucketSorting(lambda bucket: bucket.count))
    assert [key for key, _ in rising] == [("c",), (None,), ("a",), ("b",)]
    apart = await in_order(found, BucketSorting(lambda bucket: bucket.count, apart=lambda bucket: -bucket.count))
    assert [key for key, _ in apart] == [("a",), ("b",), ("c",), (None,)]


@pytest.mark.parametrize("falling", [True, False])
async def test_the_first_buckets_are_those_of_all_buckets(falling: bool) -> None:
    users = [number * 7_919 % 10_007 for number in range(10_000)] + [5, 7, 7]
    found = await add_up(Shape(("user",)), {"user": users}, len(users))
    sorting = BucketSorting(lambda bucket: bucket.count, falling=falling)
    assert await in_order(found, sorting, 25) == (await in_order(found, sorting))[:25]


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        ("1", "3", "0.333333"),
        ("2", "3", "0.666667"),
        ("0", "3", "0.000000"),
        ("1", "0", None),
        ("1e30", "3", "333333333333333333333333333333.333333"),
        ("1e-22", "1e30", "0.000000"),
        ("0.0000005", "1", "0.000000"),
        ("0.0000015", "1", "0.000002"),
    ],
)
def test_a_ratio_has_six_decimals(part: str, whole: str, expected: str | None) -> None:
    found = ratio(Decimal(part), Decimal(whole))
    assert (None if found is None else f"{found:f}") == expected
