"""What the days cache is told from outside: to forget days that the vendor has corrected, and to say what it holds."""

import datetime
from dataclasses import asdict
from typing import Any

import orjson

from upstream.caching.cache import CacheStats, DayCache

# Under these names the command and the servers find each other in the error journal.
FORGET = "cache forget"
STATS = "cache stats"
KEEPING_SECONDS = 2.0


def request(report: str | None, first: datetime.date | None, last: datetime.date | None, at: datetime.datetime) -> str:
    """A wish to forget a report (its code; None: all) of days from to. `at` tells it from the wish before."""
    return orjson.dumps({"report": report, "first": first, "last": last, "at": at}).decode()


async def forget(cache: DayCache, wish: str) -> int:
    """Carry a wish out; how many entries were forgotten. Raises ConnectionError when the store is out of reach."""
    told: dict[str, Any] = orjson.loads(wish)
    days = {name: datetime.date.fromisoformat(told[name]) if told[name] else None for name in ("first", "last")}
    return await cache.forget(told["report"], first_day=days["first"], last_day=days["last"])


def describe(stats: CacheStats) -> str:
    """The figures, as a line of JSON."""
    return orjson.dumps(asdict(stats), default=dict).decode()
