"""`gamehub-graph serve` as a process of its own on a free port, for as long as a `with` block lasts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(folder: Path, log: Path | str | None = None, **settings: str) -> Iterator[str]:
    """Yield its address. It runs in `folder`, which also holds its error journal; `log` receives its log."""
    with launched(folder, log, **settings) as (address, _):
        yield address


@contextmanager
def launched(
    folder: Path, log: Path | str | None = None, **settings: str
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Yield the address and the process."""
    errors = Path(log).open("w") if log is not None else None  # noqa: SIM115
    server = subprocess.Popen(
        [Path(sys.executable).with_name("gamehub-graph"), "serve", "--port", "0"],
        env={**os.environ, "ERROR_JOURNAL": str(folder / "errors.sqlite"), "LOG_LEVEL": "error", **settings},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    try:
        assert server.stdout is not None
        for line in iter(server.stdout.readline, ""):
            address = next((word for word in line.split() if word.startswith(("http://", "https://"))), None)
            if address is not None:
                yield address.rstrip("/"), server
                return
        raise RuntimeError("the server did not start")
    finally:
        server.terminate()
        server.communicate(timeout=30)
        if errors is not None:
            errors.close()
