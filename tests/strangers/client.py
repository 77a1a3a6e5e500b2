"""The whole graph over the stranger's systems, with real HTTP:

one upstream client, and a session for each operation.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from strawberry.types import ExecutionResult

from resolvers.caller import EVERYONE, Caller
from resolvers.session import Session
from schema.graph import schema
from server.execution.execution import Outcome
from server.execution.operation import Operation
from tests.executors import executor_of
from tests.strangers.stranger import MADRID, Stranger
from tests.strangers.upstreams import connect
from tests.strangers.world import NOW


class Client:
    """A client of the graph. `options` are the session's: `user_code_from`, `agents`, `agent_of_group`."""

    def __init__(self, stranger: Stranger, zone: ZoneInfo = MADRID, **options: Any) -> None:
        self.stranger = stranger
        self.zone = zone
        self.options = options
        self.upstream_options: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self.upstream = connect(self.stranger, **self.upstream_options)
        await self.upstream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.upstream.__aexit__(kind, error, trace)

    def _session(self, **options: Any) -> Session:
        own = {"now": NOW, "gamehub_zone": self.stranger.quirks.zone}
        return Session(self.upstream, self.zone, **{**own, **options, **self.options})

    async def ask(self, query: str, **variables: Any) -> ExecutionResult:
        """Return the answer, with its errors."""
        session = self._session()
        result = await schema.execute(query, variable_values=variables or None, context_value=session)
        assert isinstance(result, ExecutionResult)
        return result

    async def outcome(
        self, query: str, *, compiled: bool, caller: Caller = EVERYONE, bulk: bool | None = None
    ) -> Outcome:
        """Return the answer of one of the two engines to a caller. `bulk` says which of several ways is taken."""
        session = self._session(caller=caller)
        if bulk is not None:
            session.choose = lambda ways, before=None: ways[-1 if bulk else 0]  # type: ignore[misc]
        return await executor_of(lambda operation: session, compiled=compiled).run(Operation(query))

    async def data(self, query: str, **variables: Any) -> Any:
        """Return the data of a query that must not fail."""
        result = await self.ask(query, **variables)
        assert result.errors is None, result.errors
        return result.data

    async def codes(self, query: str, **variables: Any) -> list[tuple[str, str]]:
        """Return the errors as (path, code), sorted."""
        errors = (await self.ask(query, **variables)).errors or []
        return sorted((".".join(map(str, error.path or [])), (error.extensions or {})["code"]) for error in errors)


Open = Callable[..., Client]
