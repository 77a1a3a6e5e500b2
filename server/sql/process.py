"""Run a statement in a process of its own: start it, give it parts of tables, read its frames, end it.

A process runs one statement. At its end the next one is started, so that a later statement does not wait for imports.
Its environment has nothing of the server. When a run ends, for whatever reason, its process is killed.
"""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from server.http.request_error import RequestError
from server.sql.config import StatementCounts
from server.sql.worker import BATCH, COLUMNS, END, ERROR, HEAD
from server.tables.answers import refusal
from server.tables.reading import TableFailed

_COMMAND = (sys.executable, "-I", "-m", "server.sql.worker")
# glibc takes 64 MiB of address space for each thread otherwise.
_ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
_LONGEST = 1 << 16
_LARGEST_FRAME = 1 << 30

# Opens the file of a part: the scan, the part, and the columns that are needed.
Open = Callable[[int, int, Sequence[str]], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result: its name, and its type in DuckDB."""

    name: str
    type: str


class _Worker:
    """A process that waits for its statement."""

    def __init__(self, process: Process, link: socket.socket) -> None:
        self.process = process
        self.link = link

    @classmethod
    async def start(cls) -> "_Worker":
        link, theirs = socket.socketpair()
        link.setblocking(False)
        try:
            process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                pass_fds=(theirs.fileno(),),
                limit=1 << 20,
            )
        except BaseException:
            link.close()
            raise
        finally:
            theirs.close()
        return cls(process, link)

    async def end(self) -> None:
        """Kill the process, and wait until it is gone."""
        self.link.close()
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Workers:
    """The processes for statements: a limited number at a time, and one that is ready."""

    def __init__(self, most: int, counts: StatementCounts | None = None) -> None:
        self._counts = counts if counts is not None else StatementCounts()
        self._turns = asyncio.Semaphore(most)
        self._waiting = 0
        self._most_waiting = 8 * most
        self._spare: asyncio.Task[_Worker] | None = None
        self._running: set[_Worker] = set()
        self._closed = False

    async def run(self, task: dict[str, Any], open_part: Open, seconds: float) -> AsyncGenerator[Any]:
        """Yield the columns of the result, then its batches. Raises RequestError."""
        if self._waiting >= self._most_waiting:
            message = "Too many statements wait for their turn: try again in 5 s."
            raise RequestError(503, "OVERLOADED", message, {"Retry-After": "5"})
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        self._counts.running += 1
        try:
            worker = await self._take()
            self._running.add(worker)
            run = _Run(worker, open_part, seconds)
            try:
                async for found in run.results(task):
                    yield found
            finally:
                await asyncio.shield(self._end(run, worker))
        finally:
            self._counts.running -= 1
            self._turns.release()

    async def _end(self, run: "_Run", worker: _Worker) -> None:
        await run.stop()
        await worker.end()
        self._running.discard(worker)
        if self._spare is None and not self._closed:
            self._spare = asyncio.create_task(_Worker.start())

    async def _take(self) -> _Worker:
        """Return a process that is ready, or a new one."""
        spare, self._spare = self._spare, None
        worker = await spare if spare is not None else await _Worker.start()
        if worker.process.returncode is not None:
            await worker.end()
            worker = await _Worker.start()
        return worker

    async def aclose(self) -> None:
        """End all processes."""
        self._closed = True
        spare, self._spare = self._spare, None
        if spare is not None:
            await (await spare).end()
        for worker in list(self._running):
            await worker.end()


class _Run:
    """One statement in its process. `seconds` limit its own time, without the time for which it waits for parts."""

    def __init__(self, worker: _Worker, open_part: Open, seconds: float) -> None:
        self._worker = worker
        self._open = open_part
        self._seconds = seconds
        self._failed: Exception | None = None
        self._serving: asyncio.Task[None] | None = None
        self._reading_since: float | None = None
        self._reading = 0.0

    async def results(self, task: dict[str, Any]) -> AsyncGenerator[Any]:
        """Yield the columns, then the batches. Raises RequestError."""
        process = self._worker.process
        assert process.stdin is not None
        self._serving = asyncio.create_task(self._serve())
        with suppress(ConnectionError):
            process.stdin.write(orjson.dumps(task))
            await process.stdin.drain()
            process.stdin.close()
        used = 0.0
        loop = asyncio.get_running_loop()
        while True:
            frame = asyncio.ensure_future(self._frame())
            try:
                begun, read = loop.time(), self._reading
                while not frame.done():
                    used_here = loop.time() - begun - (self._reading_time() - read)
                    left = self._seconds - used - used_here
                    if left <= 0:
                        raise _too_long(self._seconds)
                    await asyncio.wait({frame}, timeout=max(left, 0.01))
                used += max(loop.time() - begun - (self._reading_time() - read), 0.0)
            finally:
                frame.cancel()
            kind, content = frame.result()
            match kind:
                case b"C":
                    yield [ResultColumn(**column) for column in orjson.loads(content)]
                case b"B":
                    with pa.ipc.open_stream(pa.py_buffer(content)) as stream:
                        batches = list(stream)
                        if not batches:
                            yield stream.schema
                    for batch in batches:
                        batch.validate(full=True)
                        yield batch
                case b"E":
                    raise self._error(orjson.loads(content))
                case _:
                    return

    async def stop(self) -> None:
        """Stop to give parts."""
        if self._serving is not None:
            self._serving.cancel()
            with suppress(asyncio.CancelledError):
                await self._serving

    def _reading_time(self) -> float:
        """Return for how long the process has waited for parts."""
        since = self._reading_since
        return self._reading + (0.0 if since is None else asyncio.get_running_loop().time() - since)

    async def _frame(self) -> tuple[bytes, bytes]:
        stream = self._worker.process.stdout
        assert stream is not None
        try:
            kind, length = HEAD.unpack(await stream.readexactly(HEAD.size))
            if kind not in (COLUMNS, BATCH, ERROR, END) or length > _LARGEST_FRAME:
                raise _lost()
            return kind, await stream.readexactly(length)
        except asyncio.IncompleteReadError:
            if self._failed is not None:
                raise self._failed from None
            raise _lost() from None

    def _error(self, error: dict[str, str]) -> Exception:
        if self._failed is not None:  # the statement failed because a part did
            return self._failed
        if error["kind"] == "memory":
            return RequestError(
                400, "SQL_LIMIT", "The statement needs more memory than it may have (SQL_MEBIBYTES): ask for less."
            )
        return RequestError(400, "SQL_INVALID", f"DuckDB refuses the statement: {_shown(error['message'])}")

    async def _serve(self) -> None:
        """Give the process the parts that it asks for."""
        loop, link = asyncio.get_running_loop(), self._worker.link
        waiting = b""
        while True:
            try:
                data = await loop.sock_recv(link, _LONGEST)
            except OSError:
                return
            if not data:
                return
            waiting += data
            if not waiting.endswith(b"\n"):
                continue
            asked, waiting = orjson.loads(waiting), b""
            self._reading_since = loop.time()
            try:
                descriptor = await self._open(asked["scan"], asked["part"], asked["columns"])
            except (TableFailed, RequestError) as failure:
                self._failed = refusal(failure) if isinstance(failure, TableFailed) else failure
                _reply(link, orjson.dumps({"error": "a part of a table could not be read"}), [])
            else:
                try:
                    _reply(link, b"{}", [descriptor])
                finally:
                    os.close(descriptor)
            finally:
                self._reading += loop.time() - self._reading_since
                self._reading_since = None


def _reply(link: socket.socket, message: bytes, files: list[int]) -> None:
    # The process waits for this, so the empty buffer of the socket takes it at once.
    with suppress(OSError):
        socket.send_fds(link, [message + b"\n"], files)


def _shown(message: str) -> str:
    """Return the message of DuckDB without the picture of the statement below it."""
    first = message.split("\n\nLINE ")[0].strip()
    return first[:500]


def _too_long(seconds: float) -> RequestError:
    return RequestError(
        400, "SQL_LIMIT", f"The statement ran longer than {seconds:g} s (SQL_SECONDS) and was ended: ask for less."
    )


def _lost() -> RequestError:
    return RequestError(
        500, "SQL_PROCESS_LOST", "The process of the statement ended before its result: ask for less, or try again."
    )
