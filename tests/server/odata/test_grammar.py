"""The grammar of `$filter`, `$orderby` and `$apply`: any text has an answer or an error, within bounded work."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.http.request_error import RequestError
from server.odata import filter as filters
from server.odata import grammar
from server.odata.tree import Among, Cut, Filtered, Grouped, Joint, Sorted
from server.tables.config import UTC
from server.tables.table import ValueKind
from tests.effort import tries
from tests.server.odata.test_limits import HOSTILE, KINDS, rows
from tests.server.tables.conftest import lending

WORDS = (
    "text", "whole", "price", "at", "day", "lent", "cover", "nope", "'a'", "''", "1", "-1", "1.5", "1e3",
    "2026-01-01", "2026-01-01T00:00:00Z", "2026-02-30", "null", "true", "10:00", " eq ", " ne ", " lt ", " ge ",
    " and ", " or ", "not ", " in ", " add ", "-", "(", ")", ",", ", ", " ", "/", "=", ":", "%", "$", "'",
    "contains(", "length(", "year(", "concat(", "any(", "now(", "geo.distance(", "duration'P1D'", "\n", "\0", "é",
    "01234567-89ab-cdef-0123-456789abcdef", "filter(", "groupby((", "aggregate(", " with ", " as ", "sum", "max",
    "countdistinct", "$count", "orderby(", "skip(", "top(", "concat(", "identity", " desc", "))", ")/", "$", "😀",
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(WORDS), max_size=25).map("".join),
    st.recursive(
        st.sampled_from(WORDS[:20]),
        lambda part: st.one_of(
            st.tuples(part, st.sampled_from([" eq ", " lt ", " and ", " or ", " add "]), part).map("".join),
            part.map("({})".format),
            part.map("not {}".format),
            st.tuples(part, st.just(" in ("), st.lists(part, min_size=1, max_size=3).map(", ".join), st.just(")"))
            .map("".join),
            st.lists(part, max_size=3).map(lambda parts: f"contains({','.join(parts)})"),
        ),
        max_leaves=15,
    ),
)  # fmt: skip
FUZZ = settings(max_examples=tries(100), deadline=None, suppress_health_check=list(HealthCheck))


def outcome(read: Callable[[], Any]) -> str:
    """The message of a refusal; any other error fails the test."""
    try:
        read()
    except RequestError as refusal:
        return f"{refusal.status} {refusal}"
    return ""


@FUZZ
@given(texts)
def test_any_filter(text: str) -> None:
    assert outcome(lambda: filters.read(text, KINDS, UTC, "at").mask(rows()))[:11] in ("", "400 $filter")


@FUZZ
@given(texts, st.sampled_from([grammar.FILTER, grammar.APPLY]))
def test_any_text_is_parsed_or_refused(text: str, option: str) -> None:
    said = outcome(lambda: grammar.parsed(text, option))
    assert said == "" or said.startswith(f"400 {option} ")
    said = outcome(lambda: grammar.ordered(text))
    assert said == "" or said.startswith("400 $orderby ")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with lending(tmp_path_factory.mktemp("spool")) as library:
        yield library.client


@settings(FUZZ, max_examples=tries(40))
@given(texts, texts, texts)
def test_any_option_over_http(client: httpx.Client, filter_: str, order: str, apply: str) -> None:
    for params in ({"$filter": filter_}, {"$orderby": order}, {"$apply": apply}, {"$apply": apply, "$filter": filter_}):
        if any(ord(letter) in range(0xD800, 0xE000) for text in params.values() for letter in text):
            continue  # no address can have it
        answer = client.get("/odata/Books", params=params)
        assert answer.status_code in (200, 400), (params, answer.text)
        if answer.status_code == 400:
            assert set(answer.json()["error"]) == {"code", "message"}


STEPS = (
    "filter(pages gt 3)", "groupby((cover))", "groupby((cover,lent),aggregate(pages with sum as n))", "identity",
    "aggregate(n with max as n)", "aggregate($count as n)", "orderby(n desc)", "orderby(cover)", "skip(1)", "top(2)",
    "filter(n gt 1)", "filter(cover eq null)", "groupby((n))", "aggregate(price with min as cover)",
)  # fmt: skip
pipes = st.recursive(
    st.lists(st.sampled_from(STEPS), min_size=1, max_size=4).map("/".join),
    lambda pipe: st.one_of(
        st.lists(pipe, min_size=2, max_size=3).map(lambda pipes: f"concat({','.join(pipes)})"),
        st.tuples(pipe, pipe).map("/".join),
    ),
    max_leaves=5,
)


@settings(FUZZ, max_examples=tries(40))
@given(pipes, st.sampled_from(["n gt 1", "cover ne null", None]), st.sampled_from(["n", "cover desc", None]))
def test_any_transformations(client: httpx.Client, apply: str, condition: str | None, order: str | None) -> None:
    params = {"$apply": apply, "$filter": condition, "$orderby": order}
    answer = client.get("/odata/Books", params={name: text for name, text in params.items() if text is not None})
    assert answer.status_code in (200, 400), (params, answer.text)


@pytest.mark.parametrize(
    "name",
    ["any", "all", "nullable", "trueish", "inside", "note", "filter", "sum", "with", "asc", "eq", "top", "$count"],
)
def test_a_column_may_have_the_name_of_a_word(name: str) -> None:
    kinds = {name: ValueKind("int64")}
    if name == "$count":
        assert "cannot be read" in outcome(lambda: filters.read(f"{name} eq 1", kinds, UTC))
        return
    table = pa.table({name: [1, 2, None]})
    for text in (f"{name} eq 1", f"( {name} eq 1 )", f"1 eq {name} and {name} in ( {name} )"):
        assert filters.read(text, kinds, UTC).mask(table).to_pylist() == [True, False, False]
    assert grammar.ordered(f"{name} desc, {name}") == ((name, "desc"), (name, ""))
    (step,) = grammar.parsed(f"groupby(({name}),aggregate({name} with sum as {name}))", grammar.APPLY)
    assert (step.by, step.aggregates[0].column, step.aggregates[0].alias) == ((name,), name, name)


def test_lists_with_one_item() -> None:
    for item in ("1", "length(text)", "( 1 )", "-1", "whole"):
        tree = grammar.parsed(f"whole in ({item})")
        assert isinstance(tree, Among)
        assert len(tree.items) == 1


def test_the_steps_of_a_transformation() -> None:
    steps = grammar.parsed(
        "filter(a eq 1) / groupby( ( a , b ) , aggregate( c with sum as d , $count as e ) )/orderby(d desc,a)/skip(1)"
        "/concat(identity,top(3))", grammar.APPLY,
    )  # fmt: skip
    assert [type(step) for step in steps] == [Filtered, Grouped, Sorted, Cut, Joint]
    assert steps[2].order == (("d", "desc"), ("a", ""))
    assert steps[4].branches == ((Cut(0, None),), (Cut(0, 3),))


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_for_a_hostile_text_is_bounded(name: str) -> None:
    """Counted in calls of functions, Python's and C's: a text of 4,000 characters costs less than 100 for each."""
    text = HOSTILE[name][0][:4000]
    outcome(lambda: filters.read("whole eq 1", KINDS, UTC))  # the parser is made once
    calls = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        outcome(lambda: filters.read(text, KINDS, UTC, "at"))
    finally:
        sys.setprofile(None)
    assert calls < 400_000


def test_deep_texts_do_not_reach_the_stack_of_python() -> None:
    limit = sys.getrecursionlimit()
    deep = "not (" * 90 + "whole eq 1" + ")" * 90
    sys.setrecursionlimit(900)
    try:
        assert outcome(lambda: filters.read(deep, KINDS, UTC)) == ""
        assert "250 operators" in outcome(lambda: filters.read("not " * 900 + "lent", KINDS, UTC))
    finally:
        sys.setrecursionlimit(limit)


def test_the_library_of_the_grammar_is_a_part_of_the_extra() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert '"lark>=' in text.partition("tables = [")[2].partition("]")[0]
    assert "sly" not in text
    assert "odata-query" not in text
