"""An nginx of the tests' own, on free ports of this machine."""

import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.requirements import require

# Everything that nginx writes is below its folder, which is its prefix (-p).
MAIN = """daemon off;
pid nginx.pid;
error_log error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
{content}
}}
"""


def free_ports(count: int) -> list[int]:
    """Return ports that nothing uses."""
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


class Nginx:
    """A process of nginx, for as long as a `with` block lasts. `content` is what the block `http` holds."""

    def __init__(self, folder: Path, content: str, *ports: int) -> None:
        self._program = require("nginx")
        self._folder = folder
        self._ports = ports
        (folder / "nginx.conf").write_text(MAIN.format(content=content))

    def __enter__(self) -> Self:
        command = [self._program, "-p", str(self._folder), "-e", "error.log", "-c", "nginx.conf"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not all(map(_answers, self._ports)):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"nginx did not start: {(self._folder / 'error.log').read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
