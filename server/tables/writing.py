"""Write rows into a file or a stream, compressed if the client wants it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from server.tables.formats import Format
from server.tables.table import Table
from upstream import private


async def write_file(
    path: Path,
    table: Table,
    form: Format,
    rows: AsyncGenerator[pa.RecordBatch],
    encoding: str | None = None,
    freshness: Callable[[], str] = lambda: "[]",
) -> int:
    """Write rows into a file and return their number. An error of the rows is raised, and the file is incomplete.

    `freshness` returns the reading times after the rows were read.
    """
    count = 0
    file = await asyncio.to_thread(open, path, "wb", opener=private.opener)
    sink = compressed(file, encoding)
    try:
        writer = form.open(table, sink, freshness)
    except BaseException:
        file.close()
        await rows.aclose()
        raise
    try:
        async for batch in rows:
            await asyncio.to_thread(writer.write, batch)
            count += batch.num_rows
    except BaseException:
        with suppress(Exception):  # close it; its output is dropped
            writer.close()
        raise
    else:
        await asyncio.to_thread(writer.close)
    finally:
        await rows.aclose()
        try:
            await asyncio.to_thread(sink.close)  # before the file, because the writer writes its end into it
        finally:
            file.close()
    return count


class StreamBuffer:
    """The file of a stream: it stores what was written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return everything that was written since the last call."""
        taken, self._parts = b"".join(self._parts), []
        return taken

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def close(self) -> None:
        """Do nothing: the content stays until it is taken."""


def compressed(sink: Any, encoding: str | None) -> IO[bytes]:
    if encoding is None:
        return cast(IO[bytes], sink)
    return cast(IO[bytes], pa.CompressedOutputStream(pa.PythonFile(sink, "w"), encoding))
