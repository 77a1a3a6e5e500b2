"""Redis servers of the tests' own, of each kind, on free ports of this machine."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import trustme

from tests.requirements import require
from tests.tls import write_issuer, write_pair
from upstream.redis.connection import RedisConnection
from upstream.transport.secure import PLAIN, Secure


class RedisServer:
    """A Redis process, for as long as a `with` block lasts; it may be stopped, started again, and hung up."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._program = require("redis-server")
        self._folder = folder
        self._options = options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
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
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "no", *self._options, *options]
        self._run(command)

    def _run(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise RuntimeError("redis-server did not start")
            time.sleep(0.02)

    def say(self, *words: str | int) -> str:
        """Return the first line of the answer to a command."""
        parts = [str(word).encode() for word in words]
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(
                b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in parts)
            )
            return connection.recv(65536).decode(errors="replace")

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
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                if "--tls-port" in self._options:
                    return True
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


class SentinelServer(RedisServer):
    """A Sentinel that watches the Redis at `master`, under the name `days`."""

    def __init__(self, folder: Path, master: RedisServer, *lines: str) -> None:
        super().__init__(folder)
        self._file = folder / "sentinel.conf"
        self._lines = (
            f"sentinel monitor days 127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds days 500",
            *lines,
        )

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        self._file.write_text("\n".join([f"port {self.port}", "bind 127.0.0.1", f"dir {self._folder}", *self._lines]))
        self._run([self._program, str(self._file), "--sentinel"])


class ClusterServers:
    """A Cluster of three masters without replicas, for as long as a `with` block lasts."""

    def __init__(self, folder: Path) -> None:
        self.nodes = []
        for number in range(3):
            own = folder / f"node-{number}"
            own.mkdir()
            self.nodes.append(
                RedisServer(
                    own,
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    str(free_port()),
                    "--repl-diskless-load",
                    "swapdb",
                )
            )
        self.url = f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes[:2])}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for number, node in enumerate(self.nodes):
                stack.enter_context(node)
                # All slots have to be in one of the three ranges.
                node.say("CLUSTER", "ADDSLOTSRANGE", number * 5461, 16383 if number == 2 else number * 5461 + 5460)
                node.say("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                bus = self.nodes[0]._options[3]
                node.say("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, bus)
            deadline = time.monotonic() + 60
            while not all("cluster_state:ok" in node.say("CLUSTER", "INFO") for node in self.nodes):
                if time.monotonic() > deadline:
                    raise RuntimeError("the Cluster did not form")
                time.sleep(0.05)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass(frozen=True)
class ServedRedis:
    """The address of a Redis of some kind, the files of TLS to reach it, and its server if there is one alone."""

    url: str
    secure: Secure = PLAIN
    server: RedisServer | None = None


SECRET = "a/secret@8f1c"


@contextlib.contextmanager
def redis_of_kind(kind: str, folder: Path) -> Iterator[ServedRedis]:
    """Serve a Redis: `single`; `tls` with a client certificate, a user and a password; `sentinel` with two passwords;
    or a `cluster`.
    """
    with contextlib.ExitStack() as stack:
        if kind == "cluster":
            yield ServedRedis(stack.enter_context(ClusterServers(folder)).url)
        elif kind == "sentinel":
            protected = ("--requirepass", SECRET)
            master = stack.enter_context(RedisServer(folder, *protected))
            lines = (f'sentinel auth-pass days "{SECRET}"', f'requirepass "{SECRET}2"')
            sentinel = stack.enter_context(SentinelServer(folder, master, *lines))
            word = quote(SECRET, safe="")
            yield ServedRedis(
                f"redis+sentinel://:{word}@127.0.0.1:9,127.0.0.1:{sentinel.port}/days/0?sentinel_password={word}2"
            )
        elif kind == "tls":
            authority = trustme.CA()
            cert, key = write_pair(folder, "redis", authority.issue_cert("127.0.0.1"))
            issuer = write_issuer(folder / "issuer.pem", authority)
            mine = write_pair(folder, "client", authority.issue_cert("graph.example"))
            port = free_port()
            options = ["--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key)]
            options += ["--tls-ca-cert-file", str(issuer), "--tls-auth-clients", "yes"]
            users = folder / "users.acl"
            users.write_text(f"user graph on >{SECRET} ~* &* +@all\nuser default off\n")
            server = stack.enter_context(RedisServer(folder, *options, "--aclfile", str(users)))
            yield ServedRedis(
                f"rediss://graph:{quote(SECRET, safe='')}@127.0.0.1:{port}/0", Secure(issuer, mine[0], mine[1]), server
            )
        else:
            server = stack.enter_context(RedisServer(folder))
            yield ServedRedis(server.url, server=server)


@contextlib.asynccontextmanager
async def redis_connection(url: str, **options: Any) -> AsyncIterator[RedisConnection | None]:
    """Yield a connection to a Redis; None for the address of a cache that is none."""
    if url in ("off", "memory://"):
        yield None
        return
    redis = RedisConnection(url, options.pop("secure", PLAIN), **options)
    try:
        yield redis
    finally:
        await redis.aclose()
