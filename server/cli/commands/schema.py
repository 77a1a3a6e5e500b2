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
    client: Annotated[
        SchemaClient | None,
        typer.Option(
            help="Print what the cache or the compiler of this client takes instead: possible types and keys.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the graph's schema, in GraphQL's own language.

    Exit codes: 0; 2 an option is wrong.
    """
    from schema import graph
    from server.cli import client_schema

    if client is None:
        typer.echo(graph.sdl(), nl=False)
    else:
        typer.echo(client_schema.FORMS[client](graph.schema._schema), nl=False)
