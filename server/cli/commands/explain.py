"""`gamehub-graph explain`: print the upstream calls of a query without making them."""

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.completion import saved_names
from server.cli.remote import Server, ask
from server.cli.terminal import FAILED, WRONG_USE, announce_json, say, stop
from server.cli.variables import with_variables

if TYPE_CHECKING:
    from server.execution.execution import Outcome
    from server.services import Services


def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="A saved query, GroupWalk say, or the path of a .graphql file.", autocompletion=saved_names
        ),
    ],
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable, as `query` takes it. May be repeated.")
    ] = None,
    operation: Annotated[str | None, typer.Option(help="Which operation is meant, if the file has several.")] = None,
    run: Annotated[bool, typer.Option("--run", help="Run it, too, and print what really happened beside it.")] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Print the Python that the operation is compiled into, too.")
    ] = False,
    server: Server = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan as JSON, as `extensions.explain` of an answer has it.")
    ] = False,
) -> None:
    """Print which upstream calls a query is going to make, without making them.

    A server knows more than this command: it has learnt from the calls it made how many rows they bring, and what its
    cache holds. `--server` asks it.

    Exit codes: 0; 1 the query cannot be planned, or with --run its answer has errors; 2 no such query, or a variable,
    an option or a setting is wrong.
    """
    from server import logs
    from server.cli.upstreams import upstreams
    from server.execution.saved import BrokenQuery, find, saved_queries
    from server.settings.reading import load

    try:
        saved = saved_queries()
        chosen = find(name, saved)
    except BrokenQuery as error:
        stop(str(error), WRONG_USE)
    settings = load()
    logs.set_up("error", settings.log_format)

    from msgspec.structs import replace

    from server.execution.examples import resolve
    from server.execution.request_options import RequestOptions
    from server.services import build

    ready = with_variables(chosen, var or [], operation)

    if server is not None:
        if code:
            stop("--code is not for a server: leave out --server", WRONG_USE)
        planned = ask(server, ready, explain=True)
        ran = ask(server, ready, trace=True) if run else {}
        errors = [*planned.get("errors", ()), *ran.get("errors", ())]
        extensions = planned.get("extensions", {}), ran.get("extensions", {})
        _print(extensions[0].get("explain"), extensions[1].get("trace"), errors, as_json=as_json)
        return

    async def answer(services: "Services") -> "tuple[Outcome, Outcome | None, str]":
        executor = services.executor
        async with services.lifespan():
            complete = replace(ready, variables=await resolve(ready.variables or {}, saved, executor))
            # The code is that of an operation whose answer is written, as the server's answers are.
            plan = await executor.run(replace(complete, options=RequestOptions(explain=True)), written=True)
            traced = replace(complete, options=RequestOptions(trace=True))
            outcome = await executor.run(traced, written=True) if run else None
            return plan, outcome, executor.code(complete) if code else ""

    with upstreams(settings, say) as live:
        plan, outcome, written = asyncio.run(answer(build(live)))
    explained, trace = plan.extensions.get("explain"), outcome.extensions.get("trace") if outcome else None
    errors = [*plan.errors, *(outcome.errors if outcome else ())]
    _print(explained, trace, errors, written, as_json=as_json)


def _print(explained: Any, trace: Any, errors: Sequence[Any], code: str = "", *, as_json: bool) -> None:
    """Print a plan, and what really happened. End the command if there are errors."""
    from rich.console import Console

    from server.execution.explain import table

    if as_json:
        found = {"explain": explained, "trace": trace}
        announce_json({name: value for name, value in found.items() if value is not None})
    elif explained is not None:
        # Into a pipe the lines are as long as they need be.
        console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
        console.print(table(explained, trace))
    if code:
        typer.echo(f"\n{code}")
    for problem in errors:
        say(problem["message"])
    if errors:
        raise typer.Exit(FAILED)
