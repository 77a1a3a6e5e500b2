"""The specification "GraphQL over HTTP", proved by the audits of npm's graphql-http against a real server."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.requirements import require
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

AUDITS = Path(__file__).parent / "audits"


@pytest.fixture(scope="module")
def audits(request: pytest.FixtureRequest) -> Path:
    """The audits, installed once for each lock file, outside the checkout's tracked files."""
    npm = require("npm")
    lock = (AUDITS / "package-lock.json").read_bytes()
    folder = Path(request.config.cache.mkdir("graphql-http-" + hashlib.sha256(lock).hexdigest()[:12]))
    for file in ("package.json", "package-lock.json", ".npmrc", "run.mjs"):
        shutil.copy(AUDITS / file, folder)
    if not (folder / "node_modules" / ".package-lock.json").exists():
        subprocess.run([npm, "ci", "--ignore-scripts"], cwd=folder, check=True, capture_output=True, timeout=120)
    return folder


def test_audits(audits: Path) -> None:
    with serving(application(toy_schema.schema, lambda operation: toy_schema.SlowFieldCounts())) as address:
        ran = subprocess.run(
            [require("node"), "run.mjs", f"{address}/graphql"],
            cwd=audits, check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    results = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(results) > 60
    failed = [f"{result['id']} {result['name']}: {result['reason']}" for result in results if result["status"] != "ok"]
    # Not the MUSTs alone: the SHOULDs and the MAYs pass as well.
    assert failed == []
