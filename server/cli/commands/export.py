"""`gamehub-graph export`: write a table to files, one partition per day."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.progress import progress
from server.cli.terminal import WRONG_USE, say, stop

if TYPE_CHECKING:
    from server.export.export import ExportedPart
    from server.services import Services
    from upstream.values.days import Piece


def export(
    name: Annotated[str, typer.Argument(help="A table: a saved query that marks its rows, GroupTransactions say.")],
    out: Annotated[str, typer.Option(help="A folder, or an address that fsspec knows: s3://bucket/folder.")],
    form: Annotated[str, typer.Option("--format", help="csv, ndjson, json, parquet, arrow or xlsx.")] = "parquet",
    during: Annotated[
        str | None, typer.Option(help="A named period: last_month, yesterday, this_week, …", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="The first day, or moment, that is included.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="The first day, or moment, that is not.", show_default=False)
    ] = None,
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable: group=382. May be repeated.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or dask: a cluster, each day a task.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(help="The address of the cluster's scheduler: tcp://host:8786.", show_default=False)
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read days again that are over and written, past what the cache holds.")
    ] = False,
) -> None:
    """Write a table to files, a partition a day, and a manifest with the rows, bytes and SHA-256 of each.

    Days that are over and written already are read again only if they were found changed or were forgotten since, or
    with --refresh. So a run that broke goes on where it stopped.

    Exit codes: 0 all is written; 1 a day could not be read or written; 2 no such table, or a variable, an option or a
    setting is wrong.
    """
    from server import logs
    from server.cli.upstreams import upstreams
    from server.settings.reading import load

    settings = load()
    logs.set_up("error", settings.log_format)
    try:
        from server.export import export as exports
    except ImportError as error:
        stop(f"tables need {error.name}, which is not installed: pip install 'gamehub-graph[tables]'")
    check_engine(engine, scheduler, uses_sandbox=settings.uses_sandbox)
    from server.http.request_error import RequestError
    from server.services import build
    from server.tables import parameters
    from server.tables.reading import TableFailed
    from server.tables.table import Tables
    from server.tables.window import window_of

    now = datetime.now(UTC)
    not_before = now if refresh else None
    pairs = parameters_of({"period": during, "since": since, "until": until}, var or ())

    async def to_read(services: "Services") -> "list[Piece | None]":
        async with services.lifespan():
            return await exports.missing(manifest, window, services.tables.changed, refresh=refresh)

    async def locally(services: "Services", written: "Callable[[str, ExportedPart], None]") -> None:
        async with services.lifespan():
            await exports.export(manifest, pieces, window, services.executor.run, now, written, not_before)

    with upstreams(settings, say) as live:
        services = build(live)
        try:
            table = Tables(services.saved, services.executor.schema).find(name)
            variables, times, limit = parameters.read(table, pairs)
            if limit is not None:
                stop("an export is whole: it takes no limit", WRONG_USE)
            window = window_of(table, times, now, services.tables.zone)
            manifest = exports.Manifest(out, table, exports.form_of(form), variables)
        except (RequestError, exports.WrongExport) as error:
            stop(str(error), WRONG_USE)
        days = 1 if window is None else len(window.pieces)
        pieces = asyncio.run(to_read(services))
        left = len(pieces)
        try:
            with progress(name, days, days - left) as written:
                if scheduler is None:
                    asyncio.run(locally(services, written))
                else:
                    import_module("server.export.dask").export(
                        manifest, pieces, window, now, scheduler, written, not_before
                    )
        except TableFailed as failed:
            day = f" on {failed.day}" if failed.day else ""
            done = "the days before it are exported; run the command again"
            stop(f"{name}{day}: {failed.message} ({failed.code}); {done}")
        except OSError as error:
            stop(f"{out} cannot be written: {error}")
    rows = sum(part.rows for part in manifest.parts.values())
    typer.echo(f"{name}: {left} of {days} partitions written, {rows} rows in {len(manifest.parts)} files in {out}")


def check_engine(engine: str, scheduler: str | None, *, uses_sandbox: bool) -> None:
    """End the command if `--engine` and `--scheduler` do not go together."""
    if (engine == "dask") is not (scheduler is not None) or engine not in ("local", "dask"):
        stop("--engine is local, or dask with the --scheduler it is to use", WRONG_USE)
    if engine == "dask" and uses_sandbox:
        stop(
            "workers cannot reach the sandbox of this command: set GAMEHUB_URL, GAMELOG_URL and their tokens", WRONG_USE
        )


def parameters_of(times: Mapping[str, str | None], var: Sequence[str]) -> list[tuple[str, str]]:
    """Return the parameters of a table from the options of the command. End the command for a wrong one."""
    pairs = [(key, value) for key, value in times.items() if value is not None]
    for text in var:
        key, equals, value = text.partition("=")
        if not equals:
            stop(f"{text!r} is not of the form name=value", WRONG_USE)
        pairs.append((key, value))
    return pairs
