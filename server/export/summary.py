"""The outcome of an export for machines: one JSON object, and metrics in the text format of Prometheus."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from server.export.day import DayRecord, DayStatus, Partition
from server.export.due import DueReason
from server.export.run import RunResult


def summary_of(
    table: str,
    out: str,
    due: Mapping[Partition, DueReason],
    records: Mapping[Partition, DayRecord],
    result: RunResult,
) -> dict[str, Any]:
    """Return the outcome of a run. `records` are those of the ledger after it."""
    files = [record for record in records.values() if record.sha256 is not None]
    return {
        "table": table,
        "out": out,
        "ok": not result.failed and result.stopped is None,
        "error": result.stopped,
        "due": len(due),
        "written": [
            {**_named(partition), "reason": due[partition].value, "status": one.status.value, "rows": one.rows}
            for partition, one in sorted(result.written.items())
        ],
        "written_by_another_run": [_named(partition) for partition in sorted(result.by_others)],
        "failed": [
            {**_named(partition), "code": error.code, "message": error.message}
            for partition, error in sorted(result.failed.items())
        ],
        "open": [_named(one.partition) for one in sorted(records.values(), key=_place) if one.status is DayStatus.OPEN],
        "totals_differ": [
            _named(partition)
            for partition, one in sorted(result.written.items())
            if any(print.agrees is False for print in one.prints)
        ],
        "files": len(files),
        "rows": sum(one.rows or 0 for one in files),
        "bytes": sum(one.bytes or 0 for one in files),
    }


def _place(record: DayRecord) -> Partition:
    return record.partition


def _named(partition: Partition) -> dict[str, str]:
    return {**({"entity": partition.entity} if partition.entity else {}), "day": partition.day}


METRICS: Mapping[str, tuple[str, str]] = {
    "ok": ("success", "1 if the last run wrote all days that were due."),
    "due": ("due_days", "Days that were due in the last run."),
    "written": ("written_days", "Days that the last run wrote."),
    "failed": ("failed_days", "Days that failed in the last run."),
    "open": ("open_days", "Days of the ledger that were not over when they were read."),
    "totals_differ": ("differing_days", "Days of the last run whose totals are not those of R1 or G1."),
    "files": ("files", "Files of the export."),
    "rows": ("rows", "Rows of the export."),
    "bytes": ("bytes", "Bytes of the export."),
    "seconds": ("duration_seconds", "Duration of the last run."),
}


def write_metrics(file: Path, summary: Mapping[str, Any], now: float) -> None:
    """Write the metrics of a run into a file, for the text file collector of the node exporter. Raises OSError."""
    registry = CollectorRegistry()
    for key, (name, text) in METRICS.items():
        value = summary.get(key)
        if value is None:
            continue
        gauge = Gauge(f"gamehub_graph_export_{name}", text, ["table"], registry=registry)
        gauge.labels(summary["table"]).set(len(value) if isinstance(value, list) else float(value))
    at = Gauge("gamehub_graph_export_end_timestamp_seconds", "When the last run ended.", ["table"], registry=registry)
    at.labels(summary["table"]).set(now)
    write_to_textfile(str(file), registry)
