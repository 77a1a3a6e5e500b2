from typing import Any

import pytest

from tests.sandbox.conftest import Ask
from tests.stand import Sandbox


def test_an_answer_has_the_documented_keys_and_types(ask: Ask) -> None:
    page = ask.log(perPage=2).json()
    assert list(page) == ["status", "total_count", "page", "perPage", "slot"]
    assert (page["status"], page["page"], page["perPage"], len(page["slot"])) == (1, 0, 2, 2)
    row = page["slot"][0]
    assert list(row) == [
        *("history_id", "agent_code", "user_code", "provider_code", "game_code", "type", "bet_money", "win_money"),
        *("txn_id", "txn_type", "user_start_balance", "user_end_balance", "agent_start_balance", "agent_end_balance"),
        "created_at",
    ]
    assert row["created_at"] == "2026-03-15T00:23:48.000Z"
    assert (row["type"], row["txn_type"], len(row["txn_id"])) == ("BASE", "debit_credit", 32)


def test_pages_from_0_join_up_to_the_whole(ask: Ask) -> None:
    whole = ask.log(perPage=1_000_000).json()
    assert whole["total_count"] == len(whole["slot"]) > 1000
    pages = [ask.log(page=page, perPage=500).json() for page in range(4)]
    assert {page["total_count"] for page in pages} == {whole["total_count"]}
    assert [row for page in pages for row in page["slot"]] == whole["slot"]
    assert pages[3]["slot"] == []


def test_the_agents_log_holds_every_users(ask: Ask) -> None:
    whole = ask.log(perPage=1_000_000).json()["slot"]
    codes = {user["username"] for user in ask.rows("api_users_report")}
    assert {row["user_code"] for row in whole} <= codes
    for code in sorted(codes)[:10]:
        mine = ask.log(user_code=code, perPage=1_000_000).json()
        assert mine["slot"] == [row for row in whole if row["user_code"] == code]


def test_balances_run_on_and_money_is_neither_made_nor_lost(ask: Ask) -> None:
    rows = ask.log(start="2026-03-08 00:00:00", perPage=1_000_000).json()["slot"]
    cents: list[dict[str, Any]] = [
        {name: round(value * 100) if isinstance(value, int | float) else value for name, value in row.items()}
        for row in rows
    ]
    last: dict[str, int] = {}
    agent = cents[0]["agent_start_balance"]
    assert len({row["history_id"] for row in rows}) == len(rows)
    for row in cents:
        gain = row["win_money"] - row["bet_money"]
        assert row["user_end_balance"] == row["user_start_balance"] + gain >= 0
        assert row["user_start_balance"] == last.get(row["user_code"], row["user_start_balance"])
        assert row["agent_start_balance"] == agent
        assert row["agent_end_balance"] == agent - gain
        last[row["user_code"]], agent = row["user_end_balance"], row["agent_end_balance"]
        if row["type"] == "FREE":
            assert row["bet_money"] == 0


def test_start_and_end_are_included(ask: Ask) -> None:
    row = ask.log(perPage=1).json()["slot"][0]
    instant = row["created_at"][:19].replace("T", " ")
    assert row in ask.log(start=instant, end=instant).json()["slot"]


def test_nothing_of_the_future_is_told(ask: Ask) -> None:
    rows = ask.log(end="2026-03-31 00:00:00", perPage=1_000_000).json()["slot"]
    assert max(row["created_at"] for row in rows) <= "2026-03-15T12:00:00.000Z"
    assert ask.log(start="2026-03-16 00:00:00", end="2026-03-31 00:00:00").json()["total_count"] == 0


def test_another_type_of_game_has_a_key_of_its_own(ask: Ask) -> None:
    assert ask.log(game_type="live").json() == {"status": 1, "total_count": 0, "page": 0, "perPage": 1000, "live": []}


def test_an_agent_that_serves_nobody_has_no_rows(ask: Ask) -> None:
    page = ask.log(agent_code="sandbox-idle-agent", agent_token="sandbox-idle-agent-token").json()
    assert (page["status"], page["total_count"], page["slot"]) == (1, 0, [])


FAILURES = [
    ({"perPage": 1_000_001}, "Invalid Parameter.", "perPage must be less than or equal to 1000000"),
    ({"perPage": 0}, "Invalid Parameter.", "perPage must be greater than or equal to 1"),
    ({"page": -1}, "Invalid Parameter.", "page must be greater than or equal to 0"),
    ({"page": "0"}, "Invalid Parameter.", "page must be an integer number"),
    ({"start": "2026-03-15"}, "Invalid Parameter.", "start must be a date and time in the format yyyy-MM-dd HH:mm:ss"),
    ({"end": "2026-03-14 00:00:00"}, "Invalid Parameter.", "end must be greater than or equal to start"),
    ({"game_type": "chess"}, "Invalid Parameter.", "game_type must be one of slot, live"),
    ({"game_type": None}, "Invalid Parameter.", "game_type is required"),
    ({"method": "get_money"}, "Invalid Method.", "method must be get_game_log"),
    ({"agent_token": "wrong"}, "Invalid Agent.", "agent_code or agent_token is wrong"),
    ({"agent_code": "wrong"}, "Invalid Agent.", "agent_code or agent_token is wrong"),
    ({"user_code": "nobody"}, "Invalid User.", "user_code does not exist"),
]


@pytest.mark.parametrize(("body", "msg", "detail"), FAILURES)
def test_failures(ask: Ask, body: dict[str, Any], msg: str, detail: str) -> None:
    answer = ask.log(**body)
    assert answer.status_code == 200
    assert answer.json() == {"status": 0, "msg": msg, "detail": detail}


def test_a_body_that_is_not_json_is_a_failure(ask: Ask, sandbox: Sandbox) -> None:
    answer = ask.client.post(f"{sandbox.gamelog_url}/", content=b"{")
    assert answer.json() == {"status": 0, "msg": "Invalid Parameter.", "detail": "body must be a JSON object"}
