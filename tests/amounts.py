"""Send random amounts from an upstream through the served graph, and compare the answers with the amounts.

A batch is one game, whose prizes are of any length, and one day of movements, whose amounts fit the columns of tables.
"""

import asyncio
import csv
import io
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pyarrow.parquet as pq

from tests.served import served
from tests.upstream.server import ReceivedRequest, Reply, serving

FIRST = date(2024, 1, 1)
PAGE = 1000
GAMES = {
    "api_retail_game_details": ("game_id", "prizes", "paid"),
    "api_retail_game_details_simplified": ("bs_game_id_main", "bs_game_prizes", "amount"),
}
PRIZES = "query ($id: ID!) { game(id: $id) { prizes { amount } } }"
MOVEMENTS = """query ($day: Date!, $after: String) {
  financialMovements(during: {dates: {from: $day, to: $day}}, first: 1000, after: $after) {
    nodes { timestamp amount } pageInfo { hasNextPage endCursor }
  }
}"""


def wire(chance: random.Random, whole: int, decimals: int) -> str:
    """An amount as an upstream may write it in JSON: a number or a text, of up to so many digits."""
    digits = chance.choice((1, 2, 3, 5, 9, chance.randint(1, whole)))
    head = str(chance.randrange(10**digits))
    tail = "".join(chance.choices("0123456789", k=chance.choice((0, 0, 1, 2, 2, 2, 3, chance.randint(0, decimals)))))
    sign = chance.choice(("", "", "-"))
    if chance.random() < 0.1:
        tail = "0" * len(tail)
    text = sign + head + (f".{tail}" if tail else "")
    if chance.random() < 0.4:
        return text
    zeros = "0" * chance.choice((0, 0, 0, 1, 3))
    return f'"{sign}{zeros}{text.removeprefix("-")}"'


def as_answered(wire: str) -> str:
    """Return the amount as the graph must write it: every digit, at least two decimals, no sign before zero."""
    number = Decimal(wire.strip('"'))
    text = f"{number:f}" if number else f"{abs(number):f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


class Batch:
    """So many amounts as prizes, and as many as movements, one a second."""

    def __init__(self, number: int, size: int) -> None:
        chance = random.Random(number)
        self.day = FIRST + timedelta(days=number)
        self.game = number + 1
        self.prizes = [wire(chance, 40, 40) for _ in range(size)]
        self.movements = [wire(chance, 28, 10) for _ in range(size)]
        self.start = int(datetime.combine(self.day, datetime.min.time(), UTC).timestamp())

    def game_body(self, id: str, prizes: str, column: str) -> bytes:
        """R3 or R4, of which the planner chooses."""
        prize_parts = ",".join(f'{{"prize_name":"One line","{column}":{amount}}}' for amount in self.prizes)
        return f'{{"error":false,"report":{{"{id}":{self.game},"{prizes}":[{prize_parts}]}}}}'.encode()

    def movements_body(self) -> bytes:
        """R11."""
        rows = ",".join(
            f'{{"timestamp":{self.start + n},"group_id":382,"type":1,"subtype":1,"currency_amount":{amount}}}'
            for n, amount in enumerate(self.movements)
        )
        return f'{{"error":false,"report":[{rows}]}}'.encode()


class Passage:
    """The whole path: an upstream over HTTP, the served graph, and a client that checks the answers."""

    def __init__(self, client: httpx.AsyncClient, size: int) -> None:
        self._client = client
        self._size = size
        self.compared = 0

    async def check(self, number: int) -> list[tuple[str, str]]:
        """Send a batch through; return the values whose answer differs from them."""
        batch = Batch(number, self._size)
        wrong = self._differing(batch.prizes, await self._prizes(batch))
        wrong += self._differing(batch.movements, await self._pages(batch))
        texts, numbers = await asyncio.gather(self._csv(batch), self._parquet(batch))
        wrong += self._differing(batch.movements, texts)
        wrong += [
            (sent, str(one))
            for sent, one in zip(batch.movements, numbers, strict=True)
            if one != Decimal(sent.strip('"'))
        ]
        self.compared += 2 * self._size
        return wrong

    @staticmethod
    def _differing(sent: list[str], found: list[str]) -> list[tuple[str, str]]:
        return [(one, other) for one, other in zip(sent, found, strict=True) if other != as_answered(one)]

    async def _ask(self, query: str, **variables: object) -> dict[str, object]:
        answer = await self._client.post("/graphql", json={"query": query, "variables": variables})
        body = answer.json()
        assert "errors" not in body, body["errors"][:1]
        data: dict[str, object] = body["data"]
        return data

    async def _prizes(self, batch: Batch) -> list[str]:
        data = await self._ask(PRIZES, id=str(batch.game))
        return [prize["amount"] for prize in data["game"]["prizes"]]  # type: ignore[index]

    async def _pages(self, batch: Batch) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            data = await self._ask(MOVEMENTS, day=batch.day.isoformat(), after=after)
            page = data["financialMovements"]
            found += [node["amount"] for node in page["nodes"]]  # type: ignore[index]
            if not page["pageInfo"]["hasNextPage"]:  # type: ignore[index]
                return found[::-1]  # the newest comes first
            after = page["pageInfo"]["endCursor"]  # type: ignore[index]

    async def _table(self, batch: Batch, form: str) -> bytes:
        window = f"since={batch.day}&until={batch.day + timedelta(days=1)}"
        answer = await self._client.get(f"/tables/FinancialMovements.{form}?group=382&{window}")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def _csv(self, batch: Batch) -> list[str]:
        rows = csv.DictReader(io.StringIO((await self._table(batch, "csv")).decode()))
        return [row["amount"] for row in rows][::-1]

    async def _parquet(self, batch: Batch) -> list[Decimal]:
        table = pq.read_table(io.BytesIO(await self._table(batch, "parquet")), columns=["amount"])
        return list(table["amount"].to_pylist())[::-1]


@asynccontextmanager
async def amounts(folder: Path, size: int) -> AsyncIterator[Passage]:
    """The path, for as long as a block lasts; batches have so many prizes and so many movements."""

    def reply(request: ReceivedRequest) -> Reply:
        query = request.query
        if query["report_type"] == "api_movements_external_report":
            day = date.fromisoformat(query["timestamp_range_from"])
            return Reply(Batch((day - FIRST).days, size).movements_body())
        if query["report_type"] in GAMES:
            return Reply(Batch(int(query["id"]) - 1, size).game_body(*GAMES[query["report_type"]]))
        # The reports that have the group's currency have no rows.
        return Reply(b'{"error": true, "code": "10002", "message": "Empty data"}', 422)

    async with serving() as server:
        server.reply = reply
        settings = {"GAMEHUB_URL": server.url, "GAMEHUB_TOKEN": "amounts", "CACHE_MEBIBYTES": "64"}
        with served(folder, **settings) as address:
            async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=120) as client:
                yield Passage(client, size)
