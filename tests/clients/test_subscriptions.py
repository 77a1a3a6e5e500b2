"""Clients with their real packages subscribe over WebSocket, Server-Sent Events and multipart responses."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.packages import node_packages
from tests.requirements import require
from tests.served import served
from tests.server.subscriptions.moving import MovingSandbox

FOLDER = Path(__file__).parent / "subscriptions"
GROUP = 382
CLIENTS = [
    "graphql-ws",
    "Apollo Client, GraphQLWsLink",
    "urql, subscriptionExchange",
    "Apollo Client, HttpLink (multipart)",
    "urql, fetchSubscriptions",
    "graphql-sse, distinct connections",
    "graphql-sse, single connection",
]


def test_clients(tmp_path: Path) -> None:
    packages = node_packages(FOLDER)
    shutil.copy(FOLDER / "run.mjs", packages)
    found: list[dict[str, Any]] = []
    booked: list[str] = []
    with MovingSandbox(tmp_path) as moving, served(tmp_path, **moving.settings()) as address:
        moving.stand_still()
        cents = 100_000
        moving.move_jackpot(cents)
        with subprocess.Popen(
            [require("node"), "run.mjs", address, str(GROUP)],
            cwd=packages, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as node:  # fmt: skip
            for line in map(json.loads, node.stdout):
                answer: Any = None
                if line.get("move") == "jackpot":
                    cents += 100
                    moving.move_jackpot(cents)
                elif line.get("move") == "book":
                    if not booked:
                        asyncio.run(moving.polled())
                    answer = moving.book(GROUP, *range(1, 4 if booked else 2))
                    booked += answer
                else:
                    found.append(line)
                    continue
                node.stdin.write(json.dumps(answer) + "\n")
                node.stdin.flush()
            errors = node.stderr.read()
            assert node.wait(60) == 0, errors
    *jackpots, first, resumed = found
    assert [one["client"] for one in jackpots] == CLIENTS
    value = 1000
    for one in jackpots:
        assert one["values"] == [f"{value}.00", f"{value + 1}.00"], one["client"]
        value += 1
    assert resumed["seen"] == booked == [*first["first"], *resumed["expected"]]
