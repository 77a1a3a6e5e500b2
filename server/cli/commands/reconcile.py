"""`gamehub-graph reconcile`: compare the reports with each other."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from server.cli.progress import progress
from server.cli.terminal import WRONG_USE, say, stop


def reconcile(
    during: Annotated[
        str | None,
        typer.Option(help="last_month, yesterday, …, or days: 2026-03-01..2026-03-07.", show_default=False),
    ] = None,
    since: Annotated[str | None, typer.Option(help="The first day that is included.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="The first day that is not.", show_default=False)] = None,
    group: Annotated[
        int | None, typer.Option(help="Only this group: its totals, movements and users. Games are everybody's.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """Compare the reports with each other, and print every difference.

    A group's daily totals (R1) with its movements (R5, R11) and prizes (R3), the movements of groups (R5) with those of
    users (R7) and of R11, each game as R2, R3 and R4 show it, the log of an agent with those of its users, the names of
    groups and users (R8, R9), and what is on sale now (R6, R10). Days are those of GAMEHUB_TIMEZONE, and over; the
    cache is not used.

    Exit codes: 0 all reports agree; 1 some differ; 2 it could not be done, or not all of it.
    """
    from server import logs
    from server.cli.upstreams import upstreams
    from server.settings.reading import load

    settings = load()
    logs.set_up("error", settings.log_format)
    from server.http.request_error import RequestError
    from server.reconcile.forms import FORMS
    from server.reconcile.opening import over
    from server.reconcile.period import days_of
    from server.reconcile.reconciliation import ReconciliationResult
    from server.services import build
    from upstream.reports.table import System

    if form not in FORMS:
        stop(f"there is no format {form!r}; there are {', '.join(FORMS)}", WRONG_USE)
    given = {"period": during, "since": since, "until": until}
    zone = ZoneInfo(settings.gamehub_timezone)
    try:
        days, not_over = days_of(
            {name: value for name, value in given.items() if value is not None}, datetime.now(UTC), zone
        )
    except RequestError as error:
        stop(str(error), WRONG_USE)
    if not_over:
        say(f"left out, since not over: {', '.join(piece.text for piece in not_over)}")
    if not days:
        stop("none of these days is over", WRONG_USE)

    with upstreams(settings, say) as live, progress("reconcile", len(days), 0) as done:
        gateway = build(live).gateway
        report = FORMS[form](sys.stdout)
        if System.GAMELOG in gateway.missing:
            say(f"game logs are not compared: {gateway.missing[System.GAMELOG]}")
        work = over(gateway, zone, report.write, group=group)

        async def compare() -> ReconciliationResult:
            async with gateway.open():
                return await work.run(days, done)

        result = asyncio.run(compare())
    report.end(result)
    for note in [*result.notes, *result.failures]:
        say(note)
    raise typer.Exit(result.exit_code)
