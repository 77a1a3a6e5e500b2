"""`gamehub-graph sign`: sign a link to one table."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from server.auth.span import span
from server.cli.terminal import FAILED, WRONG_USE, stop

if TYPE_CHECKING:
    from server.settings.settings import Settings


def sign(
    address: Annotated[
        str,
        typer.Argument(
            help="The table and its parameters: '/tables/DailyMovements.csv?group=382'. Before it, the address of the "
            "server, if it is not that of the settings."
        ),
    ],
    key: Annotated[str, typer.Option(metavar="NAME|ID", help="The key on whose behalf the link reads.")],
    expires: Annotated[str, typer.Option(help="How long the link lives: 30m, 1h, at most 7d.")] = "1h",
) -> None:
    """Sign a link to one table. A person with the link reads that table, as the key would, until it expires.

    Exit codes: 0; 1 there is no such key, or no SIGNING_SECRET; 2 there is no such table, or an option or a setting is
    wrong.
    """
    from server.auth.key import KeyTrouble
    from server.auth.key_store import store_of
    from server.auth.links import InvalidLink, link
    from server.auth.links import address as read
    from server.auth.permissions import TABLES
    from server.http.request_error import RequestError
    from server.settings.live import LiveSettings
    from server.settings.reading import load

    settings = load()
    secret = LiveSettings(settings).signing_secret()
    if not secret:
        stop("SIGNING_SECRET is not set: a link needs one, the server's own", FAILED)
    try:
        lifetime = span(expires)
    except ValueError as error:
        stop(f"--expires {error}", WRONG_USE)
    now = datetime.now(UTC)
    try:
        live = [one for one in store_of(settings).listed() if one.lives(now)]
    except KeyTrouble as trouble:
        stop(str(trouble), FAILED)
    found = next((one for one in live if key in (one.id, one.caller.name)), None)
    if found is None:
        stop(f"there is no key {key!r} that lives; `gamehub-graph keys list` shows them", FAILED)
    if TABLES not in found.caller.permissions:
        stop(f"the key {key} lacks the permission {TABLES}, so a link of it would lead nowhere", FAILED)
    server, path, query = read(address)
    try:
        signed = link(secret, path, query, found.id, lifetime, now)
        _check_table(path)
    except (InvalidLink, RequestError) as wrong:
        stop(str(wrong), WRONG_USE)
    typer.echo(f"{server or _server(settings)}{signed}")


def _check_table(path: str) -> None:
    """Raise RequestError for a table or a format that there is not."""
    from schema import graph
    from server.execution.saved import saved_queries
    from server.tables.answers import form_of
    from server.tables.table import Tables

    name, _, form = path.removeprefix("/tables/").rpartition(".")
    Tables(saved_queries(), graph.schema).find(name)
    form_of(form)


def _server(settings: "Settings") -> str:
    """Return the address of the server in the settings."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"{'https' if settings.tls_cert_file else 'http'}://{host}:{settings.port}{settings.root_path or ''}"
