"""The graph's tables over an upstream whose days change, with a clock that stands still until it is moved."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from resolvers.rules.join import Join, MovementJoin
from resolvers.session import Session
from schema.graph import schema
from server.execution.operation import Operation
from server.execution.trace import finish
from server.tables.config import TablesConfig
from tests.server.application import application
from tests.server.serving import serving
from tests.server.tables.conftest import saved
from tests.strangers.upstreams import connect
from tests.upstream.caching.test_freshness import World
from upstream.caching.cache import DayCache
from upstream.caching.store import MemoryStore
from upstream.call import Call

UTC = ZoneInfo("UTC")
# Tables that are read from one report of days (R1, R5) and one without (R8).
TOTALS = """# The totals of a group, day by day.
query Totals($group: ID!, $during: Period = { frame: TODAY }) {
  group(id: $group) { id name dailyMovements(during: $during) @rows { date totalWagers net } }
}"""
MOVES = """# The movements made in a group.
query Moves($group: ID!, $during: Period = { frame: TODAY }) {
  group(id: $group) { id name transactions(during: $during) { nodes @rows { id timestamp amount } } }
}"""
NOON = datetime.datetime(2022, 10, 31, 12, tzinfo=datetime.UTC)


class Business:
    """A server over the world: a client of it, and the upstream calls since the last look."""

    def __init__(self, world: World, client: httpx.Client, cached: DayCache, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self.client = client
        self._cached = cached
        self._loop = loop

    def get(self, path: str, status: Any = 200, **headers: str) -> httpx.Response:
        """Answer a GET whose status must be this one."""
        named = {"accept-encoding": "identity", **{name.replace("_", "-"): text for name, text in headers.items()}}
        answer = self.client.get(path, headers=named)
        assert answer.status_code == status, answer.text
        return answer

    def forget(self, report: str, first: datetime.date, last: datetime.date) -> None:
        """Forget days of a report, as `gamehub-graph cache --forget` has a server do."""
        forgotten = self._cached.forget(report, first_day=first, last_day=last)
        asyncio.run_coroutine_threadsafe(forgotten, self._loop).result(30)

    def calls(self) -> list[str]:
        """Return the requested reports since the last call of this method, each with its days."""
        return self.world.calls()


@contextmanager
def business(world: World, folder: Path | None = None, *, compiled: bool = True) -> Iterator[Business]:
    """Serve the tables, for as long as a `with` block lasts."""
    clock = world.clock
    opened: list[DayCache] = []
    loops: list[asyncio.AbstractEventLoop] = []

    def session(operation: Operation) -> Session:
        return Session(
            opened[0],
            UTC,
            join=Join(MovementJoin.NEVER),
            caller=operation.caller,
            now=clock(),
            whole=operation.whole,
            not_before=operation.options.oldest(clock()),
        )

    async def cached_since(calls: Sequence[Call], not_before: datetime.datetime | None) -> datetime.datetime | None:
        found = [share.oldest for share in await opened[0].cached_shares(calls, not_before=not_before)]
        return min((oldest for oldest in found if oldest is not None), default=None)

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        store = MemoryStore(clock=clock.seconds)
        async with connect(world.stranger) as upstream, DayCache(upstream, store, UTC, now=clock) as cached:
            opened.append(cached)
            loops.append(asyncio.get_running_loop())
            yield

    app = application(
        schema,
        session,
        saved=[saved(TOTALS), saved(MOVES)],
        lifespan=life,
        finish=finish,
        leave=Session.close,
        compiled=compiled,
        tables=TablesConfig(
            now=clock,
            spool_dir=folder,
            changed=lambda first, last: opened[0].changed_since(first, last),
            cached_since=cached_since,
        ),
    )
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield Business(world, client, opened[0], loops[0])
