"""The lines of the log on their way to a stream: one by one, or in batches while a server runs.

A batch is written at the next tick, after 50 ms, with 200 lines, with a warning or an error, and at the end of the
server or the process.
"""

import asyncio
import atexit
import logging
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from server.ticks import at_next_tick

MOST_LINES = 200


class LogLines:
    """Lines that are not written yet, texts or bytes as the stream demands, in their order.

    A stream that cannot be written to, for example on a full disk, loses lines and fails no request. Other processes
    may write to a `shared` stream at the same time, and no line is written into another one.
    """

    def __init__(self, stream: IO[Any], end: Any, *, shared: bool = False) -> None:
        self._stream = stream
        self._end = end
        self._shared = shared
        self._lines: list[Any] = []
        self._writing = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None  # that of a server, which writes in batches
        self._thread: int | None = None
        self._waiting = False  # whether the next tick writes a batch
        atexit.register(self.flush)

    def later(self, line: Any) -> None:
        """Write a line with the next batch; at once without a server."""
        lines = self._lines
        lines.append(line)
        if not self._waiting or len(lines) >= MOST_LINES:
            self._schedule()

    def at_once(self, line: Any) -> None:
        """Write a line, after the lines before it."""
        self._lines.append(line)
        self.flush()

    def flush(self) -> None:
        """Write all lines."""
        with self._writing:
            # Other threads may append meanwhile.
            lines = self._lines[:]
            del self._lines[: len(lines)]
            if not lines:
                return
            for part in self._parts(lines) if self._shared else (lines,):
                try:
                    self._stream.write(self._end.join(part) + self._end)
                    self._stream.flush()
                except OSError:
                    pass

    def _parts(self, lines: list[Any]) -> Iterator[list[Any]]:
        """Divide lines into parts that a pipe takes as a whole, as far as single lines allow."""
        part: list[Any] = []
        size = 0
        for line in lines:
            length = len(line) + 1
            if part and size + length > select.PIPE_BUF:
                yield part
                part, size = [], 0
            part.append(line)
            size += length
        yield part

    @contextmanager
    def batches(self) -> Iterator[None]:
        """Write in batches inside the block. It runs in an event loop."""
        if self._loop is not None:  # a second server in this process
            yield
            return
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        try:
            yield
        finally:
            self._loop = None
            self._end_batch()

    def _schedule(self) -> None:
        if self._loop is None or len(self._lines) >= MOST_LINES or threading.get_ident() != self._thread:
            self.flush()
        else:
            self._waiting = True
            at_next_tick(self._loop, self._end_batch)

    def _end_batch(self) -> None:
        self._waiting = False
        self.flush()


class LineLogger:
    """The logger under structlog. Its methods are the levels; a line is complete when it comes here."""

    def __init__(self, lines: LogLines) -> None:
        self.debug = self.info = self.msg = self.log = lines.later
        self.warning = self.warn = self.error = self.exception = lines.at_once
        self.critical = self.fatal = self.failure = lines.at_once


class LibraryLines(logging.Handler):
    """The handler for the lines of libraries. It keeps their order among the own lines, which may be `encoded`."""

    def __init__(self, lines: LogLines, *, encoded: bool) -> None:
        super().__init__()
        self._lines = lines
        self._encoded = encoded

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record."""
        try:
            line = self.format(record)
            self._lines.at_once(line.encode("utf-8", "backslashreplace") if self._encoded else line)
        except Exception:
            self.handleError(record)
