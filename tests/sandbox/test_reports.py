"""Every report: its keys, in their order and with the types of the document's examples; and every refusal."""

from typing import Any

import httpx
import pytest

from sandbox.reports import BY_TYPE
from tests.sandbox.conftest import Ask
from tests.stand import Sandbox
from upstream.reports import table

DETAILS, SUMMARY = "api_retail_game_details", "api_retail_game_details_simplified"
GAMES, ON_SALE = "api_bulk_games_report", "api_selling_and_preselling_games_report"
DAILY, MOVEMENTS, TRANSACTIONS = "users_report", "api_retail_movements", "transaction_report"
FINANCIAL = "api_movements_external_report"


def shape(row: dict[str, Any]) -> str:
    return " ".join(f"{name}:{type(value).__name__}" for name, value in row.items())


SHAPES = [
    (
        *(DAILY, "reports", {"groupid": 382, "timestamp": "yesterday"}),
        "timestamp:str group_name:str group_id:int external_group_id:int total_wagers_real:str total_wins_real:str "
        "total_refunds_real:str total_paid:str total_paid_tickets:int net:str",
    ),
    (
        *(GAMES, "reports", {"starts_at": "yesterday", "status": 3}),
        "id:int room_id:int room_name:str game_configuration_id:int game_configuration_name:str "
        "game_configuration_key:int status:int status_name:str card_price:str cards_bought:int wagered:str paid:str "
        "prizes:list winners:list starts_at:int finished_at:int",
    ),
    (
        *(MOVEMENTS, "reports", {"group_id": 382, "timestamp": "today"}),
        "movement_id:int timestamp:int group_id:int external_group_id:int group_name:str user_id:int "
        "external_user_id:int username:str type:str currency_amount:int ticket_id:str game_id:int",
    ),
    (
        *(ON_SALE, "reports", {"bs_room_id": 1, "starts_at": "today"}),
        "id:int bs_room_id:str starts_at:int cards_bought:int canceled_tickets_sum:int card_price:str status:str "
        "prizes:list",
    ),
    (
        *(TRANSACTIONS, "reports", {"user_id": 2001, "timestamp": "today"}),
        "movement_id:int timestamp:str group_name:str group_id:int external_group_id:int movement_type:str "
        "currency_amount:str currency_id:str base_currency_amount:str base_currency_id:str",
    ),
    (*("api_groups_report", "reports", {"id": 347}), "id:int external_group_id:int name:str type:str"),
    (
        *("api_users_report", "reports", {"id": 2001}),
        "id:int external_user_id:int username:str fkgroup:str group_id:int external_group_id:int",
    ),
    (
        *("progressive_jackpot_summary", "reports", {}),
        "description:str value:str value_max:str percentage:str seed:str seed_base:str seed_max:str "
        "seed_percentage:str",
    ),
    (
        *(FINANCIAL, "group_reports", {"group_id": 382, "timestamp": "today"}),
        "timestamp:int group_id:int external_group_id:int type:int subtype:int currency_amount:str user_id:int "
        "external_user_id:int game_id:int username:str",
    ),
]


@pytest.mark.parametrize(("report", "action", "params", "expected"), SHAPES, ids=[line[0] for line in SHAPES])
def test_rows_have_the_documented_keys_and_types(
    ask: Ask, report: str, action: str, params: dict[str, Any], expected: str
) -> None:
    assert shape(ask.rows(report, action, **params)[0]) == expected


@pytest.mark.parametrize(
    "report", [each for each in table.REPORTS if each.system is table.System.GAMEHUB], ids=lambda report: report.code
)
def test_every_report_of_the_graph_is_served(report: table.Report) -> None:
    served = BY_TYPE.get(report.report_type)
    assert served is not None, f"add a SandboxReport of {report.report_type} to REPORTS in sandbox/reports.py"
    assert served.action == report.action
    names = {*report.parameters, *((report.frame,) if report.frame is not None else ())}
    missing = names - {parameter.name for parameter in served.parameters}
    assert missing == set(), f"add the parameters to {report.report_type} in sandbox/reports.py"
    required = {name for name, parameter in report.parameters.items() if parameter.required}
    served_required = {each.name for each in served.parameters if each.required} - {report.frame}
    assert required == served_required, "`required` differs between upstream/reports/table.py and sandbox/reports.py"


def test_rows_stand_under_report_but_for_the_daily_movements(ask: Ask) -> None:
    assert list(ask.report(DAILY, groupid=382, timestamp="today").json()) == ["error", "Report"]
    assert list(ask.report("api_groups_report").json()) == ["error", "report"]
    users = ask.report("api_users_report").json()
    assert list(users) == ["error", "report", "break"]
    assert users["break"] is False
    assert len(users["report"]) == 60


def test_exact_rows(ask: Ask) -> None:
    assert ask.rows("api_groups_report", id=382) == [
        {"id": 382, "external_group_id": 382, "name": "E2E Development - Physical", "type": "Local"}
    ]
    assert ask.rows("api_users_report", username="JORGE.BR") == [
        {
            "id": 2001,
            "external_user_id": 4588,
            "username": "jorge.brown",
            "fkgroup": "E2E Development - Physical",
            "group_id": 382,
            "external_group_id": 382,
        }
    ]
    assert [user["id"] for user in ask.rows("api_users_report", fkgroup=383)] == [2051, 2052, 2053, 2054]


REFUSALS = [
    (("users_report", "reports", {"timestamp": "today"}), (422, "10002")),
    (("users_report", "reports", {"groupid": 382}), (422, "10002")),
    (("users_report", "reports", {"groupid": 381, "timestamp": "today"}), (422, "10011")),
    (("users_report", "reports", {"groupid": "a", "timestamp": "today"}), (422, "10017")),
    (("users_report", "reports", {"groupid": 347, "timestamp": "today"}), (422, "10002")),
    (("users_report", "reports", {"groupid": 382, "timestamp": "never"}), (422, "10012")),
    ((GAMES, "reports", {"starts_at": "today", "bs_room_id": 9}), (422, "10014")),
    ((GAMES, "reports", {"starts_at": "today", "status": 9}), (422, "10015")),
    ((GAMES, "reports", {"starts_at": "today", "per_page": 0}), (422, "10017")),
    ((GAMES, "reports", {"starts_at": "today", "per_page": "all"}), (422, "10017")),
    ((GAMES, "reports", {"starts_at": "today", "page": 99}), (422, "10002")),
    ((DETAILS, "reports", {"id": 1}), (422, "10016")),
    ((DETAILS, "reports", {"id": "x"}), (422, "10017")),
    ((SUMMARY, "reports", {}), (422, "10002")),
    ((TRANSACTIONS, "reports", {"user_id": 1, "timestamp": "today"}), (422, "10013")),
    (("api_users_report", "reports", {"username": "nobody at all"}), (422, "10002")),
    (("api_users_report", "reports", {"fkgroup": 1}), (422, "10011")),
    (("", "reports", {}), (404, "10001")),
    (("sample", "reports", {}), (404, "10000")),
    ((FINANCIAL, "reports", {"timestamp": "today"}), (404, "10000")),
    (("api_groups_report", "group_reports", {}), (404, "10000")),
    (("api_groups_report", "nothing", {}), (404, "10000")),
    (("api_groups_report", "reports", {"api_token": "wrong"}), (401, "00001")),
]


@pytest.mark.parametrize(("call", "expected"), REFUSALS)
def test_refusals(ask: Ask, call: tuple[str, str, dict[str, Any]], expected: tuple[int, str]) -> None:
    report, action, params = call
    assert ask.refusal(report, action, **params) == expected


def test_messages_follow_the_tokens_language(ask: Ask) -> None:
    english, spanish = (ask.report("sample", api_token=token).json() for token in ("sandbox-token", "sandbox-token-es"))
    assert english == {"error": True, "code": "10000", "message": "Invalid report."}
    assert spanish == {"error": True, "code": "10000", "message": "Reporte inválido."}


def test_no_action_is_an_invalid_report(sandbox: Sandbox) -> None:
    answer = httpx.get(sandbox.gamehub_url, params={"api_token": sandbox.gamehub_token}, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (404, "10000")


def test_the_path_may_end_in_a_slash_or_not(sandbox: Sandbox) -> None:
    params = {"api_token": sandbox.gamehub_token, "report_type": "api_groups_report"}
    with_slash, without = (
        httpx.get(f"{sandbox.gamehub_url}reports{end}", params=params, trust_env=False) for end in ("/", "")
    )
    assert with_slash.content == without.content
    assert with_slash.status_code == without.status_code == 200


@pytest.mark.parametrize(
    ("report", "action", "params"),
    [
        (GAMES, "reports", {"starts_at": "today"}),
        (TRANSACTIONS, "reports", {"user_id": 2001, "timestamp": "this_month"}),
        (FINANCIAL, "group_reports", {"group_id": 382, "timestamp": "today"}),
    ],
)
def test_pages_join_up_to_the_whole(ask: Ask, report: str, action: str, params: dict[str, Any]) -> None:
    whole = ask.rows(report, action, per_page=-1, **params)
    size = len(whole) // 3 + 1
    pages = [ask.rows(report, action, per_page=size, page=page, **params) for page in (1, 2, 3, 4)]
    assert [row for page in pages for row in page] == whole
    assert ask.rows(report, action, **params) == whole[:50]


def test_financial_movements_take_in_the_descendants(ask: Ask) -> None:
    def of(group: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask.rows(
            FINANCIAL, "group_reports", group_id=group, timestamp="today", per_page=-1
        )
        return found

    everything = ask.rows(FINANCIAL, "group_reports", timestamp="today", per_page=-1)
    assert of(347) == everything
    assert len(of(348)) + len(of(349)) == len(everything)
    assert len(of(348)) == sum(len(of(group)) for group in (382, 384, 386))


def test_no_movement_lies_outside_its_frame_or_in_the_future(ask: Ask) -> None:
    parameters = {
        "timestamp": "datetime_range",
        "timestamp_range_from": "2026-03-15",
        "timestamp_range_to": "2026-03-15",
        "timestamp_range_to_time": "23:59:59",
    }
    noon = 1773576000
    rows = ask.rows(MOVEMENTS, group_id=382, timestamp_range_from_time="00:00:00", **parameters)
    instants = [row["timestamp"] for row in rows]
    assert instants == sorted(instants, reverse=True)
    assert max(instants) <= noon
    middle = instants[len(instants) // 2]
    clock = f"{(middle % 86400) // 3600:02}:{middle % 3600 // 60:02}:{middle % 60:02}"
    later = ask.rows(MOVEMENTS, group_id=382, timestamp_range_from_time=clock, **parameters)
    assert later == [row for row in rows if row["timestamp"] >= middle]
    assert (
        ask.rows(
            MOVEMENTS,
            group_id=382,
            timestamp="range",
            timestamp_range_from="2026-03-16",
            timestamp_range_to="2026-03-20",
        )
        == []
    )
