"""The configuration of the tables of a server."""

import datetime
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from server.execution.limits import ORDINARY
from server.tables.spool.folders import PREFIX
from upstream import private
from upstream.caching.trust import Trust
from upstream.call import Call

if TYPE_CHECKING:
    from server.tables.spool.store import SpoolStore

UTC = ZoneInfo("UTC")
MEBIBYTES = 1024
STORE_MEBIBYTES = 10_240
OPEN_SECONDS = 60.0

Moment = datetime.datetime | None
# Returns when one of these days last changed or was forgotten. None as a day means rows without a day.
Changed = Callable[[datetime.date | None, datetime.date | None], Awaitable[Moment]]
# Returns when the oldest cached row of these calls was read. Rows that were read before the moment do not count.
CachedSince = Callable[[Sequence[Call], Moment], Awaitable[Moment]]


async def unchanged(first: datetime.date | None, last: datetime.date | None) -> Moment:
    """Return None: no day has changed."""
    return None


async def nothing_cached(calls: Sequence[Call], not_before: Moment) -> Moment:
    """Return None: no rows are cached."""
    return None


@dataclass(slots=True)
class FileCounts:
    """The files of tables that were written, those that answered another request, and those that were not written."""

    made: int = 0
    reused: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class TablesConfig:
    """The business time zone, the clock, the identity of the upstreams, and the storage of files.

    Without `spool_dir` the files are in a temporary folder, which is removed with the server. `store_address` is the
    address of a store with the files of other hosts, and `store_mebibytes` limits it. `trust` is the trust in
    cached rows. `open_seconds` is the least time for which a file with rows of an open day is served. `filter_seconds`
    is how long a filter may be compared with rows. `changed` and `cached_since` read the days cache.
    """

    zone: ZoneInfo = UTC
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    origin: Callable[[], str] = str
    spool_dir: Path | None = None
    spool_mebibytes: int = MEBIBYTES
    store_address: str | None = None
    store_mebibytes: int = STORE_MEBIBYTES
    open_seconds: float = OPEN_SECONDS
    trust: Trust = field(default_factory=Trust)
    filter_seconds: float = ORDINARY.seconds
    changed: Changed = unchanged
    cached_since: CachedSince = nothing_cached

    def store(self) -> "SpoolStore | None":
        """Return the store of the files of other hosts. Raises WrongDestination for a wrong address."""
        if self.store_address is None:
            return None
        from server.tables.spool.store import SpoolStore  # fsspec is needed for a store only

        return SpoolStore(self.store_address, self.store_mebibytes << 20)

    def spool_folder(self) -> tuple[Path, bool]:
        """Return the folder, and whether it is temporary."""
        if self.spool_dir is not None:
            private.make_folder(self.spool_dir)
            return self.spool_dir, False
        return Path(tempfile.mkdtemp(prefix=PREFIX)), True
