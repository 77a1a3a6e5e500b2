"""The error journal as a table: what `gamehub-graph errors` lists, and the file it writes for the vendor."""

import csv
import datetime
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from server.tables.writers.formulas import harmless
from upstream.journal import Entry, Journal

COLUMNS = (
    "at",
    "correlation_id",
    "code",
    "report",
    "params",
    "status",
    "upstream_code",
    "message",
    "payload",
    "request",
)

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def since(text: str, now: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """The moment that a person means: `90m`, `2h`, `3d`, `1w` ago, or a date or a time, in `zone` unless it says."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    try:
        if found:
            return now - datetime.timedelta(**{_UNITS[found[2]]: int(found[1])})
        moment = datetime.datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time: 2h, 3d, 2026-03-15 and 2026-03-15T12:00 are") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def table(entries: Sequence[Entry], zone: datetime.tzinfo) -> Table:
    """The entries for a person at a terminal: without payloads."""
    shown = Table(
        "time", "code", "report", "parameters", "status", "message", "id", "request", "caller", box=None, pad_edge=False
    )
    for entry in entries:
        parameters = " ".join(f"{name}={value}" for name, value in entry.params.items())
        status = " ".join(str(each) for each in (entry.status, entry.upstream_code) if each is not None)
        at = entry.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
        shown.add_row(
            at, entry.code, entry.report, parameters, status, entry.message, entry.correlation_id, entry.request,
            entry.caller,
        )  # fmt: skip
    return shown


def described(entry: Entry) -> dict[str, Any]:
    """The entry for programs: without its payload."""
    fields: dict[str, Any] = json.loads(entry.line())
    return {column: fields[column] for column in (*COLUMNS, "caller") if column != "payload"}


def export(journal: Journal, path: Path, start: datetime.datetime | None, request: str | None = None) -> int:
    """Write the entries since `start` to a file, payloads included: a table for `.csv`, else lines of JSON.

    The file is for the vendor, so it has no names of callers.
    """
    if path.suffix.lower() != ".csv":
        return journal.export(path, start, request)
    entries = journal.entries(start, request=request)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for entry in entries:
            fields = json.loads(entry.line())
            writer.writerow([_cell(fields[column]) for column in COLUMNS])
    return len(entries)


def _cell(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return harmless(text)  # what an upstream sent is not to be run by a spreadsheet
