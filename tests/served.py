"""`gamehub-graph serve` as a process of its own on a free port, for as long as a `with` block lasts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.programs import Fresh, Piped


@contextmanager
def served(folder: Path, log: Path | str | None = None, /, **settings: str) -> Iterator[str]:
    """Yield its address. It runs in `folder`, which also holds its error journal; `log` receives its log."""
    with launched(folder, log, **settings) as (address, _):
        yield address


@contextmanager
def launched(
    folder: Path, log: Path | str | None = None, fresh: bool = False, /, **settings: str
) -> Iterator[tuple[str, Fresh | Piped]]:
    """Yield the address and the process, which has an interpreter of its own if it is `fresh`."""
    errors = Path(log).open("w") if log is not None else None  # noqa: SIM115
    environment = {**os.environ, "ERROR_JOURNAL": str(folder / "errors.sqlite"), "LOG_LEVEL": "error", **settings}
    if environment.get("LOG_FORMAT") == "json":
        environment["LOG_FORMAT"] = "auto"  # the same in a file, but the address is said on stdout, too
    start = Fresh if fresh else partial(Piped, "gamehub-graph")
    server = start("serve", "--port", "0", folder=folder, environment=environment, stderr=errors)
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
        server.close(timeout=30)
        if errors is not None:
            errors.close()
