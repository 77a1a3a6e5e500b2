"""The order of rows that come from several fetches: the upstream's own, found in what it answered.

The documents promise no order, so none is assumed but this: an upstream lists the same rows in the same order whatever
period it is asked for. Then a day keeps its order, and what is left is the order of the days:

- rows of one fetch stand as they stood in it;
- days of several fetches follow each other forwards or backwards, as the days inside one fetch were seen to, or
  failing that, as the times inside the days do;
- where nothing tells, or where fetches tell different things (an upstream that lists by room, then by time), there is
  no answer, and the whole period has to be asked for.
"""

import datetime
from bisect import bisect_right
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any

from upstream.caching.days import Piece, microseconds
from upstream.decoding.decode import irregular
from upstream.interval import Interval
from upstream.reports.rows import Row

_MIXED_FOR = datetime.timedelta(days=1)


class RowOrder(IntEnum):
    """What a fetch tells of the order in which its upstream lists days."""

    NONE = 0  # nothing: all rows have one time
    ASCENDING = 1
    DESCENDING = 2
    UNSURE = 3  # nothing: the rows are of one day, and their times go up and down
    MIXED = 4  # days are listed neither forwards nor backwards


@dataclass(frozen=True, slots=True)
class Claim:
    """An order, and whether it was seen between days, which counts, or only inside one, which hints."""

    order: RowOrder
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of one piece. Rows of the same `fetch` are of one answer, `places` where they stood if it was mixed."""

    rows: list[Any]
    claim: Claim
    fetch: bytes
    places: list[int] | None = None
    irregular: Collection[str] = ()  # the columns in which rows hold bad values

    def within(self, column: str, window: Interval) -> "Share":
        """The rows whose `column`, an instant, lies in the window."""
        start, end = microseconds(window.start), microseconds(window.end)
        times = list(map(attrgetter(column), self.rows))
        kept = [place for place, time in enumerate(times) if start <= time < end]
        places = [self.places[place] for place in kept] if self.places is not None else None
        return Share([self.rows[place] for place in kept], self.claim, self.fetch, places, self.irregular)


def shares(
    rows: Sequence[Row], column: str, dated: bool, pieces: Sequence[Piece], fetch: bytes
) -> tuple[Claim, list[Share]] | None:
    """The rows of a fetch shared out to the pieces it was for; None when one of them belongs to no piece.

    `column` tells an instant, or a date where `dated`.
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
    told = homes if proven else values
    # Sorting what is in order already takes one pass.
    if sorted(told) == told:
        return Claim(RowOrder.ASCENDING, proven)
    if sorted(told, reverse=True) == told:
        return Claim(RowOrder.DESCENDING, proven)
    return Claim(RowOrder.MIXED, True) if proven else Claim(RowOrder.UNSURE)


class RowOrders:
    """What has been seen of each kind of call, by `shape`: a report and the names of the parameters it is given."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, RowOrder] = {}
        self._mixed: dict[Hashable, datetime.datetime] = {}

    def learn(self, shape: Hashable, claim: Claim, now: datetime.datetime) -> None:
        """Remember what a fetch has proven."""
        if not claim.proven:
            return
        if claim.order is RowOrder.MIXED:
            # Fetches of few rows may look ordered by luck: for a time they are not believed.
            self._mixed[shape] = now + _MIXED_FOR
        else:
            self._seen[shape] = claim.order

    def settle(self, shape: Hashable, claims: Sequence[Claim], now: datetime.datetime) -> RowOrder | None:
        """The order of days that the claims of several fetches, and what was seen before, agree on."""
        mixed = self._mixed.get(shape)
        if mixed is not None and now < mixed:
            return None
        told = {claim.order for claim in claims}
        proven = any(claim.proven for claim in claims)
        if (seen := self._seen.get(shape)) is not None:
            told.add(seen)
            proven = True
        if RowOrder.MIXED in told or (RowOrder.UNSURE in told and not proven):
            return None
        told -= {RowOrder.NONE, RowOrder.UNSURE}
        return told.pop() if len(told) == 1 else None

    def hopeless(self, shape: Hashable, claims: Sequence[Claim], now: datetime.datetime) -> bool:
        """Whether rows that make these claims cannot be joined to those of another fetch, whatever that brings."""
        # What another fetch may yet prove is stood for by either order in turn.
        either = (Claim(RowOrder.ASCENDING, True), Claim(RowOrder.DESCENDING, True))
        return all(self.settle(shape, [*claims, hoped], now) is None for hoped in either)

    def join(self, shape: Hashable, found: Sequence[Share], now: datetime.datetime) -> list[Any] | None:
        """The rows of the shares, which are in the order of time, as the upstream would list them; None: unknown."""
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
