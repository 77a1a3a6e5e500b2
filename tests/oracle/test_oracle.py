"""The product and the oracle answer the same random documents, under random settings, without a difference."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.effort import tries
from tests.oracle.documents import Question
from tests.oracle.evaluator import Opaque
from tests.oracle.runner import Case, Run
from tests.oracle.stand import Stand, draw, stands
from tests.upstream.redis_server import RedisServer

SEED = "2026-11-28"
DOCUMENTS = tries(160)


def test_the_product_answers_as_the_oracle_does(tmp_path: Path) -> None:
    run = Run(SEED, DOCUMENTS)
    with RedisServer(tmp_path) as redis, stands(redis.url) as shared:
        failures = list(run.over(shared))
    assert not failures, str(failures[0])
    assert run.compared >= DOCUMENTS


# Documents that the product once answered wrongly.
FOUND = [
    # The bulk report has no name for this room, so the report of a game is read, also if only the games name the room.
    "{ room(id: 2) { games(during: {frame: LAST_WEEK}) { nodes { room { name } } } } }",
    "{ room(id: 2) { games(during: {frame: LAST_WEEK}) { buckets(by: [ROOM]) { key { room { name } } } } } }",
    # The room had no game on the first day that is selected.
    """{ room(id: 2) { a: games(during: {dates: {from: "2026-02-01", to: "2026-02-01"}}) { totalCount }
      games(during: {frame: LAST_WEEK}) { nodes { room { name } } } } }""",
    # The ids of two agents overlap, and the periods are read in parts.
    """{ gameLogs(during: {dates: {from: "2026-10-24", to: "2026-11-02"}}) { totals { count users win bet } } }""",
    # Items that do not name their parent.
    """{ groups(ids: ["10", "111", "100", "110"]) { nodes { financialMovements(during: {frame: THIS_MONTH}) {
      totals { count } buckets(by: [SUBTYPE], orderBy: AMOUNT_DESC) { totals { sums { amount } } } } } } }""",
    '{ group(id: 100) { dailyTotals(during: {dates: {from: "2026-10-01", to: "2026-10-09"}}, by: null) { net } } }',
]


@pytest.fixture(scope="module")
def found() -> Iterator[Stand]:
    with (
        stands(None) as shared,
        shared.open(replace(draw("s1/8", frozenset()), compiled=True, failing=0)) as stand,
    ):
        yield stand


@pytest.mark.parametrize("text", FOUND)
def test_what_was_found(text: str, found: Stand) -> None:
    wrong, _, (answer, _) = Case(found, Question(text), None).wrong(Opaque())
    assert not wrong
    assert answer
