"""The figures of the caches of several processes, added up."""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import published_stats
from server.published_stats import PublishedStats, describe, published
from upstream.caching.cache import CacheStats
from upstream.caching.store import StoreStats
from upstream.journal import Journal

ONE = CacheStats(1, 2, 3, 4, 5, 6, {"hit": 1, "miss": 2}, StoreStats("memory", 10, 1000, 1, 5000))
OTHER = CacheStats(10, 20, 30, 40, 50, 60, {"hit": 10, "stale": 1}, StoreStats("memory", 20, 2000, 0, 5000))
SUM = {
    "processes": 2, "hits": 11, "misses": 22, "joined": 33, "stale": 44, "renewed": 55, "changed": 66,
    "calls": {"hit": 11, "miss": 2, "stale": 1},
    "store": {
        "kind": "memory", "entries": 30, "bytes": 3000, "evictions": 1, "limit": 10000, "down": False, "spoilt": 0,
    },
}  # fmt: skip


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[tuple[Journal, Journal, Journal]]:
    """The journal as three processes have it open."""
    path = tmp_path / "errors.sqlite"
    with Journal(path) as one, Journal(path) as other, Journal(path) as reader:
        yield one, other, reader


def test_figures_are_added_until_a_process_ends(journals: tuple[Journal, Journal, Journal]) -> None:
    one, other, reader = journals
    first, second = PublishedStats(one, 1.0), PublishedStats(other, 1.0)
    assert published(reader) == []
    for _ in range(2):  # the last figures of a process count, once
        first.publish(ONE)
        second.publish(OTHER)
        for journal in (one, other):
            journal.flush()
    assert json.loads(describe(published(reader))) == SUM
    second.withdraw()
    other.flush()
    assert published(reader) == [ONE]


def test_a_killed_process_does_not_count_and_is_cleaned_up(
    journals: tuple[Journal, Journal, Journal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, reader = journals
    monkeypatch.setattr(published_stats, "_LATE_SECONDS", -100.0)
    PublishedStats(one, 1.0).publish(ONE)
    one.flush()
    assert published(reader) == []
    one.note("cache stats of 1 old", "no JSON")
    one.flush()
    PublishedStats(other, 1.0).withdraw()
    other.flush()
    with sqlite3.connect(tmp_path / "errors.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM note").fetchone() == (0,)


def test_what_is_in_redis_counts_once() -> None:
    redis = StoreStats("redis", 10, 1000, 1, None, spoilt=2)
    older, newer = (
        dataclasses.replace(ONE, store=redis),
        dataclasses.replace(ONE, store=StoreStats("redis", 11, 1100, 1)),
    )
    off = dataclasses.replace(ONE, store=None)
    assert published_stats.together([off, older, newer]).store == StoreStats("redis", 11, 1100, 1, None, spoilt=2)
    assert published_stats.together([off]).store is None
