from sandbox.calls import KEPT, Calls
from tests.sandbox.conftest import Ask
from tests.stand import Sandbox


def test_calls_are_told_in_order_and_without_tokens(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.reset()
    ask.rows("api_users_report", fkgroup=383)
    ask.refusal("users_report", groupid=1, timestamp="today")
    ask.log(perPage=2)
    assert sandbox.calls() == [
        {
            "system": "gamehub",
            "report": "api_users_report",
            "params": {"fkgroup": "383"},
            "status": 200,
            "rows": 4,
        },
        {
            "system": "gamehub",
            "report": "users_report",
            "params": {"groupid": "1", "timestamp": "today"},
            "status": 422,
            "rows": 0,
        },
        {
            "system": "gamelog",
            "report": "get_game_log",
            "params": {
                "agent_code": "sandbox-agent",
                "game_type": "slot",
                "page": 0,
                "perPage": 2,
                "start": "2026-03-15 00:00:00",
                "end": "2026-03-15 23:59:59",
            },
            "status": 200,
            "rows": 2,
        },
    ]
    sandbox.reset()
    assert sandbox.calls() == []


def test_the_log_is_bounded() -> None:
    calls = Calls()
    for index in range(KEPT + 5):
        calls.arrive("gamehub", str(index), {})
    assert len(calls.to_list()) == KEPT
    assert calls.to_list()[0]["report"] == "5"
