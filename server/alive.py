"""Ask the server of this environment whether it is alive: `python -m server.alive`, the health check of a container.

It reads `HOST`, `PORT`, `UNIX_SOCKET` and `TLS_CERT_FILE` as the server does, and imports nothing but the standard
library. The certificate is not checked: the request does not leave the machine. The exit code is 0 or 1.
"""

import http.client
import os
import socket
import ssl
import sys
from collections.abc import Mapping
from contextlib import closing

SECONDS = 2.0
# To listen on all networks of a machine is to listen on loopback, too.
_EVERY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def alive(environment: Mapping[str, str]) -> bool:
    """Return whether the server answers `/healthz` with 200."""
    try:
        with closing(http.client.HTTPConnection("localhost", timeout=SECONDS)) as connection:
            connection.sock = _connected(environment)
            connection.request("GET", "/healthz")
            with connection.getresponse() as answer:
                return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def _connected(environment: Mapping[str, str]) -> socket.socket:
    """Return a connection to the server. Raises OSError."""
    path = environment.get("UNIX_SOCKET")
    if path:
        reached = socket.socket(socket.AF_UNIX)
        reached.settimeout(SECONDS)
        try:
            reached.connect(os.path.expanduser(path))
        except OSError:
            reached.close()
            raise
    else:
        host = environment.get("HOST", "127.0.0.1")
        port = int(environment.get("PORT") or 8000)
        reached = socket.create_connection((_EVERY.get(host, host), port), SECONDS)
    if not environment.get("TLS_CERT_FILE"):
        return reached
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with reached:  # an encrypted connection takes it over
        return context.wrap_socket(reached)


if __name__ == "__main__":
    sys.exit(not alive(os.environ))
