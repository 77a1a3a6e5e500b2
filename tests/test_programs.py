"""A copy of the template is a process as good as a fresh one: it has its own environment, folder, output and end."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.programs import Piped, run
from tests.served import launched


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (("--help",), {"COLUMNS": "90"}),
        (("query", "GroupWolk"), {}),
        (("serve",), {"GAMEHUB_TIMEZONE": "Mars"}),
        (("keys", "list"), {"KEYS_FILE": "keys.sqlite"}),
        (("no-such-command",), {"COLUMNS": "60"}),
    ],
)
def test_a_copy_does_what_a_fresh_one_does(
    arguments: tuple[str, ...], settings: dict[str, str], tmp_path: Path
) -> None:
    environment = {"PATH": os.environ["PATH"], "ERROR_JOURNAL": "errors.sqlite", **settings}
    copied, fresh = (run(*arguments, folder=tmp_path, environment=environment, fresh=each) for each in (False, True))
    assert copied.stdout + copied.stderr != ""
    assert (copied.returncode, copied.stdout, copied.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_signals_reach_it_and_its_exit_code_is_known(number: int, code: int, tmp_path: Path) -> None:
    settings = {"GAMEHUB_URL": "http://127.0.0.1:9", "GAMEHUB_TOKEN": "token"}
    with launched(tmp_path, **settings) as (_, process):
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.poll() == code


def test_it_ends_with_its_input(tmp_path: Path) -> None:
    options = ("--port", "0", "--users", "2", "--days", "1", "--database", str(tmp_path / "world"))
    program = Piped(
        "sandbox", "--announce", "--stop-with-stdin", *options, folder=tmp_path, environment=dict(os.environ)
    )
    assert "gamehub_url" in program.stdout.readline()
    program.close(timeout=30)
    assert program.returncode == 0
