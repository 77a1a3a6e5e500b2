"""The health check of the container, as a program of its own beside a real server."""

import os
import subprocess
import sys

from starlette.applications import Starlette

from tests.server import toy_schema
from tests.server.application import application


def checked(**environment: str) -> int:
    """Return the exit code of the health check."""
    settings = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run([sys.executable, "-m", "server.alive"], env=settings, check=False).returncode


def app() -> Starlette:
    return application(toy_schema.schema, lambda operation: None, root_path="/graph", hosts=())
