"""The planner against brute force."""

from collections.abc import Hashable
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.edges import Bulk, ReportEdge
from resolvers.lookup import Lookup
from resolvers.plan import MOST_ROWS, SAMPLE, TRIED, Known, answered, candidates, cheapest, cover, plan, sample, trials
from resolvers.prices import Prices
from resolvers.way import BULK, PER_KEY, Way
from upstream.errors import Incomplete, NotFound, Overloaded, Unauthenticated, Unavailable, UpstreamError
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
def test_what_is_chosen_costs_no_more_than_any_way_that_is_allowed(offers: list[tuple[str, int, int, float]]) -> None:
    ways = [Way(name, USERS, calls, rows, price) for name, calls, rows, price in offers]
    if ways:
        allowed = [way for way in ways if way.calls > 1 or way.rows <= MOST_ROWS]
        assert cheapest(ways).price == min(way.price for way in allowed or ways)


SHARED = Bulk(USERS, "id", 100)
SUBSTITUTE = Bulk(GROUP_MOVEMENTS, "user_id", 20, {"group_id": "group"}, exact=False)
PRICED = st.floats(0.001, 9)


@given(
    by=st.booleans(),
    bulk=st.sampled_from([None, SHARED, SUBSTITUTE]),
    exact=st.booleans(),
    agrees=st.sampled_from([None, True, False]),
    keys=st.integers(1, 9),
    prices=st.tuples(PRICED, PRICED),
    rows=st.integers(0, 2 * MOST_ROWS),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    before=st.sampled_from([None, PER_KEY, BULK]),
)
def test_a_plan_is_exact_before_it_is_cheap(
    by: bool,
    bulk: Bulk | None,
    exact: bool,
    agrees: bool | None,
    keys: int,
    prices: tuple[float, float],
    rows: int,
    shares: tuple[float, float],
    before: str | None,
) -> None:
    if not by and bulk is None:
        return  # such an edge cannot be read at all
    edge = ReportEdge(USER_TRANSACTIONS, "user_id" if by else None, "user_id", bulk=bulk)
    lookup, some = Lookup.of(edge, exact=exact, group=382), list(range(keys))
    per_key = Way(PER_KEY, USER_TRANSACTIONS, keys, keys, prices[0]) if by else None
    together = Way(BULK, bulk.report, 1, rows, prices[1]) if bulk is not None else None
    known = Known(per_key, together, agrees, {PER_KEY: shares[0], BULK: shares[1]}, before)
    made = plan(lookup, some, known)
    # Every way is taken or rejected, and none is both.
    names = [made.way.name, *(way.name for way in made.rejected)]
    assert sorted(names) == sorted(way.name for way in candidates(lookup, some, known))
    if made.way.name == BULK and by:
        assert bulk is not None
        assert keys > 1
        # Rows of another report are used only if that is allowed and both reports agree, or are compared first.
        assert bulk.exact or (not exact and agrees is not False)
        assert made.verify is (not bulk.exact and agrees is None)
        assert not made.verify or keys > SAMPLE
        assert made.fallback is not None
        assert made.fallback.name == PER_KEY
        assert made.way.rows <= MOST_ROWS
    if made.way.name == PER_KEY:
        assert not made.verify
    if len(names) > 1 and made.way.name != before:
        others = [way for way in made.rejected if way.calls > 1 or way.rows <= MOST_ROWS]
        assert all(made.way.price <= way.price for way in others)


@given(st.dictionaries(st.integers(1, 50), st.integers(0, 5)))
def test_a_sample_has_the_keys_with_most_rows(counts: dict[int, int]) -> None:
    shares: dict[Hashable, list[None]] = {key: [None] * count for key, count in counts.items() if count}
    some = sample(list(counts), shares)
    assert len(some) == min(SAMPLE, len(counts))
    others = [counts[key] for key in counts if key not in some]
    assert not others or min(counts[key] for key in some) >= max(others)


@pytest.mark.parametrize(
    ("error", "keys"),
    [(Overloaded("full"), 0), (Unavailable("down"), 1), (Unauthenticated("no"), 1), (Incomplete("cut"), TRIED)],
)
def test_a_system_that_fails_altogether_is_not_called_for_each_key(error: UpstreamError, keys: int) -> None:
    assert trials(error) == keys
    assert not answered(error)
    assert answered(NotFound("no such user"))
    assert answered([])


def test_each_and_by_come_together() -> None:
    with pytest.raises(ValueError, match="give `each` and `by` together"):
        Bulk(USERS, "id", 1, by="fkgroup")


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
