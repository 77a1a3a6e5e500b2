"""`gamehub-graph cache`: show or clear the days cache."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from server.cli.terminal import WRONG_USE, stop


def cache(
    stats: Annotated[
        bool, typer.Option("--stats", help="What the caches of the running servers of this machine hold.")
    ] = False,
    forget: Annotated[
        str | None,
        typer.Option(
            metavar="REPORT",
            help="Forget the cached rows of a report, such as R5, or of `all` reports: the vendor has corrected them.",
            show_default=False,
        ),
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="Forget only days from this one on.", show_default=False),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Forget only days up to this one.", show_default=False),
    ] = None,
) -> None:
    """Show what the days cache holds, or make it forget days that the vendor has corrected.

    The figures are the sum of all processes on this machine that share the error journal. The content of a Redis counts
    once; these figures are at most a minute old.

    The servers on this machine that share the error journal forget within two seconds. A Redis is cleaned at once, and
    all servers that share it follow.

    Exit codes: 0; 1 the store is out of reach, or no server has sent its figures; 2 an option or a setting is wrong.
    """
    from server.settings.reading import load

    settings = load()
    from server import forgetting, published_stats
    from upstream.caching.cache import open_store
    from upstream.caching.store import Pattern
    from upstream.journal import Journal
    from upstream.reports.table import REPORTS

    codes = [report.code for report in REPORTS]
    if forget is None and (first or last):
        stop("--from and --to say which days to forget: add --forget REPORT", WRONG_USE)
    if forget is not None and forget != "all" and forget not in codes:
        stop(f"{forget} is no report; there are {', '.join(codes)}, and all", WRONG_USE)
    with Journal(settings.journal_file) as journal:
        if forget is None or stats:
            stats_of_all = published_stats.published(journal)
            if not stats_of_all:
                stop("no server has sent its figures to this error journal yet, or none runs")
            typer.echo(published_stats.describe(stats_of_all))
        if forget is None:
            return
        report = None if forget == "all" else forget
        days = (first.date() if first else None, last.date() if last else None)
        text = forgetting.request(report, *days, datetime.now(UTC))

        async def clear() -> int | None:
            redis = settings.redis_connection()
            try:
                await forgetting.ForgetRequests(journal, redis).add(text)
                store = open_store(settings.cache_address, redis=redis) if redis is not None else None
                return await store.clear(Pattern(report, {}, *days)) if store is not None else None
            finally:
                if redis is not None:
                    await redis.aclose()

        try:
            cleared = asyncio.run(clear())
        except ConnectionError as error:
            stop(str(error))
    if cleared is None:
        typer.echo("requested; a running server forgets within seconds")
    else:
        typer.echo(f"{cleared} entries forgotten")
