"""`gamehub-graph schema`: print the schema of the graph."""

import typer


def schema() -> None:
    """Print the graph's schema, in GraphQL's own language.

    Exit code: 0.
    """
    from schema import graph

    typer.echo(graph.sdl(), nl=False)
