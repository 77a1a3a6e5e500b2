"""The figures of the days caches of this machine, which every process publishes for `gamehub-graph cache --stats`.

They are notes in the error journal, which the processes of a machine share.
"""

import datetime
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict

import msgspec
import orjson

from upstream.caching.cache import CacheStats
from upstream.caching.store import StoreStats
from upstream.journal import Journal

_PREFIX = "cache stats of "
_COUNTS = ("hits", "misses", "joined", "stale", "renewed", "changed")
# A process may be late by so many seconds before its figures do not count any longer.
_LATE_SECONDS = 10.0


class _Note(msgspec.Struct):
    """The figures of one process, and the moment after which it has ended if it published no others."""

    until: datetime.datetime
    stats: CacheStats


_decoder = msgspec.json.Decoder(_Note)


class PublishedStats:
    """The figures of this process. It publishes them again and again, and withdraws them at its end."""

    def __init__(self, journal: Journal, seconds: float) -> None:
        self._journal = journal
        self._seconds = seconds
        # Processes in two containers may have the same id.
        self._name = f"{_PREFIX}{os.getpid()} {secrets.token_hex(4)}"

    def publish(self, stats: CacheStats) -> None:
        """Publish the figures. Those of a process that publishes none for too long do not count."""
        until = _now() + datetime.timedelta(seconds=2 * self._seconds + _LATE_SECONDS)
        self._journal.note(self._name, orjson.dumps({"until": until, "stats": asdict(stats)}, default=dict).decode())

    def withdraw(self) -> None:
        """Remove the figures, and those of processes that could not remove theirs."""
        late = [name for name, note in _notes(self._journal).items() if note is None or note.until < _now()]
        for name in {self._name, *late}:
            self._journal.note(name, None)


def published(journal: Journal) -> list[CacheStats]:
    """Return the figures of each process that runs, the latest last."""
    now = _now()
    notes = [note for note in _notes(journal).values() if note is not None and note.until >= now]
    return [note.stats for note in sorted(notes, key=lambda note: note.until)]


def describe(stats: Sequence[CacheStats]) -> str:
    """Return the sum of the figures of processes as a line of JSON."""
    return orjson.dumps({"processes": len(stats), **asdict(together(stats))}).decode()


def together(stats: Sequence[CacheStats]) -> CacheStats:
    """Return the sum of the figures of processes."""
    outcomes = sorted({outcome for one in stats for outcome in one.calls})
    stores = [one.store for one in stats if one.store is not None]
    return CacheStats(
        **{name: sum(getattr(one, name) for one in stats) for name in _COUNTS},
        calls={outcome: sum(one.calls.get(outcome, 0) for one in stats) for outcome in outcomes},
        store=_one_store(stores) if stores else None,
    )


def _one_store(stores: Sequence[StoreStats]) -> StoreStats:
    """Return the sum of stores. All processes have the same Redis, so its content counts once."""
    last = stores[-1]
    counted = stores if last.kind == "memory" else stores[-1:]
    limits = [one.limit for one in counted if one.limit is not None]
    return StoreStats(
        last.kind,
        sum(one.entries for one in counted),
        sum(one.bytes for one in counted),
        sum(one.evictions for one in counted),
        sum(limits) if limits else None,
        any(one.down for one in stores),
        sum(one.spoilt for one in stores),  # each process counts those that it found
    )


def _notes(journal: Journal) -> dict[str, _Note | None]:
    """Return the notes by their names; None for one that cannot be read."""
    found: dict[str, _Note | None] = {}
    for rest, text in journal.noted_under(_PREFIX).items():
        try:
            found[_PREFIX + rest] = _decoder.decode(text)
        except msgspec.MsgspecError:
            found[_PREFIX + rest] = None
    return found


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
