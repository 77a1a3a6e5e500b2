"""Samples: the last answers, within bounds."""

from resolvers.prediction import samples
from resolvers.prediction.samples import Samples
from upstream.call import Answer, Call
from upstream.errors import NotFound
from upstream.reports import rows
from upstream.reports.table import GROUPS, USERS


def people(*ids: int) -> list[rows.Row]:
    return [rows.UserRow(id=id) for id in ids]


def test_the_last_answer_of_a_call_stands_for_the_next() -> None:
    kept, call = Samples(), Call.of(USERS, fkgroup=382)
    kept.keep(call, Answer(people(1, 2)))
    kept.keep(call, Answer(people(3)))
    sample = kept.of(call)
    assert sample is not None
    assert [row.id for row in sample.rows] == [3]  # type: ignore[attr-defined]


def test_a_call_that_was_never_made_is_like_others_of_its_kind() -> None:
    kept = Samples()
    kept.keep(Call.of(USERS, fkgroup=382), Answer(people(1, 2)))
    assert kept.of(Call.of(USERS, fkgroup=383)) is None
    like = kept.like(Call.of(USERS, fkgroup=383))
    assert like is not None
    assert like.count == 2
    assert kept.like(Call.of(USERS, id=1)) is None
    assert kept.like(Call.of(GROUPS)) is None


def test_an_entity_that_is_not_there_stands_for_no_other() -> None:
    kept, call = Samples(), Call.of(USERS, id=1)
    kept.keep(call, Answer([]), NotFound("no such user"))
    assert (known := kept.of(call)) is not None
    assert known.unknown is not None
    assert kept.like(Call.of(USERS, id=2)) is None


def test_there_is_an_end_to_what_is_kept() -> None:
    kept = Samples()
    many = people(*range(samples.MOST_OF_ONE + 1))
    for group in range(1, samples.MOST_ROWS // samples.MOST_OF_ONE + 3):
        kept.keep(Call.of(USERS, fkgroup=group), Answer(many))
    assert kept.of(Call.of(USERS, fkgroup=1)) is None
    newest = kept.of(Call.of(USERS, fkgroup=group))
    assert newest is not None
    assert (len(newest.rows), newest.count) == (samples.MOST_OF_ONE, samples.MOST_OF_ONE + 1)
