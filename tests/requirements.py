"""Programs that a few tests need and Python cannot install: Chromium, Redis, Node, LibreOffice Calc, tinyproxy."""

import shutil

import pytest


def require(program: str) -> str:
    """Return the path of a program. Without it the test skips, which fails under `REQUIRE_ALL=1`."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs the program {program}, which is not installed")
    return path
