"""The journal stores enough of an answer to repair the fault, and no person's name or money."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream.errors import Malformed
from upstream.evidence import evidence
from upstream.journal import Journal

ROWS = {
    "error": False,
    "report": [
        {"id": 71, "username": "Ana Müller", "user_id": 2001, "amount": "-12.50", "at": "2026-03-10 09:08", "ok": True},
        {"id": 72, "username": '\\u0041"na', "user_id": 2002, "amount": 7.25, "prizes": [{"won": "3,00", "to": None}]},
    ],
}


def test_of_rows_their_form_is_kept_and_of_the_column_at_fault_its_value() -> None:
    kept = json.loads(evidence(json.dumps(ROWS, ensure_ascii=False).encode(), "prizes[0].won"))
    first, second = kept["report"]
    assert kept["error"] is False
    assert first == {
        "id": 71, "username": "xxx xxxxxx", "user_id": 2001, "amount": "-99.99", "at": "9999-99-99 99:99", "ok": True,
    }  # fmt: skip
    assert second["prizes"] == [{"won": "3,00", "to": None}]
    assert second["amount"] == 9.99
    assert "Ana" not in str(kept)


@pytest.mark.parametrize(
    "text",
    [
        '{"error": true, "code": "10018", "message": "Room 7 is closed"}',
        '{"status": 0, "msg": "INVALID_PARAMETER", "detail": {"field": "start", "is": ["2026"]}}',
        "<html><body>Sign in to Proxy 7</body></html>",
        "",
        "12345",
        "Ana",
    ],
)
def test_what_an_answer_says_of_itself_stays(text: str) -> None:
    assert evidence(text.encode()) == text.encode()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"report": [{"username": "Ana', '{"report": [{"username": "xxx'),
        ('{"report": [{"username": "An\\', '{"report": [{"username": "xx\\'),
        ('{"id": 5, "username": "Ana"}', '{"id": 5, "username": "xxx"}'),
        ('[{"username": "Ana"}, Ana]', '[{"username": "xxx"}, xxx]'),
        ('["Ana", ["Ana"]]', '["xxx", ["xxx"]]'),
        ('{"report": {"id": "abc-1", "external_user_id": "77", "total": NaN}}',
         '{"report": {"id": "xxx-9", "external_user_id": "99", "total": NaN}}'),
        ('\ufeff{"slot": [{"balance": 1}], "total_count": 17}', '\ufeff{"slot": [{"balance": 9}], "total_count": 17}'),
        ("}]{", "}]{"),
    ],
)  # fmt: skip
def test_what_is_cut_or_odd_is_masked_too(text: str, kept: str) -> None:
    assert evidence(text.encode()).decode() == kept


def test_bytes_that_are_no_text_stay_bytes() -> None:
    assert evidence(b'{"report": [{"name": "Jos\xe9"}]}') == b'{"report": [{"name": "xxx\xe9"}]}'


PLAIN = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(VALUES)
def test_json_stays_json_of_the_same_form_and_no_letter_of_a_value_passes(value: Any) -> None:
    text = json.dumps({"report": [value]}, ensure_ascii=False)
    masked = json.loads(evidence(text.encode("utf-8", "surrogatepass")), strict=False)

    def compare(one: Any, other: Any, name: str = "") -> None:
        if isinstance(one, dict):
            assert list(one) == list(other)
            for key in one:
                compare(one[key], other[key], key)
        elif isinstance(one, list):
            assert len(one) == len(other)
            for left, right in zip(one, other, strict=True):
                compare(left, right, name)
        elif isinstance(one, str):
            assert not any(letter.isalpha() and letter != "x" for letter in other)
        else:
            assert type(one) is type(other)

    compare({"report": [value]}, masked)


def test_the_journal_keeps_no_more(journal: Journal) -> None:
    payload = json.dumps(ROWS).encode()
    journal.record(Malformed("wrong", report="R5", column="amount", payload=payload))
    (entry,) = journal.entries()
    assert entry.payload is not None
    assert b"-12.50" in entry.payload
    assert b"2026-03-10" not in entry.payload
    assert b"Ana" not in entry.payload
