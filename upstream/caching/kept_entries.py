"""The cache entries that an answer was made from: they show whether the same answer would be made again."""

import datetime
import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence, Set

from upstream.caching import day_entry
from upstream.caching.day_entry import DayEntry
from upstream.caching.store import Key
from upstream.call import ReadEntry

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_NEVER = -1

CallEntries = tuple[Hashable, Sequence[ReadEntry]]


class KeptEntries:
    """Hold the entries of one answer in the versions that it was made from.

    The entries of `shown` decide the age of the answer; the others only decided which rows a caller sees. `compared`
    are the reports that were compared with each other. They can contradict each other only if they were read at
    different times, so the time of reading belongs to the version of their entries. `calls` is the number of calls that
    read the entries, and `reads` how often they did.

    `looked` is the number of changes and orders that were known when the entries were last looked up, and `writings`
    are the numbers of their writings then.
    `oldest` and `newest` are the first and the last time of reading, and `until` is the moment at which the first trust
    ends, all in microseconds. `times` are the same three moments of the entries of `shown`.
    """

    def __init__(self, calls: Sequence[CallEntries], shown: Set[Key], compared: Set[str] = frozenset()) -> None:
        """Raise ValueError if an entry changed from one read to the next, or if no entry is shown.

        `calls` are the entries of each call, with the shape of the call.
        """
        self.calls = len(calls)
        self.reads = sum(len(reads) for _, reads in calls)
        self.looked = _NEVER
        self.writings: list[tuple[Key, int]] = []
        self._compared = compared
        found: dict[Key, tuple[datetime.date | None, DayEntry]] = {}
        for key, day, value in itertools.chain.from_iterable(reads for _, reads in calls):
            entry = day_entry.unpack(value)
            # In the order of the last reads, so that the cache drops the same entries first as if they were read.
            known = found.pop(key, None)
            if known is not None and self._version(key, known[1]) != self._version(key, entry):
                raise ValueError("an entry changed")
            found[key] = day, entry
        if shown.isdisjoint(found):
            raise ValueError("no entry is shown")
        entries = [entry for _, entry in found.values()]
        self.keys = list(found)
        self._days = [day for day, _ in found.values()]
        self._shown = [key in shown for key in found]
        self._versions = list(map(self._version, self.keys, entries))
        places = {key: place for place, key in enumerate(found)}
        self._joined = [(shape, [places[key] for key, _, _ in reads]) for shape, reads in calls if len(reads) > 1]
        self._note(entries)

    @property
    def dates(self) -> list[datetime.date]:
        """Return the days of the entries."""
        return list({day for day in self._days if day is not None})

    def trusted(self, now: int, known: int) -> bool:
        """Return whether all entries are trusted, if they were not written again since. So much is `known` now."""
        return self.looked == known and self.newest <= now < self.until

    def found(
        self,
        entries: Sequence[DayEntry | None],
        now: int,
        changed: Callable[[datetime.date], int],
        can_join: Callable[[Hashable, Iterable[DayEntry]], bool],
    ) -> bool:
        """Return whether the entries under `keys` are trusted now and have the same versions. Note their times.

        `changed` returns the moment before which the rows of a day are outdated. `can_join` says whether the days of a
        call can be put together.
        """
        there: list[DayEntry] = []
        for key, entry, version, day in zip(self.keys, entries, self._versions, self._days, strict=True):
            if entry is None or not entry.requested_at <= now < entry.fresh_until:
                return False
            if self._version(key, entry) != version:
                return False
            if day is not None and entry.requested_at < changed(day):
                return False
            there.append(entry)
        if not all(can_join(shape, [there[place] for place in places]) for shape, places in self._joined):
            return False
        self._note(there)
        return True

    def _version(self, key: Key, entry: DayEntry) -> Hashable:
        by_time = key[0].partition(":")[0] in self._compared
        return (entry.version, entry.requested_at) if by_time else entry.version

    def _note(self, entries: Sequence[DayEntry]) -> None:
        self.oldest, self.newest, self.until = _times(entries)
        shown = _times([entry for entry, seen in zip(entries, self._shown, strict=True) if seen])
        self.times = tuple(_EPOCH + moment * _MICROSECOND for moment in shown)


def _times(entries: Sequence[DayEntry]) -> tuple[int, int, int]:
    read = [entry.requested_at for entry in entries]
    return min(read), max(read), min(entry.fresh_until for entry in entries)
