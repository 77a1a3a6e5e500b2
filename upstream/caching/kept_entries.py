"""The cache entries that an answer was made from: they show whether the same answer would be made again."""

import datetime
from collections.abc import Callable, Hashable, Iterable, Sequence, Set

from upstream.caching import day_entry
from upstream.caching.day_entry import DayEntry
from upstream.caching.store import Key
from upstream.call import ReadEntry

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_NEVER = -1


class KeptEntries:
    """Hold the entries of one answer in the versions that it was made from.

    The entries of `shown` decide the age of the answer; the others only decided which rows a caller sees. With
    `by_time`, the time of reading belongs to the version of an entry: reports were compared, and they can contradict
    each other only if they were read at different times. `calls` is the number of calls that read the entries, and
    `reads` how often they did.

    `looked` is the number of changes that were known when the entries were last looked up, and `writings` are the
    numbers of their writings then.
    `oldest` and `newest` are the first and the last time of reading, and `until` is the moment at which the first trust
    ends, all in microseconds. `times` are the same three moments of the entries of `shown`.
    """

    def __init__(self, reads: Iterable[ReadEntry], shown: Set[Key], *, by_time: bool = False) -> None:
        """Raise ValueError if an entry changed from one read to the next, or if no entry is shown."""
        self.calls = self.reads = 0
        self.writings: list[tuple[Key, int]] = []
        self._by_time = by_time
        found: dict[Key, tuple[datetime.date | None, DayEntry]] = {}
        for key, day, value in reads:
            self.reads += 1
            entry = day_entry.unpack(value)
            if self._version(found.setdefault(key, (day, entry))[1]) != self._version(entry):
                raise ValueError("an entry changed")
        if shown.isdisjoint(found):
            raise ValueError("no entry is shown")
        entries = [entry for _, entry in found.values()]
        self.keys = list(found)
        self._days = [day for day, _ in found.values()]
        self._shown = [key in shown for key in found]
        self._versions = list(map(self._version, entries))
        self._note(entries, _NEVER)

    @property
    def dates(self) -> list[datetime.date]:
        """Return the days of the entries."""
        return list({day for day in self._days if day is not None})

    def trusted(self, now: int, changes: int) -> bool:
        """Return whether all entries are trusted if they were not written again. `changes` are known now."""
        return self.looked == changes and self.newest <= now < self.until

    def found(
        self, entries: Sequence[DayEntry | None], now: int, changed: Callable[[datetime.date], int], changes: int
    ) -> bool:
        """Return whether the entries under `keys` are trusted now and have the same versions. Note their times.

        `changed` returns the moment before which the rows of a day are outdated.
        """
        there: list[DayEntry] = []
        for entry, version, day in zip(entries, self._versions, self._days, strict=True):
            if entry is None or self._version(entry) != version or not entry.requested_at <= now < entry.fresh_until:
                return False
            if day is not None and entry.requested_at < changed(day):
                return False
            there.append(entry)
        self._note(there, changes)
        return True

    def _version(self, entry: DayEntry) -> Hashable:
        return (entry.version, entry.requested_at) if self._by_time else entry.version

    def _note(self, entries: Sequence[DayEntry], changes: int) -> None:
        self.looked = changes
        self.oldest, self.newest, self.until = _times(entries)
        shown = _times([entry for entry, seen in zip(entries, self._shown, strict=True) if seen])
        self.times = tuple(_EPOCH + moment * _MICROSECOND for moment in shown)


def _times(entries: Sequence[DayEntry]) -> tuple[int, int, int]:
    read = [entry.requested_at for entry in entries]
    return min(read), max(read), min(entry.fresh_until for entry in entries)
