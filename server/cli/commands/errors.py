"""`gamehub-graph errors`: list or export the failed upstream calls."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from server.cli.terminal import WRONG_USE, announce_json, stop


def errors(
    since: Annotated[
        str | None,
        typer.Option(help="Only those since then: 2h, 3d, 2026-03-15 or 2026-03-15T12:00.", show_default=False),
    ] = None,
    request: Annotated[
        str | None,
        typer.Option(
            help="Only those of the request with this id (`X-Request-Id` of its answer), or with this `correlationId`.",
            metavar="ID",
            show_default=False,
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write them to this file instead, with what the upstream sent: a table for .csv, else lines of JSON.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="List them as JSON, without what the upstream sent.")] = False,
) -> None:
    """List the failed upstream calls of the error journal, oldest first, or export them for the vendor.

    It never contains tokens. Times are in the business time zone. An equal call of several requests is made once: the
    journal names the request that made it.

    Exit codes: 0 also if there are none; 1 the file cannot be written; 2 an option or a setting is wrong.
    """
    from server.settings.reading import load_part

    settings = load_part("error_journal", "business_timezone", "gamehub_timezone")
    from rich.console import Console

    from server.cli import journal_table
    from upstream.journal import Journal, JournalUnreadable

    zone = settings.business_zone
    try:
        start = journal_table.since(since, datetime.now(UTC), zone) if since is not None else None
    except ValueError as error:
        stop(f"--since {error}", WRONG_USE)
    with Journal(settings.journal_file) as journal:
        if export is not None:
            try:
                count = journal_table.export(journal, export, start, request)
            except OSError as error:
                stop(f"{export} cannot be written: {error.strerror}")
            except JournalUnreadable as error:
                stop(str(error))
            typer.echo(f"{count} failed calls written to {export}")
            return
        try:
            entries = journal.entries(start, request=request)
        except JournalUnreadable as error:
            stop(str(error))
    if as_json:
        announce_json([journal_table.described(entry) for entry in entries])
        return
    if not entries:
        typer.echo(f"No failed calls{' since then' if since else ''}{' of this request' if request else ''}.")
        return
    # Into a pipe the lines are as long as they need be.
    Console(width=None if sys.stdout.isatty() else 400, highlight=False).print(journal_table.table(entries, zone))
