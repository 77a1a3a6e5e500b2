from tests.sandbox.conftest import Ask
from tests.stand import Sandbox


def test_tokens_come_and_go_while_it_runs(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.revoke_token("sandbox-token")
    assert ask.refusal("api_groups_report") == (401, "00001")
    sandbox.add_token("fresh", "es")
    assert ask.report("nothing", api_token="fresh").json()["message"] == "Reporte inválido."
    sandbox.heal()
    assert ask.report("api_groups_report").status_code == 200


def test_agents_come_and_go_while_it_runs(ask: Ask, sandbox: Sandbox) -> None:
    fresh = {"agent_code": "fresh", "agent_token": "fresh-token"}
    assert ask.log(**fresh).json()["status"] == 0
    sandbox.client.post("tokens", json=fresh).raise_for_status()
    body = ask.log(**fresh).json()
    assert body["total_count"] == ask.log().json()["total_count"]
    assert {row["agent_code"] for row in body["slot"]} == {"fresh"}
    sandbox.client.request("DELETE", "tokens", json={"agent_code": "fresh"}).raise_for_status()
    assert ask.log(**fresh).json()["msg"] == "Invalid Agent."
