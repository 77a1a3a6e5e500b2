"""`gamehub-graph usage`: show which clients ask for a field."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from server.cli.terminal import WRONG_USE, announce_json, stop


def usage(
    field: Annotated[str, typer.Argument(help="A field of the graph: Transaction.baseAmount.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Show which clients ask for a field of the graph, how often, and when they did last.

    A client names itself in the headers apollographql-client-name and apollographql-client-version. Servers on this
    machine save their counts every ten seconds in the file of the error journal.

    Exit codes: 0 also if nobody asks for it; 1 the file cannot be read, or no server counts; 2 there is no such field.
    """
    from server.settings.reading import load_part

    settings = load_part("error_journal")
    from rich.console import Console
    from rich.table import Table

    from schema import graph
    from upstream.journal import Journal, JournalUnreadable

    with Journal(settings.journal_file) as journal:
        try:
            since, found = journal.counted(field)
        except JournalUnreadable as error:
            stop(str(error))
    kind, _, name = field.partition(".")
    # A field that the graph had before may still have counts.
    if not found and name not in getattr(graph.schema._schema.type_map.get(kind), "fields", {}):
        stop(f"the graph has no field {field}; name one as Transaction.baseAmount", WRONG_USE)
    if since is None:
        stop("no server has counted yet")
    if as_json:
        clients = [{**asdict(each), "last": str(each.last)} for each in found]
        announce_json({"field": field, "since": str(since), "clients": clients})
        return
    if not found:
        typer.echo(f"No client has asked for {field} since {since}.")
        return
    shown = Table("client", "version", "operations", "last", box=None, pad_edge=False)
    shown.columns[2].justify = "right"
    for each in found:
        shown.add_row(each.client, each.version, f"{each.operations:,}", str(each.last))
    Console(width=None if sys.stdout.isatty() else 400, highlight=False).print(shown)
    typer.echo(f"since {since}")
