"""`gamehub-graph query`: run one query without a server."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.completion import saved_names
from server.cli.remote import Server, ask
from server.cli.terminal import FAILED, WRONG_USE, announce_json, say, stop
from server.cli.variables import with_variables

if TYPE_CHECKING:
    from server.execution.execution import Outcome
    from server.services import Services


def query(
    name: Annotated[
        str,
        typer.Argument(
            help="A saved query, GroupWalk say, or the path of a .graphql file. None lists the saved.",
            autocompletion=saved_names,
        ),
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
    server: Server = None,
    as_json: Annotated[bool, typer.Option("--json", help="Without NAME: list the saved queries as JSON.")] = False,
) -> None:
    """Run one query, without a server or with `--server`, and print its answer as JSON.

    Without a server it reads the upstreams that are set, or a sandbox if none is. Variables that are not given come
    from the saved query's example, and are named on stderr.

    Exit codes: 0 an answer without errors; 1 an answer with errors; 2 no such query, or a variable, an option or a
    setting is wrong.
    """
    from server import logs
    from server.cli.upstreams import upstreams
    from server.execution.saved import BrokenQuery, SavedQuery, find, saved_queries
    from server.settings.reading import load

    try:
        saved = saved_queries()
        chosen: SavedQuery = find(name, saved) if name else SavedQuery("", "", "")
    except BrokenQuery as error:
        stop(str(error), WRONG_USE)
    if not name and as_json:
        announce_json([{"name": one.name, "comment": one.comment, "variables": one.variables} for one in saved])
        return
    if not name:
        for one in saved:
            typer.echo(f"{one.name:<24}{one.comment}")
        return
    if server is not None:
        answer = ask(server, with_variables(chosen, var or [], operation))
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        if answer.get("errors"):
            raise typer.Exit(FAILED)
        return
    settings = load()
    logs.set_up("error", settings.log_format)

    from msgspec.structs import replace

    from server.execution.examples import resolve
    from server.http.writing import encode
    from server.services import build

    ready = with_variables(chosen, var or [], operation)

    async def run(services: "Services") -> "Outcome":
        async with services.lifespan():
            variables = await resolve(ready.variables or {}, saved, services.executor)
            return await services.executor.run(replace(ready, variables=variables))

    with upstreams(settings, say) as live:
        outcome = asyncio.run(run(build(live)))
    typer.echo(encode(outcome.answer(), indent=True))
    if outcome.errors:
        raise typer.Exit(FAILED)
