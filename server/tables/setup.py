"""What tables need to know of the server that they stand in."""

import datetime
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from server.execution.limits import ORDINARY
from server.tables.folders import PREFIX
from upstream import private
from upstream.caching.trust import Trust
from upstream.call import Call

UTC = ZoneInfo("UTC")
MEBIBYTES = 1024
OPEN_SECONDS = 60.0

Moment = datetime.datetime | None
# When one of these days changed last or was forgotten; None as a day means rows without a day.
Changed = Callable[[datetime.date | None, datetime.date | None], Awaitable[Moment]]
# When the oldest row was read that is kept for these calls; rows that were read before the moment given do not count.
KeptSince = Callable[[Sequence[Call], Moment], Awaitable[Moment]]


async def unchanged(first: datetime.date | None, last: datetime.date | None) -> Moment:
    """Return None: no day ever changed."""
    return None


async def nothing_kept(calls: Sequence[Call], not_before: Moment) -> Moment:
    """Return None: no rows are kept."""
    return None


@dataclass(frozen=True, slots=True)
class TablesConfig:
    """The business time zone and the clock; which upstreams these are; where files are kept, and how many.

    Without `spool_dir` files are kept in a temporary folder that goes with the server. `trust` is the trust in kept
    rows, and `open_seconds` the least time for which a file is served whose rows are not trusted longer than those of
    an open day. `filter_seconds` is how long a filter may be compared with rows. `changed` and `kept`
    ask the days cache.
    """

    zone: ZoneInfo = UTC
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    origin: Callable[[], str] = str
    spool_dir: Path | None = None
    spool_mebibytes: int = MEBIBYTES
    open_seconds: float = OPEN_SECONDS
    trust: Trust = field(default_factory=Trust)
    filter_seconds: float = ORDINARY.seconds
    changed: Changed = unchanged
    kept: KeptSince = nothing_kept

    def spool_folder(self) -> tuple[Path, bool]:
        """The folder, and whether it is a temporary one."""
        if self.spool_dir is not None:
            private.make_folder(self.spool_dir)
            return self.spool_dir, False
        return Path(tempfile.mkdtemp(prefix=PREFIX)), True
