"""A session: what one operation reads, each call once, keys of one tick gathered into one batch."""

import asyncio
import datetime
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from aiodataloader import DataLoader

from resolvers.edges import Edge
from resolvers.plan import wide
from upstream.call import Answer, Call
from upstream.errors import Incomplete, NotFound
from upstream.interval import Interval
from upstream.reports import Report
from upstream.rows import Row

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
RowT = TypeVar("RowT", bound=Row)


class Fetches(Protocol):
    """What a session asks of the upstream: the complete rows of one call, or an `UpstreamError`."""

    async def fetch(self, call: Call) -> Answer[Any]: ...


class Rows(list[Any]):
    """The rows of one key, with an index by a column that is built when it is first asked for."""

    @cached_property
    def _indexes(self) -> dict[str, dict[Hashable, Any]]:
        return {}

    def find(self, column: str, value: Hashable) -> Any | None:
        """The first row whose column holds the value, or None."""
        index = self._indexes.get(column)
        if index is None:
            index = {}
            for row in self:
                index.setdefault(getattr(row, column), row)
            self._indexes[column] = index
        return index.get(value)


class Session:
    """One operation's view of the upstream.

    `now` is read once, so that every period of the operation is cut at the same instant; `zone` is the business time
    zone. `agent_of_group` and `agents` name the Game History agents where groups have their own (C22).
    """

    def __init__(
        self,
        upstream: Fetches,
        zone: ZoneInfo,
        *,
        user_code_from: str = "username",
        agent_of_group: Callable[[int | None], str] = lambda group: "",
        agents: Callable[[], Sequence[str]] = lambda: ("",),
        lookback_days: int = 31,
        now: datetime.datetime | None = None,
    ) -> None:
        self.upstream = upstream
        self.zone = zone
        self.user_code_from = user_code_from
        self.agent_of_group = agent_of_group
        self.agents = agents
        self.lookback_days = lookback_days
        self.now = now or datetime.datetime.now(datetime.UTC)
        self.memo: dict[Hashable, Any] = {}
        self._calls: dict[Call, asyncio.Task[Answer[Any]]] = {}
        self._loaders: dict[Hashable, DataLoader[Any, Rows]] = {}

    @property
    def many_agents(self) -> bool:
        """Whether groups have agents of their own, so that a user's group decides whose game log is read (C22)."""
        return len(self.agents()) > 1

    def moment(self, microseconds: int) -> datetime.datetime:
        """The moment of a row (microseconds since 1970 UTC) on the wall clock of the business."""
        return (_EPOCH + datetime.timedelta(microseconds=microseconds)).astimezone(self.zone)

    async def fetch(self, call: Call) -> Answer[Any]:
        """The answer of one call, which is made once an operation however many ask for it."""
        task = self._calls.get(call)
        if task is None:
            task = self._calls[call] = asyncio.ensure_future(self.upstream.fetch(call))
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def all(self, report: Report, interval: Interval | None = None, **params: str | int | None) -> Rows:
        """All rows of a report under the given parameters."""
        return Rows((await self.fetch(Call.of(report, interval, agent="", **params))).rows)

    async def rows(
        self, edge: Edge, key: Hashable, interval: Interval | None = None, agent: str = "", **fixed: str | int | None
    ) -> Rows:
        """The rows of one key; keys that are asked for in one tick are read in one batch.

        `fixed` are the report's other parameters, the same for the whole batch. Raises the `UpstreamError` of the call
        that was to bring this key, and of no other.
        """
        params = tuple(sorted((name, value) for name, value in fixed.items() if value is not None))
        place = (edge, interval, agent, params)
        loader = self._loaders.get(place)
        if loader is None:
            load = partial(self._load, edge, interval, agent, dict(params))
            loader = self._loaders[place] = DataLoader(load)
        return await asyncio.shield(loader.load(key))

    async def _load(
        self, edge: Edge, interval: Interval | None, agent: str, fixed: dict[str, str | int], keys: list[Any]
    ) -> list[Any]:
        answer = await self._wide(edge, interval, agent, fixed) if wide(edge, keys) else None
        if answer is not None:
            shares = _share_out(answer.rows, edge.column)
            asked = _unclear(edge, keys, shares)
        else:
            shares, asked = {}, keys
        answers = await asyncio.gather(*(self._narrow(edge, interval, agent, fixed, key) for key in asked))
        narrow = dict(zip(asked, answers, strict=True))
        return [narrow[key] if key in narrow else Rows(shares.get(key, ())) for key in keys]

    async def _wide(
        self, edge: Edge, interval: Interval | None, agent: str, fixed: dict[str, str | int]
    ) -> Answer[Any] | None:
        """The wide answer, or None where it was cut short: what one key brings may be whole."""
        try:
            return await self.fetch(Call.of(edge.report, interval, agent=agent, **fixed))
        except Incomplete:
            if edge.by is None:
                raise
            return None

    async def _narrow(
        self, edge: Edge, interval: Interval | None, agent: str, fixed: dict[str, str | int], key: Any
    ) -> Rows | Exception:
        if edge.by is None:
            raise TypeError(f"{edge.report} takes no key")
        try:
            rows = (await self.fetch(Call.of(edge.report, interval, agent=agent, **{**fixed, edge.by: key}))).rows
        except NotFound as error:
            return Rows() if edge.one or edge.maybe else error
        except Exception as error:
            return error
        # A search may bring neighbours (`username` looks inside names): an entity is the row of exactly this key.
        return Rows(row for row in rows if getattr(row, edge.column) == key) if edge.one else Rows(rows)


def _share_out(rows: Iterable[RowT], column: str) -> dict[Hashable, list[RowT]]:
    shares: dict[Hashable, list[RowT]] = {}
    for row in rows:
        shares.setdefault(getattr(row, column), []).append(row)
    return shares


def _unclear(edge: Edge, keys: Iterable[Any], shares: Mapping[Hashable, object]) -> Collection[Any]:
    """The keys that a wide answer does not settle, so that each has to be asked for by itself."""
    if edge.by is None:
        return ()
    if None in shares:
        # A row does not say whose it is (C16: such columns may be missing).
        return list(keys)
    if not edge.any_case:
        return ()
    folded = {str(column).casefold() for column in shares}
    return [key for key in keys if key not in shares and str(key).casefold() in folded]


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Mark the failure as seen: those who waited got it, and if all of them left, nobody misses it."""
    if not task.cancelled():
        task.exception()
