"""The audit table `loaded_days`: one row for each part that is loaded."""

import datetime
import hashlib
import io
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.csv

from .columns import plain
from .server import DayRows, ServerList, ServerTable

LOADED_DAYS = dlt.mark.make_hints(
    table_name="loaded_days",
    write_disposition={"disposition": "merge", "strategy": "delete-insert"},
    merge_key=("part",),
    columns={"loaded_for": {"data_type": "date", "nullable": True}},
)


def audit_row(
    table: ServerTable, entity: str, day: datetime.date | None, read: DayRows, found: ServerList
) -> dict[str, Any]:
    """Return the audit of one part. Its name is `part`, by which it is replaced."""
    return {
        "part": "/".join([table.name, entity, *([f"day={day}"] if day else [])]),
        "table_name": table.name,
        "entity": entity,
        "loaded_for": day,
        "row_count": read.rows.num_rows,
        "row_hash": fingerprint(read.rows),
        "closed": day is not None and day <= found.closed_until,
        "read_at": read.read_at,
        "timezone": found.timezone,
        "version": found.version,
    }


def fingerprint(rows: pa.Table) -> str:
    """Return a hash of the names and values of all rows, in their order."""
    written = io.BytesIO()
    pa.csv.write_csv(plain(rows), written)
    return hashlib.sha256(written.getbuffer()).hexdigest()
