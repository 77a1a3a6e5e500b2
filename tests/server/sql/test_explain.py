"""Explain a statement: what it says before is what the upstreams are asked afterwards."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.served import served
from tests.server.sql.test_command import run
from tests.server.tables.conftest import settings
from tests.stand import Sandbox


def top(since: str, until: str) -> str:
    """The top winners of some days. Each test has days of its own, so that none finds the files of another."""
    window = f"timestamp >= '{since}' AND timestamp < '{until}'"
    return f"SELECT username, sum(amount) AS net FROM transactions WHERE group_id = '382' AND {window} GROUP BY 1"


@pytest.fixture(scope="module")
def client(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server whose cache keeps a row between an explanation and the run after it."""
    with (
        served(tmp_path_factory.mktemp("served"), **settings(world), CACHE_OPEN_SECONDS="3000") as address,
        httpx.Client(base_url=address, trust_env=False, timeout=120) as client,
    ):
        yield client


def post(client: httpx.Client, text: str, **parameters: str) -> httpx.Response:
    return client.post("/sql", params=parameters, content=text, headers={"content-type": "application/sql"})


def explained(client: httpx.Client, text: str) -> dict[str, Any]:
    answer = post(client, text, explain="1")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def foreseen(found: dict[str, Any]) -> Counter[str]:
    """Return the number of calls of each type of report."""
    calls: Counter[str] = Counter()
    for table in found["tables"]:
        for part in table["plan"]:
            calls[part["type"]] += part["calls"]
    assert calls.total() == found["calls"] == sum(part["calls"] for one in found["tables"] for part in one["parts"])
    return +calls


@pytest.mark.parametrize(
    "text",
    [
        top("2026-03-12", "2026-03-15"),
        "SELECT date, net FROM daily_movements WHERE group_id = '382' AND date BETWEEN '2026-03-08' AND '2026-03-14'",
        "SELECT provider_code, sum(bet - win) FROM game_logs WHERE date(created_at) = '2026-03-13' GROUP BY 1",
        "SELECT count(*) FROM transactions AS t JOIN groups AS g ON g.id = t.group_id WHERE t.group_id = '382' "
        "AND date(t.timestamp) = '2026-03-09' AND g.name LIKE '%'",
    ],
)
def test_the_calls_are_those_that_are_made(client: httpx.Client, sandbox: Sandbox, text: str) -> None:
    sandbox.reset()
    found = explained(client, text)
    assert sandbox.calls() == []
    assert found["calls"] > 0
    assert post(client, text).status_code == 200
    assert Counter(call["report"] for call in sandbox.calls()) == foreseen(found)
    again = explained(client, text)
    assert (again["calls"], again["files"]["there"]) == (0, again["files"]["needed"])


def test_what_is_read_of_a_table(client: httpx.Client) -> None:
    text = top("2026-03-02", "2026-03-05")
    (table,) = explained(client, f"{text} HAVING sum(amount) > 1")["tables"]
    assert table["table"] == "transactions"
    assert table["columns"] == ["timestamp", "amount", "group_id", "username"]
    assert table["keys"] == {"group_id": ["382"]}
    assert table["days"] == [{"from": "2026-03-02", "to": "2026-03-04"}]
    assert [part["from"] for part in table["parts"]] == ["2026-03-02", "2026-03-03", "2026-03-04"]
    assert "group_id='382'" in table["filters"]
    assert "currency" not in table["document"]  # which costs a call, and the statement does not use it
    wider = explained(client, text.replace("username", "currency"))["tables"][0]
    assert "currency" in wider["document"]
    assert wider["calls"] > table["calls"]


def test_days_apart_and_tables_that_are_not_read(client: httpx.Client) -> None:
    apart = (
        "SELECT count(*) FROM daily_movements WHERE group_id IN ('382', '383') AND date IN ('2026-03-02', '2026-03-05')"
    )
    (table,) = explained(client, apart)["tables"]
    assert table["days"] == [{"from": day, "to": day} for day in ("2026-03-02", "2026-03-05")]
    assert table["keys"] == {"group_id": ["382", "383"]}
    assert len(table["parts"]) == 4
    nothing = explained(client, top("2026-03-05", "2026-03-07").replace("GROUP", "AND 1 = 0 GROUP"))
    assert (nothing["calls"], nothing["files"]["needed"]) == (0, 0)
    assert explained(client, "SELECT 1")["tables"] == []
    assert explained(client, "SELECT * FROM information_schema.tables")["tables"] == []


def test_refusals_are_those_of_a_run(client: httpx.Client) -> None:
    for text in ("SELEC 1", "SELECT * FROM transactions", "SELECT nothing FROM groups", "EXPLAIN SELECT 1"):
        refused, run = post(client, text, explain="1"), post(client, text)
        assert (refused.status_code, refused.json()) == (400, run.json())
    assert post(client, "SELECT 1", explain="yes").status_code == 400
    assert post(client, "SELECT 1", explain="0").json()["rows"] == [[1]]
    text = top("2026-03-07", "2026-03-08")
    by_address = client.get("/sql", params={"q": text, "explain": "1"}, headers={"accept": "text/html"})
    assert by_address.json() == explained(client, text)


def test_the_command_prints_it(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset()
    written, _ = run(sandbox, tmp_path, "--explain", top("2026-03-12", "2026-03-15"))
    assert sandbox.calls() == []
    lines = written.splitlines()
    assert lines[:3] == [
        "transactions: timestamp, amount, group_id, username",
        "  keys: group_id 382",
        "  days: 2026-03-12 to 2026-03-14",
    ]
    assert any(line.startswith("R5") for line in lines)
    assert lines[-1] == "3 files, of which 0 are there; 4 upstream calls"
    assert run(sandbox, tmp_path, "--explain", "SELECT * FROM transactions", code=2)[0] == ""
