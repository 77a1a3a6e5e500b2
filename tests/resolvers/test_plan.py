"""The planner against brute force."""

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from resolvers.plan import MOST_ROWS, cheapest, cover
from resolvers.prices import Prices
from resolvers.way import Way
from upstream.reports.table import GROUP_MOVEMENTS, USER_TRANSACTIONS, USERS


def _ways(keys: int, members: int, prices: Prices) -> list[Way]:
    """The ways to read the transactions of so many users of a group of so many members."""
    per_key, bulk = keys * 20.0, members * 20.0
    return [
        Way("per_key", USER_TRANSACTIONS, keys, per_key, prices.seconds(USER_TRANSACTIONS, keys, per_key)),
        Way("bulk", GROUP_MOVEMENTS, 1, bulk, prices.seconds(GROUP_MOVEMENTS, 1, bulk)),
    ]


def test_three_users_of_ten_thousand_are_three_narrow_calls_and_all_of_fifty_are_one_wide_call() -> None:
    assert cheapest(_ways(3, 10_000, Prices())).name == "per_key"
    assert cheapest(_ways(50, 50, Prices())).name == "bulk"


def test_a_wide_call_of_too_many_rows_is_not_made() -> None:
    assert cheapest([Way("per_key", USERS, 9, 9, 100.0), Way("bulk", USERS, 1, MOST_ROWS + 1, 1.0)]).name == "per_key"
    assert cheapest([Way("bulk", USERS, 1, MOST_ROWS + 1, 1.0)]).name == "bulk", "unless there is no other"


def test_a_plan_does_not_flap() -> None:
    ways = [Way("per_key", USERS, 2, 2, 1.0), Way("bulk", USERS, 1, 50, 0.9)]
    assert cheapest(ways).name == "bulk"
    assert cheapest(ways, before="per_key").name == "per_key"
    assert cheapest([ways[0], Way("bulk", USERS, 1, 50, 0.8)], before="per_key").name == "bulk"


@given(
    st.lists(st.tuples(st.sampled_from(["per_key", "bulk"]), st.integers(1, 9), st.integers(0, 10**6), st.floats(0, 9)))
)
def test_what_is_chosen_costs_no_more_than_any_way_that_is_allowed(told: list[tuple[str, int, int, float]]) -> None:
    ways = [Way(name, USERS, calls, rows, price) for name, calls, rows, price in told]
    if ways:
        allowed = [way for way in ways if way.calls > 1 or way.rows <= MOST_ROWS]
        assert cheapest(ways).price == min(way.price for way in allowed or ways)


def test_nothing_wanted_needs_no_source() -> None:
    assert cover([], {"a": 1.0}) == ()
    assert cover([["nobody"]], {"a": 1.0}) == ()


def test_one_source_that_serves_all_beats_two_cheaper_ones_only_if_it_costs_less() -> None:
    needs = [["a", "c"], ["b", "c"]]
    assert cover(needs, {"a": 1.0, "b": 1.0, "c": 3.0}) == ("a", "b")
    assert cover(needs, {"a": 1.0, "b": 1.0, "c": 1.5}) == ("c",)
    assert cover(needs, {"a": 1.0, "b": 1.0, "c": 2.0}) == ("c",), "of equal price, the smaller set"


@given(
    prices=st.dictionaries(st.sampled_from("abcde"), st.integers(1, 9).map(float), min_size=1),
    needs=st.lists(st.sets(st.sampled_from("abcdef")), max_size=5),
)
def test_a_cover_is_complete_and_as_cheap_as_any(prices: dict[str, float], needs: list[set[str]]) -> None:
    chosen = set(cover(needs, prices))
    served = [need for need in needs if need & prices.keys()]
    assert all(need & chosen for need in served)
    subsets = chain.from_iterable(combinations(prices, size) for size in range(len(prices) + 1))
    best = min(sum(prices[s] for s in subset) for subset in subsets if all(need & set(subset) for need in served))
    assert sum(prices[source] for source in chosen) == best
