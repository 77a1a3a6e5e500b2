"""The process that serves. `gamehub-graph serve` puts its options into the environment and becomes this process.

It does not import the libraries of the command line, which take MiBs. Slow imports run after the address is bound,
while the sandbox starts.
"""

import gc
import signal
import sys

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
from server.cli.terminal import FAILED, WRONG_USE, announce, end, say
from server.cli.upstreams import upstreams
from server.http.listening import configure
from server.listening.graph_server import Ending, run
from server.listening.listening_socket import CannotListen, listen
from server.settings.reading import WrongSettings, load, look_for_misspelt
from server.settings.writable import unwritable

log = structlog.get_logger(__name__)


def main() -> None:
    """Serve with the settings of the environment. The exit codes are those of `gamehub-graph serve`."""
    try:
        serve()
    except WrongSettings as error:
        for line in error.lines:
            say(line)
        sys.exit(WRONG_USE)
    except SandboxFailed as error:
        end(str(error), FAILED)


def serve() -> None:
    """Serve until a signal. Raises WrongSettings and SandboxFailed. Ends the process for every other obstacle."""
    settings = load()
    logs.set_up(settings.log_level, settings.log_format)
    wrong, doubtful = unwritable(settings)
    if wrong:
        raise WrongSettings(wrong)
    for line in [*look_for_misspelt().doubtful, *doubtful]:
        log.warning(line)
    try:
        bound = listen(settings.host, settings.port)
    except CannotListen as error:
        end(str(error), FAILED)
    try:
        closed = required(settings.auth, settings.allow_open == "yes", bound.host)
    except TooOpen as error:
        bound.close()
        end(str(error), WRONG_USE)
    with upstreams(settings, announce) as live:
        from server.app import create_app
        from server.execution.saved import BrokenQuery
        from server.services import build_server

        try:
            services = build_server(live, closed=closed)
            served = create_app(services)
        except BrokenQuery as error:
            end(str(error), FAILED)
        # uvicorn stops gracefully at a signal and raises it again for other handlers. There are none.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        if closed:
            announce("Callers have to say who they are: `gamehub-graph keys create` makes a key.")
        tls = None
        if settings.tls_cert_file is not None and settings.tls_key_file is not None:
            from server.http.certificate import certified

            tls = certified(settings.tls_cert_file, settings.tls_key_file)
        page = bound.page_address(secure=tls is not None)

        def listening() -> None:
            announce(f"Open {page} for the page; clients use {page}/graphql")

        ending = Ending(
            services.readiness.drain, services.subscriptions.drain, settings.drain_seconds, settings.stop_seconds
        )
        config = configure(served, settings.patience, tls, services.connections)
        if not run(config, bound, listening, ending, settings.patience):
            end("the server could not start; the log above says why", FAILED)


if __name__ == "__main__":
    main()
