"""Say what a statement would read: tables, columns, keys, days, and the upstream calls. Nothing is called for it.

DuckDB plans the statement over empty tables, so its own plan says which columns and filters reach a table. The graph
plans the document of each file that is not there yet, as `extensions.explain` does.
"""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from server.sql.parts import SqlPart, TableParts
from server.sql.table import SqlTable
from server.tables.answers import TableAnswers, TableRequest
from server.tables.formats import FORMATS

# The format of the files with parts of tables.
PARQUET = FORMATS["parquet"]
# So many files of one statement are planned at most. The others are counted.
MOST_FORESEEN = 31

# Empty tables must not make the plan shorter than that of tables with rows.
_WITHOUT = "SET disabled_optimizers = 'statistics_propagation,empty_result_pullup,late_materialization'"
_SCAN = "SEQ_SCAN"
_DYNAMIC = "Dynamic Filter"  # its values are known when the statement runs
_WORDS = re.compile(r"\w+")
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ScanUse:
    """A use of a table in the plan of a statement: the number of its scan, its columns, and the filters on its rows."""

    scan: int
    columns: Sequence[str]
    filters: Sequence[str]


def statements(names: Sequence[str], tables: Sequence[SqlTable]) -> list[str]:
    """Return the statements that make empty tables with these names."""
    made = [
        f"CREATE TABLE {name} ({', '.join(f'{quoted(one.name)} {one.type}' for one in table.columns.values())})"
        for name, table in zip(names, tables, strict=True)
    ]
    return [_WITHOUT, *made]


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def uses(plan: str, names: Sequence[str], tables: Sequence[SqlTable]) -> list[ScanUse]:
    """Return how a plan of DuckDB (in JSON) uses these tables, in the order of the statement."""
    numbers = {name: number for number, name in enumerate(names)}
    found = []
    for node in _nodes(orjson.loads(plan)):
        info = node.get("extra_info", {})
        number = numbers.get(str(info.get("Table", "")).rpartition(".")[2])
        if node["name"].strip() != _SCAN or number is None:
            continue
        filters = [one.removeprefix("optional: ") for one in _texts(info.get("Filters")) if _DYNAMIC not in one]
        # A column that only a filter needs is read, but it is no column of the result of the scan.
        words = {*_texts(info.get("Projections")), *(word for one in filters for word in _WORDS.findall(one))}
        columns = [one.name for one in tables[number].columns.values() if one.name in words]
        found.append(ScanUse(number, columns, filters))
    return sorted(found, key=lambda use: use.scan)


def _nodes(nodes: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for node in nodes:
        yield node
        yield from _nodes(node.get("children", ()))


def _texts(found: str | list[str] | None) -> list[str]:
    return [found] if isinstance(found, str) and found else list(found or ())


class _ForeseenCalls:
    """Add up the calls that the files of a table need. The cache answers what an earlier file has `made` already."""

    def __init__(self, made: set[bytes]) -> None:
        self._made = made
        self._plan: dict[object, dict[str, Any]] = {}
        self._values: dict[object, dict[str, list[Any]]] = {}
        self._fewest = self._most = 0

    def add(self, explained: Mapping[str, Any]) -> int:
        """Add a plan of the graph. Return the number of its calls."""
        calls = 0
        for part in explained["plan"]:
            fixed = not any(isinstance(value, dict) for value in part["parameters"].values())
            same = orjson.dumps(
                [part["report"], part["type"], part["parameters"], part.get("from"), part.get("until")],
                option=orjson.OPT_SORT_KEYS,
            )
            if fixed and same in self._made:
                part = {**part, "calls": 0, "held": part["held"] + part["calls"], "seconds": 0.0}
            self._made.add(same)
            self._merge(part)
            calls += part["calls"]
        repeated = explained["calls"] - calls
        self._fewest += max(explained["fewest"] - repeated, 0)
        self._most += max(explained["most"] - repeated, calls)
        return calls

    def _merge(self, part: Mapping[str, Any]) -> None:
        """Add calls to those that differ in their keys and days only."""
        place = (part["report"], part["type"], *part["parameters"], part["way"], *part["fields"])
        known = self._plan.setdefault(place, {**part, "calls": 0, "held": 0, "rows": 0, "seconds": 0.0})
        for name in ("calls", "held", "rows", "seconds"):
            known[name] += part[name]
        if "from" in part:
            known["from"], known["until"] = min(known["from"], part["from"]), max(known["until"], part["until"])
        values = self._values.setdefault(place, {name: [] for name in part["parameters"]})
        for name, value in part["parameters"].items():
            if value not in values[name]:
                values[name].append(value)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the form of `extensions.explain`."""
        for place, known in self._plan.items():
            known["parameters"] = {name: _together(values) for name, values in self._values[place].items()}
        return summed([{"fewest": self._fewest, "most": self._most, **_added(self._plan.values())}]) | {
            "plan": list(self._plan.values())
        }


def _together(values: Sequence[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    return {"distinct": sum(value["distinct"] if isinstance(value, dict) else 1 for value in values)}


def _added(parts: Any) -> dict[str, Any]:
    rows = list(parts)
    return {name: sum(one[name] for one in rows) for name in ("calls", "held", "rows", "seconds")}


def summed(plans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums of plans."""
    found = {name: sum(plan[name] for plan in plans) for name in ("calls", "fewest", "most", "held", "rows", "seconds")}
    return {**found, "seconds": round(found["seconds"], 6), "depends": found["fewest"] != found["most"]}


async def explained(
    found: Sequence[ScanUse],
    scans: Sequence[TableParts],
    requests: Sequence[Sequence[TableRequest]],
    answers: TableAnswers,
) -> dict[str, Any]:
    """Return what is read of each table, and the sums. `requests` has the files of each use. Raises RequestError."""
    made: set[bytes] = set()
    left = MOST_FORESEEN
    tables, there, foreseen = [], 0, 0
    for use, files in zip(found, requests, strict=True):
        calls = _ForeseenCalls(made)
        parts = []
        for part, requested in zip(scans[use.scan].parts, files[:left], strict=False):
            plans = await answers.foresee(requested, PARQUET)
            there += plans is None
            parts.append(_part(part, None if plans is None else sum(map(calls.add, plans))))
        left -= len(parts)
        foreseen += len(parts)
        tables.append({**_described(use, scans[use.scan]), "parts": parts, **calls.to_dict()})
    needed = sum(map(len, requests))
    return {**summed(tables), "files": {"needed": needed, "there": there, "foreseen": foreseen}, "tables": tables}


def _part(part: SqlPart, calls: int | None) -> dict[str, Any]:
    """Return one file. `calls` is None if the file is there."""
    shown: dict[str, Any] = {"keys": dict(part.keys)}
    if part.window is not None:
        first, last = _days(part)
        shown |= {"from": first.isoformat(), "to": last.isoformat()}
    return shown | {"there": calls is None, "calls": calls or 0}


def _days(part: SqlPart) -> tuple[datetime.date, datetime.date]:
    """Return the first and the last day of a part."""
    assert part.window is not None
    found, zone = part.window.interval, part.window.zone
    last = (found.end - datetime.timedelta(microseconds=1)).astimezone(zone).date()
    return found.start.astimezone(zone).date(), last


def _described(use: ScanUse, scan: TableParts) -> dict[str, Any]:
    keys: dict[str, list[str]] = {}
    days: list[list[datetime.date]] = []
    for part in scan.parts:
        for name, value in part.keys.items():
            if value not in keys.setdefault(name, []):
                keys[name].append(value)
        if part.window is None:
            continue
        first, last = _days(part)
        if days and first <= days[-1][1] + _DAY:
            days[-1][1] = max(last, days[-1][1])
        else:
            days.append([first, last])
    wanted = [*use.columns, *keys]
    return {
        "table": scan.table.shown,
        "columns": list(use.columns),
        "filters": list(use.filters),
        "keys": keys,
        "days": [{"from": first.isoformat(), "to": last.isoformat()} for first, last in days],
        "document": scan.source.reading(wanted).document,
    }
