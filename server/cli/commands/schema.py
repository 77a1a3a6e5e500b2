"""`gamehub-graph schema`: print the schema of the graph."""

from typing import Annotated

import typer


def schema(
    api: Annotated[
        bool, typer.Option("--api", help="As clients see it, without what only federation gateways need.")
    ] = False,
    subgraph: Annotated[
        str | None,
        typer.Option(
            help="The subgraph of one upstream, as `serve --subgraph` serves it: `gamehub` or `gamelog`.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the graph's schema, in GraphQL's own language: as a subgraph of Apollo Federation 2, or for clients.

    Exit codes: 0 printed; 2 there is no such subgraph.
    """
    from schema import graph
    from server.cli.terminal import WRONG_USE, stop
    from upstream.reports.table import System

    served = graph.schema
    if subgraph is not None:
        systems = {system.name.lower(): system for system in System}
        if subgraph not in systems:
            stop(f"--subgraph: {subgraph} is no subgraph; there are {' and '.join(systems)}", WRONG_USE)
        served = graph.subgraph(systems[subgraph])
    typer.echo(served.api if api else served.sdl, nl=False)
