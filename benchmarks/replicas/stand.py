"""A sandbox, a Redis, replicas of `gamehub-graph serve` and an nginx before them: processes on free loopback ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import msgspec

from benchmarks.peers import process
from benchmarks.replicas.pressure import Plan, Question, Result
from tests.requirements import require
from tests.stand import Sandbox

ROOT = Path(__file__).parent.parent.parent
COMMAND = Path(sys.executable).with_name("gamehub-graph")
START_SECONDS = 60.0


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Process:
    """A program that can be killed and started again."""

    def __init__(
        self, *command: str | Path, folder: Path, log: Path, environment: dict[str, str] | None = None
    ) -> None:
        self._command = [str(each) for each in command]
        self._folder = folder
        self._log = log
        self._environment = environment
        self.start()

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        """Return its id."""
        return self._running.pid

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait for its end."""
        self._running.send_signal(number)
        self._running.wait(60)

    def close(self) -> None:
        """End it if it runs."""
        if self._running.poll() is None:
            self._running.terminate()
            try:
                self._running.wait(20)
            except subprocess.TimeoutExpired:
                self._running.kill()
                self._running.wait()


class Load:
    """A load in a process of its own."""

    def __init__(self, plan: Plan) -> None:
        self._given, self._found = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._given.write(msgspec.json.encode(plan))
        self._given.seek(0)
        command = [sys.executable, "-m", "benchmarks.replicas.pressure"]
        self._running = subprocess.Popen(command, cwd=ROOT, stdin=self._given, stdout=self._found)

    @property
    def runs(self) -> bool:
        """Return whether it has not ended yet."""
        return self._running.poll() is None

    def result(self) -> Result:
        """Wait for its end. Raises RuntimeError if it failed."""
        with self._given, self._found:
            if self._running.wait():
                raise RuntimeError("the load failed")
            self._found.seek(0)
            return msgspec.json.decode(self._found.read(), type=Result)


class Stand:
    """The sandbox (with a frozen clock), a Redis, the replicas and nginx, for as long as a `with` block lasts."""

    def __init__(
        self, folder: Path, replicas: int, workers: int = 1, latency: float | None = None, **settings: str
    ) -> None:
        self.folder = folder
        self._count = replicas
        self._workers = workers
        self._latency = latency
        self._settings = settings
        self.ports: list[int] = []
        self.replicas: list[Process] = []

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        with self._stack as stack:
            self.sandbox = stack.enter_context(
                Sandbox(users=60, days=30, database=self.folder / "world.sqlite", latency=self._latency)
            )
            self.redis_port = free_port()
            self.redis = self._process(
                "redis",
                require("redis-server"), "--port", str(self.redis_port), "--save", "", "--appendonly", "no",
            )  # fmt: skip
            self.ports = [free_port() for _ in range(self._count)]
            for number, port in enumerate(self.ports):
                self.replicas.append(self._replica(number, port))
            for port in self.ports:
                wait_ready(port)
            self.port = free_port()
            self.nginx = self._process("nginx", require("nginx"), "-c", str(self._nginx_conf()), "-p", str(self.folder))
            wait_ready(self.port)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def press(self, questions: list[Question], rate: float, seconds: float, connections: int = 32) -> Load:
        """Start a load on nginx."""
        return Load(Plan("127.0.0.1", self.port, questions, rate, seconds, connections))

    def replace_sandbox(self) -> None:
        """Start the sandbox again at the same address, after it was killed."""
        port = str(httpx.URL(self.sandbox.gamehub_url).port)
        at = self.sandbox.options.index("--port") + 1
        options = [*self.sandbox.options[:at], port, *self.sandbox.options[at + 1 :]]
        options.remove("--stop-with-stdin")
        self._process("sandbox", sys.executable, "-m", "sandbox", *options, folder=ROOT)

    def memory(self) -> list[float]:
        """Return the resident MiB of each replica."""
        return [process.memory(each.pid)[0] / 2**20 for each in self.replicas]

    def _process(self, name: str, *command: str | Path, folder: Path | None = None) -> Process:
        started = Process(*command, folder=folder or self.folder, log=self.folder / f"{name}.log")
        self._stack.callback(started.close)
        return started

    def _replica(self, number: int, port: int) -> Process:
        folder = self.folder / f"replica-{number}"
        folder.mkdir()
        environment = {
            **os.environ,
            "GAMEHUB_URL": self.sandbox.gamehub_url,
            "GAMEHUB_TOKEN": self.sandbox.gamehub_token,
            "GAMELOG_URL": self.sandbox.gamelog_url,
            "GAMELOG_AGENT_CODE": self.sandbox.agent_code,
            "GAMELOG_AGENT_TOKEN": self.sandbox.agent_token,
            "CACHE_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "KEYS_FILE": str(folder / "keys.sqlite"),
            "ERROR_JOURNAL": str(folder / "errors.sqlite"),
            "LOG_LEVEL": "warning",
            **self._settings,
        }
        more = ["--workers", str(self._workers)] if self._workers > 1 else []
        started = Process(
            COMMAND, "serve", "--port", str(port), *more,
            folder=folder, log=folder / "log", environment=environment,
        )  # fmt: skip
        self._stack.callback(started.close)
        return started

    def _nginx_conf(self) -> Path:
        """Return a configuration with the rules of `deploy/nginx.conf` for a service that answers twice alike."""
        servers = "".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in self.ports)
        path = self.folder / "nginx.conf"
        path.write_text(
            f"""daemon off; worker_processes 1; worker_rlimit_nofile 8192;
pid {self.folder}/nginx.pid; error_log {self.folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  upstream graph {{ {servers} keepalive 64; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=2048;
    location / {{
      proxy_pass http://graph; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_next_upstream error timeout non_idempotent; proxy_connect_timeout 2s;
    }}
  }}
}}
"""
        )
        return path


def wait_ready(port: int) -> None:
    """Wait until a server answers. Raises TimeoutError."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port}")


def answered(port: int, query: str) -> Question:
    """Return a query with its answer."""
    body = json.dumps({"query": query})
    answer = httpx.post(
        f"http://127.0.0.1:{port}/graphql", content=body, headers={"Content-Type": "application/json"},
        trust_env=False, timeout=60,
    )  # fmt: skip
    answer.raise_for_status()
    if '"errors"' in answer.text:
        raise RuntimeError(answer.text[:300])
    return Question(body, answer.text)
