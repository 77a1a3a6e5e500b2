"""`gamehub-graph export`: write a table to files, one partition per day."""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from server.cli.completion import table_names
from server.cli.terminal import FAILED, WRONG_USE, announce, say, stop

# The value of `--refresh` without a range, and the beginning of one.
WINDOW = "window"
_DAYS = re.compile(r"\d{4}-")


def export(
    name: Annotated[
        str,
        typer.Argument(
            help="A table: a saved query that marks its rows, GroupTransactions say.", autocompletion=table_names
        ),
    ],
    out: Annotated[str, typer.Option(help="A folder, or an address that fsspec knows: s3://bucket/folder.")],
    form: Annotated[str, typer.Option("--format", help="csv, ndjson, json, parquet, arrow or xlsx.")] = "parquet",
    during: Annotated[
        str | None,
        typer.Option(
            help="A named period: last_month, yesterday, this_week, …; or days: 2026-03-01..2026-03-07, or 2026-03-01.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[str | None, typer.Option(help="The first day that is included.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="The first day that is not.", show_default=False)] = None,
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable: group=382. May be repeated.")
    ] = None,
    each: Annotated[
        str | None,
        typer.Option(help="group, room or user: a folder for each value of this variable.", show_default=False),
    ] = None,
    ids: Annotated[
        str | None, typer.Option(help="With --each: only these, 382,383 say. Otherwise all.", show_default=False)
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(help="With --each: only the groups below this group, or their users.", show_default=False),
    ] = None,
    lookback: Annotated[int, typer.Option(min=0, help="Read the last N closed days again.")] = 0,
    refresh: Annotated[
        str | None,
        typer.Option(
            metavar="[A..B]",
            help="Read these days again, or without a value all days of the window.",
            show_default=False,
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="So many days at the same time.")] = 2,
    engine: Annotated[str, typer.Option(help="local, or dask: a cluster, each day a task.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(help="The address of the cluster's scheduler: tcp://host:8786.", show_default=False)
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Write nothing: compare files with their hashes, and totals with R1 and G1."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as one JSON object.")] = False,
    metrics: Annotated[
        Path | None,
        typer.Option(help="Write metrics to this file, in the text format of Prometheus.", show_default=False),
    ] = None,
    on_success: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Run this at the end; it gets the summary on stdin.", show_default=False),
    ] = None,
    on_failure: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="The same after exit code 1 or 2.", show_default=False)
    ] = None,
) -> None:
    """Write a table to files, a partition for each day and entity, and a ledger with a record of each.

    A day that is over and written is read again only if its fingerprint (R1, G1) changed, if it was found changed or
    was forgotten since, with --lookback, or with --refresh. Days that were not over, or failed, are read again by the
    next run, whatever its window is. A day that fails does not stop the others, and is tried once more at the end.

    Exit codes: 0 all is written, or with --verify all is right; 1 a day could not be read or written, or is wrong, or
    SIGTERM ended the run; 2 no such table, an option or a setting is wrong, or the folder holds another export.
    """
    from server import logs
    from server.allocators import use_little_memory
    from server.cli.upstreams import upstreams
    from server.settings.reading import load

    started = time.monotonic()
    use_little_memory()
    settings = load()
    logs.set_up("error" if sys.stderr.isatty() else "info", settings.log_format)
    try:
        from server.cli.export_work import ExportRequest, ExportStopped, ExportWork
        from server.export.hooks import HookFailed, run_hook
        from server.export.summary import write_metrics
    except ImportError as error:
        stop(f"tables need {error.name}, which is not installed: pip install 'gamehub-graph[tables]'")
    check_engine(engine, scheduler, uses_sandbox=settings.uses_sandbox)
    request = ExportRequest(
        name,
        out,
        form,
        parameters_of({"period": during, "since": since, "until": until}, var or ()),
        (each, ids, below),
        lookback,
        refresh,
        at_once,
        scheduler,
        as_json,
    )
    summary: dict[str, Any] = {"table": name, "out": out, "ok": False, "error": None}
    try:
        with upstreams(settings, say) as live:
            work = ExportWork(request, live, sandbox=settings.uses_sandbox)
            summary |= work.verify() if verify else work.write()
        code = 0 if summary["ok"] else FAILED
    except ExportStopped as stopped:
        summary["error"], code = str(stopped), stopped.code
        say(str(stopped))
    summary["seconds"] = round(time.monotonic() - started, 3)
    if metrics is not None:
        try:
            write_metrics(metrics, summary, time.time())
        except OSError as error:
            say(f"{metrics} cannot be written: {error.strerror}")
            code = code or FAILED
    if as_json:
        import orjson

        announce(orjson.dumps(summary).decode())
    hook = on_failure if code else on_success
    if hook is not None:
        try:
            run_hook(hook, summary, code)
        except HookFailed as failed:
            say(str(failed))
            code = code or FAILED
    if code:
        raise typer.Exit(code)


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


class ExportCommand(TyperCommand):
    """The command with a `--refresh` that may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--refresh` a value if none follows it."""
        given: list[str] = []
        for place, word in enumerate(args):
            given.append(word)
            if word == "--refresh" and not _DAYS.match("".join(args[place + 1 : place + 2])):
                given[-1] = f"--refresh={WINDOW}"
        return super().parse_args(ctx, given)
