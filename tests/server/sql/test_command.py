"""`gamehub-graph sql`, as a person runs it."""

from pathlib import Path

import orjson

from tests import programs
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

STATEMENT = "SELECT id, name FROM groups WHERE id IN ('382', '383') ORDER BY id"


def run(sandbox: Sandbox, folder: Path, *arguments: str, code: int = 0, stdin: str = "") -> tuple[str, str]:
    environment = {**settings(sandbox), "ERROR_JOURNAL": str(folder / "errors.sqlite"), "HOME": str(folder)}
    ran = programs.run("sql", *arguments, folder=folder, environment=environment, given=stdin, fresh=bool(stdin))
    assert ran.returncode == code, (ran.stdout, ran.stderr)
    assert "Traceback" not in ran.stderr
    return ran.stdout, ran.stderr


def test_a_result_is_written_to_stdout(sandbox: Sandbox, tmp_path: Path) -> None:
    written, _ = run(sandbox, tmp_path, "-", stdin=STATEMENT)
    first, *lines = written.splitlines()
    assert first == "id,name"
    assert [line.partition(",")[0] for line in lines] == ["382", "383"]
    written, _ = run(sandbox, tmp_path, STATEMENT, "--format", "json")
    assert [row[0] for row in orjson.loads(written)["rows"]] == ["382", "383"]


def test_a_wrong_statement_is_wrong_use(sandbox: Sandbox, tmp_path: Path) -> None:
    written, said = run(sandbox, tmp_path, "SELECT * FROM transactions", code=2)
    assert written == ""
    assert said.startswith("gamehub-graph: transactions is read by user_id or group_id: say which")
    assert "there is no format 'xml'" in run(sandbox, tmp_path, STATEMENT, "--format", "xml", code=2)[1]
    unknown = "SELECT * FROM transactions WHERE group_id = '999999' AND date(timestamp) = '2026-03-14'"
    assert "there is no group" in run(sandbox, tmp_path, unknown, code=1)[1]
