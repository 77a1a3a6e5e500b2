"""The saved operations: files in a folder, and what is said of broken ones."""

from pathlib import Path

import pytest

from server.execution.saved import BrokenQuery, SavedQuery, check, find, saved_queries
from tests.server import toy_schema

HALL = """# The hall,
# by its name.
# variables: {"name": "hall"}
query Hall($name: String!) { room(name: $name) { name } }
"""


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_file_is_an_operation(tmp_path: Path) -> None:
    path = put(tmp_path, "hall.graphql", HALL)
    put(tmp_path, "notes.txt", "{")
    (saved,) = saved_queries(tmp_path)
    assert saved == SavedQuery("Hall", "The hall, by its name.", HALL, {"name": "hall"}, path)
    assert saved.tab() == {
        "name": "Hall",
        "comment": "The hall, by its name.",
        "query": HALL,
        "variables": {"name": "hall"},
    }
    check([saved], toy_schema.schema)
    assert find("Hall", [saved]) is saved
    assert find("hall", [saved]) is saved


def test_a_file_elsewhere_needs_no_name(tmp_path: Path) -> None:
    path = put(tmp_path, "my.graphql", "{ must }")
    assert find(str(path), []).text == "{ must }"
    with pytest.raises(BrokenQuery, match=r"no saved query and no file called Hal; did you mean Hall\?"):
        find("Hal", [SavedQuery("Hall", "", "")])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "queries/x.graphql: Syntax Error"),
        ("{ must }", "queries/x.graphql: it must hold one operation, with a name"),
        ("query A { must } query B { must }", "queries/x.graphql: it must hold one operation, with a name"),
        ("# variables: {\nquery A { must }", "queries/x.graphql: its example variables are not JSON"),
        ("# variables: []\nquery A { must }", "queries/x.graphql: its example variables are not an object"),
        ("\n\nquery A { none }", "queries/x.graphql, line 3: Cannot query field 'none'"),
        ('# variables: {"x": 1}\nquery A { must }', "the example names $x, which it does not have"),
        (
            '# variables: {"n": "one"}\nquery A($n: Int!) { double(number: $n) }',
            "queries/x.graphql: its example variables: Variable '$n'",
        ),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    put(tmp_path, "x.graphql", text)
    with pytest.raises(BrokenQuery) as broken:
        check(saved_queries(tmp_path), toy_schema.schema)
    assert says in str(broken.value)
    assert "\n" not in str(broken.value)


def test_names_are_unique(tmp_path: Path) -> None:
    put(tmp_path, "a.graphql", "query A { must }")
    put(tmp_path, "b.graphql", "query A { must }")
    with pytest.raises(BrokenQuery, match=r"queries/b.graphql: A is already in queries/a.graphql"):
        saved_queries(tmp_path)
