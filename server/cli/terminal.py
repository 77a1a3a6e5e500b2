"""What a command says to the person at the terminal, and the codes it ends with."""

import sys
from typing import NoReturn

FAILED = 1
WRONG_USE = 2


def tell(line: str) -> None:
    """A line of the result, on stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """A line about the command, on stderr: stdout is for results."""
    sys.stderr.write(f"gamehub-graph: {line}\n")
    sys.stderr.flush()


def end(line: str, code: int = FAILED) -> NoReturn:
    """Say why, and end the process."""
    say(line)
    sys.exit(code)
