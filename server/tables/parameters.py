"""Read the parameters in the address of a table: its variables by their types, its window, and the limit of rows."""

from collections.abc import Iterable
from typing import Any

from server.http.request_error import RequestError
from server.tables import window
from server.tables.table import Table, ValueKind, Variable

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


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
        raise _bad(f"The table {table.name} needs {', '.join(absent)}: add {absent[0]}=… to the address.")
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
