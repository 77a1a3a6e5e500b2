"""The process that serves. `gamehub-graph serve` puts its options into the environment and becomes this process.

It does not import the libraries of the command line, which take MiBs. Slow imports run after the address is bound,
while the sandbox starts.
"""

import gc
import os
import signal
import sys
from functools import partial

if __name__ == "__main__":
    # The objects of the start stay, so there is nothing to collect until `garbage.settle` turns the collector on.
    gc.disable()

import server.allocators  # noqa: F401  # before the Rust client is loaded
from server.without import do_without

if __name__ == "__main__":
    do_without("pandas")

import structlog

from server import logs
from server.auth.openness import TooOpen, required
from server.cli.sandbox_process import SandboxFailed
from server.cli.terminal import FAILED, WRONG_USE, announce, refuse
from server.cli.upstreams import upstreams
from server.listening import service_manager
from server.listening.listening_socket import CannotListen, ListeningSocket, listen, listen_unix
from server.settings.reading import WrongSettings, load, look_for_misspelt
from server.settings.settings import Settings
from server.settings.writable import unwritable

log = structlog.get_logger(__name__)


def main() -> None:
    """Serve with the settings of the environment. The exit codes are those of `gamehub-graph serve`."""
    try:
        sys.exit(serve())
    except WrongSettings as error:
        for line in error.lines:
            refuse(line)
        sys.exit(WRONG_USE)
    except SandboxFailed as error:
        refuse(str(error))
        sys.exit(FAILED)


def serve() -> int:
    """Serve until a signal. Return the exit code. Raises WrongSettings and SandboxFailed."""
    settings = load()
    logs.set_up(settings.log_level, settings.log_format)
    wrong, doubtful = unwritable(settings)
    if wrong:
        raise WrongSettings(wrong)
    for line in [*look_for_misspelt().doubtful, *doubtful]:
        log.warning(line)
    try:
        bound = bind(settings)
    except CannotListen as error:
        refuse(str(error))
        return FAILED
    try:
        closed = required(settings.auth, settings.allow_open == "yes", bound.host)
    except TooOpen as error:
        bound.remove_file()
        bound.close()
        refuse(str(error))
        return WRONG_USE
    tell = partial(_tell, settings.log_format)
    with upstreams(settings, tell) as live:
        # uvicorn stops gracefully at a signal and raises it again for other handlers. There are none.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        if closed:
            tell("Callers have to say who they are: `gamehub-graph keys create` makes a key.")
        secure = settings.tls_cert_file is not None
        page = bound.page_address(secure=secure)

        def listening() -> None:
            log.info("server.started", page=page, pid=os.getpid(), workers=settings.workers)
            service_manager.ready(service_manager.SERVING)
            logs.flush()
            if settings.log_format != "json":
                announce(f"Open {page} for the page; clients use {page}/graphql")

        from server.workers import serving

        serve_on = serving.serve_alone if settings.workers == 1 else serving.serve_together
        code = serve_on(live, bound, closed, listening)
        bound.remove_file()
    log.info("server.stopped", pid=os.getpid(), exit_code=code)
    logs.flush()
    return code


def bind(settings: Settings) -> ListeningSocket:
    """Return the listening socket of the settings. Raises CannotListen."""
    if settings.unix_socket is not None:
        return listen_unix(settings.unix_socket, int(settings.unix_socket_mode, 8))
    return listen(settings.host, settings.port)


def _tell(log_format: str, line: str) -> None:
    """Say something about the start: with LOG_FORMAT=json in the log, else on stdout."""
    if log_format == "json":
        log.info(line)
    else:
        announce(line)


if __name__ == "__main__":
    main()
