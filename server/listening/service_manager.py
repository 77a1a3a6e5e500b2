"""Tell the service manager of the machine (systemd) about the state of the server, as `sd_notify` does it."""

import os
import socket
import time

import structlog

# The name of the manager's socket: a path, or a name of Linux alone that begins with `@`. Not set without a manager.
SOCKET = "NOTIFY_SOCKET"
SECONDS = 1.0
SERVING, DRAINING = "serves requests", "answers the last requests"

log = structlog.get_logger(__name__)


def is_there() -> bool:
    """Return whether a service manager waits for messages."""
    return os.environ.get(SOCKET, "").startswith(("/", "@"))


def ready(status: str) -> None:
    """Say that all requests are served, after the start or after a reload."""
    _say("READY=1", f"STATUS={status}")


def reloading(status: str) -> None:
    """Say that the workers are replaced, until `ready` is said."""
    _say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", f"STATUS={status}")


def stopping(status: str) -> None:
    """Say that the server ends."""
    _say("STOPPING=1", f"STATUS={status}")


def _say(*lines: str) -> None:
    if not is_there():
        return
    address = os.environ[SOCKET]
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(SECONDS)
            sender.connect(address)
            sender.sendall("\n".join(lines).encode())
    except OSError as error:
        log.warning("the service manager cannot be told the state of the server", state=lines[0], why=str(error))
