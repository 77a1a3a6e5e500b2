import datetime
from typing import Any

import msgspec
import pytest

from tests.upstream.examples import ROWS
from tests.upstream.ledger import START, movement
from upstream.caching import day_entry as parcel
from upstream.caching.day_entry import HEAD, UnreadableEntry
from upstream.reports.order import Claim, RowOrder, Share
from upstream.reports.rows import GroupMovementRow, Row
from upstream.reports.table import REPORTS

FETCH = b"12345678"


def packed(rows: list[Any], places: list[int] | None = None) -> bytes:
    return parcel.pack(Share(rows, Claim(RowOrder.DESCENDING, True), FETCH, places), START, 5)


@pytest.mark.parametrize("code", sorted(ROWS))
def test_the_rows_of_every_report_come_back_as_they_were(code: str) -> None:
    report = next(report for report in REPORTS if report.code == code)
    share = parcel.unpack(packed(ROWS[code])).share(report.row)
    assert share.rows == ROWS[code]
    assert [type(row) for row in share.rows] == [report.row] * len(ROWS[code])
    assert (share.claim, share.fetch, share.places) == (Claim(RowOrder.DESCENDING, True), FETCH, None)


def test_no_digit_no_sign_and_no_letter_is_lost() -> None:
    row = movement(2**63 - 1, START)
    row.currency_amount, row.username, row.ticket_id = "-0.12500", "ñ\u2028\U0001f3b1", None
    assert parcel.unpack(packed([row])).share(GroupMovementRow).rows == [row]


def test_the_head_alone_says_how_fresh_it_is() -> None:
    value = packed([movement(1, START), movement(2, START)], [4, 1])
    head = parcel.unpack(value[:HEAD])
    assert head.since == START
    assert head.fresh_until - head.asked == 5_000_000
    assert head.count == 2
    assert parcel.unpack(value).share(GroupMovementRow).places == [4, 1]


def test_a_day_without_rows_is_a_parcel_too() -> None:
    assert parcel.unpack(packed([])).share(GroupMovementRow).rows == []


def test_an_id_that_no_bytes_can_hold_is_refused() -> None:
    with pytest.raises(OverflowError):
        packed([movement(2**64, START)])


def test_whatever_is_no_parcel_is_unreadable_and_never_rows() -> None:
    value = packed([movement(1, START), movement(2, START)])
    with pytest.raises(UnreadableEntry):
        parcel.unpack(value[: HEAD - 1])
    with pytest.raises(UnreadableEntry):
        parcel.unpack(b"\xff" * HEAD)
    for spoilt in (value[:-1], value + b"\x00", value[:HEAD] + b"\xc1", value[:HEAD] + b"\x90", value[:HEAD]):
        with pytest.raises(UnreadableEntry):
            parcel.unpack(spoilt).share(GroupMovementRow)


def test_rows_of_another_form_have_another_name() -> None:
    forms = {parcel.form(report.row) for report in REPORTS}
    assert len(forms) == len(REPORTS)

    def described(**columns: Any) -> str:
        row = msgspec.defstruct("Changed", list(columns.items()), bases=(Row,), kw_only=True)
        row.__qualname__ = "Changed"
        return parcel.form(row)

    inner: Any = [
        msgspec.defstruct("Inner", [("id", kind)], bases=(Row,), kw_only=True, module="tests") for kind in (int, str)
    ]
    changed = [
        described(id=int),
        described(id=str),
        described(number=int),
        described(id=int | None),
        described(id=list[inner[0]] | None),
        described(id=list[inner[1]] | None),
    ]
    assert len(set(changed)) == len(changed)
    assert described(id=int) == described(id=int)


def test_the_time_of_asking_is_an_instant() -> None:
    assert parcel.unpack(packed([])).since.tzinfo is datetime.UTC
