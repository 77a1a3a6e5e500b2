"""The planner against brute force."""

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from resolvers import edges
from resolvers.plan import cover, wide


def test_one_key_is_narrow_and_many_are_wide() -> None:
    assert not wide(edges.LOGS_OF_USER, [1])
    assert wide(edges.LOGS_OF_USER, [1, 2])
    assert not wide(edges.USER_BY_ID, range(4))
    assert wide(edges.USER_BY_ID, range(5))
    assert not wide(edges.TRANSACTIONS_OF_USER, range(1000))


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
