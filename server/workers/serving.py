"""Serve on a socket, in this process alone or in several workers. Both import everything that the server needs."""

import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog
import uvicorn

from server import logs
from server.app import create_app
from server.cli.terminal import FAILED, refuse
from server.cli.upstreams import renewed
from server.execution.saved import BrokenQuery
from server.http.listening import configure
from server.listening import service_manager
from server.listening.graph_server import Ending, GraphServer, nothing_ends, run
from server.listening.listening_socket import ListeningSocket
from server.services import build_server
from server.settings.live import LiveSettings
from server.settings.reading import WrongSettings, load
from server.settings.settings import Settings
from server.workers.share import share_of
from server.workers.siblings import NoSiblings, Siblings, WorkerSiblings
from server.workers.supervisor import Supervisor, WorkerPlan
from server.workers.worker import ServingWorker

log = structlog.get_logger(__name__)


def serve_alone(live: LiveSettings, bound: ListeningSocket, closed: bool, listening: Callable[[], None]) -> int:
    """Serve in this process."""
    made = _made(live, closed, NoSiblings(), live.first)
    if made is None:
        return FAILED
    config, ending = made
    begin = ending.begin

    def begin_to_end() -> None:
        service_manager.stopping(service_manager.DRAINING)
        begin()

    ending.begin = begin_to_end
    if service_manager.is_there():
        signal.signal(signal.SIGHUP, _cannot_reload)
    patience = live.first.patience
    server = GraphServer(config, bound, listening, ending, patience.request_seconds)
    return _exit_code(run(server, patience.connections))


def serve_together(live: LiveSettings, bound: ListeningSocket, closed: bool, listening: Callable[[], None]) -> int:
    """Serve in workers, and look after them in this process."""
    settings = live.first
    folder = Path(tempfile.mkdtemp(prefix="gamehub-graph-workers-"))

    def work(worker: ServingWorker, live: LiveSettings) -> int:
        settings = share_of(live.first, worker.number, live.first.workers)
        if settings.tables_spool_dir is None:
            settings = settings.model_copy(update={"tables_spool_dir": folder / "tables"})
        logs.set_up(settings.log_level, settings.log_format, shared_stderr=True)
        made = _made(live.limited(settings), closed, WorkerSiblings(folder), live.first)
        if made is None:
            return FAILED
        config, ending = made
        server = worker.server(config, bound, _nothing, ending, settings.patience)
        return _exit_code(run(server, settings.patience.connections))

    def reload() -> LiveSettings | None:
        try:
            new = load()
            return renewed(live, new.model_copy(update={"workers": settings.workers}))
        except WrongSettings as error:
            log.error("the new settings cannot be used, so the workers go on with the old ones", why=error.lines)
            return None

    plan = WorkerPlan(
        settings.workers, work, live, reload, listening, settings.drain_seconds + settings.stop_seconds
    )  # fmt: skip
    return Supervisor(plan, bound, folder).run()


def _made(
    live: LiveSettings, closed: bool, siblings: Siblings, whole: Settings
) -> tuple[uvicorn.Config, Ending] | None:
    """Construct the application. Return None if it cannot be, after saying why.

    `whole` are the settings of the whole server, and `live` those of this process.
    """
    settings = live.first
    try:
        services = build_server(live, closed=closed, siblings=siblings, whole=whole)
        served = create_app(services)
    except BrokenQuery as error:
        refuse(str(error))
        return None
    tls = None
    if settings.tls_cert_file is not None and settings.tls_key_file is not None:
        from server.http.certificate import certified

        tls = certified(settings.tls_cert_file, settings.tls_key_file)
    streams = services.subscriptions.drain if services.subscriptions is not None else nothing_ends
    ending = Ending(services.readiness.drain, streams, settings.drain_seconds, settings.stop_seconds)
    return configure(served, settings.patience, tls, services.connections), ending


def _exit_code(started: bool) -> int:
    if not started:
        refuse("the server could not start; the log above says why")
    return 0 if started else FAILED


def _cannot_reload(*_: object) -> None:
    """Go on: a service manager may reload its services, and without a handler the signal ends the process."""
    service_manager.reloading("cannot reload")
    log.warning("a server of one process does not reload: set WORKERS, or restart it")
    service_manager.ready("serves with the old settings: one process does not reload, set WORKERS or restart it")


def _nothing() -> None:
    """Do nothing: the supervisor says when all workers listen."""
