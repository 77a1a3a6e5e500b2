"""Commands that run after an export. They receive its summary on stdin and its exit code in the environment."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

import orjson

EXIT_CODE = "GAMEHUB_GRAPH_EXIT_CODE"


class HookFailed(Exception):
    """A command failed. The text says how in one line."""


def run_hook(command: str, summary: Mapping[str, Any], exit_code: int) -> None:
    """Run a command, without a shell. Raises HookFailed."""
    try:
        words = shlex.split(command)
        if not words:
            raise HookFailed("the command after the export is empty")
        ended = subprocess.run(
            words, input=orjson.dumps(summary), env={**os.environ, EXIT_CODE: str(exit_code)}, check=False
        )
    except (OSError, ValueError) as error:
        raise HookFailed(f"the command after the export cannot be run: {command}: {error}") from None
    if ended.returncode:
        raise HookFailed(f"the command after the export ended with exit code {ended.returncode}: {command}")
