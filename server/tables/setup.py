"""What tables need to know of the server that they stand in."""

import datetime
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

UTC = ZoneInfo("UTC")
MEBIBYTES = 1024
OPEN_SECONDS = 60.0
CLOSED_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class Setup:
    """The business time zone and the clock; which upstreams these are; where files are kept, how many and how long.

    Without `spool_dir` files are kept in a temporary folder that goes with the server.
    """

    zone: ZoneInfo = UTC
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    origin: Callable[[], str] = str
    spool_dir: Path | None = None
    spool_mebibytes: int = MEBIBYTES
    open_seconds: float = OPEN_SECONDS
    closed_days: float = CLOSED_DAYS

    def spool_folder(self) -> tuple[Path, bool]:
        """The folder, and whether it is a temporary one."""
        if self.spool_dir is not None:
            self.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self.spool_dir, False
        return Path(tempfile.mkdtemp(prefix="gamehub-graph-tables-")), True
