"""The command line, `gamehub-graph`: thin, since what it does stands in the modules it calls.

Those are imported where a command needs them: the schema takes a second to build, which `--help`, `sandbox` and
`errors` need not wait for.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer

from server import logs
from server.cli import keys as callers_command
from server.cli.sandbox_process import SandboxFailed
from server.cli.terminal import FAILED, WRONG_USE, say
from server.cli.upstreams import upstreams
from server.settings.settings import WrongSettings, load

if TYPE_CHECKING:
    from server.execution.execution import Outcome
    from server.gateway import Gateway
    from upstream.caching.days import Piece

app = typer.Typer(
    help="One GraphQL graph over GameHub and Game History.",
    epilog="Settings come from the environment and from .env in the current folder; docs/reference/settings.md "
    "lists them. Exit codes: 0 all went well, 1 it did not, 2 the command or a setting is wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(callers_command.keys, name="keys")
app.command()(callers_command.sign)


def main() -> None:
    """The console script."""
    try:
        app(prog_name="gamehub-graph")
    except WrongSettings as error:
        for line in error.lines:
            say(line)
        sys.exit(WRONG_USE)
    except SandboxFailed as error:
        say(str(error))
        sys.exit(FAILED)


def stop(line: str, code: int = FAILED) -> NoReturn:
    """Say why, and end."""
    say(line)
    raise typer.Exit(code)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of the setting HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on, instead of the setting PORT; 0 takes a free one.", min=0, max=65535),
    ] = None,
    allow_open: Annotated[
        bool, typer.Option("--allow-open", help="Serve everybody, with AUTH=open, on an address that is not loopback.")
    ] = False,
) -> None:
    """Serve the graph and its page, until Ctrl-C.

    With neither GAMEHUB_URL nor GAMELOG_URL set, a sandbox with a made-up bingo business stands in for both, and stops
    with this command.

    Exit codes: 0 stopped when asked to; 1 could not start, because the port is in use, say; 2 an option or a setting is
    wrong.
    """
    given = {"HOST": host, "PORT": port, "ALLOW_OPEN": "yes" if allow_open else None}
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    # This process goes on as the server alone, without the libraries of the command line. `-P`: the current folder may
    # hold a `server` of its own.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "server.serve"], environment)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def sandbox(context: typer.Context) -> None:
    """Serve both upstream systems of a made-up bingo business, to try things on.

    The options are the sandbox's own: `gamehub-graph sandbox --help` lists them.
    """
    # This process goes on as the sandbox, so that signals and exit codes are the sandbox's own.
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", *context.args])


@app.command()
def query(
    name: Annotated[
        str, typer.Argument(help="A saved query, GroupWalk say, or the path of a .graphql file. None lists the saved.")
    ] = "",
    var: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help='A variable: group=382, or a part of one: during.frame=TODAY, or JSON: during=\'{"frame": "TODAY"}\'. '
            "May be repeated.",
        ),
    ] = None,
    operation: Annotated[str | None, typer.Option(help="Which operation to run, if the file has several.")] = None,
) -> None:
    """Run one query without a server, and print its answer as JSON.

    It reads the upstreams that are set, or a sandbox if none is. Variables that are not given are taken from the saved
    query's example, and named on stderr.

    Exit codes: 0 an answer without errors; 1 an answer with errors; 2 no such query, or a variable, an option or a
    setting is wrong.
    """
    from server.execution.saved import BrokenQuery, SavedQuery, find, saved_queries

    try:
        saved = saved_queries()
        chosen: SavedQuery = find(name, saved) if name else SavedQuery("", "", "")
    except BrokenQuery as error:
        stop(str(error), WRONG_USE)
    if not name:
        for one in saved:
            typer.echo(f"{one.name:<24}{one.comment}")
        return
    settings = load()
    logs.set_up("error", settings.log_format)

    from schema import graph
    from server.execution.examples import resolve
    from server.execution.execution import Executor
    from server.execution.variables import WrongVariable, prepare
    from server.gateway import Gateway
    from server.http.writing import encode

    try:
        ready, borrowed = prepare(graph.schema, chosen, var or [], operation)
    except WrongVariable as error:
        stop(str(error), WRONG_USE)
    if borrowed:
        say("from the saved query's example: " + ", ".join(f"{key}={value}" for key, value in borrowed.items()))

    async def ask(gateway: "Gateway") -> "Outcome":
        async with gateway.open():
            executor = Executor(graph.schema, gateway.session, settled=gateway.settled)
            variables = await resolve(ready.variables or {}, saved, executor)
            return await executor.run(replace(ready, variables=variables))

    with upstreams(settings, say) as live:
        outcome = asyncio.run(ask(Gateway(live)))
    typer.echo(encode(outcome.answer(), indent=True))
    if outcome.errors:
        raise typer.Exit(FAILED)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A saved query, GroupWalk say, or the path of a .graphql file.")],
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable, as `query` takes it. May be repeated.")
    ] = None,
    operation: Annotated[str | None, typer.Option(help="Which operation is meant, if the file has several.")] = None,
    run: Annotated[bool, typer.Option("--run", help="Run it, too, and print what really happened beside it.")] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Print the Python that the operation is compiled into, too.")
    ] = False,
) -> None:
    """Print which upstream calls a query is going to make, without making them.

    A server knows more than this command: it has learnt from the calls it made how many rows they bring, and what its
    cache holds. Send it `X-Graph-Explain: 1` to be told.

    Exit codes: 0; 1 the query cannot be planned, or with --run its answer has errors; 2 no such query, or a variable,
    an option or a setting is wrong.
    """
    from server.execution.saved import BrokenQuery, find, saved_queries

    try:
        saved = saved_queries()
        chosen = find(name, saved)
    except BrokenQuery as error:
        stop(str(error), WRONG_USE)
    settings = load()
    logs.set_up("error", settings.log_format)

    from rich.console import Console

    from resolvers.predict import foresee
    from schema import graph
    from server.execution.examples import resolve
    from server.execution.execution import Executor
    from server.execution.explain import table
    from server.execution.request_options import RequestOptions
    from server.execution.trace import finish
    from server.execution.variables import WrongVariable, prepare
    from server.gateway import Gateway

    try:
        ready, borrowed = prepare(graph.schema, chosen, var or [], operation)
    except WrongVariable as error:
        stop(str(error), WRONG_USE)
    if borrowed:
        say("from the saved query's example: " + ", ".join(f"{key}={value}" for key, value in borrowed.items()))

    async def ask(gateway: "Gateway") -> "tuple[Outcome, Outcome | None, str]":
        async with gateway.open():
            executor = Executor(graph.schema, gateway.session, finish, foresee, settled=gateway.settled)
            asked = replace(ready, variables=await resolve(ready.variables or {}, saved, executor))
            plan = await executor.run(replace(asked, asked=RequestOptions(explain=True)))
            outcome = await executor.run(replace(asked, asked=RequestOptions(trace=True))) if run else None
            return plan, outcome, executor.code(asked) if code else ""

    with upstreams(settings, say) as live:
        plan, outcome, written = asyncio.run(ask(Gateway(live)))
    if "explain" in plan.extensions:
        told = table(plan.extensions["explain"], outcome.extensions.get("trace") if outcome else None)
        # Into a pipe the lines are as long as they need be.
        Console(width=None if sys.stdout.isatty() else 240, highlight=False).print(told)
    if written:
        typer.echo(f"\n{written}")
    errors = [*plan.errors, *(outcome.errors if outcome else ())]
    for problem in errors:
        say(problem["message"])
    if errors:
        raise typer.Exit(FAILED)


@app.command()
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
    settings = load()
    logs.set_up("error", settings.log_format)
    try:
        from server.export import export as exports
    except ImportError as error:
        stop(f"tables need {error.name}, which is not installed: pip install 'gamehub-graph[tables]'")
    if (engine == "dask") is not (scheduler is not None) or engine not in ("local", "dask"):
        stop("--engine is local, or dask with the --scheduler it is to use", WRONG_USE)
    if engine == "dask" and settings.uses_sandbox:
        stop(
            "workers cannot reach the sandbox of this command: set GAMEHUB_URL, GAMELOG_URL and their tokens", WRONG_USE
        )

    from schema import graph
    from server.execution.execution import Executor
    from server.execution.saved import saved_queries
    from server.execution.trace import finish
    from server.gateway import Gateway
    from server.http.request_error import RequestError
    from server.tables import parameters
    from server.tables.reading import TableFailed
    from server.tables.table import Tables
    from server.tables.window import window_of

    now = datetime.now(UTC)
    said = {"period": during, "since": since, "until": until}
    pairs = [(key, value) for key, value in said.items() if value is not None]
    for text in var or ():
        key, equals, value = text.partition("=")
        if not equals:
            stop(f"{text!r} is not of the form name=value", WRONG_USE)
        pairs.append((key, value))

    async def locally(gateway: Gateway, written: "Callable[[str, exports.ExportedPart], None]") -> None:
        async with gateway.open():
            run = Executor(graph.schema, gateway.session, finish, settled=gateway.settled).run
            await exports.export(manifest, pieces, window, run, now, written, not_before)

    async def to_read(gateway: Gateway) -> "list[Piece | None]":
        async with gateway.open():
            return await exports.missing(manifest, window, gateway.changed, refresh=refresh)

    not_before = now if refresh else None

    with upstreams(settings, say) as live:
        gateway = Gateway(live)
        try:
            table = Tables(saved_queries(), graph.schema).find(name)
            variables, times, limit = parameters.read(table, pairs)
            if limit is not None:
                stop("an export is whole: it takes no limit", WRONG_USE)
            window = window_of(table, times, now, gateway.setup().zone)
            manifest = exports.Manifest(out, table, exports.form_of(form), variables)
        except (RequestError, exports.WrongExport) as error:
            stop(str(error), WRONG_USE)
        days = 1 if window is None else len(window.pieces)
        pieces = asyncio.run(to_read(gateway))
        left = len(pieces)
        try:
            with progress(name, days, days - left) as written:
                if scheduler is None:
                    asyncio.run(locally(gateway, written))
                else:
                    import_module("server.export.dask").export(
                        manifest, pieces, out, window, now, scheduler, written, not_before
                    )
        except TableFailed as failed:
            day = f" on {failed.day}" if failed.day else ""
            stop(f"{name}{day}: {failed.message} ({failed.code}); the days before it are kept, run this again")
        except OSError as error:
            stop(f"{out} cannot be written: {error}")
    rows = sum(part.rows for part in manifest.parts.values())
    typer.echo(f"{name}: {left} of {days} partitions written, {rows} rows in {len(manifest.parts)} files in {out}")


@contextmanager
def progress(title: str, total: int, done: int) -> "Iterator[Callable[[str, Any], None]]":
    """A bar on stderr that moves on with every partition."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, completed=done)

        def written(day: str, part: Any) -> None:
            bar.update(task, advance=1, description=f"{title} {day}")

        yield written


@app.command()
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
    """Compare the reports with each other, and tell every difference.

    A group's daily totals (R1) with its movements (R5, R11) and prizes (R3), the movements of groups (R5) with those of
    users (R7) and of R11, each game as R2, R3 and R4 tell it, the log of an agent with those of its users, the names of
    groups and users (R8, R9), and what is on sale now (R6, R10). Days are those of GAMEHUB_TIMEZONE, and over; the
    cache is not used.

    Exit codes: 0 all reports tell the same; 1 some differ; 2 it could not be done, or not all of it.
    """
    settings = load()
    logs.set_up("error", settings.log_format)
    from server.gateway import Gateway
    from server.http.request_error import RequestError
    from server.reconcile.forms import FORMS
    from server.reconcile.opening import over
    from server.reconcile.period import days_of
    from server.reconcile.reconciliation import ReconciliationResult
    from upstream.reports.table import System

    if form not in FORMS:
        stop(f"there is no format {form!r}; there are {', '.join(FORMS)}", WRONG_USE)
    said = {"period": during, "since": since, "until": until}
    zone = ZoneInfo(settings.gamehub_timezone)
    try:
        days, not_over = days_of(
            {name: value for name, value in said.items() if value is not None}, datetime.now(UTC), zone
        )
    except RequestError as error:
        stop(str(error), WRONG_USE)
    if not_over:
        say(f"left out, since not over: {', '.join(piece.text for piece in not_over)}")
    if not days:
        stop("none of these days is over", WRONG_USE)

    with upstreams(settings, say) as live, progress("reconcile", len(days), 0) as done:
        gateway = Gateway(live)
        told = FORMS[form](sys.stdout)
        if System.GAMELOG in gateway.missing:
            say(f"game logs are not compared: {gateway.missing[System.GAMELOG]}")
        work = over(gateway, zone, told.tell, group=group)

        async def compare() -> ReconciliationResult:
            async with gateway.open():
                return await work.run(days, done)

        result = asyncio.run(compare())
    told.end(result)
    for note in [*result.notes, *result.failures]:
        say(note)
    raise typer.Exit(result.exit_code)


@app.command()
def schema() -> None:
    """Print the graph's schema, in GraphQL's own language.

    Exit code: 0.
    """
    from schema import graph

    typer.echo(graph.sdl(), nl=False)


@app.command()
def check() -> None:
    """Read the settings, call each system once, and say in words what is wrong.

    The systems are both upstreams, and the Redis of CACHE_URL and the token issuer of JWT_JWKS_URL if they are set.

    Exit codes: 0 all systems answer; 1 one does not, or an upstream is not set; 2 a setting is wrong.
    """
    settings = load()
    logs.set_up("error", settings.log_format)
    with upstreams(settings, typer.echo) as live:
        from server.cli.checkup import examine, examine_others
        from server.gateway import Gateway

        results = asyncio.run(examine(Gateway(live))) + asyncio.run(examine_others(settings))
    for result in results:
        typer.echo(result.line())
    if any(result.wrong is not None for result in results):
        raise typer.Exit(FAILED)


@app.command()
def cache(
    stats: Annotated[bool, typer.Option("--stats", help="What the cache of the running server holds.")] = False,
    forget: Annotated[
        str | None,
        typer.Option(
            metavar="REPORT",
            help="Forget what is kept of a report, R5 say, or of `all`: the vendor has corrected it.",
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

    A server on this machine that shares the error journal follows within seconds; a Redis is cleaned at once.

    Exit codes: 0; 1 the store is out of reach, or no server has told its figures; 2 an option or a setting is wrong.
    """
    settings = load()
    from server.http import forgetting
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
            told = journal.noted(forgetting.STATS)
            if told is None:
                stop("no server has told its figures yet")
            typer.echo(told)
        if forget is None:
            return
        report = None if forget == "all" else forget
        days = (first.date() if first else None, last.date() if last else None)
        journal.note(forgetting.FORGET, forgetting.request(report, *days, datetime.now(UTC)))
        journal.flush()
    if settings.cache_in_redis:

        async def clear() -> int:
            store = open_store(settings.cache_address)
            assert store is not None
            try:
                return await store.clear(Pattern(report, {}, *days))
            finally:
                await store.aclose()

        try:
            typer.echo(f"{asyncio.run(clear())} entries forgotten")
        except ConnectionError as error:
            stop(str(error))
    else:
        typer.echo("asked; a running server forgets within seconds")


@app.command()
def errors(
    since: Annotated[
        str | None,
        typer.Option(help="Only those since then: 2h, 3d, 2026-03-15 or 2026-03-15T12:00.", show_default=False),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write them to this file instead, with what the upstream sent: a table for .csv, else lines of JSON.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the failed upstream calls of the error journal, oldest first, or export them for the vendor.

    Tokens never stand in it. Times are in the business time zone.

    Exit codes: 0 also if there are none; 1 the file cannot be written; 2 an option or a setting is wrong.
    """
    settings = load()
    from rich.console import Console

    from server.cli import errors as journal_table
    from upstream.journal import Journal, JournalUnreadable

    zone = settings.business_zone
    try:
        start = journal_table.since(since, datetime.now(UTC), zone) if since is not None else None
    except ValueError as error:
        stop(f"--since {error}", WRONG_USE)
    with Journal(settings.journal_file) as journal:
        if export is not None:
            try:
                count = journal_table.export(journal, export, start)
            except OSError as error:
                stop(f"{export} cannot be written: {error.strerror}")
            except JournalUnreadable as error:
                stop(str(error))
            typer.echo(f"{count} failed calls written to {export}")
            return
        try:
            entries = journal.entries(start)
        except JournalUnreadable as error:
            stop(str(error))
    if not entries:
        typer.echo(f"No failed calls{' since then' if since else ''}.")
        return
    # Into a pipe the lines are as long as they need be.
    Console(width=None if sys.stdout.isatty() else 400, highlight=False).print(journal_table.table(entries, zone))
