"""Money that Game History sends as JSON doubles: every format has the text that the graph answers."""

import csv
import io
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.served import served
from tests.upstream.examples import example
from tests.upstream.server import ReceivedRequest, Reply, serving

SENT = ("bet_money", "win_money", "user_start_balance", "user_end_balance")
COLUMNS = ("bet", "win", "userStartBalance", "userEndBalance")
GRAPH = f"""{{ gameLogs(during: {{dates: {{from: "2026-03-01", to: "2026-03-01"}}}}, first: 1000) {{
  nodes {{ id {" ".join(COLUMNS)} }} }} }}"""
WINDOW = {"since": "2026-03-01", "until": "2026-03-02"}
ROW = json.loads(example("G1"))["slot"][0]
DOUBLES = ("0", "0.125", "0.00000012", "-0.10", "0.30000000000000004", "0.0000012345678901234567", "9007199254740991",
           "4503599627370497.5", "10.0000", "0.1", "-0.0", '"5.1000"', "123456.789")  # fmt: skip


def log(count: int) -> bytes:
    """A log of so many rows, whose amounts are written as an upstream may write them."""
    chance = random.Random(count)
    rows = []
    for number in range(count):
        at = f"2026-03-01T10:{number // 60:02}:{number % 60:02}.000000Z"
        marks = {name: f"@{name}" for name in SENT}
        text = json.dumps({**ROW, "history_id": number + 1, "created_at": at, **marks})
        for name in SENT:
            text = text.replace(f'"@{name}"', chance.choice((*DOUBLES, repr(chance.random() + 0.001))))
        rows.append(text)
    head = f'{{"status":1,"total_count":{count},"page":0,"perPage":10000,"slot":['
    return (head + ",".join(rows) + "]}").encode()


def exact(text: str) -> dict[str, Any]:
    """A JSON answer whose numbers are kept as their text."""
    found: dict[str, Any] = json.loads(text, parse_float=str, parse_int=str)
    return found


@pytest.mark.parametrize("settings", [{}, {"ENGINE": "graphql", "CACHE_URL": "off"}], ids=["compiled", "graphql-core"])
async def test_every_format_has_the_doubles_of_the_graph(tmp_path: Path, settings: dict[str, str]) -> None:
    body = log(120)

    def reply(request: ReceivedRequest) -> Reply:
        return Reply(body if request.json["page"] == 0 else b'{"status":1,"total_count":120,"slot":[]}')

    async with serving() as server:
        server.reply = reply
        upstreams = {
            "GAMEHUB_URL": server.url, "GAMEHUB_TOKEN": "x", "GAMELOG_URL": server.url, "GAMELOG_AGENT_CODE": "a",
            "GAMELOG_AGENT_TOKEN": "y",
        }  # fmt: skip
        with served(tmp_path, **upstreams, **settings) as address:
            async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
                answer = (await client.post("/graphql", json={"query": GRAPH})).json()
                assert "errors" not in answer, answer
                truth = [{name: node[name] for name in COLUMNS} for node in answer["data"]["gameLogs"]["nodes"]]
                assert len(truth) == 120
                assert {"0.30000000000000004", "0.00000012", "0.00", "10.0000"} <= {row["bet"] for row in truth}

                async def table(form: str) -> bytes:
                    found = await client.get(f"/tables/GameLogs.{form}", params=WINDOW)
                    assert found.status_code == 200, found.text
                    return found.content

                def shown(rows: Any) -> list[dict[str, Any]]:
                    return [{name: row[name] for name in COLUMNS} for row in rows]

                text = (await table("csv")).decode()
                assert shown(csv.DictReader(io.StringIO(text, newline=""))) == truth
                assert shown(orjson.loads(await table("json"))) == truth
                assert shown(orjson.loads(line) for line in (await table("ndjson")).splitlines()) == truth
                numbers = [{name: Decimal(one) for name, one in row.items()} for row in truth]
                assert shown(pq.read_table(io.BytesIO(await table("parquet"))).to_pylist()) == numbers
                assert shown(pa.ipc.open_stream(await table("arrow")).read_all().to_pylist()) == numbers
                sheet = openpyxl.load_workbook(io.BytesIO(await table("xlsx")))["GameLogs"]
                header, *lines = list(sheet.iter_rows(values_only=True))
                for row, line in zip(truth, lines, strict=True):
                    for name in COLUMNS:
                        cell = line[header.index(name)]
                        assert cell == row[name] if isinstance(cell, str) else Decimal(repr(cell)) == Decimal(row[name])

                for accept in ("application/json", "application/json;IEEE754Compatible=true"):
                    found = await client.get("/odata/GameLogs", params=WINDOW, headers={"accept": accept})
                    assert shown(exact(found.text)["value"]) == truth
                best = await client.get(
                    "/odata/GameLogs",
                    params={
                        **WINDOW,
                        "$filter": "bet eq 0.30000000000000004",
                        "$orderby": "win desc",
                        "$select": "win",
                    },
                )
                chosen = [row["win"] for row in truth if row["bet"] == "0.30000000000000004"]
                assert [row["win"] for row in exact(best.text)["value"]] == sorted(chosen, key=Decimal, reverse=True)
