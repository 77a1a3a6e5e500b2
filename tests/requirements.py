"""Programs that a few tests need and Python cannot install: Chromium, Redis, Node, LibreOffice Calc, tinyproxy,
PostgreSQL, Prometheus, nginx, mmdebstrap, systemd.
"""

import os
import shutil
from pathlib import Path

# Debian keeps the programs of PostgreSQL's server here, and not in the path.
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def require(program: str) -> str:
    """Return the path of a program. Without it the test skips, which fails under `REQUIRE_ALL=1`."""
    path = shutil.which(program) or shutil.which(program, path=os.pathsep.join(map(str, POSTGRES)))
    if path is None:
        import pytest  # `tests.packages` runs before it is installed

        pytest.skip(f"needs the program {program}, which is not installed")
    return path
