"""One server over a sandbox for callers of any groups. All of them share its cache, its prices and its samples."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from engine.engine import Engine
from resolvers.caller import EVERYONE, Caller
from resolvers.prediction import predict
from resolvers.prices import Prices
from resolvers.rules.join import Join
from resolvers.session import Session
from schema.graph import schema
from server.execution import trace
from server.execution.documents import Documents, PreparedOperation
from server.execution.execution import Executor
from server.execution.limits import Limits
from server.execution.operation import Operation
from server.execution.request_options import RequestOptions
from server.kept_sums import KeptSums
from tests.graph import Graph
from tests.stand import Sandbox
from upstream.caching.cache import DayCache, open_store


def of_groups(*groups: int) -> Caller:
    """Return a caller that sees these groups."""
    return Caller("partner", frozenset(groups))


# The walk selects every field at once, which no client may do.
NO_LIMITS = Limits(characters=100_000, tokens=10_000, fields=10_000, depth=50, overlaps=1_000_000)
# Its documents are longer than a server's cache of them. Every caller sends each: one that is cached is compiled once.
CACHED_CHARACTERS = 1_000_000


class Audience:
    """Send queries as any caller. `cached` says whether the days cache is used."""

    def __init__(self, sandbox: Sandbox, cached: bool = True, **session: Any) -> None:
        self.graph = Graph(sandbox)
        self.cached = cached
        self.session = session
        self.prices = Prices()
        self.join = Join()
        self.sums: KeptSums | None = None
        self.executor = Executor(schema, self._session, trace.finish, predict.foresee, limits=NO_LIMITS)
        self.executor.documents = Documents(schema, NO_LIMITS, most_characters=CACHED_CHARACTERS)
        self.executor.engine = Engine(schema, past=(PreparedOperation,), size=CACHED_CHARACTERS)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        graph = await self._stack.enter_async_context(self.graph)
        self.upstream: Any = graph.upstream
        if self.cached:
            cached = DayCache(graph.upstream, open_store("memory://"), graph.zone, now=lambda: graph.now)
            self.upstream = await self._stack.enter_async_context(cached)
            self.sums = KeptSums(cached.would_read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _session(self, operation: Operation) -> Session:
        return Session(
            self.upstream,
            self.graph.zone,
            now=self.graph.now,
            prices=self.prices,
            join=self.join,
            sums=self.sums,
            caller=operation.caller,
            **self.session,
        )

    async def ask(self, query: str, caller: Caller = EVERYONE, explain: bool = False, **variables: Any) -> Any:
        """Return the whole answer, with the trace, or instead the plan."""
        options = RequestOptions(trace=not explain, explain=explain)
        outcome = await self.executor.run(Operation(query, None, variables, options=options, caller=caller))
        return outcome.answer()

    async def data(self, query: str, caller: Caller = EVERYONE, **variables: Any) -> Any:
        """Return the data of a query that must not fail."""
        answer = await self.ask(query, caller, **variables)
        assert answer.get("errors", []) == []
        return answer["data"]
