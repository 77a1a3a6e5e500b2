"""A session holds the facts of one operation: who calls, when, under which settings, and what was read so far."""

import asyncio
import datetime
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from aiodataloader import DataLoader

from resolvers.caller import EVERYONE, Caller
from resolvers.directory import Directory, undecided
from resolvers.edges import ReportEdge
from resolvers.kept_sums import KeptSum, SumKeeper
from resolvers.key_rows import KeyRows
from resolvers.loader import Loader
from resolvers.lookup import Lookup
from resolvers.nodes import Nodes
from resolvers.plan import Choose, cheapest
from resolvers.prices import Prices
from resolvers.rules.coherence import ReadAnswer
from resolvers.rules.currency import Currencies
from resolvers.rules.join import Join
from resolvers.sources.operation_calls import OperationCalls
from resolvers.sources.repeated_hour import RepeatedHour
from resolvers.sources.source import Reason, Source
from resolvers.sources.upstream_calls import UpstreamCalls, UpstreamRoom
from resolvers.sources.visibility import PlainErrors, Visibility, VisibleCalls, VisibleRows
from resolvers.trace import Step, SummedList
from upstream.call import Answer, Call, Reading
from upstream.reports.spelling import fold
from upstream.reports.table import Report
from upstream.values.interval import Interval

T = TypeVar("T")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Session:
    """The facts of one operation.

    `room` answers calls: the day cache or the client. `now` is read once, so that all periods of the operation are cut
    at the same instant. `zone` is the business time zone, `gamehub_zone` GameHub's own clock, the same by default.
    `agent_of_group` and `agents` name the Game History agents where groups have their own (C22). `prices`, `join`,
    `currencies` and `sums` belong to the server: operations learn from each other. `caller` says whose rows are
    visible. Rows that were read before `not_before` are read again. `most_nodes` limits the nodes that the operation
    builds.
    """

    # How one of several ways is chosen. Benchmarks and tests replace it.
    choose: Choose = staticmethod(cheapest)
    # The event of a subscription that this operation answers: the period of its poll, and the id of the new row.
    polled_interval: Interval | None = None
    polled_row: int | None = None

    def __init__(
        self,
        room: UpstreamRoom,
        zone: ZoneInfo,
        *,
        user_code_from: str = "username",
        agent_of_group: Callable[[int | None], str] = lambda group: "",
        agents: Callable[[], Sequence[str]] = lambda: ("",),
        lookback_days: int = 31,
        prices: Prices | None = None,
        join: Join | None = None,
        now: datetime.datetime | None = None,
        caller: Caller = EVERYONE,
        whole: bool = False,
        not_before: datetime.datetime | None = None,
        gamehub_zone: ZoneInfo | None = None,
        currencies: Currencies | None = None,
        sums: SumKeeper | None = None,
        most_nodes: int | None = None,
    ) -> None:
        self.room = room
        self.zone = zone
        self.gamehub_zone = gamehub_zone or zone
        self.user_code_from = user_code_from
        # These read files, so an operation calls each of them once.
        self._agent_of_group = agent_of_group
        self._agents = agents
        self._agent_by_group: dict[int | None, str] = {}
        self._every_agent: Sequence[str] | None = None
        self.lookback_days = lookback_days
        self.caller = caller
        self.join = join or Join()
        self.currencies = currencies or Currencies()
        self.sums = sums
        self.now = now or datetime.datetime.now(datetime.UTC)
        self.not_before = not_before
        self.whole = whole  # whether lists without `first` are returned whole, not as a page
        self.nodes = Nodes(most_nodes)
        self.parallel = 1  # 0 while the engine runs one field alone (see engine/batch_hint.py)
        self.gathering = 0  # how many fields will still add keys to the batches of this turn
        self.summed: list[SummedList] = []  # the lists that were added up without their pages
        self.rehearsal = False  # whether the rows are made up; then nobody reports their faults
        self.memo: dict[Hashable, Any] = {}
        self.selections: tuple[object, dict[Hashable, Any]] = None, {}  # what the schema knows of the operation
        self.prices = prices or Prices()
        if caller.groups is not None:
            self.prices = self.prices.within(caller.groups)
        self._own = UpstreamCalls(room, self.prices, self.now, not_before)
        self.picked = self._own.picked
        self._directory: Directory | None = None
        self.visibility = None if caller.groups is None else Visibility(caller.groups, self, self.directory)
        # `steps` are the calls as the trace shows them, `readings` say when their rows were read, and `reads` are the
        # answers that may contradict each other.
        self.reads: list[ReadAnswer] = self._own.reads
        self.calls, self.source = _stack(self._own, self.visibility, self.prices, self.gamehub_zone)
        self.steps: list[Step] = self.calls.steps
        self.readings: list[Reading] = self.calls.readings
        self.loader = Loader(self, self.source, self.visibility)
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}
        self._going_on: set[asyncio.Task[Any]] = set()

    def close(self) -> None:
        """End the operation, answered or not: what it still waits for is cancelled.

        An upstream call goes on while another operation waits for it.
        """
        self._own.closed = True
        self.calls.close()
        for task in self._going_on:
            task.cancel()
        # A session and its parts refer to each other. Released here, their rows need no garbage collector.
        self.loader.close()
        self._loaders.clear()
        self.memo.clear()
        self.selections = None, {}
        self._own.reads.clear()
        if self._directory is not None:
            self._directory.close()
        if self.visibility is not None:
            self.visibility.close()

    @property
    def directory(self) -> Directory:
        """Return the users of each agent. Few operations need them."""
        if self._directory is None:
            self._directory = Directory(self._everyone, self.user_code_from, self._agent_of_group, self._agents)
        return self._directory

    @property
    def options(self) -> Mapping[str, Any]:
        """Return the options of every call of the operation."""
        return self._own.options

    @property
    def today(self) -> datetime.date:
        """Return the business day of the operation."""
        return self.now.astimezone(self.zone).date()

    def agent_of_group(self, group: int | None) -> str:
        """Return the agent in whose log the users of a group play: "" for the default agent."""
        agent = self._agent_by_group.get(group)
        if agent is None:
            agent = self._agent_by_group[group] = self._agent_of_group(group)
        return agent

    def every_agent(self) -> Sequence[str]:
        """Return all agents, also those whose logs the caller may not see."""
        if self._every_agent is None:
            self._every_agent = self._agents()
        return self._every_agent

    @property
    def compared(self) -> set[str]:
        """Return the codes of the reports that the operation read and that may contradict each other."""
        found = {read.call.report.code for read in self.reads}
        return found if len(found) > 1 else set()

    @cached_property
    def many_agents(self) -> bool:
        """Return whether groups have their own agents. Then a user's group decides which game log is read (C22)."""
        return len(self.every_agent()) > 1

    def agents(self) -> Sequence[str]:
        """Return the agents whose game logs the caller may see."""
        agents, visibility = self.every_agent(), self.visibility
        return agents if visibility is None else [agent for agent in agents if visibility.serves(agent)]

    def agent_of(self, code: str) -> str:
        """Return the agent whose log holds rows of this agent code: "" for the default agent."""
        agents = [agent for agent in self.every_agent() if agent]
        return next((agent for agent in agents if agent == code or fold(agent) == fold(code)), "")

    def moment(self, microseconds: int) -> datetime.datetime:
        """Return the moment of a row (microseconds since 1970 UTC) on the wall clock of the business."""
        return (_EPOCH + datetime.timedelta(microseconds=microseconds)).astimezone(self.zone)

    async def fetch(self, call: Call, fields: Iterable[str] = ()) -> Answer[Any]:
        """Return the visible rows of a call, for the trace with the fields that need them."""
        return await self.source.fetch(call, Reason(tuple(fields)))

    async def all(
        self,
        report: Report,
        interval: Interval | None = None,
        field: str = "",
        columns: frozenset[str] | None = None,
        agent: str = "",
        **params: str | int | None,
    ) -> KeyRows:
        """Return all rows of a report under these parameters. Only `columns` may be read of them; None means all."""
        given = tuple(sorted((name, value) for name, value in params.items() if value is not None))
        call = Call(report, given, interval, agent, columns)
        answer = await self.source.fetch(call, Reason((field,) if field else ()))
        if answer.undecided:
            raise undecided()
        return KeyRows.of(answer)

    async def rows(self, lookup: Lookup, key: Hashable, field: str = "") -> KeyRows:
        """Return the rows of one key, with all columns. Keys of one tick are read in one batch.

        `field` is the field that needs them. Raise the `UpstreamError` of the call for this key, and of no other.
        """
        return await self.loader.one(lookup, key, field)

    def rows_of(
        self, lookup: Lookup, keys: Sequence[Any], columns: Collection[str] | None = None, field: str = ""
    ) -> Coroutine[Any, Any, list["KeyRows | Exception"]]:
        """Return the rows of each key, or the error that prevents it. Only `columns` may be read; None means all."""
        return self.loader.load(lookup, keys, columns, field)

    def rows_of_level(
        self, lookup: Lookup, keys: Sequence[Any], columns: Collection[str] | None, field: str
    ) -> Coroutine[Any, Any, list["KeyRows | Exception"]]:
        """Do the same for all keys of a level. They are read at once if no other field runs at the same time."""
        return self.loader.load(lookup, keys, columns, field, alone=not self.parallel)

    def go_on(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Return a task that goes on with some work until it is done or the operation ends."""
        task = asyncio.create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._gone_on)
        return task

    def _gone_on(self, task: asyncio.Task[Any]) -> None:
        self._going_on.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it sees it; perhaps nobody does any more

    def release(self, interval: Interval) -> None:
        """Forget the rows of a part of a period that was added up. Only the cache may still have them.

        They are not compared with those of other reports either.
        """
        self.loader.release(interval)
        self.calls.release(interval)
        self.reads[:] = [read for read in self.reads if read.call.interval != interval]

    async def kept_sum(self, place: Hashable, field: str) -> KeptSum | None:
        """Return the sum of a place that an earlier operation kept, and note its calls for a field."""
        found = None if self.sums is None else await self.sums.find(place, self.not_before)
        if found is not None:
            self.calls.note_kept(found, field)
        return found

    def price(self, edge: ReportEdge, keys: Collection[Any], interval: Interval | None) -> float:
        """Return what it would cost to read so many keys of an edge, in seconds."""
        return self.loader.price(Lookup(edge, interval), keys)

    def gathered(self, place: Hashable, load: Callable[[list[Any]], Any]) -> DataLoader[Any, Any]:
        """Return a loader of this operation that hands the objects of one tick to `load` together."""
        loader = self._loaders.get(place)
        if loader is None:
            loader = self._loaders[place] = DataLoader(partial(_together, load), get_cache_key=id, cache=False)
        return loader

    async def _everyone(self, report: Report) -> Sequence[Any]:
        """Return all rows of a report, for any caller. They decide about other rows; a restricted caller sees none."""
        return (await self.calls.fetch_unseen(Call.of(report))).rows


def _stack(
    own: UpstreamCalls, visibility: Visibility | None, prices: Prices, gamehub_zone: ZoneInfo
) -> tuple[OperationCalls, Source]:
    """Return the source that makes each call once, and the top of the stack (`source.py` shows it)."""
    if visibility is None:
        calls = OperationCalls(own, own, prices, False)
        return calls, RepeatedHour(calls, gamehub_zone)
    plain = PlainErrors(own)
    calls = visibility.calls = OperationCalls(VisibleRows(plain, visibility), plain, prices, True)
    return calls, VisibleCalls(RepeatedHour(calls, gamehub_zone), visibility)


async def _together(load: Callable[[list[Any]], Any], objects: list[Any]) -> list[Any]:
    await load(objects)
    return objects
