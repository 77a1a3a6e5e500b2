"""An application served for real on a free loopback port, in this process, for as long as a `with` block lasts."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from starlette.types import ASGIApp

from server.execution.limits import PATIENT, ClientTimeouts
from server.http.listening import configure
from server.listening.graph_server import Ending, GraphServer
from server.listening.listening_socket import ListeningSocket, listen


def error_of(answer: httpx.Response) -> tuple[str, str]:
    """The code and the message of a refusal, in the form of OData below `/odata`, and else in that of GraphQL."""
    content = answer.json()
    if answer.request.url.path.split("/")[1] == "odata":
        assert set(content) == {"error"}
        assert set(content["error"]) == {"code", "message"}
        assert answer.headers["odata-version"] == "4.0"
        return content["error"]["code"], content["error"]["message"]
    (error,) = content["errors"]
    return error["extensions"]["code"], error["message"]


def code_of(answer: httpx.Response) -> str:
    """The code of a refusal."""
    return error_of(answer)[0]


@contextmanager
def serving(
    app: ASGIApp,
    patience: ClientTimeouts = PATIENT,
    tls: ssl.SSLContext | None = None,
    bound: ListeningSocket | None = None,
) -> Iterator[str]:
    """The address of the application, without a slash at its end."""
    bound = bound or listen("127.0.0.1", 0)
    address = bound.page_address(secure=tls is not None)
    config = configure(app, patience, tls=tls)
    started = threading.Event()
    server = GraphServer(config, bound, started.set, Ending(), patience.request_seconds)

    def main() -> None:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve())

    thread = threading.Thread(target=main)
    thread.start()
    try:
        assert started.wait(60)
        yield address
    finally:
        server.should_exit = True
        thread.join(20)
        bound.close()
