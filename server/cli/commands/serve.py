"""`gamehub-graph serve`: serve the graph and its page."""

import os
import sys
from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of the setting HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on, instead of the setting PORT; 0 takes a free one.", min=0, max=65535),
    ] = None,
    unix_socket: Annotated[
        str | None,
        typer.Option(help="Path of a unix socket to listen on, instead of HOST and PORT.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that serve on the one socket, instead of the setting WORKERS. SIGHUP restarts them one by "
            "one.",
            min=1,
            max=64,
            show_default=False,
        ),
    ] = None,
    subgraph: Annotated[
        str | None,
        typer.Option(
            help="Serve the subgraph of one upstream alone, `gamehub` or `gamelog`, instead of the setting SUBGRAPH.",
            show_default=False,
        ),
    ] = None,
    allow_open: Annotated[
        bool, typer.Option("--allow-open", help="Serve everybody, with AUTH=open, on an address that is not loopback.")
    ] = False,
) -> None:
    """Serve the graph and its page, until Ctrl-C.

    With neither GAMEHUB_URL nor GAMELOG_URL set, a sandbox with a made-up bingo business replaces both, and stops
    with this command.

    Exit codes: 0 stopped on request; 1 could not start, for example because the port is in use; 2 an option or a
    setting is wrong.
    """
    given = {
        "HOST": host,
        "PORT": port,
        "UNIX_SOCKET": unix_socket,
        "WORKERS": workers,
        "SUBGRAPH": subgraph,
        "ALLOW_OPEN": "yes" if allow_open else None,
    }
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    # This process goes on as the server alone, without the libraries of the command line. `-P`: the current folder may
    # hold a `server` of its own.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "server.serve"], environment)
