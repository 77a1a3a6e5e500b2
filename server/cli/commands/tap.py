"""`gamehub-graph tap`: the tables in the Singer protocol, for Meltano and other runners of taps."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import FAILED, WRONG_USE, announce, say, stop

if TYPE_CHECKING:
    from server.services import Services
    from server.singer.catalog import TapStream
    from server.singer.tap import TapRun


def tap(
    config: Annotated[
        Path | None, typer.Option(help="A JSON file: start_date, and the values of group, room and user.")
    ] = None,
    discover: Annotated[bool, typer.Option("--discover", help="Write the catalog, and read no row.")] = False,
    catalog: Annotated[
        Path | None, typer.Option(help="A catalog that says which streams and columns are selected.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="The state that an earlier run wrote.")] = None,
) -> None:
    """Write tables to stdout in the Singer protocol: SCHEMA, RECORD and STATE messages.

    It reads the upstreams that are set, or a sandbox if none is. Each table is a stream, and each day of it is read as
    a whole. A run goes on from its state; it reads the last days that were over again, and those that failed.

    Exit codes: 0 all is written; 1 a day could not be read, and all others are written; 2 a file, an option or a
    setting is wrong.
    """
    from server import logs
    from server.cli.upstreams import upstreams
    from server.settings.reading import load

    settings = load()
    logs.set_up("error", settings.log_format)
    try:
        from server.singer import tap as singer
    except ImportError as error:
        stop(f"tables need {error.name}, which is not installed: pip install 'gamehub-graph[tables]'", WRONG_USE)
    import orjson

    from schema import graph
    from server.execution.saved import saved_queries
    from server.services import build
    from server.singer.catalog import catalog_of, selected
    from server.singer.config import TapConfig, WrongTap, read_json
    from server.tables.table import Tables

    tables = Tables(saved_queries(), graph.schema)
    try:
        chosen = None if config is None else TapConfig.read(read_json(config))
        streams = singer.streams_of(tables, chosen)
        if discover:
            announce(orjson.dumps(catalog_of(streams), option=orjson.OPT_INDENT_2).decode())
            return
        if chosen is None:
            stop("a tap needs --config, or --discover", WRONG_USE)
        streams = selected(streams, None if catalog is None else read_json(catalog))
        known = {} if state is None else read_json(state)
        with upstreams(settings, say) as live:
            services = build(live)
            run = singer.TapRun(chosen, services.tables, services.executor.run, sys.stdout.buffer, known)
            asyncio.run(_sync(services, run, streams))
    except WrongTap as wrong:
        stop(str(wrong), WRONG_USE)
    except BrokenPipeError:
        stop("the reader of the messages has gone")
    for failure in run.failures:
        say(failure)
    if run.failures:
        raise typer.Exit(FAILED)


async def _sync(services: "Services", run: "TapRun", streams: "list[TapStream]") -> None:
    async with services.lifespan():
        await run.sync(streams)
