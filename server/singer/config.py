"""The configuration of the tap: which tables, which entities, which days."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from server.export.due import DayRange
from server.export.ledger import WrongExport
from server.http.request_error import RequestError
from server.tables import parameters
from server.tables.table import Table

OPTIONS = frozenset({"start_date", "end_date", "lookback_days", "refresh", "tables"})
# The entity of a table that needs no parameter.
EVERYTHING = "all"


class WrongTap(ValueError):
    """A file of the tap is wrong. The text says what."""


@dataclass(frozen=True, slots=True)
class TapConfig:
    """The configuration. `entities` are the values of each parameter that tables may need, such as group.

    `last` is the last day to read; without it, today. The days of `refresh`, both of its ends included, are read again.
    With `tables`, only these are streams.
    """

    first: datetime.date
    last: datetime.date | None = None
    lookback_days: int = 3
    refresh: DayRange | None = None
    tables: frozenset[str] | None = None
    entities: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "TapConfig":
        """Read the JSON of a configuration. Raises WrongTap."""
        days = content.get("lookback_days", 3)
        if not isinstance(days, int) or days < 0:
            raise WrongTap(f"lookback_days is {days!r}; it must be a whole number from 0")
        last, tables = content.get("end_date"), content.get("tables")
        return cls(
            _day("start_date", content.get("start_date")),
            None if last is None else _day("end_date", last),
            days,
            _days(content.get("refresh")),
            None if tables is None else frozenset(_texts("tables", tables)),
            {name: _texts(name, value) for name, value in content.items() if name not in OPTIONS},
        )

    def entities_of(self, table: Table) -> dict[str, dict[str, Any]]:
        """Return the variables of each entity of a table by its name, such as group=382. Raises WrongTap.

        There is none if the table is not to be read, or needs something that the configuration does not say.
        """
        required = [variable.name for variable in table.variables if variable.required]
        if self.tables is not None and table.name not in self.tables:
            return {}
        if not required:
            return {EVERYTHING: {}}
        if len(required) > 1:
            return {}
        try:
            return {
                f"{required[0]}={text}": parameters.read(table, [(required[0], text)])[0]
                for text in self.entities.get(required[0], ())
            }
        except RequestError as refusal:
            raise WrongTap(str(refusal)) from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file. Raises WrongTap."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise WrongTap(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise WrongTap(f"{path} holds no JSON object")
    return content


def _day(name: str, value: Any) -> datetime.date:
    """Return the day of a date, or of a time such as 2026-03-01T00:00:00Z."""
    try:
        return datetime.date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        raise WrongTap(f"{name} is {value!r}; it must be a date such as 2026-03-01") from None


def _days(value: Any) -> DayRange | None:
    """Return the days of a text such as 2026-03-01..2026-03-05, or of one day."""
    if value is None:
        return None
    try:
        return DayRange.of(value if isinstance(value, str) else "")
    except WrongExport:
        raise WrongTap(f"refresh is {value!r}; it must be days such as 2026-03-01..2026-03-05") from None


def _texts(name: str, value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in found):
        raise WrongTap(f"{name} is {value!r}; it must be a list of texts")
    return [str(one) for one in found]
