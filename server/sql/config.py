"""The limits of SQL."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class StatementCounts:
    """The SQL statements that run now, all that have begun, and the rows that they returned."""

    running: int = 0
    begun: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class FlightConfig:
    """Where Arrow Flight SQL is served: its address, and the files of a certificate and its key for TLS."""

    host: str
    port: int
    certificate: tuple[Path, Path] | None = None


@dataclass(frozen=True, slots=True)
class SqlConfig:
    """The limits of SQL: seconds and MiB of one statement, and the statements that run at a time.

    With `saved_only`, the only tables are those of the saved queries. `flight` is None if Flight SQL is not served.
    """

    seconds: float = 60.0
    mebibytes: int = 512
    statements: int = 2
    saved_only: bool = False
    flight: FlightConfig | None = None
