"""The process that runs one statement in DuckDB, without files, network, settings of the server, or its environment.

It reads the task from stdin, asks for parts of tables over a socket, and writes frames with the result to stdout. A
part arrives as an open file. This process has to start fast, so the module imports little else of the server.
"""

import base64
import ctypes
import json
import os
import re
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from server.without import do_without

if __name__ == "__main__":
    # More than half of the start, and no part of a result. The server itself may need them.
    do_without("numpy", "pandas")

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

ROWS = 32_768
# The kinds of frames: the columns of the result, some rows, an error, the end.
COLUMNS, BATCH, ERROR, END = b"C", b"B", b"E", b"Z"
HEAD = struct.Struct("!cI")
# Address space beside the memory of DuckDB: for Arrow, the libraries' own threads, and one batch of the result.
_BESIDE = 1 << 30
_LONGEST = 1 << 16
# Arrow has these types only as bytes in the form of DuckDB, which no client reads.
_UNREADABLE = re.compile(r"\b(BIT|BIGNUM)\b")
_PDEATHSIG = 1
_NO_NEW_PRIVILEGES = 38


class Parts:
    """Ask the server for parts of tables: one question at a time."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lock = threading.Lock()

    def open(self, scan: int, part: int, columns: Sequence[str]) -> int:
        """Return the descriptor of the file with a part."""
        with self._lock:
            self._link.sendall(json.dumps({"scan": scan, "part": part, "columns": list(columns)}).encode() + b"\n")
            data, files, _, _ = socket.recv_fds(self._link, _LONGEST, 1)
            while not data.endswith(b"\n"):
                more = self._link.recv(_LONGEST)
                if not more:
                    raise OSError("The server has gone.")
                data += more
        if not files:
            raise OSError(json.loads(data)["error"])
        return files[0]


class TableDataset(ds.Dataset):  # type: ignore[misc]  # pyarrow has no types
    """A table of the statement. DuckDB gives the scanner the columns and the filter that it needs."""

    def __init__(self, task: dict[str, Any], number: int, parts: Parts) -> None:
        self._schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(task["schema"])))
        self._keys: list[dict[str, str]] = task["keys"]
        self._number = number
        self._parts = parts

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of the table."""
        return self._schema

    def scanner(self, columns: list[str] | None = None, filter: Any = None, **_: Any) -> ds.Scanner:
        """Return the scanner of the rows."""
        names = columns if columns is not None else self._schema.names
        schema = pa.schema([self._schema.field(name) for name in names])
        rows = self._rows(names, schema)
        return ds.Scanner.from_batches(rows, schema=schema, columns=names, filter=filter, batch_size=ROWS)

    def _rows(self, names: Sequence[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for number, keys in enumerate(self._keys):
            descriptor = self._parts.open(self._number, number, [*names, *keys])
            with os.fdopen(descriptor, "rb") as file:
                parquet = pq.ParquetFile(file, pre_buffer=False)
                there = parquet.schema_arrow.names
                wanted = [name for name in there if name in names or name.lower() in keys]
                for batch in parquet.iter_batches(batch_size=ROWS, columns=wanted, use_threads=False):
                    yield _shaped(batch, keys, schema)


def _shaped(batch: pa.RecordBatch, keys: dict[str, str], schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of a part that have its keys, with the columns of the table."""
    there = {name.lower(): name for name in batch.schema.names}
    for key, value in keys.items():
        if key in there:
            same = pc.equal(batch.column(there[key]), value)
            if not pc.all(same).as_py():
                batch = batch.filter(same)
    arrays = []
    for field in schema:
        if field.name in batch.schema.names:
            values = batch.column(field.name)
            arrays.append(values if values.type == field.type else values.cast(field.type))
        else:
            same_value = pa.scalar(keys.get(field.name.lower()), pa.string()).cast(field.type)
            arrays.append(pa.repeat(same_value, batch.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def confined(mebibytes: int, seconds: float) -> None:
    """Limit this process: its memory, its time, its files. It ends with its parent."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, used + (mebibytes << 20) + _BESIDE)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CPU, int(seconds * 4) + 10)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def connected(task: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """Return a locked connection with the tables of the task."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "allow_community_extensions": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "max_temp_directory_size": "0B",
            "memory_limit": f"{task['mebibytes']}MiB",
            "python_enable_replacements": "false",
            "temp_directory": "",
            "threads": str(task["threads"]),
        },
    )
    connection.execute("SET enable_external_access = false")
    connection.execute(f"SET TimeZone = '{task['zone']}'")
    for statement in task["catalog"]:
        connection.execute(statement)
    parts = Parts(socket.socket(fileno=int(sys.argv[1])))
    for number, scan in enumerate(task["scans"]):
        connection.register(scan["name"], TableDataset(scan, number, parts))
    connection.execute("SET lock_configuration = true")
    return connection


def run(task: dict[str, Any], out: Any) -> None:
    """Run the statement and write its frames."""
    with connected(task) as connection:
        connection.execute(task["text"])
        columns = [{"name": one[0], "type": str(one[1])} for one in connection.description or ()]
        for column in columns:
            if _UNREADABLE.search(column["type"]):
                raise ValueError(f"The column {column['name']} has the type {column['type']}: cast it to VARCHAR.")
        rows = connection.to_arrow_reader(ROWS)
        send(out, COLUMNS, json.dumps(columns).encode())
        plain = pa.schema([pa.field(field.name, _plain(field.type)) for field in rows.schema])
        send(out, BATCH, _stream(plain, None))
        for batch in rows:
            arrays = [
                values if values.type == field.type else values.cast(field.type)
                for values, field in zip(batch.columns, plain, strict=True)
            ]
            send(out, BATCH, _stream(plain, pa.RecordBatch.from_arrays(arrays, schema=plain)))
    send(out, END, b"")


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _stream(schema: pa.Schema, batch: pa.RecordBatch | None) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        if batch is not None:
            writer.write_batch(batch)
    return memoryview(sink.getvalue())


def send(out: Any, kind: bytes, content: Any) -> None:
    """Write a frame."""
    out.write(HEAD.pack(kind, len(content)))
    out.write(content)
    out.flush()


def main() -> None:
    """Run the task on stdin."""
    pa.set_cpu_count(2)
    pa.set_io_thread_count(4)
    out = sys.stdout.buffer
    task = json.loads(sys.stdin.buffer.read())
    confined(task["mebibytes"], task["seconds"])
    try:
        run(task, out)
    except (MemoryError, duckdb.OutOfMemoryException, pa.ArrowMemoryError):
        send(out, ERROR, json.dumps({"kind": "memory", "message": ""}).encode())
    except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
        kind = "memory" if "bad_alloc" in str(error) else "statement"
        send(out, ERROR, json.dumps({"kind": kind, "message": str(error)}).encode())


if __name__ == "__main__":
    main()
