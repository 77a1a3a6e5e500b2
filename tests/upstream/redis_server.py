"""A Redis of the tests' own, on a free port of this machine."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.requirements import require
from upstream.redis.connection import RedisConnection


class RedisServer:
    """A Redis process, for as long as a `with` block lasts; it may be stopped, started again, and hung up."""

    def __init__(self, folder: Path) -> None:
        self._program = require("redis-server")
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *options: str) -> None:
        """Start it, empty, and wait until it answers."""
        command = [self._program, "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "no", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise RuntimeError("redis-server did not start")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it, and lose what it holds."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self, hung: bool) -> None:
        """Have it accept connections and answer nothing; or wake it up."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if hung else signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


@contextlib.asynccontextmanager
async def redis_connection(url: str, **options: Any) -> AsyncIterator[RedisConnection | None]:
    """Yield a connection to a Redis; None for the address of a cache that is none."""
    if url in ("off", "memory://"):
        yield None
        return
    redis = RedisConnection(url, **options)
    try:
        yield redis
    finally:
        await redis.aclose()
