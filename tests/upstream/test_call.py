"""Calls are checked once, and the columns of an answer are read in one way."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from upstream.call import Answer, Call
from upstream.decoding.envelope import report_rows
from upstream.decoding.lazy_rows import LazyRows
from upstream.errors import Malformed
from upstream.reports.request import BadParameter, checked
from upstream.reports.rows import UserRow
from upstream.reports.table import GROUP_MOVEMENTS, USERS

UTC = ZoneInfo("UTC")


def answer(*amounts: object) -> Answer[Any]:
    """Rows of R5 as they are decoded for a reader of no column."""
    rows = [
        {"movement_id": number, "timestamp": 1_000, "type": "Bingo - Wager", "currency_amount": amount}
        for number, amount in enumerate(amounts, 1)
    ]
    found = report_rows(GROUP_MOVEMENTS, orjson.dumps({"report": rows}), UTC, columns=(), needed=())
    assert isinstance(found, LazyRows)
    return Answer(found)


def test_a_call_is_checked_once() -> None:
    call = checked(Call.of(USERS, id="7"))
    assert call.params == (("id", 7),)
    assert call.checked
    assert checked(call) is call
    assert call.with_columns(frozenset({"id"})).checked
    assert not Call.of(USERS, id=7).with_columns(None).checked
    assert call == Call.of(USERS, id=7)


def test_a_changed_call_is_checked_again() -> None:
    changed = replace(checked(Call.of(USERS, id=7)), params=(("id", -1),))
    assert not changed.checked
    with pytest.raises(BadParameter):
        checked(changed)


def test_columns_are_readable_once_they_are_read() -> None:
    found = answer("5", 1)
    assert [row.currency_amount for row in found.read(("currency_amount",))] == ["5.00", "1.00"]
    assert [row.timestamp for row in found.read(None)] == [1_000_000_000] * 2


def test_a_bad_value_is_an_error_only_for_a_reader_who_requires_it() -> None:
    found = answer("5", "much")
    assert len(found.read(("currency_amount",))) == 2
    assert set(found.irregular) == {"currency_amount"}
    assert len(found.require(("movement_id",))) == 2
    with pytest.raises(Malformed, match="R5, row 2, column currency_amount"):
        found.require(("currency_amount",))


def test_some_rows_of_an_answer_know_its_bad_values() -> None:
    found = answer("5", "much")
    found.read(None)
    some = found.like(found.rows[1:])
    assert set(some.irregular) == {"currency_amount"}
    assert len(found.head(1)) == 1
    assert set(Answer.joined([found.rows, some.rows]).irregular) == {"currency_amount"}
    with pytest.raises(Malformed):
        some.require(("currency_amount",))


def test_rows_that_were_made_need_no_reading() -> None:
    rows = [UserRow(id=1)]
    made = Answer(rows)
    assert made.read(None) is rows
    assert made.require(("id",)) is rows
    assert made.whole(rows) is rows
    assert made.like(rows[:0]).rows == []
    assert (made.irregular, made.readings, made.provenance.outcome) == ((), (), "off")
