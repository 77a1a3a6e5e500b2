"""The unit of systemd, checked by systemd itself."""

import re
import subprocess
from pathlib import Path

from server.settings.settings import Settings
from tests.deploy.programs import DEPLOY
from tests.requirements import require

UNIT = DEPLOY / "gamehub-graph.service"
# systemd's own measure, from 0 (nothing is allowed) to 10. An ordinary service has 9.6.
MOST_EXPOSED = 2.0


def lines() -> dict[str, list[str]]:
    """Return the values of each option."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "gamehub-graph"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/gamehub-graph/bin/gamehub-graph", str(program)))
    verified = subprocess.run(
        [require("systemd-analyze"), "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("KillMode=mixed", "KillMode=some"))
    verified = subprocess.run(
        [require("systemd-analyze"), "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert "kill mode" in verified.stderr


def test_little_is_allowed() -> None:
    command = [require("systemd-analyze"), "security", "--offline=true", "--no-pager", str(UNIT)]
    looked = subprocess.run(command, capture_output=True, text=True, check=True)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", looked.stdout)
    assert float(exposure) < MOST_EXPOSED


def test_the_times_are_above_drain_and_stop() -> None:
    settings = dict(text.partition("=")[::2] for text in lines()["Environment"])
    assert settings.keys() - {"HOME"} <= {name.upper() for name in Settings.model_fields}
    assert int(lines()["TimeoutStopSec"][0]) > 10 + int(settings["DRAIN_SECONDS"]) + int(settings["STOP_SECONDS"])


def test_tokens_are_credentials() -> None:
    loaded = {text.partition(":")[0] for text in lines()["LoadCredential"]}
    read = {text.partition("=%d/")[2] for text in lines()["Environment"] if "=%d/" in text}
    assert loaded == read
