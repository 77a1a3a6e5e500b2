import json
from collections.abc import Callable

import httpx
import pytest

from sandbox.faults import KINDS, FaultError, parse
from tests.sandbox.conftest import Ask
from tests.stand import Sandbox


def not_json(answer: httpx.Response) -> bool:
    try:
        json.loads(answer.content.decode())
    except ValueError:
        return answer.status_code == 200
    return False


def code(status: int, code: str) -> Callable[[httpx.Response], bool]:
    return lambda answer: (answer.status_code, answer.json()["code"]) == (status, code)


def status(code: int) -> Callable[[httpx.Response], bool]:
    return lambda answer: answer.status_code == code


# Return what each fault makes of the four users of group 383, or an exception where there is no answer.
EFFECTS: dict[str, Callable[[httpx.Response], bool] | type[Exception]] = {
    **dict.fromkeys(("cut", "empty", "html", "comma", "twice", "notice", "binary"), not_json),
    "bom": lambda answer: answer.content.startswith(b"\xef\xbb\xbf{") and len(answer.json()["report"]) == 4,
    "null": lambda answer: answer.json() is None,
    "list": lambda answer: isinstance(answer.json(), list),
    "nan": status(200),
    "garbled": httpx.DecodingError,
    "bomb=1": lambda answer: len(answer.json()["padding"]) == 2**20,
    "big=1": lambda answer: len(answer.json()["padding"]) == 2**20,
    "types": lambda answer: answer.json()["report"][0]["id"] == {"wrong": 2051},
    "nulls": lambda answer: answer.json()["report"][0]["id"] is None,
    "missing": lambda answer: "id" not in answer.json()["report"][0],
    "key": lambda answer: "report" not in answer.json(),
    "short": lambda answer: len(answer.json()["report"]) == 3,
    "repeat": lambda answer: len(answer.json()["report"]) == 5,
    "total": status(200),
    "break": lambda answer: answer.json()["break"] is True and len(answer.json()["report"]) == 2,
    "10018": code(400, "10018"),
    "400": code(400, "99999"),
    "error200": code(200, "99999"),
    "401": code(401, "00001"),
    "jwt": code(401, "10003"),
    "revoke": code(401, "00001"),
    **{name: status(int(name)) for name in ("404", "429", "500", "502", "503")},
    "redirect": lambda answer: answer.headers["location"].startswith("http://elsewhere.invalid/"),
    "slow=0.01": lambda answer: len(answer.json()["report"]) == 4,
    "trickle=0": lambda answer: len(answer.json()["report"]) == 4,
    **dict.fromkeys(("hang=0.01", "stall=0.01", "reset", "drop"), httpx.ReadError),
}


def test_every_kind_of_fault_is_tried() -> None:
    assert {spec.split("=")[0] for spec in EFFECTS} == set(KINDS)


@pytest.mark.parametrize("spec", EFFECTS)
def test_faults_by_header(ask: Ask, spec: str) -> None:
    effect = EFFECTS[spec]
    if isinstance(effect, type):
        with pytest.raises(effect):
            ask.report("api_users_report", fkgroup=383, fault=spec)
    else:
        assert effect(ask.report("api_users_report", fkgroup=383, fault=spec))


def test_a_hanging_call_gives_no_answer(ask: Ask) -> None:
    with pytest.raises(httpx.ReadTimeout):
        ask.client.get(
            f"{ask.sandbox.gamehub_url}reports/", params={"api_token": "x"}, headers={"X-Fault": "hang"}, timeout=0.1
        )


def test_faults_strike_one_report_so_many_times(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.fault("500", report="api_groups_report", times=2)
    assert ask.report("api_users_report").status_code == 200
    assert [ask.report("api_groups_report").status_code for _ in range(3)] == [500, 500, 200]
    sandbox.fault("502")
    assert ask.report("api_users_report").status_code == ask.log().status_code == 502
    sandbox.heal()
    assert ask.report("api_users_report").status_code == 200


def test_money_may_not_be_a_number(ask: Ask) -> None:
    assert (
        b'"currency_amount":NaN'
        in ask.report("transaction_report", user_id=2001, timestamp="today", fault="nan").content
    )


def test_a_total_moves_from_page_to_page(ask: Ask, sandbox: Sandbox) -> None:
    total = ask.log().json()["total_count"]
    sandbox.fault("total", report="get_game_log")
    assert [ask.log(page=page).json()["total_count"] - total for page in range(3)] == [1, 2, 3]


def test_a_token_revoked_in_mid_flight_stays_revoked(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.fault("revoke", times=1)
    assert [ask.report("api_groups_report").status_code for _ in range(2)] == [401, 401]
    sandbox.add_token("another", "es")
    assert ask.report("api_groups_report", api_token="another").status_code == 200
    sandbox.heal()
    assert ask.report("api_groups_report").status_code == 200
    assert ask.report("api_groups_report", api_token="another").status_code == 401


def test_unknown_faults_are_refused(ask: Ask, sandbox: Sandbox) -> None:
    with pytest.raises(FaultError, match="there is no fault"):
        parse("earthquake")
    with pytest.raises(FaultError, match="is not KIND"):
        parse("slow=@")
    with pytest.raises(httpx.HTTPStatusError):
        sandbox.fault("earthquake")
    assert ask.report("api_groups_report", fault="earthquake").status_code == 400
    fault = parse("slow=2.5@transaction_report*3")
    assert (fault.kind, fault.value, fault.report, fault.left) == ("slow", 2.5, "transaction_report", 3)
