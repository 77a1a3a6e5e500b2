"""`gamehub-graph check`: read the settings and call each system once."""

import asyncio
from typing import Annotated

import typer

from server.cli.terminal import FAILED, announce_json, say


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Read the settings, call each system once, and say in words what is wrong.

    The systems are both upstreams, and the Redis of CACHE_URL and the token issuer of JWT_JWKS_URL if they are set.

    Exit codes: 0 all systems answer; 1 one does not, or an upstream is not set; 2 a setting is wrong.
    """
    from server import logs
    from server.cli.upstreams import upstreams
    from server.settings.reading import load

    settings = load()
    logs.set_up("error", settings.log_format)
    with upstreams(settings, say if as_json else typer.echo) as live:
        from server.cli.checkup import examine, examine_others
        from server.services import build

        results = asyncio.run(examine(build(live).gateway)) + asyncio.run(examine_others(settings))
    if as_json:
        announce_json([result.described() for result in results])
    for result in () if as_json else results:
        typer.echo(result.line())
    if any(result.wrong is not None for result in results):
        raise typer.Exit(FAILED)
