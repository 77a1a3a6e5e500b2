"""The limits of SQL."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlConfig:
    """The limits of SQL: seconds and MiB of one statement, and the statements that run at a time.

    With `saved_only`, the only tables are those of the saved queries.
    """

    seconds: float = 60.0
    mebibytes: int = 512
    statements: int = 2
    saved_only: bool = False
