"""The examples of proxies, run for real in front of two servers: nginx and Envoy."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from socket import create_connection, create_server

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from server.execution.limits import PATIENT
from server.http.proxies import TrustedProxies
from server.http.public_address import root_of
from server.settings.settings import Settings
from tests.deploy.programs import DEPLOY, envoy
from tests.nginx import free_ports
from tests.requirements import require
from tests.server.serving import serving

Proxied = Callable[[Path, list[str]], AbstractContextManager[str]]


async def told(request: Request) -> Response:
    """Answer with the address that the server believes, and the body."""
    content = {"root": root_of(request), "path": request.scope["path"], "body": (await request.body()).decode()}
    return JSONResponse(content)


async def socket(socket: WebSocket) -> None:
    await socket.accept("graphql-transport-ws")
    await socket.send_text("opened")
    await socket.close()


def app() -> Starlette:
    routes = [WebSocketRoute("/graphql", socket), Route("/{path:path}", told, methods=["GET", "POST"])]
    return Starlette(routes=routes, middleware=[Middleware(TrustedProxies)])


@contextmanager
def nginx(folder: Path, servers: list[str]) -> Iterator[str]:
    """Run nginx with the example, in which the servers and the port are replaced."""
    program, (port,) = require("nginx"), free_ports(1)
    text = (DEPLOY / "nginx.conf").read_text().replace("listen 8080", f"listen 127.0.0.1:{port}")
    text = text.replace("/tmp/", f"{folder}/").replace("worker_processes auto", "daemon off; worker_processes 1")
    for name, server in zip(("graph-1:8000", "graph-2:8000"), servers, strict=True):
        assert name in text
        text = text.replace(name, server)
    (folder / "nginx.conf").write_text(text)
    with running(folder, program, "-p", str(folder), "-e", "stderr", "-c", "nginx.conf"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def envoys(folder: Path, servers: list[str]) -> Iterator[str]:
    """Run Envoy with the example, in which the servers and the port are replaced."""
    (port,) = free_ports(1)
    text = (DEPLOY / "envoy.yaml").read_text().replace("port_value: 8080", f"port_value: {port}")
    for name, server in zip(("graph-1", "graph-2"), servers, strict=True):
        host, _, number = server.partition(":")
        text = text.replace(f"address: {name}, port_value: 8000", f"address: {host}, port_value: {number}")
    assert "graph-" not in text
    (folder / "envoy.yaml").write_text(text)
    with running(folder, str(envoy()), "-c", "envoy.yaml", "--concurrency", "1", "--use-dynamic-base-id"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(folder: Path, *command: str) -> Iterator[None]:
    """Run a program whose messages go to a file."""
    with (folder / "messages").open("w") as messages:
        process = subprocess.Popen(command, cwd=folder, stdout=messages, stderr=messages)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.parametrize("proxied", [nginx, envoys], ids=["nginx", "Envoy"])
def test_the_proxy_passes_on_what_the_server_needs(proxied: Proxied, tmp_path: Path) -> None:
    with serving(app(), PATIENT) as first, serving(app(), PATIENT) as second:
        servers = [address.removeprefix("http://") for address in (first, second)]
        with proxied(tmp_path, servers) as public, httpx.Client(trust_env=False, timeout=30) as client:
            answered(client, public)
            # The public name with its port, although the client claims something else.
            claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "https"}
            claims["Forwarded"] = "for=192.0.2.9;host=evil.example;proto=https"
            found = client.post(f"{public}/a%2Fb", content="{}", headers={**claims, "Host": "bingo.example:8443"})
            assert found.json() == {"root": "http://bingo.example:8443", "path": "/a/b", "body": "{}"}
            with connect(
                f"{public.replace('http', 'ws', 1)}/graphql",
                subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]  # a NewType of str
                proxy=None,
            ) as opened:
                assert opened.recv() == "opened"


@pytest.mark.parametrize("proxied", [nginx, envoys], ids=["nginx", "Envoy"])
def test_a_request_of_a_dead_server_goes_to_the_other_one(proxied: Proxied, tmp_path: Path) -> None:
    """One that is ready, and closes each connection as soon as it has a request."""
    with serving(app(), PATIENT) as living, broken() as dead:
        servers = [dead, living.removeprefix("http://")]
        with proxied(tmp_path, servers) as public, httpx.Client(trust_env=False, timeout=30) as client:
            answered(client, public)
            for number in range(8):
                answer = client.post(f"{public}/graphql", content=str(number))
                assert (answer.status_code, answer.json()["body"]) == (200, str(number))


@contextmanager
def broken() -> Iterator[str]:
    """Serve connections that end without an answer, but for probes."""
    bound = create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def end_each() -> None:
        while not ended.is_set():
            connection, _ = bound.accept()
            if not ended.is_set():
                asked = connection.recv(1000)
                if asked.startswith(b"GET /readyz"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connection.close()

    thread = threading.Thread(target=end_each)
    thread.start()
    try:
        yield f"127.0.0.1:{bound.getsockname()[1]}"
    finally:
        ended.set()
        create_connection(bound.getsockname()).close()
        thread.join(30)
        bound.close()


def answered(client: httpx.Client, public: str) -> None:
    """Wait until the proxy answers with what a server says."""
    deadline = time.monotonic() + 60
    while True:
        try:
            if client.get(f"{public}/").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "the proxy did not start"
        time.sleep(0.05)


def test_the_times_fit_those_of_the_server() -> None:
    defaults = Settings.model_fields
    idle, whole = defaults["client_timeout"].default, defaults["request_timeout"].default
    nginx, envoy = (DEPLOY / "nginx.conf").read_text(), yaml.safe_load((DEPLOY / "envoy.yaml").read_text())
    (kept,) = re.findall(r"keepalive_timeout (\d+)s", nginx)
    (read,) = re.findall(r"proxy_read_timeout (\d+)s", nginx)
    (cluster,) = envoy["static_resources"]["clusters"]
    (options,) = cluster["typed_extension_protocol_options"].values()
    (listener,) = envoy["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    for seconds in (int(kept), int(options["common_http_protocol_options"]["idle_timeout"].removesuffix("s"))):
        assert seconds < idle
    for seconds in (int(read), int(manager["stream_idle_timeout"].removesuffix("s"))):
        assert seconds > whole
