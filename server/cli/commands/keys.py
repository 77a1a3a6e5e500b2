"""`gamehub-graph keys`: create, list, revoke, back up and restore the API keys of callers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.auth.span import span
from server.cli.terminal import FAILED, WRONG_USE, announce_json, stop

if TYPE_CHECKING:
    from server.auth.key import Key

keys = typer.Typer(help="Create, list and revoke the keys that let callers in; back them up.", no_args_is_help=True)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who the key is for: letters, digits and . _ @ -")],
    groups: Annotated[
        str, typer.Option(help="The groups it may see, 382,383 say, or `all`.", metavar="IDS", show_default=False)
    ],
    permissions: Annotated[
        str, typer.Option(help="What it may do, separated by commas: explore, tables, metrics, admin.", metavar="WORDS")
    ] = "explore",
    powers: Annotated[str | None, typer.Option(hidden=True)] = None,
    expires: Annotated[
        str | None, typer.Option(help="How long it lives: 12h, 90d. Without it: until revoked.", show_default=False)
    ] = None,
    rate_requests: Annotated[
        int | None,
        typer.Option(help="Requests a minute, instead of RATE_REQUESTS; 0 is no limit.", min=0, show_default=False),
    ] = None,
    rate_calls: Annotated[
        int | None,
        typer.Option(help="Upstream calls a minute, instead of RATE_CALLS; 0 is no limit.", min=0, show_default=False),
    ] = None,
) -> None:
    """Create a key and print it once: only its hash is stored. A running server accepts it at once.

    Exit codes: 0; 1 the file of keys cannot be written, or has that name; 2 an option or a setting is wrong.
    """
    from resolvers.caller import Caller
    from server.auth.key import KeyTrouble, Rates
    from server.auth.key_store import load_for_keys, store_of
    from server.auth.permissions import PERMISSIONS

    if powers is not None:
        typer.echo("gamehub-graph: --powers is the old name of --permissions; use the new one", err=True)
        permissions = powers
    given = [word.strip() for word in permissions.split(",") if word.strip()]
    unknown = [word for word in given if word not in PERMISSIONS]
    if unknown or not given:
        stop(f"--permissions is {permissions!r}; allowed are {', '.join(PERMISSIONS)}, separated by commas", WRONG_USE)
    seen = None
    if groups != "all":
        ids = [word.strip() for word in groups.split(",")]
        if not all(word.isascii() and word.isdigit() and len(word) < 19 for word in ids):
            stop(f"--groups is {groups!r}; allowed are ids of groups such as 382,383, or all", WRONG_USE)
        seen = frozenset(map(int, ids))
    try:
        end = datetime.now(UTC) + span(expires) if expires is not None else None
    except (ValueError, OverflowError) as error:
        stop(f"--expires {error}", WRONG_USE)
    settings = load_for_keys()
    try:
        key, text = store_of(settings).create(
            Caller(name, seen, frozenset(given)), Rates(rate_requests, rate_calls), end
        )
    except KeyTrouble as trouble:
        stop(str(trouble), FAILED)
    typer.echo(f"gamehub-graph: the key {key.id} of {name}; it is shown this once", err=True)
    typer.echo(text)


@keys.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="List them as JSON.")] = False) -> None:
    """List the keys: what each may see and do, its last four characters, and whether it still lets anybody in.

    Exit codes: 0; 1 the file of keys cannot be read; 2 a setting is wrong.
    """
    from rich.console import Console
    from rich.table import Table

    from server.auth.key import KeyTrouble
    from server.auth.key_store import load_for_keys, store_of

    settings = load_for_keys()
    try:
        found = store_of(settings).listed()
    except KeyTrouble as trouble:
        stop(str(trouble), FAILED)
    now = datetime.now(UTC)
    if as_json:
        announce_json([_described(key, now) for key in found])
        return
    if not found:
        typer.echo("No keys.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("id", "name", "ends in", "groups", "permissions", "limits", "created", "expires", "state"):
        table.add_column(title, no_wrap=True)
    for key in found:
        groups = "all" if key.caller.groups is None else ",".join(map(str, sorted(key.caller.groups)))
        limits = " ".join(
            f"{name}={value}" for name, value in (("requests", key.rates.requests), ("calls", key.rates.calls))
            if value is not None
        )  # fmt: skip
        table.add_row(
            key.id, key.caller.name, key.last_four, groups, ",".join(sorted(key.caller.permissions)), limits or "-",
            f"{key.created:%Y-%m-%d %H:%M}", f"{key.expires:%Y-%m-%d %H:%M}" if key.expires else "-", _state(key, now),
        )  # fmt: skip
    Console(width=400, highlight=False, soft_wrap=True).print(table)


@keys.command()
def revoke(which: Annotated[str, typer.Argument(metavar="NAME|ID", help="The key's name, or its id.")]) -> None:
    """End a key, and the links made with it. A running server turns it away at once.

    Exit codes: 0; 1 there is no such key, or the file of keys cannot be written; 2 a setting is wrong.
    """
    from server.auth.key import KeyTrouble
    from server.auth.key_store import load_for_keys, store_of

    settings = load_for_keys()
    try:
        key = store_of(settings).revoke(which)
    except KeyTrouble as trouble:
        stop(str(trouble), FAILED)
    typer.echo(f"revoked: {key.id} of {key.caller.name}")


@keys.command()
def backup(file: Annotated[Path, typer.Argument(help="The file to write. A file of this name is replaced.")]) -> None:
    """Write all keys, by their hashes, into one file, while servers run. `keys restore` reads it.

    Exit codes: 0; 1 the keys cannot be read, or the file cannot be written; 2 a setting is wrong.
    """
    from server.auth.key import KeyTrouble
    from server.auth.key_file import write
    from server.auth.key_store import load_for_keys, store_of

    settings = load_for_keys()
    try:
        found = store_of(settings).listed()
        write(file, found)
    except KeyTrouble as trouble:
        stop(str(trouble), FAILED)
    typer.echo(f"{len(found)} keys written to {file}")


@keys.command()
def restore(file: Annotated[Path, typer.Argument(help="A file of `keys backup`, or another KEYS_FILE.")]) -> None:
    """Add the keys and the revocations of a file. A key that was revoked since stays revoked.

    Exit codes: 0; 1 a file cannot be read or written, or two valid keys have one name; 2 a setting is wrong.
    """
    from server.auth.key import KeyTrouble
    from server.auth.key_file import KeyFile
    from server.auth.key_store import load_for_keys, store_of

    if not file.exists():
        stop(f"{file} does not exist", FAILED)
    settings = load_for_keys()
    try:
        found = KeyFile(file).listed()
        changed = store_of(settings).join(found)
    except KeyTrouble as trouble:
        stop(str(trouble), FAILED)
    typer.echo(f"{len(found)} keys read from {file}; {len(changed)} of them are new or newly revoked")


def _state(key: "Key", now: datetime) -> str:
    return "revoked" if key.revoked else "lives" if key.lives(now) else "expired"


def _described(key: "Key", now: datetime) -> dict[str, Any]:
    """Return a key for programs."""
    groups = key.caller.groups
    return {
        "id": key.id,
        "name": key.caller.name,
        "endsIn": key.last_four,
        "groups": "all" if groups is None else sorted(groups),
        "permissions": sorted(key.caller.permissions),
        "requestsPerMinute": key.rates.requests,
        "callsPerMinute": key.rates.calls,
        "created": key.created.isoformat(),
        "expires": key.expires.isoformat() if key.expires else None,
        "state": _state(key, now),
    }
