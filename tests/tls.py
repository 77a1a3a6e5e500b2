"""TLS for tests: certificates of a private authority, and a real TLS server in front of any plain one."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import trustme

SECONDS = 30.0  # only so that a broken test ends


def server_context(leaf: trustme.LeafCert, clients: trustme.CA | None = None) -> ssl.SSLContext:
    """Return what a server shows `leaf` with; it asks for a certificate that `clients` issued."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def write_issuer(path: Path, authority: trustme.CA) -> Path:
    """Write the certificate of an authority into a file."""
    path.write_bytes(authority.cert_pem.bytes())
    return path


def write_pair(folder: Path, name: str, leaf: trustme.LeafCert) -> tuple[Path, Path]:
    """Write a certificate with its chain and its key into two files."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    cert.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    return cert, key


class Front:
    """A TLS server that passes on what it hears to the server at `target`, and ends connections as real ones do.

    Each new connection is accepted with `context` as it is then. None speaks no TLS: `greeting` is said, then closed.
    """

    def __init__(self, target: str, context: ssl.SSLContext | None, greeting: bytes = b"") -> None:
        self.context = context
        self.accepted: list[str | None] = []  # the TLS version of each handshake that succeeded
        self.tried = 0
        parts = urlsplit(target)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._greeting = greeting
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = urlunsplit(("https", f"localhost:{self.port}", parts.path, "", ""))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listening, *self._open):
            _end(each)
        for thread in self._threads:
            thread.join(SECONDS)

    def _start(self, run: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                found, _ = self._listening.accept()
                found.settimeout(SECONDS)
                self._open.add(found)
                self.tried += 1
                self._start(self._serve, found)

    def _serve(self, found: socket.socket) -> None:
        try:
            if self.context is None:
                found.recv(65536)
                found.sendall(self._greeting)
            else:
                self._relay(found, self.context)
        except OSError:
            pass
        finally:
            _end(found)

    def _relay(self, found: socket.socket, context: ssl.SSLContext) -> None:
        with context.wrap_socket(found.dup(), server_side=True, do_handshake_on_connect=False) as secure:
            try:
                secure.do_handshake()
            except OSError:
                # What is still to come is read to the end. Else the system resets the connection and drops the alert.
                found.shutdown(socket.SHUT_WR)
                while found.recv(65536):
                    pass
                return
            self.accepted.append(secure.version())
            with socket.create_connection(self._target, SECONDS) as plain:
                _pass_on(secure, plain)


def _pass_on(secure: ssl.SSLSocket, plain: socket.socket) -> None:
    """Pass on what comes on either side, until one of them ends."""
    while True:
        ready = [secure] if secure.pending() else select.select([secure, plain], [], [], SECONDS)[0]
        for source in ready:
            piece = source.recv(65536)
            if not piece:
                return
            (plain if source is secure else secure).sendall(piece)
        if not ready:
            return


def _end(found: socket.socket) -> None:
    with contextlib.suppress(OSError):
        found.shutdown(socket.SHUT_RDWR)
    found.close()
