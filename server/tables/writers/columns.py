"""The typed formats: Parquet and the stream of Arrow."""

import base64
from collections.abc import Callable
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from server.tables.table import Table

# Exactly this many rows, whatever the batches are: the same rows make the same row groups.
ROW_GROUP = 65_536


class Parquet:
    """Parquet, compressed with zstd, in row groups of one size.

    The metadata of its schema are written last, because the reading times are known then.
    """

    def __init__(self, table: Table, sink: IO[bytes], freshness: Callable[[], str] | None = None) -> None:
        self._schema = self.schema(table)
        self._writer = pq.ParquetWriter(
            sink, self._schema, compression="zstd", write_page_index=True, store_schema=freshness is None
        )
        self._freshness = freshness
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def schema(self, table: Table) -> pa.Schema:
        """The schema of the file."""
        return table.schema

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._rows += batch.num_rows
        while self._rows >= ROW_GROUP:
            rows = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(rows.slice(0, ROW_GROUP), ROW_GROUP)
            rest = rows.slice(ROW_GROUP)
            self._waiting, self._rows = rest.to_batches(), rest.num_rows

    def close(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), ROW_GROUP)
        if self._freshness is not None:
            schema = _with_freshness(self._schema, self._freshness())
            metadata = {name.decode(): value.decode() for name, value in schema.metadata.items()}
            # Arrow stores a schema in Parquet in this way.
            arrow = base64.b64encode(schema.serialize().to_pybytes()).decode()
            self._writer.add_key_value_metadata({**metadata, "ARROW:schema": arrow})
        self._writer.close()


class RowParquet(Parquet):
    """Parquet of the rows as they are read, for the pages of OData."""

    def schema(self, table: Table) -> pa.Schema:
        return table.read_schema


class Ipc:
    """The streaming format of Arrow. Its schema comes first, with what is known when the first rows are written."""

    def __init__(self, table: Table, sink: IO[bytes], freshness: Callable[[], str]) -> None:
        self._schema = table.schema
        self._sink = sink
        self._freshness = freshness
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        self._begun().write_batch(batch)

    def close(self) -> None:
        self._begun().close()

    def _begun(self) -> Any:
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._sink, _with_freshness(self._schema, self._freshness()))
        return self._writer


def _with_freshness(schema: pa.Schema, text: str) -> pa.Schema:
    return schema.with_metadata({**schema.metadata, b"freshness": text.encode()})
