"""The output of commands on the terminal, and their exit codes."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

FAILED = 1
WRONG_USE = 2


def announce(line: str) -> None:
    """Write a line of the result to stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def announce_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write a result to stdout as one line of JSON, for programs."""
    import orjson  # `serve` starts without it

    announce(orjson.dumps(value).decode())


def say(line: str) -> None:
    """Write a line about the command to stderr: stdout is for results."""
    sys.stderr.write(f"gamehub-graph: {line}\n")
    sys.stderr.flush()


def refuse(line: str) -> None:
    """Say why a server does not start: with LOG_FORMAT=json as a line of the log, so that programs can read it."""
    if os.environ.get("LOG_FORMAT", "").lower() != "json":
        say(line)
        return
    from server import logs

    logs.write_refusal(line)


def stop(line: str, code: int = FAILED) -> NoReturn:
    """Say why the command ends, and end it."""
    import typer  # `serve` runs without it

    say(line)
    raise typer.Exit(code) from None
