"""The socket that the server listens on: TCP over IPv4 or IPv6, or a unix socket."""

import errno
import os
import select
import socket
import stat
from contextlib import suppress
from pathlib import Path

from server.listening.newcomers import refuse_newcomers

BACKLOG = 2048
_ANY = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}


class CannotListen(Exception):
    """The address cannot be bound. The text says why in one line."""


class ListeningSocket:
    """A bound socket. Processes that inherit it take connections from the same queue.

    `path` is the file of a unix socket.
    """

    def __init__(self, bound: socket.socket, path: Path | None = None) -> None:
        self.socket = bound
        self.path = path
        self._file = None if path is None else _identity(path)

    @property
    def host(self) -> str | None:
        """Return the address; None for a unix socket."""
        return None if self.path is not None else str(self.socket.getsockname()[0])

    @property
    def waiting(self) -> bool:
        """Return whether a connection waits to be accepted."""
        poll = select.poll()
        poll.register(self.socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def page_address(self, *, secure: bool = False) -> str:
        """Return the address of the page for a person on this machine."""
        if self.path is not None:
            return f"unix:{self.path}"
        host, port = self.socket.getsockname()[:2]
        shown = _ANY.get(host, f"[{host}]" if ":" in host else host)
        return f"{'https' if secure else 'http'}://{shown}:{port}"

    def refuse_newcomers(self) -> None:
        """Let no new connection begin, in any process that has this socket. Those that wait stay."""
        if self.path is None:
            refuse_newcomers(self.socket)
        else:
            self.remove_file()

    def remove_file(self) -> None:
        """Remove the file of a unix socket, unless another server has replaced it."""
        if self.path is not None:
            with suppress(OSError):
                if _identity(self.path) == self._file:
                    self.path.unlink()

    def close(self) -> None:
        """Close the socket in this process."""
        self.socket.close()


def listen(host: str, port: int) -> ListeningSocket:
    """Bind a TCP socket, so that a port in use is reported before anything starts. Raises CannotListen.

    `::` is every network, over IPv4 too.
    """
    host = host.removeprefix("[").removesuffix("]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name of a host"
        raise CannotListen(f"{host} is no address to listen on: {why}") from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
    try:
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"port {port} is in use: stop what uses it, or choose another with --port") from None
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return ListeningSocket(bound)


def listen_unix(path: Path, mode: int) -> ListeningSocket:
    """Bind a unix socket at a path, with the rights of `mode`. Replace the file of a dead server. Raises CannotListen.

    The socket is bound under another name and renamed, so that it never has other rights, and a path is never missing.
    """
    path = path.absolute()
    _check_free(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            new.unlink()
        bound.bind(str(new))
        new.chmod(mode)
        bound.listen(BACKLOG)
        new.rename(path)
    except OSError as error:
        bound.close()
        with suppress(OSError):
            new.unlink()
        raise CannotListen(f"cannot listen on {path}: {error.strerror or error}") from None
    return ListeningSocket(bound, path)


def _check_free(path: Path) -> None:
    """Raise CannotListen for a path at which there is a server, or something else than a socket."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # a folder that is missing is reported by bind
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"cannot listen on {path}: there is something else than a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return  # of a server that was killed
        except OSError as error:
            raise CannotListen(f"cannot listen on {path}: {error.strerror or error}") from None
    raise CannotListen(f"{path} is in use: stop what uses it, or choose another with --unix-socket")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
