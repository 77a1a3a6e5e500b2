"""Every saved query answers exactly what was recorded, with exactly the upstream calls that were recorded."""

from typing import Any

import pytest

from tests.graph import Graph
from tests.queries.answers import FOLDER, Answer, empty_lists, has_rows, saved
from upstream.reports.table import REPORTS


@pytest.mark.parametrize("name", saved())
async def test_its_answer_is_the_recorded_one(name: str, graph: Graph) -> None:
    answer = Answer.read(name)
    assert answer.data is not None, f"record the answer of {name}: make answers"
    found = await graph.ask(saved()[name], **answer.variables)
    assert found.errors == []
    assert found.data == answer.data
    assert found.reports == answer.calls


@pytest.mark.parametrize("name", saved())
def test_its_recorded_answer_has_rows(name: str) -> None:
    assert has_rows(Answer.read(name).data), f"give {name} variables with rows and record it again: make answers"


async def test_a_new_query_is_recorded_with_the_variables_of_its_comment(graph: Graph) -> None:
    assert await graph.example("Users") == {"group": "382"}
    # The id of a game is looked up in the answer of another saved query.
    assert (await graph.example("GameTotals"))["game"].isdecimal()


@pytest.mark.parametrize(
    ("data", "rows", "empty"),
    [
        (None, False, []),
        ({"group": None}, False, []),
        ({"group": {"id": "1"}}, True, []),
        ({"group": {"id": "1", "days": []}}, False, ["group.days"]),
        ({"games": {"totalCount": 0, "nodes": []}}, False, ["games.nodes"]),
        ({"users": [{"logs": []}, {"logs": []}]}, True, ["users.logs"]),
        ({"users": [{"logs": []}, {"logs": [1]}]}, True, []),
    ],
)
def test_an_empty_answer_is_recognised(data: Any, rows: bool, empty: list[str]) -> None:
    assert (has_rows(data), empty_lists(data)) == (rows, empty)


def test_together_they_use_every_report_of_both_systems() -> None:
    used = {report for name in saved() for report in Answer.read(name).calls}
    unused = [f"{each.code} {each.title}" for each in REPORTS if each.report_type not in used]
    assert unused == [], "write a saved query that uses it (queries/), then run `make answers`"
    assert used == {each.report_type for each in REPORTS}


def test_no_answer_is_left_of_a_query_that_is_gone() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == saved().keys()


@pytest.mark.parametrize("name", saved())
def test_it_says_what_it_shows_and_is_named_after_its_file(name: str) -> None:
    first, *_ = saved()[name].splitlines()
    assert first.startswith("# ")
    assert f"query {name}" in saved()[name]
