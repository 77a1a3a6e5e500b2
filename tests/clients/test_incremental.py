"""Clients with their real packages receive an answer in parts and put it together."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.packages import node_packages
from tests.requirements import require
from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

FOLDER = Path(__file__).parent / "incremental"
CLIENTS = ["Apollo Client, incrementalSpec=v0.2", "Apollo Client, deferSpec=20220824", "urql", "Relay"]


def test_the_first_part_and_then_the_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    packages = node_packages(FOLDER)
    more = {"INCREMENTAL_DELIVERY": "on", "CACHE_URL": "off"}
    with served(tmp_path, **settings(sandbox), **more) as address:
        sandbox.fault("slow", "transaction_report", value=0.4)
        shutil.copy(FOLDER / "run.mjs", packages)
        ran = subprocess.run(
            [require("node"), "run.mjs", f"{address}/graphql", "2001"],
            cwd=packages, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    seen = {found["client"]: found["states"] for found in map(json.loads, ran.stdout.splitlines())}
    assert list(seen) == CLIENTS
    for client, (first, whole) in seen.items():
        typed = client != "Relay"  # Relay selects no type
        person = {"id": "2001", "username": "jorge.brown"} | ({"__typename": "User"} if typed else {})
        moves = {"totalCount": 36} | ({"__typename": "TransactionConnection"} if typed else {})
        assert first == {"user": person}, client
        assert whole == {"user": person | {"transactions": moves}}, client
