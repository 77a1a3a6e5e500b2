"""The planner decides which calls read some keys, and which reports provide some columns. It is pure: it calls nothing.

Exact comes before cheap: a way that may give other rows than the edge's own report is no candidate.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import msgspec

from resolvers.lookup import Lookup
from resolvers.way import PER_KEY, Way
from upstream.errors import NotFound, Overloaded, Unauthenticated, Unavailable, UpstreamError

SourceT = TypeVar("SourceT")
Choose = Callable[[Sequence[Way], str | None], Way]

# A bulk call of more rows than this is not made, however many single calls it would save.
MOST_ROWS = 500_000
# The way of the last time is left only for one that is cheaper by this factor: prices move, plans should not flap.
STAY = 0.85
# Two reports are compared by the rows of so many keys.
SAMPLE = 3
# So many keys are tried one by one after a bulk call failed. If all of them fail, the others are not tried.
TRIED = 3


class Known(msgspec.Struct):
    """The facts about a lookup and its keys before a plan is made.

    `per_key` and `bulk` are the two ways with their prices, None where the edge does not have them. `agrees` says
    whether a substitute report agrees with the edge's own today, None if they were not compared yet. `cached` is the
    share of each way, by name, that needs no upstream request. `before` is the way that was taken last time.
    """

    per_key: Way | None
    bulk: Way | None
    agrees: bool | None = None
    cached: Mapping[str, float] = msgspec.field(default_factory=dict)
    before: str | None = None


@dataclass(slots=True)
class Plan:
    """The decision how keys are read: one way, the ways that were rejected, and what to do if the way fails.

    If `verify` is set, the bulk rows of a sample of keys are compared with the rows of the edge's own report first.
    `fallback` reads keys one by one where the bulk rows cannot be used; None if the edge cannot do that.
    """

    way: Way
    rejected: Sequence[Way] = ()
    fallback: Way | None = None
    verify: bool = False


def candidates(lookup: Lookup, keys: Sequence[Any], known: Known) -> list[Way]:
    """Return the ways that give the right rows for these keys. There is always at least one."""
    found = []
    if known.per_key is not None:
        found.append(known.per_key)
    if known.bulk is not None and (
        known.per_key is None or (len(keys) > 1 and allowed(lookup, len(keys), known.agrees))
    ):
        found.append(known.bulk)
    return found


def allowed(lookup: Lookup, keys: int, agrees: bool | None) -> bool:
    """Return whether a bulk way gives the right rows for so many keys. `agrees` is as in `Known`."""
    bulk = lookup.edge.bulk
    if bulk is None or bulk.exact:
        return bulk is not None
    if lookup.exact:
        return False
    # A comparison reads a sample of keys one by one. Only with more keys does the bulk call save calls.
    return keys > SAMPLE if agrees is None else agrees


def plan(lookup: Lookup, keys: Sequence[Any], known: Known, choose: Choose | None = None) -> Plan:
    """Return how these keys are read. `choose` replaces the planner's own choice, for comparisons."""
    ways = candidates(lookup, keys, known)
    way = ways[0]
    if len(ways) > 1:
        if known.cached:
            ways = [each.cheaper(known.cached.get(each.name, 0.0)) for each in ways]
        way = (choose or cheapest)(ways, known.before)
    if way.name == PER_KEY:
        return Plan(way, [other for other in ways if other is not way])
    bulk = lookup.edge.bulk
    assert bulk is not None
    rejected = [other for other in ways if other is not way]
    return Plan(way, rejected, rejected[0] if rejected else known.per_key, not bulk.exact and known.agrees is None)


def sample(keys: Sequence[Any], shares: Mapping[Hashable, Sequence[Any]]) -> list[Any]:
    """Return the keys by which two reports are compared, given the bulk rows of each key.

    The keys with most rows say most. A key without rows says something, too.
    """
    return sorted(keys, key=lambda key: len(shares.get(key, ())), reverse=True)[:SAMPLE]


def trials(error: UpstreamError) -> int:
    """Return how many keys are tried one by one after a bulk call failed with this error.

    A system that fails altogether is not called once for each key.
    """
    if isinstance(error, Overloaded):
        return 0
    return 1 if isinstance(error, Unavailable | Unauthenticated) else TRIED


def answered(result: Any) -> bool:
    """Return whether a call for one key was answered: with rows, or with the message that there is no such key."""
    return not isinstance(result, UpstreamError) or isinstance(result, NotFound)


def cheapest(ways: Sequence[Way], before: str | None = None) -> Way:
    """Return the cheapest way; of equally cheap ones the first. `before` names the way that was taken last time.

    A bulk way of too many rows is left out, unless there is no other way.
    """
    allowed = [way for way in ways if way.calls > 1 or way.rows <= MOST_ROWS] or list(ways)
    best = min(allowed, key=lambda way: way.price)
    for way in allowed:
        if way.name == before and best.price > way.price * STAY:
            return way
    return best


def cover(needs: Iterable[Collection[SourceT]], prices: Mapping[SourceT, float]) -> tuple[SourceT, ...]:
    """Return the cheapest set of sources that serves every need; of equally cheap sets the smallest, then the first.

    A need is a collection of sources of which any one serves it. A need that no source serves is left out. The result
    has the order of `prices`.
    """
    if len(prices) == 1:
        return tuple(source for source in prices if any(source in need for need in needs))
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
