"""Find the currency of a group (C30). R1, R5 and R11 have amounts without a currency; R7 names it for each movement."""

import asyncio
import datetime
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolvers import edges
from resolvers.lookup import Lookup
from upstream.errors import NotFound
from upstream.values.interval import Interval, dates

if TYPE_CHECKING:
    from resolvers.session import Session

# So many groups are remembered. So many users of a group are looked up until one of their reports names a currency.
MOST = 100_000
_USERS = 3
_DAYS = 31
_COLUMNS = frozenset({"movement_id", "user_id", "timestamp"})


@dataclass(slots=True)
class Currencies:
    """The currencies that were found today. A server has one object for all operations."""

    _day: datetime.date | None = None
    _found: OrderedDict[Hashable, str] = field(default_factory=OrderedDict)

    def known(self, place: Hashable, today: datetime.date) -> str | None:
        """Return what was found today, or None."""
        return self._found.get(place) if self._day == today else None

    def keep(self, place: Hashable, currency: str, today: datetime.date) -> None:
        """Remember a currency until the day is over."""
        if self._day != today:
            self._day = today
            self._found.clear()
        self._found[place] = currency
        while len(self._found) > MOST:
            self._found.popitem(last=False)


async def currencies(session: "Session", groups: Sequence[int | None]) -> list[str | Exception | None]:
    """Return the currency of each group: None if no movement names it, or the error that prevents it."""
    wanted = [group for group in dict.fromkeys(groups) if group is not None]
    values = await asyncio.gather(*(_currency(session, group) for group in wanted), return_exceptions=True)
    found: dict[int | None, str | Exception | None] = {None: None}
    for group, value in zip(wanted, values, strict=True):
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            raise value
        found[group] = value
    return [found[group] for group in groups]


async def _currency(session: "Session", group: int) -> str | None:
    today = session.now.astimezone(session.zone).date()
    # A restricted caller learns it only from rows that this caller may see.
    place = (session.caller.groups, group)
    known = session.currencies.known(place, today)
    if known is not None:
        return known
    search = session.memo.get(("currency", group))
    if search is None:
        search = session.memo[("currency", group)] = asyncio.ensure_future(_search(session, group, today))
        # Its waiters may have gone when it fails.
        search.add_done_callback(lambda done: done.cancelled() or done.exception())
    found: str | None = await asyncio.shield(search)
    if found is not None and not session.rehearsal:
        session.currencies.keep(place, found, today)
    return found


async def _search(session: "Session", group: int, today: datetime.date) -> str | None:
    """Return the currency that R7 names for the newest movement that R5 lists of the group, of the last month."""
    for days in (0, _DAYS):
        period = dates(today - datetime.timedelta(days=days), today, session.zone)
        (movements,) = await session.rows_of(Lookup(edges.MOVEMENTS_OF_GROUP, period), (group,), _COLUMNS)
        if isinstance(movements, Exception):
            raise movements
        newest: dict[int, Any] = {}
        for row in sorted(movements, key=lambda row: -row.movement_id):
            if row.user_id is not None:
                newest.setdefault(row.user_id, row)
            if len(newest) == _USERS:
                break
        for user, row in newest.items():
            found = await _named_by(session, user, row.movement_id, _day(session, row.timestamp))
            if found is not None:
                return found
    return None


async def _named_by(session: "Session", user: int, movement: int, day: Interval) -> str | None:
    try:
        row = (await session.rows(Lookup(edges.TRANSACTIONS_OF_USER, day), user)).find("movement_id", movement)
    except NotFound:
        return None
    return None if row is None else row.currency_id or None


def _day(session: "Session", microseconds: int) -> Interval:
    day = session.moment(microseconds).date()
    return dates(day, day, session.zone)
