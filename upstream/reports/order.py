"""Find the order of rows that come from several calls: the upstream's own order, as its answers show it.

The documents promise no order. Only this is assumed: an upstream lists the same rows in the same order, whatever period
is requested. Then a day keeps its order, and only the order of the days is left to find:

- rows of one call keep their order;
- days of several calls follow each other forwards or backwards, as the days inside one call did, or else as the times
  inside the days do;
- if nothing shows the order, or calls contradict each other (an upstream that lists by room, then by time), there is no
  answer, and the whole period has to be requested.
"""

import datetime
from bisect import bisect_right
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any

from upstream.decoding.lazy_rows import irregular
from upstream.reports.rows import Row
from upstream.values.days import Piece, microseconds
from upstream.values.interval import Interval

_MIXED_FOR = datetime.timedelta(days=1)


class RowOrder(IntEnum):
    """Name what an answer shows about the order in which its upstream lists days."""

    NONE = 0  # nothing: all rows have the same time
    ASCENDING = 1
    DESCENDING = 2
    UNSURE = 3  # nothing: the rows are of one day, and their times rise and fall
    MIXED = 4  # days are listed neither forwards nor backwards


@dataclass(frozen=True, slots=True)
class Claim:
    """Hold an order, and whether it was seen between days (a proof), or only inside one day (a hint)."""

    order: RowOrder
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """Hold the rows of one piece. Equal `fetch` means one answer; `places` are its places if it was mixed."""

    rows: list[Any]
    claim: Claim
    fetch: bytes
    places: list[int] | None = None
    irregular: Collection[str] = ()  # the columns in which rows hold bad values

    def within(self, column: str, window: Interval) -> "Share":
        """Return the rows whose `column`, an instant, lies in the interval."""
        start, end = microseconds(window.start), microseconds(window.end)
        times = list(map(attrgetter(column), self.rows))
        inside = [place for place, time in enumerate(times) if start <= time < end]
        places = [self.places[place] for place in inside] if self.places is not None else None
        return Share([self.rows[place] for place in inside], self.claim, self.fetch, places, self.irregular)


def shares(
    rows: Sequence[Row], column: str, dated: bool, pieces: Sequence[Piece], fetch: bytes
) -> tuple[Claim, list[Share]] | None:
    """Divide the rows of an answer among its pieces. Return None if a row belongs to no piece.

    `column` holds an instant, or a date if `dated`.
    """
    values = list(map(attrgetter(column), rows))
    if dated:
        days = {piece.day: place for place, piece in enumerate(pieces)}
        homes = [days.get(value, -1) for value in values]
    else:
        starts = [microseconds(piece.interval.start) for piece in pieces]
        end = microseconds(pieces[-1].interval.end)
        if None in values:
            return None
        homes = [bisect_right(starts, value) - 1 if value < end else -1 for value in values]
    if homes and min(homes) < 0:
        return None
    claim, wrong = _claim(homes, values), irregular(rows)
    shared: list[list[Row]] = [[] for _ in pieces]
    for row, home in zip(rows, homes, strict=True):
        shared[home].append(row)
    if claim.order is not RowOrder.MIXED:
        return claim, [Share(each, claim, fetch, None, wrong) for each in shared]
    places: list[list[int]] = [[] for _ in pieces]
    for place, home in enumerate(homes):
        places[home].append(place)
    return claim, [Share(each, claim, fetch, stood, wrong) for each, stood in zip(shared, places, strict=True)]


def _claim(homes: list[int], values: list[Any]) -> Claim:
    if not homes:
        return Claim(RowOrder.NONE)
    proven = min(homes) != max(homes)
    if not proven and min(values) == max(values):
        return Claim(RowOrder.NONE)
    keys = homes if proven else values
    # To sort a sorted list takes one pass.
    if sorted(keys) == keys:
        return Claim(RowOrder.ASCENDING, proven)
    if sorted(keys, reverse=True) == keys:
        return Claim(RowOrder.DESCENDING, proven)
    return Claim(RowOrder.MIXED, True) if proven else Claim(RowOrder.UNSURE)


class RowOrders:
    """Remember the order of each kind of call, by `shape`: a report and the names of its given parameters."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, RowOrder] = {}
        self._mixed: dict[Hashable, datetime.datetime] = {}
        self.count = 0  # how often another order was learnt

    def learn(self, shape: Hashable, claim: Claim, now: datetime.datetime) -> None:
        """Remember what an answer has proven."""
        if not claim.proven:
            return
        if claim.order is RowOrder.MIXED:
            # Answers with few rows may look ordered by chance. For some time they are not trusted.
            self._mixed[shape] = now + _MIXED_FOR
            self.count += 1
        elif self._seen.get(shape) is not claim.order:
            self._seen[shape] = claim.order
            self.count += 1

    def settle(self, shape: Hashable, claims: Sequence[Claim], now: datetime.datetime) -> RowOrder | None:
        """Return the order of days on which the claims of several answers, and what was seen before, agree."""
        mixed = self._mixed.get(shape)
        if mixed is not None and now < mixed:
            return None
        orders = {claim.order for claim in claims}
        proven = any(claim.proven for claim in claims)
        if (seen := self._seen.get(shape)) is not None:
            orders.add(seen)
            proven = True
        if RowOrder.MIXED in orders or (RowOrder.UNSURE in orders and not proven):
            return None
        orders -= {RowOrder.NONE, RowOrder.UNSURE}
        return orders.pop() if len(orders) == 1 else None

    def hopeless(self, shape: Hashable, claims: Sequence[Claim], now: datetime.datetime) -> bool:
        """Return whether rows with these claims cannot be joined to rows of another answer, whatever that shows."""
        # Another answer could prove either order, so each is tried.
        either = (Claim(RowOrder.ASCENDING, True), Claim(RowOrder.DESCENDING, True))
        return all(self.settle(shape, [*claims, hoped], now) is None for hoped in either)

    def join(self, shape: Hashable, found: Sequence[Share], now: datetime.datetime) -> list[Any] | None:
        """Return the rows of the shares (given in time order) as the upstream would list them; None if unknown."""
        filled = [share for share in found if share.rows]
        if len(filled) <= 1:
            return filled[0].rows if filled else []
        if len({share.fetch for share in filled}) == 1:
            if all(share.places is not None for share in filled):
                rows: list[Any] = []
                places: list[int] = []
                for share in filled:
                    rows += share.rows
                    places += share.places or ()
                return [rows[place] for place in sorted(range(len(rows)), key=places.__getitem__)]
            order: RowOrder | None = filled[0].claim.order
        else:
            order = self.settle(shape, [share.claim for share in filled], now)
        if order is None:
            return None
        ordered = filled if order is RowOrder.ASCENDING else filled[::-1]
        return [row for share in ordered for row in share.rows]
