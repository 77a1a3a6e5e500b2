"""The catalog of the tap: one stream per table, with its schema, its keys, and what is selected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from server.singer.config import WrongTap
from server.tables.arrow import data_type
from server.tables.table import PRECISION, Table, TableColumn, ValueKind

# The columns that name a row: its entity, the day for which it was read, and its number among the rows of that day.
ENTITY, DAY, ROW = "loaded_entity", "loaded_for", "loaded_row"
# A row that is not there any more comes again, with this mark, and with the moment for targets that delete such rows.
# Some targets drop all columns that begin with _sdc, so the mark is a column of its own.
GONE, DELETED = "loaded_gone", "_sdc_deleted_at"

TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "enum": {"type": "string"},
    "int64": {"type": "integer"},
    "float64": {"type": "number"},
    "bool": {"type": "boolean"},
    "timestamp": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}


@dataclass(frozen=True, slots=True)
class TapStream:
    """A table as a stream, with the columns that are selected."""

    table: Table
    columns: tuple[TableColumn, ...]

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def keys(self) -> list[str]:
        """Return the columns that name a row."""
        return [ENTITY, DAY, ROW] if self.table.timed else [ENTITY, ROW]

    @property
    def column_types(self) -> dict[str, str]:
        """Return a name for the type of each column."""
        return {column.name: str(data_type(column.kind)) for column in self.columns}

    def schema(self) -> dict[str, Any]:
        """Return the schema of the records. A column may be null, as in a row that is not there any more."""
        own = {ENTITY: {"type": "string"}, DAY: {"type": "string", "format": "date"}, ROW: {"type": "integer"}}
        return {
            "type": "object",
            "properties": {
                **{column.name: _nullable(_type(column.kind)) for column in self.columns},
                **{name: own[name] for name in self.keys},
                GONE: TYPES["bool"],
                DELETED: _nullable(TYPES["timestamp"]),
            },
        }

    def described(self) -> dict[str, Any]:
        """Return the stream for the catalog."""
        method = "INCREMENTAL" if self.table.timed else "FULL_TABLE"
        of_stream = {
            "inclusion": "available",
            "selected-by-default": True,
            "table-key-properties": self.keys,
            "forced-replication-method": method,
            **({"valid-replication-keys": [DAY]} if self.table.timed else {}),
        }
        fields = [
            {
                "breadcrumb": ["properties", name],
                "metadata": {"inclusion": "automatic" if name in (*self.keys, GONE, DELETED) else "available"},
            }
            for name in self.schema()["properties"]
        ]
        return {
            "tap_stream_id": self.name,
            "stream": self.name,
            "schema": self.schema(),
            "key_properties": self.keys,
            "replication_method": method,
            **({"replication_key": DAY} if self.table.timed else {}),
            "metadata": [{"breadcrumb": [], "metadata": of_stream}, *fields],
        }

    def message(self) -> dict[str, Any]:
        """Return the SCHEMA message."""
        return {
            "type": "SCHEMA",
            "stream": self.name,
            "schema": self.schema(),
            "key_properties": self.keys,
            "bookmark_properties": [DAY] if self.table.timed else [],
        }


def catalog_of(streams: Iterable[TapStream]) -> dict[str, Any]:
    """Return the catalog."""
    return {"streams": [stream.described() for stream in streams]}


def selected(streams: Iterable[TapStream], catalog: Mapping[str, Any] | None) -> list[TapStream]:
    """Return the streams that a catalog selects, with their selected columns; without one, all. Raises WrongTap."""
    by_name = {stream.name: stream for stream in streams}
    if catalog is None:
        return list(by_name.values())
    found = []
    try:
        for entry in catalog["streams"]:
            metadata = {tuple(one["breadcrumb"]): one["metadata"] for one in entry.get("metadata", ())}
            if not _is_selected(metadata.get((), {}), entry.get("schema", {})):
                continue
            name = entry["tap_stream_id"]
            if name not in by_name:
                there = ", ".join(by_name) or "none"
                raise WrongTap(f"the catalog selects {name}, which cannot be read; there are {there}")
            found.append(_narrowed(by_name[name], metadata))
    except (KeyError, TypeError, AttributeError) as error:
        raise WrongTap(f"the catalog is not one of Singer: {error!r}") from None
    return found


def _narrowed(stream: TapStream, metadata: Mapping[tuple[str, ...], Mapping[str, Any]]) -> TapStream:
    columns = [one for one in stream.columns if _is_selected(metadata.get(("properties", one.name), {}))]
    return TapStream(stream.table, tuple(columns))


def _is_selected(metadata: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> bool:
    if metadata.get("inclusion") == "unsupported":
        return False
    default: bool = metadata.get("selected-by-default", True)
    chosen: bool = metadata.get("selected", (schema or {}).get("selected", default))
    return chosen


def _type(kind: ValueKind) -> dict[str, Any]:
    """Return the JSON schema of a kind of column. A decimal is a text, so that no reader makes a float of it."""
    if kind.of is not None:
        return {"type": "array", "items": _nullable(_type(kind.of))}
    if kind.name == "decimal":
        return {"type": "string", "format": "x-singer.decimal", "precision": PRECISION, "scale": kind.scale}
    return TYPES[kind.name]


def _nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "type": ["null", schema["type"]]}
