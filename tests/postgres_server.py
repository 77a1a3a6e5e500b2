"""A PostgreSQL of the tests' own, on a free port of this machine."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.requirements import require

QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off")


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the address of an empty database, for as long as a `with` block lasts.

    PostgreSQL does not run as root: for root it runs as the user that Debian's package makes.
    """
    initdb, pg_ctl = require("initdb"), require("pg_ctl")
    # Not below pytest's own folder, which other users cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="gamehub-graph-postgres-"))
    data = folder / "data"
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def run(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, **user)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), *(f"-c{option}" for option in QUICK)]
    try:
        run(initdb, "--no-sync", "--auth", "trust", "--username", "tests", "--encoding", "UTF8", "-D", str(data))
        run(pg_ctl, "-D", str(data), "-w", "-l", str(folder / "log"), "-o", " ".join(options), "start")
        try:
            yield f"postgresql://tests:tests@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
