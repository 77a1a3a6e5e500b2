"""Requests from outside to the days cache: forget days that the vendor has corrected, and describe the content.

The error journal carries them from `gamehub-graph cache` to the servers.
"""

import datetime
from dataclasses import asdict
from typing import Any

import orjson

from upstream.caching.cache import CacheStats, DayCache

# The names of the notes in the error journal, for the command and the servers.
FORGET = "cache forget"
STATS = "cache stats"
KEEPING_SECONDS = 2.0


def request(report: str | None, first: datetime.date | None, last: datetime.date | None, at: datetime.datetime) -> str:
    """Return a request to forget the days of a report (its code; None: all). `at` distinguishes repeated requests."""
    return orjson.dumps({"report": report, "first": first, "last": last, "at": at}).decode()


async def forget(cache: DayCache, text: str) -> int:
    """Carry out a request. Return how many entries were forgotten. Raises ConnectionError if the store is down."""
    request: dict[str, Any] = orjson.loads(text)
    days = {name: datetime.date.fromisoformat(request[name]) if request[name] else None for name in ("first", "last")}
    return await cache.forget(request["report"], first_day=days["first"], last_day=days["last"])


def describe(stats: CacheStats) -> str:
    """Return the figures as a line of JSON."""
    return orjson.dumps(asdict(stats), default=dict).decode()
