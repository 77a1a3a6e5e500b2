"""Variables as they are typed on a command line."""

from typing import Any

import pytest

from server.execution.saved import SavedQuery
from server.execution.variables import WrongVariable, prepare
from tests.server import toy_schema

TEXT = """
query A($name: String, $span: Span, $ids: [ID!], $must: Int!) {
  room(name: $name) { name }
  double(number: $must)
  span(span: $span, ids: $ids)
}
"""


def read(*given: str, **example: Any) -> dict[str, Any]:
    operation, _ = prepare(toy_schema.schema, SavedQuery("A", "", TEXT, example), ["must=1", *given], None)
    assert operation.variables.pop("must") == 1
    return operation.variables


def test_the_type_says_how_a_text_is_read() -> None:
    assert read("name=12") == {"name": "12"}
    assert read("name=null") == {"name": "null"}
    assert read("name=a=b") == {"name": "a=b"}
    assert read("ids=382") == {"ids": 382}  # which the schema takes for a list of one
    assert read('ids=["382", 383]') == {"ids": ["382", 383]}
    assert read("ids=a,b") == {"ids": ["a", "b"]}
    assert read('span={"start": "x"}') == {"span": {"start": "x"}}
    assert read("span.start=2026", "span.days=3") == {"span": {"start": "2026", "days": 3}}
    assert read("span=null") == {"span": None}


def test_examples_fill_in_what_is_not_given() -> None:
    assert read(name="hall", span={"start": "x", "days": 1}) == {"name": "hall", "span": {"start": "x", "days": 1}}
    # A part that is given is not mixed with the example's other parts.
    assert read("span.start=y", span={"start": "x", "days": 9}) == {"span": {"start": "y"}}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("name", "'name' is not of the form name=value"),
        ("nome=1", "no variable 'nome'; it has: name, span, ids, must"),
        ("name.x=1", "name.x: there is nothing below name"),
        ("span.end=1", "span.end: Span has no 'end'; it has: start, days"),
    ],
)
def test_wrong_variables(given: str, says: str) -> None:
    with pytest.raises(WrongVariable, match=says):
        read(given)


def test_a_variable_is_whole_or_in_parts() -> None:
    with pytest.raises(WrongVariable):
        read('span={"start": "x"}', "span.days=1", "span={}")
    with pytest.raises(WrongVariable):
        read("span=null", "span.days=1")


def test_what_must_be_given_is_asked_for() -> None:
    with pytest.raises(WrongVariable, match="the operation needs must: give it as --var must="):
        prepare(toy_schema.schema, SavedQuery("A", "", TEXT), [], None)
