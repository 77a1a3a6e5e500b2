"""The plan as a table, and the command that prints it."""

from pathlib import Path

import pytest
from rich.console import Console

from server.execution.explain import table
from tests import programs
from tests.queries.answers import Answer
from tests.stand import Sandbox

PLAN = {
    "calls": 51,
    "fewest": 1,
    "most": 201,
    "depends": True,
    "rows": 1050,
    "seconds": 0.25,
    "plan": [
        {
            "report": "R9",
            "parameters": {"fkgroup": 382},
            "calls": 1,
            "held": 0,
            "rows": 50,
            "seconds": 0.05,
            "way": "per_key",
            "fields": ["Group.users"],
            "rejected": [],
        },
        {
            "report": "R7",
            "parameters": {"user_id": {"distinct": 50}},
            "calls": 50,
            "held": 2,
            "rows": 1000,
            "seconds": 0.2,
            "way": "per_key",
            "fields": ["User.transactions"],
            "rejected": [{"way": "bulk", "report": "R5", "calls": 1, "rows": 9000, "price": 0.3}],
        },
    ],
}


def printed(*tables: object) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(*tables)
    return capture.get()


def test_a_line_tells_alike_calls_and_what_was_rejected() -> None:
    first, second, *rest = printed(table(PLAN)).splitlines()[1:]
    assert first.split() == ["R9", "fkgroup", "382", "per_key", "1", "50", "50.0", "Group.users", "-"]
    assert "user_id (50 of them)" in second
    assert "50 + 2 held" in second
    assert "bulk: 1 × R5, 300 ms" in second
    assert rest[0].startswith("51 upstream calls, from 1 to 201: what later ones need is not known yet")


def test_what_happened_stands_beside_it() -> None:
    step = {**PLAN["plan"][0], "start": 0.0, "seconds": 0.02, "rows": 49, "cache": "miss"}  # type: ignore[index]
    surprise = {**step, "report": "R8", "parameters": {"id": 382}}
    text = printed(table(PLAN, [step, surprise]))
    assert text.splitlines()[1].split()[4:10] == ["1", "50", "50.0", "1", "49", "20.0"]
    assert "not foreseen" in text
    assert "made: 2; 98 rows" in text


@pytest.mark.parametrize("run", [False, True])
def test_the_command_prints_it(run: bool, sandbox: Sandbox, tmp_path: Path) -> None:
    during = Answer.read("GroupWalk").variables["during"]["between"]
    sandbox.reset()
    done = programs.run(
        "explain",
        "GroupWalkInGroup",
        *(f"--var=during.between.{name}={value}" for name, value in during.items()),
        *(["--run", "--code"] if run else []),
        folder=tmp_path,
        fresh=run,
        environment={
            "GAMEHUB_URL": sandbox.gamehub_url,
            "GAMEHUB_TOKEN": sandbox.gamehub_token,
            "GAMELOG_URL": sandbox.gamelog_url,
            "GAMELOG_AGENT_CODE": sandbox.agent_code,
            "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
            "ERROR_JOURNAL": str(tmp_path / "errors.sqlite"),
        },
    )
    assert done.returncode == 0, done.stderr
    assert "7 upstream calls" in done.stdout
    assert len(sandbox.calls()) == (7 if run else 0)
    assert ("made: 7" in done.stdout) is run
    # The pages of the transactions, on rows.
    assert ("# operation.group.users.nodes.transactions: TransactionConnection on rows\n" in done.stdout) is run
    assert sandbox.gamehub_token not in done.stdout + done.stderr


def test_a_query_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    done = programs.run("explain", "GroupWolk", folder=tmp_path, environment={})
    assert done.returncode == 2
    assert "did you mean GroupWalk" in done.stderr
