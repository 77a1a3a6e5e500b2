"""Both upstreams as a user would call them from Python: httpx, `json` and Decimal. For Strawberry and Ariadne."""

import datetime
import json
import os
from collections import defaultdict
from decimal import Decimal
from typing import Any

import httpx

CENT = Decimal("0.01")
PAGE = 10_000

Row = dict[str, Any]


class Sources:
    """The four calls."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(trust_env=False, timeout=60)

    async def group(self, id: int) -> Row | None:
        """R8."""
        found = await self._report("api_groups_report", id=id)
        return found[0] if found else None

    async def users(self, group: int) -> list[Row]:
        """R9."""
        return sorted(await self._report("api_users_report", fkgroup=group), key=lambda row: row["id"])

    async def movements(self, group: int, first: str, last: str) -> dict[int, list[Row]]:
        """R5: the movements of a group, by user, newest first."""
        frame = {"timestamp": "range", "timestamp_range_from": first, "timestamp_range_to": last}
        found = defaultdict(list)
        rows = await self._report("api_retail_movements", group_id=group, **frame)
        for row in sorted(rows, key=lambda row: -row["movement_id"]):
            found[row["user_id"]].append(row)
        return found

    async def logs(self, first: str, last: str) -> dict[str, list[Row]]:
        """G1: the agent's log, by user code, newest first."""
        rows: list[Row] = []
        page = 0
        while True:
            answer = await self._client.post(
                os.environ["GAMELOG_URL"],
                json={
                    "method": "get_game_log",
                    "agent_code": os.environ["GAMELOG_AGENT_CODE"],
                    "agent_token": os.environ["GAMELOG_AGENT_TOKEN"],
                    "game_type": "slot",
                    "start": f"{first} 00:00:00",
                    "end": f"{last} 23:59:59",
                    "page": page,
                    "perPage": PAGE,
                },
            )
            answer.raise_for_status()
            body = json.loads(answer.content)
            rows += body["slot"]
            page += 1
            if page * PAGE >= body["total_count"]:
                break
        found = defaultdict(list)
        for row in sorted(rows, key=lambda row: (row["created_at"], row["history_id"]), reverse=True):
            found[row["user_code"]].append(row)
        return found

    async def _report(self, kind: str, **params: str | int) -> list[Row]:
        parameters = {"api_token": os.environ["GAMEHUB_TOKEN"], "report_type": kind, **params}
        answer = await self._client.get(f"{os.environ['GAMEHUB_URL']}reports/", params=parameters)
        answer.raise_for_status()
        rows: list[Row] = json.loads(answer.content)["report"]
        return rows


def amount(row: Row) -> Decimal:
    """A movement's amount as the user's wallet sees it."""
    value = money(row["currency_amount"])
    return -value if value and row["type"] == "Bingo - Wager" else value


def money(value: float) -> Decimal:
    """An amount to the cent."""
    return Decimal(str(value)).quantize(CENT)


def moment(value: float | str) -> datetime.datetime:
    """A moment, however an upstream writes it."""
    if isinstance(value, str):
        return datetime.datetime.fromisoformat(value)
    return datetime.datetime.fromtimestamp(value, datetime.UTC)
