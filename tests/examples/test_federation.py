"""The example of a gateway starts with one command and answers the query of its page."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.packages import node_packages
from tests.requirements import require

EXAMPLE = Path(__file__).parents[2] / "examples" / "federation"


def test_the_example(tmp_path: Path) -> None:
    for file in EXAMPLE.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    (tmp_path / "node_modules").symlink_to(node_packages(EXAMPLE) / "node_modules")
    (query,) = re.findall(r"```graphql\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    environment = {
        **os.environ,
        "PORT": "0",
        "GAMEHUB_GRAPH": str(Path(sys.executable).with_name("gamehub-graph")),
        "ERROR_JOURNAL": str(tmp_path / "errors.sqlite"),
        "LOG_LEVEL": "error",
    }
    node = [require("node"), "start.mjs"]
    with subprocess.Popen(node, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(line.split()[-1] for line in process.stdout if line.startswith("The gateway"))
            answer = httpx.post(address, json={"query": query}, trust_env=False, timeout=60).json()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert "errors" not in answer
    nodes = answer["data"]["group"]["users"]["nodes"]
    assert len(nodes) > 10
    for node_ in nodes:
        assert node_["username"]
        assert node_["transactions"]["totalCount"] >= 0
        assert node_["notes"]["nodes"][0]["text"].startswith("Note 1 about user ")
