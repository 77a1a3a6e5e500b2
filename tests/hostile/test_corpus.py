"""Every hostile request is answered as the corpus has it: clearly, shortly, and never with a 5xx."""

from collections import Counter

import orjson
import pytest

from tests.hostile.corpus import CASES, Case
from tests.hostile.wire import send

LONGEST = 20_000
MOST_ERRORS = 20


def test_the_corpus_is_one() -> None:
    assert len(CASES) >= 200
    assert [name for name, count in Counter(case.name for case in CASES).items() if count > 1] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile(case: Case, address: str) -> None:
    answer = send(address, case.request)
    assert (answer.status, (answer.codes() or [None])[0]) == (case.status, case.code), answer.body[:500]
    assert len(answer.body) < LONGEST
    assert len(answer.codes()) <= MOST_ERRORS
    assert answer.headers["x-content-type-options"] == "nosniff"
    body = orjson.loads(answer.body)
    assert all(error["message"] and len(error["message"]) < 2000 for error in body.get("errors", ()))


def test_the_server_is_as_well_as_before(address: str) -> None:
    """After all of them: a request that means no harm."""
    ordinary = next(case for case in CASES if case.name == "a GET from this page")
    assert send(address, ordinary.request).body == b'{"data":{"__typename":"Query"}}'
