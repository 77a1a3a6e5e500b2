"""Record when days were found changed or were forgotten. Rows that were read before are not used any more (C25).

The moments are shared through a shared store, and written to a ledger, so that a restarted server and another process
of the same machine (`gamehub-graph export`) know them as well. A store that was out of reach, or has lost what it had,
gets them again from every server that knows them.
"""

import datetime
import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from upstream.caching.store import CHANGED, FORGOTTEN, Key, Store, series
from upstream.values.days import microseconds

_MOMENT = struct.Struct(">q")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
# So many days are remembered. If there are more, those that changed first are dropped.
_MOST = 10_000
_EVER = "all"
# A shared store has the latest of all moments under this name.
_LATEST = "latest"
# So many moments are shared in one round trip.
_BATCH = 500


class ChangeLedger(Protocol):
    """Keep moments when the process ends."""

    def note(self, name: str, text: str) -> None:
        """Write a text under a name."""

    def noted(self, name: str) -> str | None:
        """Return the text under a name."""

    def noted_under(self, prefix: str) -> dict[str, str]:
        """Return the texts whose names begin so, by the rest of the name."""


class Changes:
    """Hold the moments of change, by business day.

    `origin` separates upstreams that share a store or a ledger. A moment counts for cached rows, or only for files: to
    forget the days of one report leaves cached rows of the others, but no file may contain the forgotten ones.
    """

    def __init__(
        self, store: Store | None, origin: Callable[[], str], ledger: ChangeLedger | None = None, seconds: float = 0.0
    ) -> None:
        self._store = store if store is not None and store.shared else None
        self._origin = origin
        self._ledger = ledger
        self._seconds = seconds
        self._rows: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._latest = 0
        self._unsure: set[tuple[str, str]] = set()  # moments that the shared store may not have: their kind and name
        self.count = 0  # how often a change was learnt
        self._loaded: str | None = None

    def at(self, day: datetime.date) -> int:
        """Return the moment, in microseconds, before which cached rows of a day must have been read to be outdated."""
        if not self._rows:
            return 0
        return max(self._rows.get(day.isoformat(), 0), self._rows.get(_EVER, 0))

    @property
    def known(self) -> bool:
        """Return whether any change is known here."""
        return self._latest > 0

    def after(self, moment: datetime.datetime) -> bool:
        """Return whether any day changed after a moment, as far as is known here."""
        return self._latest > microseconds(moment)

    def keys(self, days: Sequence[datetime.date]) -> list[Key]:
        """Return the keys under which a shared store has the moments of these days; none without such a store."""
        if self._store is None:
            return []
        name = self._name(CHANGED)
        return [(name, _EVER), *((name, day.isoformat()) for day in days)]

    def take_in(self, days: Sequence[datetime.date], values: Sequence[bytes | None]) -> None:
        """Learn what a shared store has under `keys` of these days."""
        self._merge(self._rows, [_EVER, *map(datetime.date.isoformat, days)], values)

    async def note(self, days: Iterable[datetime.date] | None, at: datetime.datetime, *, rows: bool = True) -> None:
        """Note that days changed at a moment, all days if None. Without `rows` this concerns files alone."""
        names = [_EVER] if days is None else [day.isoformat() for day in days]
        kind, table = (CHANGED, self._rows) if rows else (FORGOTTEN, self._files)
        value = _MOMENT.pack(microseconds(at))
        self._merge(table, names, [value] * len(names))
        if self._ledger is not None:
            for name in names:
                self._ledger.note(f"{self._prefix(kind)}{name}", str(microseconds(at)))
            # Other processes read the ledger again when this differs.
            self._ledger.note(self._last_name(), f"{microseconds(at)} {os.urandom(8).hex()}")
        if self._store is not None:
            self._unsure.update((kind, name) for name in names)
            await self._write(self._store, {(kind, name): microseconds(at) for name in names})

    async def share(self) -> None:
        """Give the shared store the moments that it does not have. Call this again and again."""
        if self._store is None or not self.known:
            return
        (latest,) = await self._store.peek_many([(self._name(CHANGED), _LATEST)], _MOMENT.size)
        if not self._store.shared:
            return
        behind = latest is None or _MOMENT.unpack(latest)[0] < self._latest
        if behind:
            self._unsure.update((CHANGED, name) for name in self._rows)
            self._unsure.update((FORGOTTEN, name) for name in self._files)
        unsure = sorted(self._unsure)
        for start in range(0, len(unsure), _BATCH):
            await self._share(self._store, unsure[start : start + _BATCH])
        if behind and self._store.shared:
            await self._write(self._store, {})

    async def _share(self, store: Store, some: Sequence[tuple[str, str]]) -> None:
        """Write the moments of these kinds and names, unless the shared store has them or later ones."""
        found = await store.peek_many([(self._name(kind), name) for kind, name in some], _MOMENT.size)
        if not store.shared:
            return
        missing = {}
        for (kind, name), value in zip(some, found, strict=True):
            table = self._rows if kind == CHANGED else self._files
            known = table.get(name, 0)  # 0 if so many days changed since that this one is not remembered
            self._merge(table, [name], [value])
            if table.get(name, 0) > known or value == _MOMENT.pack(known) or not known:
                self._unsure.discard((kind, name))
            else:
                missing[kind, name] = known
        if missing:
            await self._write(store, missing)

    async def _write(self, store: Store, moments: Mapping[tuple[str, str], int]) -> None:
        """Write moments, and the latest of all."""
        entries = [((self._name(kind), name), _MOMENT.pack(moment)) for (kind, name), moment in moments.items()]
        entries.append(((self._name(CHANGED), _LATEST), _MOMENT.pack(self._latest)))
        await store.set_many(entries, self._seconds)

    async def since(self, first: datetime.date | None, last: datetime.date | None) -> datetime.datetime | None:
        """Return when rows or files of these days (None: rows without a day) changed last; None if they never did."""
        names = [_EVER]
        if first is not None and last is not None:
            names += [(first + datetime.timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
        if self._store is not None:
            for kind, table in ((CHANGED, self._rows), (FORGOTTEN, self._files)):
                name = self._name(kind)
                self._merge(table, names, await self._store.peek_many([(name, each) for each in names], _MOMENT.size))
        found = max((table.get(name, 0) for table in (self._rows, self._files) for name in names), default=0)
        return _EPOCH + datetime.timedelta(microseconds=found) if found else None

    def load(self) -> None:
        """Read the ledger, if another process may have written to it. This reads a file."""
        if self._ledger is None:
            return
        last = self._ledger.noted(self._last_name()) or ""
        if last == self._loaded:
            return
        self._loaded = last
        for kind, table in ((CHANGED, self._rows), (FORGOTTEN, self._files)):
            for name, text in self._ledger.noted_under(self._prefix(kind)).items():
                self._merge(table, [name], [_MOMENT.pack(int(text))])

    def _merge(self, table: dict[str, int], names: Sequence[str], values: Sequence[bytes | None]) -> None:
        for name, value in zip(names, values, strict=True):
            if value is None or len(value) != _MOMENT.size:
                continue
            (moment,) = _MOMENT.unpack(value)
            if moment > table.get(name, 0):
                table.pop(name, None)
                table[name] = moment
                self.count += 1
                self._latest = max(self._latest, moment)
        while len(table) > _MOST:
            del table[next(iter(table))]

    def _name(self, kind: str) -> str:
        return series(kind, "1", self._origin(), "", ())

    def _last_name(self) -> str:
        return f"last change {self._origin()}"

    def _prefix(self, kind: str) -> str:
        return f"day {kind} {self._origin()} "
