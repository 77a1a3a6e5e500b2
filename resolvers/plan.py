"""The planner: which calls answer these keys, and which reports answer these columns. Pure: it calls nothing."""

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import TypeVar

from resolvers.edges import Edge

SourceT = TypeVar("SourceT")


def wide(edge: Edge, keys: Collection[object]) -> bool:
    """Whether one call for all keys is to be made, rather than one call a key."""
    return edge.wide_from is not None and len(keys) >= edge.wide_from


def cover(needs: Iterable[Collection[SourceT]], prices: Mapping[SourceT, float]) -> tuple[SourceT, ...]:
    """The cheapest set of sources that serves every need; of equally cheap ones the smallest, then the first listed.

    A need is the collection of sources any one of which serves it; one that no source serves is left out. Sources come
    back in the order of `prices`.
    """
    wanted = {frozenset(source for source in need if source in prices) for need in needs}
    wanted.discard(frozenset())
    useful = [source for source in prices if any(source in need for need in wanted)]
    best: tuple[float, tuple[SourceT, ...]] | None = None
    for size in range(len(useful) + 1):
        for chosen in combinations(useful, size):
            price = sum(prices[source] for source in chosen)
            if (best is None or price < best[0]) and all(not need.isdisjoint(chosen) for need in wanted):
                best = (price, chosen)
    return best[1] if best else ()
