"""A proxy of the tests' own: tinyproxy, on a free port of this machine."""

import re
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.requirements import require


class TinyProxy:
    """A tinyproxy process, for as long as a `with` block lasts. `options` are lines of its configuration."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._program = require("tinyproxy")
        self._log = folder / "tinyproxy.log"
        self._file = folder / "tinyproxy.conf"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        lines = [f"Port {self.port}", "Listen 127.0.0.1", "Allow 127.0.0.1", "LogLevel Connect", "MaxClients 50"]
        self._file.write_text("\n".join([*lines, f'LogFile "{self._log}"', *options]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._program, "-d", "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("tinyproxy did not start")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def targets(self) -> list[str]:
        """Return the hosts and ports of its connections, in their order."""
        return re.findall(r": CONNECT (\S+) HTTP/", self._log.read_text()) if self._log.exists() else []

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
