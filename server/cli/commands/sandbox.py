"""`gamehub-graph sandbox`: serve both upstream systems of a made-up business."""

import os
import sys

import typer


def sandbox(context: typer.Context) -> None:
    """Serve both upstream systems of a made-up bingo business, to try things on.

    The options are the sandbox's own: `gamehub-graph sandbox --help` lists them.
    """
    # This process goes on as the sandbox, so that signals and exit codes are the sandbox's own.
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", *context.args])
