"""Veiled rows: some rows of an answer, of which a caller may not see the others."""

import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.upstream.decoding.test_partial_row import ids, log
from upstream.call import Answer
from upstream.decoding import partial_rows
from upstream.decoding.envelope import LogPage, log_page
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_row import PartialRow
from upstream.decoding.veiled_rows import veiled
from upstream.errors import Malformed
from upstream.reports import rows
from upstream.reports import table as reports


@pytest.fixture(scope="module", autouse=True)
def of_short_answers_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial_rows, "_LONG_ANSWER", 0)
        yield


def page(*numbers: int, **changes: Any) -> LazyRows:
    """Return partial rows of the game log, of which the second row has changes."""
    logs = [log(number) for number in numbers]
    for each in logs:
        each["txn_id"] = str(each["history_id"])
    logs[1] |= changes
    body = json.dumps({"status": 1, "total_count": len(logs), "slot": logs}, separators=(",", ":")).encode()
    found = log_page(reports.GAME_LOGS, "slot", body, ZoneInfo("UTC"), {"history_id", "user_code", "bet_money"})
    assert isinstance(found, LogPage)
    assert isinstance(found.rows, LazyRows)
    assert found.rows.partial
    return found.rows


def test_the_answer_and_its_veiled_rows_are_read_apart() -> None:
    answer = page(1, 2, 3, 4)
    some = veiled(answer, [1, 3], {1: ("user_code", "txn_id")})
    assert ids(some) == [2, 4]
    assert [row.user_code for row in some] == [answer[1].user_code, None]  # type: ignore[attr-defined]
    assert answer[3].user_code is not None  # type: ignore[attr-defined]
    assert some.excerpt
    parts = list(some)
    some.read({"txn_id"})
    assert [type(row) for row in some] == [rows.GameLogRow] * 2
    assert [row.txn_id for row in some] == ["2", None]  # type: ignore[attr-defined]
    assert [row.user_code for row in some][1] is None  # type: ignore[attr-defined]
    assert some.whole(parts) == list(some)
    assert answer[3].txn_id == "4"  # type: ignore[attr-defined]
    answer.read({"created_at"})
    assert [row.created_at for row in answer][1:4:2] == [row.created_at for row in some]  # type: ignore[attr-defined]


@pytest.mark.parametrize("pages", [1, 2])
def test_a_head_of_veiled_rows_keeps_no_other_rows(pages: int) -> None:
    parts = [page(*range(1, 9)), page(*range(11, 19))][:pages]
    answer = parts[0] if pages == 1 else LazyRows.joined(parts)
    places = [1, 2, 5, 7] if pages == 1 else [1, 5, 9, 15]
    some = veiled(answer, places, {0: ("user_code",), 2: ("user_code",)})
    head = some.head(3)
    assert ids(head) == ids(some)[:3]
    assert not head.excerpt
    head.read()
    assert ids(head) == ids(some)[:3]
    assert [row.user_code is None for row in head] == [True, False, True]  # type: ignore[attr-defined]
    assert [type(row) for row in head] == [rows.GameLogRow] * 3
    assert isinstance(some[0], PartialRow)
    assert isinstance(answer[0], PartialRow)
    assert Answer(some).excerpt


def test_a_bad_value_of_a_hidden_row_is_not_found_and_that_of_a_visible_one_is_veiled() -> None:
    answer = page(1, 2, 3, bet_money="secret 7")
    others, own = veiled(answer, [0, 2]), veiled(answer, [1, 2])
    others.read({"bet_money"})
    assert others.partial
    assert not others.irregular
    own.read({"bet_money"})
    assert own.irregular == {"bet_money"}
    with pytest.raises(Malformed) as raised:
        str(own[0].bet_money)  # type: ignore[attr-defined]
    assert str(raised.value) == f"G1: {Malformed.plain}"
    assert own[1].bet_money == "1.50"  # type: ignore[attr-defined]
    with pytest.raises(Malformed, match="row 2, column bet_money: 'secret 7'"):
        str(answer[1].bet_money)  # type: ignore[attr-defined]


def test_whole_rows_that_cannot_be_read_raise_an_error_without_details(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = page(1, 2, 3)

    def fail(*_: Any) -> Any:
        raise Malformed("G1, row 2: secret")

    monkeypatch.setattr(type(answer._source), "rows", fail)
    with pytest.raises(Malformed) as raised:
        veiled(answer, [0]).read(None)
    assert str(raised.value) == f"G1: {Malformed.plain}"
