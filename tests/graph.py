"""The graph over a running sandbox: what a query answers, and which upstream calls it makes."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from resolvers.session import Session
from server.execution.examples import resolve
from server.execution.execution import Executor
from server.execution.operation import Operation
from server.execution.saved import find, saved_queries
from tests.executors import executor_of
from tests.stand import NOON, Sandbox
from upstream.agents import Agent, Agents
from upstream.client import GameHubConfig, GameLogConfig, Upstream
from upstream.transport.secret import Secret

UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class GraphAnswer:
    """The answer to one operation: data, errors as a client sees them, and the upstream calls."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    calls: list[dict[str, Any]]

    @property
    def reports(self) -> dict[str, int]:
        """Return the number of calls of each report."""
        counts: dict[str, int] = {}
        for call in self.calls:
            counts[call["report"]] = counts.get(call["report"], 0) + 1
        return dict(sorted(counts.items()))


class Graph:
    """The schema over both upstreams of a sandbox, for as long as an `async with` block lasts."""

    def __init__(
        self, sandbox: Sandbox, zone: ZoneInfo = UTC, now: str = NOON, *, compiled: bool = True, **session: Any
    ) -> None:
        self.sandbox = sandbox
        self.zone = zone
        self.now = datetime.fromisoformat(now)
        self.session = session
        self.compiled = compiled
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        sandbox = self.sandbox
        self.upstream = await self._stack.enter_async_context(
            Upstream(
                GameHubConfig(lambda: sandbox.gamehub_url, Secret(sandbox.gamehub_token), ZoneInfo(sandbox.timezone)),
                GameLogConfig(
                    lambda: sandbox.gamelog_url,
                    Agents(Agent(sandbox.agent_code, Secret(sandbox.agent_token))),
                    ZoneInfo(sandbox.log_timezone),
                ),
            )
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def ask(self, query: str, **variables: Any) -> GraphAnswer:
        """Return the answer to a query."""
        self.sandbox.reset()
        outcome = await self.executor(self.new_session()).run(Operation(query, variables=variables))
        return GraphAnswer(outcome.data, outcome.errors, self.sandbox.calls())

    async def example(self, name: str) -> dict[str, Any]:
        """Return the example variables of a saved query, with an id that exists now for each reference."""
        saved = saved_queries()
        return await resolve(find(name, saved).variables, saved, self.executor(self.new_session()))

    def new_session(self) -> Session:
        """Return the session of one operation."""
        return Session(
            self.upstream, self.zone, now=self.now, gamehub_zone=ZoneInfo(self.sandbox.timezone), **self.session
        )

    def executor(self, session: Session) -> Executor:
        """Return the executor that runs an operation in a session."""
        return executor_of(lambda operation: session, compiled=self.compiled)

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of a query that must not fail."""
        answer = await self.ask(query, **variables)
        assert answer.errors == []
        assert answer.data is not None
        return answer.data
