"""Read the parameters in the address of a table: its variables by their types, its window, the limit of rows, totals.

A variable of a query may have the name of a parameter of the answer, such as `count`. Then the name means the variable,
and the parameter has a dot before its name (`.count=1`). With the dot it works for every table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from server.http.request_error import RequestError
from server.tables import window
from server.tables.table import Table, ValueKind, Variable

if TYPE_CHECKING:  # imports pyarrow: see `server.tables.table`
    from server.tables.totals import GroupKey, TableTotals

Pairs = list[tuple[str, str]]

COLUMNS = ("sum", "min", "max", "countdistinct")
TOTALS = frozenset({"by", "count", *COLUMNS})
MARK = "bom"

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class MissingParameters(RequestError):
    """A table needs parameters that are not given. `names` has them."""

    def __init__(self, table: str, names: list[str]) -> None:
        self.needs = f"The table {table} needs {', '.join(names)}"
        self.names = names
        super().__init__(400, "BAD_USER_INPUT", f"{self.needs}: add {names[0]}=… to the address.")


@dataclass(frozen=True, slots=True)
class AnswerParameters:
    """The parameters of an answer: those of totals in their order, and whether CSV has a byte order mark."""

    totals: tuple[tuple[str, str], ...]
    mark: bool

    def totals_of(self, table: Table, zone: ZoneInfo) -> "TableTotals | None":
        """Return the requested totals of a table; None for its rows. Raises RequestError."""
        from server.tables.totals import Aggregate, TableTotals  # imports pyarrow

        if not self.totals:
            return None
        if sum(name == "count" for name, _ in self.totals) > 1:
            raise _bad("The parameter count is given twice.")
        keys: list[GroupKey] = []
        figures: list[Aggregate] = []
        counts = all(name == "by" for name, _ in self.totals)
        for name, text in self.totals:
            columns = [part.strip() for part in text.split(",") if part.strip()]
            if name == "by":
                keys += [_key(table, column) for column in columns]
            elif name in COLUMNS:
                figures += [Aggregate(column, name) for column in columns]
            elif _truth(name, text):
                figures.append(Aggregate("", name))
        if counts:
            figures.append(Aggregate("", "count"))
        return TableTotals(table, keys, figures, zone)


def split(table: Table, pairs: Iterable[tuple[str, str]]) -> tuple[Pairs, AnswerParameters]:
    """Return the parameters of the table, and those of the answer. Raises RequestError."""
    variables = {variable.name for variable in table.variables}
    rest: Pairs = []
    totals: Pairs = []
    marks: list[bool] = []
    for name, text in pairs:
        own = name[1:] if name.startswith(".") else "" if name in variables else name
        if own in TOTALS:
            totals.append((own, text))
        elif own == MARK:
            marks.append(_truth(MARK, text))
        else:
            rest.append((name, text))
    if len(marks) > 1:
        raise _bad(f"The parameter {MARK} is given twice.")
    return rest, AnswerParameters(tuple(totals), marks == [True])


def _key(table: Table, text: str) -> "GroupKey":
    """Return a key of totals: a column, a part of the time of the table (`day`), or of a column (`endsAt.day`)."""
    from server.tables.totals import PARTS, GroupKey  # imports pyarrow

    if any(column.name == text for column in table.columns):
        return GroupKey(text)
    if text.lower() in PARTS:
        if table.time is None:
            raise _bad(f"The table {table.name} has no time of its own: write by=COLUMN.{text.lower()}.")
        return GroupKey(table.time.name, text.lower(), text.lower())
    column, dot, part = text.rpartition(".")
    return GroupKey(column, part.lower()) if dot else GroupKey(text)


def _truth(name: str, text: str) -> bool:
    found = _TRUTH.get(text.lower())
    if found is None:
        raise _bad(f"{name} is {text[:60]!r}; it must be true or false.")
    return found


def read(table: Table, pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], dict[str, str], int | None]:
    """Return the variables, the parameters of the window, and the limit. Raises RequestError."""
    variables = {variable.name: variable for variable in table.variables}
    times = window.PARAMETERS if table.timed else ()
    values: dict[str, Any] = {}
    said: dict[str, str] = {}
    limit: int | None = None
    for name, text in pairs:
        if name in variables and variables[name].many:
            values.setdefault(name, []).append(value(variables[name], text))
            continue
        if name in values or name in said or (name == "limit" and limit is not None):
            raise _bad(f"The parameter {name} is given twice.")
        if name in variables:
            values[name] = value(variables[name], text)
        elif name in times:
            said[name] = text
        elif name == "limit":
            limit = _limit(text)
        else:
            there = ", ".join([*variables, *times, "limit"])
            hint = " Give its window with since and until, or with period." if name == "during" and table.timed else ""
            raise _bad(f"The table {table.name} has no parameter {name[:60]!r}; it has {there}.{hint}")
    absent = [variable.name for variable in table.variables if variable.required and variable.name not in values]
    if absent:
        raise MissingParameters(table.name, absent)
    return values, said, limit


def value(variable: Variable, text: str) -> Any:
    """Return the value of a variable, or one of several values. Raises RequestError."""
    kind = variable.kind.of if variable.kind.of is not None else variable.kind
    found = _read(kind, text)
    if found is None:
        raise _bad(f"{variable.name} is {text[:60]!r}; it must be {_allowed(kind)}.")
    return found


def _read(kind: ValueKind, text: str) -> Any:
    match kind.name:
        case "bool":
            return _TRUTH.get(text.lower())
        case "int64" | "float64":
            try:
                return int(text) if kind.name == "int64" else float(text)
            except ValueError:
                return None
        case "enum":
            return text.upper() if text.upper() in kind.values else text if text in kind.values else None
    return text


def _allowed(kind: ValueKind) -> str:
    kinds = {"bool": "true or false", "int64": "a whole number", "float64": "a number"}
    return kinds.get(kind.name) or f"one of {', '.join(kind.values)}"


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise _bad(f"limit is {text[:40]!r}; it must be a whole number from 0.")
    return int(text)


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_USER_INPUT", message)
