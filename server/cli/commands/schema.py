"""`gamehub-graph schema`: print the schema of the graph."""

from enum import StrEnum
from typing import Annotated

import typer


class SchemaClient(StrEnum):
    """A client that takes a part of the schema in a form of its own."""

    APOLLO = "apollo"
    RELAY = "relay"
    URQL = "urql"


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
    costs: Annotated[
        bool,
        typer.Option(
            "--costs",
            help="With the costs of fields, `@cost` and `@listSize`, for gateways that support Federation 2.9.",
        ),
    ] = False,
    client: Annotated[
        SchemaClient | None,
        typer.Option(
            help="Print what the cache or the compiler of this client takes instead: possible types and keys.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the graph's schema, in GraphQL's own language: as a subgraph of Apollo Federation 2, or for clients.

    Exit codes: 0 printed; 2 an option is wrong.
    """
    from schema import graph
    from server.cli import client_schema
    from server.cli.terminal import WRONG_USE, stop
    from upstream.reports.table import System

    served = graph.schema
    if subgraph is not None:
        systems = {system.name.lower(): system for system in System}
        if subgraph not in systems:
            stop(f"--subgraph: {subgraph} is no subgraph; there are {' and '.join(systems)}", WRONG_USE)
        served = graph.subgraph(systems[subgraph])
    if client is not None:
        typer.echo(client_schema.FORMS[client](served._schema), nl=False)
    else:
        typer.echo(served.api if api else served.sdl_with_costs if costs else served.sdl, nl=False)
