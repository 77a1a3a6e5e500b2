"""Programs that a few tests need and Python cannot install: Chromium, Redis, Node, LibreOffice Calc."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """The path of a program. Without it the test skips, or fails where `REQUIRE_ALL=1` says that nothing may skip."""
    path = shutil.which(program)
    if path is not None:
        return path
    reason = f"needs the program {program}, which is not installed"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason + ", and REQUIRE_ALL=1", pytrace=False)
    pytest.skip(reason)
