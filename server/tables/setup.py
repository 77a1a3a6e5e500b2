"""What tables need to know of the server that they stand in."""

import datetime
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from starlette.requests import Request

from resolvers.caller import EVERYONE, Caller
from server.operation import Operation

UTC = ZoneInfo("UTC")
MEBIBYTES = 1024
OPEN_SECONDS = 60.0
CLOSED_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: `key` keeps apart what callers may see, `sign` puts the caller on each operation that is run."""

    key: str = ""
    sign: Callable[[Operation], Operation] = lambda operation: operation


def asking(request: Request) -> Asking:
    """Who asks, as the door has it. Callers who may see the same groups share what is kept."""
    caller: Caller = request.scope.get("caller", EVERYONE)
    key = "" if caller.groups is None else ",".join(map(str, sorted(caller.groups))) or "none"
    return Asking(key, partial(_signed, caller))


def _signed(caller: Caller, operation: Operation) -> Operation:
    return replace(operation, caller=caller)


@dataclass(frozen=True, slots=True)
class Setup:
    """The business time zone and the clock; which upstreams these are; where files are kept, how many and how long.

    Without `spool_dir` files are kept in a temporary folder that goes with the server.
    """

    zone: ZoneInfo = UTC
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    origin: Callable[[], str] = str
    asking: Callable[[Request], Asking] = asking
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
