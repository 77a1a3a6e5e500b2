"""How fast kept rows are read, and what a warm month costs.

    python benchmarks/cache_bench.py [--rows 100000] [--redis redis://127.0.0.1:6379/0]

Prints for each row struct the bytes a row and the rows a second of decoding, beside a decode of the same rows from
JSON; then, for a month of a group, the milliseconds of a cold fetch (without the upstream's own time), of a warm one,
of one with today missing, and of looking ahead at 2,000 users. Best of five.
"""

import argparse
import asyncio
import datetime
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from upstream.caching import day_entry
from upstream.caching.cache import DayCache, open_store
from upstream.caching.store_redis import RedisStore
from upstream.call import Answer, Call
from upstream.redis.address import is_redis
from upstream.redis.connection import RedisConnection
from upstream.reports.order import Claim, RowOrder, Share
from upstream.reports.rows import GameLogRow, GroupMovementRow, Row, UserTransactionRow
from upstream.reports.table import GROUP_MOVEMENTS, USER_TRANSACTIONS
from upstream.values.days import microseconds
from upstream.values.interval import dates

UTC = ZoneInfo("UTC")
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
NOON = datetime.datetime(2026, 3, 31, 12, tzinfo=datetime.UTC)
MARCH = dates(datetime.date(2026, 3, 1), datetime.date(2026, 3, 31), UTC)


def moment(number: int, of: int) -> int:
    """Spread over the month until noon of its last day."""
    return microseconds(START) + (microseconds(NOON) - microseconds(START)) * number // of


def movement(number: int, of: int) -> Row:
    return GroupMovementRow(
        movement_id=3_000_000 + number, timestamp=moment(number, of), group_id=382, external_group_id="382",
        group_name="Salon Rex - Physical", user_id=2000 + number % 500, external_user_id=str(2000 + number % 500),
        username=f"player{number % 500}", type="Bingo - Wager", currency_amount="12.50",
        ticket_id=f"{number}q8bs", game_id=9_000_000 + number // 40,
    )  # fmt: skip


def transaction(number: int, of: int) -> Row:
    return UserTransactionRow(
        movement_id=3_000_000 + number, timestamp=moment(number, of), group_name="Salon Rex - Physical", group_id=382,
        external_group_id="382", movement_type="Bingo - Wager", currency_amount="-12.50", currency_id="Real EUR",
        base_currency_amount="-12.50", base_currency_id="Real EUR",
    )  # fmt: skip


def log(number: int, of: int) -> Row:
    return GameLogRow(
        history_id=7_000_000 + number, agent_code="rex", user_code=f"player{number % 500}", provider_code="PRAGMATIC",
        game_code="vs20doghouse", type="BASE", bet_money="2.00", win_money="0.00", txn_id=f"{number:032x}",
        txn_type="debit_credit", user_start_balance="230.50", user_end_balance="228.50",
        agent_start_balance="22092000.00", agent_end_balance="22092000.00", created_at=moment(number, of),
    )  # fmt: skip


class Instant:
    """An upstream that takes no time."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    async def fetch(self, call: Call, observe: Any = None) -> Answer[Any]:
        assert call.interval is not None
        start, end = microseconds(call.interval.start), microseconds(call.interval.end)
        return Answer([row for row in self._rows if start <= row.timestamp < end])


def decoding(rows: int) -> None:
    for make in (movement, transaction, log):
        made: list[Any] = [make(number, rows) for number in range(rows)]
        row = type(made[0])
        value = day_entry.pack(Share(made, Claim(RowOrder.NONE), bytes(8)), START, 60)
        text, reader = msgspec.json.encode(made), msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
        packing = best(lambda made=made: day_entry.pack(Share(made, Claim(RowOrder.NONE), bytes(8)), START, 60))
        ours = best(lambda value=value, row=row: day_entry.unpack(value).share(row))
        theirs = best(lambda text=text, reader=reader: reader.decode(text))
        results = f"{len(value) / rows:.0f} bytes a row; written {rate(rows, packing)}, read {rate(rows, ours)}"
        sys.stdout.write(f"{row.__name__:16} {results} (as JSON, by msgspec alone: {rate(rows, theirs)})\n")


async def month(rows: int, url: str) -> None:
    now = NOON
    upstream = Instant([movement(number, rows) for number in range(rows)])
    redis = RedisConnection(url) if is_redis(url) else None
    store = open_store(url) if redis is None else RedisStore(redis, "bench")
    cached = DayCache(upstream, store, UTC, now=lambda: now)
    call = Call.of(GROUP_MOVEMENTS, MARCH, group_id=382)

    async def cold() -> None:
        await cached.forget()
        await cached.fetch(call)

    async def warm() -> None:
        assert (await cached.fetch(call)).provenance.outcome == "hit"

    async def later() -> None:
        nonlocal now
        now += datetime.timedelta(seconds=60)
        assert (await cached.fetch(call)).provenance.missing == ("2026-03-31",)

    users = [Call.of(USER_TRANSACTIONS, MARCH, user_id=user) for user in range(1, 2001)]

    async def ahead() -> None:
        await cached.cached_shares(users)

    sys.stdout.write(f"\nA month of a group, {rows:,} rows, {url.partition(':')[0]}: ")
    results = [("cold", cold), ("warm", warm), ("today missing", later), ("looking at 2,000 users' month", ahead)]
    sys.stdout.write(", ".join([f"{name} {await best_of(act) * 1000:,.1f} ms" for name, act in results]) + "\n")
    await cached.forget()
    await cached.aclose()
    if redis is not None:
        await redis.aclose()


def rate(rows: int, seconds: float) -> str:
    return f"{rows / seconds / 1e6:.2f} M rows/s"


def best(act: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return min(times)


async def best_of(act: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        await act()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--rows", type=int, default=100_000)
    reader.add_argument("--redis", help="the URL of a Redis to measure as well; keys under bench: are deleted")
    given = reader.parse_args()
    decoding(given.rows)
    for url in ("memory://", given.redis):
        for rows in (1_000, given.rows) if url else ():
            asyncio.run(month(rows, url))


if __name__ == "__main__":
    main()
