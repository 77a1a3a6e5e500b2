"""The health check of the container, as a program of its own beside a real server."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from starlette.applications import Starlette

from server.alive import alive
from server.listening.listening_socket import listen_unix
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving
from tests.tls import server_context


def checked(**environment: str) -> int:
    """Return the exit code of the health check."""
    settings = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run([sys.executable, "-m", "server.alive"], env=settings, check=False).returncode


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_server_below_a_path_is_alive(secure: bool) -> None:
    app = application(toy_schema.schema, lambda operation: None, root_path="/graph")
    tls = server_context(trustme.CA().issue_cert("graph.example")) if secure else None
    files = {"TLS_CERT_FILE": "cert.pem"} if secure else {}
    with serving(app, tls=tls) as origin:
        port = str(urlsplit(origin).port)
        for host in ("0.0.0.0", "127.0.0.1", ""):
            assert alive({"HOST": host, "PORT": port, **files})
        assert checked(PORT=port, **files) == 0
        assert not secure or not alive({"PORT": port})
    assert checked(PORT=port, **files) == 1


def test_a_server_at_a_unix_socket_is_alive(tmp_path: Path) -> None:
    path = tmp_path / "graph.sock"
    bound = listen_unix(path, 0o600)
    with serving(application(toy_schema.schema, lambda operation: None), bound=bound):
        assert alive({"UNIX_SOCKET": str(path)})
    assert not alive({"UNIX_SOCKET": str(path)})


def test_another_program_is_not_the_server() -> None:
    with serving(Starlette(routes=[])) as origin:
        assert not alive({"PORT": str(urlsplit(origin).port)})
