"""The command line, `gamehub-graph`: the table of its commands.

Each command is a function in `server/cli/commands`. It imports what it needs when it runs: the settings take
half a second to load and the schema takes another to build, and `--help`, `serve` and `sandbox` need neither.
"""

import sys
from importlib import metadata
from typing import Annotated

import typer

from server.cli.commands.cache import cache
from server.cli.commands.check import check
from server.cli.commands.documents import documents
from server.cli.commands.errors import errors
from server.cli.commands.explain import explain
from server.cli.commands.export import ExportCommand, export
from server.cli.commands.keys import keys
from server.cli.commands.query import query
from server.cli.commands.reconcile import reconcile
from server.cli.commands.sandbox import sandbox
from server.cli.commands.schema import schema
from server.cli.commands.serve import serve
from server.cli.commands.sign import sign
from server.cli.commands.sql import sql
from server.cli.commands.tap import tap
from server.cli.commands.usage import usage
from server.cli.terminal import FAILED, WRONG_USE, say
from server.without import do_without

app = typer.Typer(
    epilog="Settings come from the environment and from .env in the current folder; docs/reference/settings.md "
    "lists them. Exit codes: 0 all went well, 1 it did not, 2 the command or a setting is wrong.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(keys, name="keys")
app.add_typer(documents, name="documents")
app.command()(sign)
app.command()(serve)
# The sandbox has options of its own, and help of its own.
app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)(sandbox)
app.command(cls=ExportCommand)(export)
for command in (query, sql, explain, tap, reconcile, schema, usage, check, cache, errors):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gamehub-graph {metadata.version('gamehub-graph')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """One GraphQL graph over GameHub and Game History."""


def main() -> None:
    """Run the command line: the console script."""
    do_without("pandas")
    try:
        app(prog_name="gamehub-graph")
    except Exception as error:
        # Commands that start neither the settings nor the sandbox do not wait for the modules of these errors.
        from server.cli.sandbox_process import SandboxFailed
        from server.settings.reading import WrongSettings

        match error:
            case WrongSettings():
                for line in error.lines:
                    say(line)
                sys.exit(WRONG_USE)
            case SandboxFailed():
                say(str(error))
                sys.exit(FAILED)
        raise
