"""A session: what one operation reads, each call once, keys of one tick gathered into one batch and planned as one."""

import asyncio
import datetime
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo

from aiodataloader import DataLoader

from resolvers.bell import Bell
from resolvers.caller import EVERYONE, Caller
from resolvers.coherence import COMPARED, ReadAnswer
from resolvers.currency import Currencies
from resolvers.directory import Directory, settle, undecided
from resolvers.edges import BulkWay, ReportEdge
from resolvers.join import Join
from resolvers.movement import same
from resolvers.nodes import Nodes
from resolvers.plan import MOST_ROWS, Way, choose
from resolvers.prices import Prices
from resolvers.repeated import groups_of, settled, stretches, widened
from resolvers.scope import NAMELESS, UNDECIDED, Scope, unknown
from resolvers.trace import Step
from upstream.call import Answer, Call, Reading
from upstream.decoding.bad_value import require as refuse
from upstream.decoding.decode import LazyRows, irregular, like, need, require, whole
from upstream.decoding.partial_row import PartialRow
from upstream.errors import NotFound, Overloaded, Unauthenticated, Unavailable, UpstreamError
from upstream.interval import Interval
from upstream.reports.request import BadParameter, can_carry_all, checked
from upstream.reports.rows import Row
from upstream.reports.spelling import fold
from upstream.reports.table import GROUP_MOVEMENTS, USER_TRANSACTIONS, Check, Report, System
from upstream.resilience.queue import Queue

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
RowT = TypeVar("RowT", bound=Row)
Fixed = Mapping[str, str | int]

# How many users are read from both reports when these are compared.
SAMPLE = 3
# With how many keys it is tried whether they can be read one by one, when they could not be read together.
TRIED = 3
# Of how many keys it is looked up whether they are at hand; the others are taken to be like them.
PEEK = 8
# Those who asked for rows that are woken in one turn of the event loop.
AWAKE = 200


class Fetches(Protocol):
    """What a session asks of the upstream: the complete rows of one call, or an `UpstreamError`."""

    async def fetch(self, call: Call) -> Answer[Any]: ...


class KeyRows(list[Any]):
    """The rows of one key, with an index by a column that is built when it is first asked for.

    `irregular` are the columns in which a bad value was found so far, or in an object there.
    """

    def __init__(self, rows: Iterable[Any] = (), sheet: list[Any] | None = None) -> None:
        super().__init__(rows)
        self._sheet = sheet
        # A sheet goes on finding bad values as more of its columns are needed.
        self.irregular: Collection[str] = sheet.bad.columns if sheet.__class__ is LazyRows else ()

    def need(self, columns: Collection[str] | None = None) -> Self:
        """Make columns readable, all of them if None, where the answer has them as they came. Raises Malformed."""
        if self._sheet is not None:
            need(self._sheet, columns)
            # Excerpts may have given way to whole rows.
            if self and isinstance(self[0], PartialRow) and not isinstance(self._sheet[0], PartialRow):
                self[:] = self.whole(self)
                self.__dict__.pop("_indexes", None)
        return self

    @classmethod
    def joined(cls, parts: Iterable["KeyRows"]) -> Self:
        """The rows of several answers, all columns of them. Raises Malformed."""
        parts = [part.need() for part in parts]
        found = cls(row for part in parts for row in part)
        found.irregular = frozenset().union(*(part.irregular for part in parts))
        return found

    def require(self, columns: Collection[str]) -> None:
        """Raise the error of the first bad value that was found in these columns of these rows."""
        found = self.irregular
        if found and (wrong := sorted(frozenset(found).intersection(columns))):
            refuse(self, wrong)

    def whole(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The whole rows that some of these are, or are excerpts of."""
        return whole(self._sheet, rows) if self._sheet is not None else rows

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
    zone, `gamehub_zone` GameHub's own clock, the same if it is not given. `agent_of_group` and `agents` name the Game
    History agents where groups have their own (C22). `prices`, `join` and `currencies` are the server's: what one
    operation learns, the next one knows. `caller` says whose rows there are. Rows that were read before `not_before`
    are read again. `most_nodes` bounds the nodes that the operation builds.
    """

    # Who picks one of the ways: the benchmark compares it with others.
    choose = staticmethod(choose)

    def __init__(
        self,
        upstream: Fetches,
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
        most_nodes: int | None = None,
    ) -> None:
        self.upstream = upstream
        self.zone = zone
        self.gamehub_zone = gamehub_zone or zone
        self.user_code_from = user_code_from
        # These look at files, so an operation asks each once.
        self._agent_of_group = agent_of_group
        self._agents = agents
        self._agent_by_group: dict[int | None, str] = {}
        self._every_agent: Sequence[str] | None = None
        self.lookback_days = lookback_days
        self.caller = caller
        self.directory = Directory(self._everyone, user_code_from, agent_of_group, agents)
        self.scope = None if caller.groups is None else Scope(caller.groups, self._once, self, self.directory)
        self.prices = prices or Prices()
        if self.scope is not None:
            self.prices = self.prices.within(caller.groups)
        self.join = join or Join()
        self.currencies = currencies or Currencies()
        self.now = now or datetime.datetime.now(datetime.UTC)
        self.fresh: dict[str, Any] = {} if not_before is None else {"not_before": not_before}
        self.whole = whole  # whether lists without `first` are given whole, not a page of them
        self.nodes = Nodes(most_nodes)
        self.gathering = 0  # how many fields are still about to ask for more keys, turn by turn
        self.rehearsal = False  # whether the rows are made up, so that what goes wrong is nobody's fault
        self.memo: dict[Hashable, Any] = {}
        self.steps: list[Step] = []
        self.reads: list[ReadAnswer] = []  # answers that may contradict each other
        self.picked: set[Call] = set()  # calls for keys that were picked as unlike the others
        self._began = time.monotonic()
        self._turns: dict[System, Queue] = {}
        self._calls: dict[Hashable, _OperationCall] = {}
        self._batches: dict[Hashable, _Batch] = {}
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}
        self._closed = False

    def close(self) -> None:
        """The operation is over, answered or not: what it has asked for and not yet got is not waited for any more.

        The calls themselves go on while another operation waits for them.
        """
        self._closed = True
        for asked in self._calls.values():
            asked.error = None  # whose traceback refers to it
            if asked.maker is not None:
                asked.maker.cancel()
        # Sessions and their batches refer to each other: what was read would wait for the garbage collector.
        self._calls.clear()
        for batch in self._batches.values():
            batch.close()
        self._batches.clear()
        self._loaders.clear()
        self.memo.clear()
        self.reads.clear()
        self.directory.close()

    def agent_of_group(self, group: int | None) -> str:
        """Return the agent in whose log the users of a group play: "" for the default agent."""
        agent = self._agent_by_group.get(group)
        if agent is None:
            agent = self._agent_by_group[group] = self._agent_of_group(group)
        return agent

    def every_agent(self) -> Sequence[str]:
        """Return all agents, whoever may see their logs."""
        if self._every_agent is None:
            self._every_agent = self._agents()
        return self._every_agent

    @property
    def readings(self) -> list[Reading]:
        """Return when the rows of the operation were read, call by call."""
        return [reading for step in self.steps for reading in step.readings]

    @cached_property
    def many_agents(self) -> bool:
        """Whether groups have agents of their own, so that a user's group decides whose game log is read (C22)."""
        return len(self.every_agent()) > 1

    def agents(self) -> Sequence[str]:
        """The agents whose game logs the caller may see."""
        agents = self.every_agent()
        return agents if self.scope is None else [agent for agent in agents if self.scope.serves(agent)]

    def agent_of(self, code: str) -> str:
        """Return the agent whose log holds rows of this agent code: "" for the default agent."""
        agents = [agent for agent in self.every_agent() if agent]
        return next((agent for agent in agents if agent == code or fold(agent) == fold(code)), "")

    def moment(self, microseconds: int) -> datetime.datetime:
        """The moment of a row (microseconds since 1970 UTC) on the wall clock of the business."""
        return (_EPOCH + datetime.timedelta(microseconds=microseconds)).astimezone(self.zone)

    async def fetch(
        self,
        call: Call,
        fields: Iterable[str] = (),
        way: Way | None = None,
        rejected: Sequence[Way] = (),
        keys: int = 1,
    ) -> Answer[Any]:
        """The answer of one call, which is made once an operation however many ask for it.

        `fields` are the fields it serves; `way`, `rejected` and `keys` are the planner's reasons.
        """
        if self.scope is not None:
            return await self.scope.fetch(call, fields, way, rejected, keys)
        return await self._once(call, fields, way, rejected, keys)

    async def _once(
        self,
        call: Call,
        fields: Iterable[str] = (),
        way: Way | None = None,
        rejected: Sequence[Way] = (),
        keys: int = 1,
    ) -> Answer[Any]:
        asked = self._calls.get(call)
        if asked is None:
            step = Step(call, time.monotonic() - self._began, scoped=self.scope is not None)
            if way is not None:
                step.way, step.price, step.rejected, step.keys = way.name, way.price, rejected, keys
            self.steps.append(step)
            asked = self._calls[call] = _OperationCall(step)
        asked.step.fields.update(fields)
        answer = asked.answer
        if answer is None:
            answer = await asked.made(self._fetch)
        if call is not asked.step.call:
            need(answer.rows, call.columns)
        return answer

    async def _fetch(self, call: Call, step: Step) -> Answer[Any]:
        if self._closed:
            # Gathered before the end, or waited for by others until then: nobody is there to be told of an error.
            raise asyncio.CancelledError
        began = time.monotonic()
        twice = [] if call.report is not USER_TRANSACTIONS else self._shown_twice(call)
        sent = call
        if twice:
            assert call.interval is not None
            sent = step.call = replace(call, interval=widened(call.interval, twice), columns=None)
        try:
            answer = await self._in_turn(sent)
        except UpstreamError as error:
            step.outcome, step.error, step.requests, step.waited = "error", error.code, error.requests, error.waited
            if self.scope is not None:
                error = self.scope.plain(call, error)
            if isinstance(error, NotFound):
                self.prices.keep(call, (), error)
            raise error from None
        except BadParameter:
            self.steps.remove(step)  # refused before it left, it is no call
            raise
        finally:
            step.seconds = time.monotonic() - began
        if call.report in COMPARED and answer.readings:
            self.reads.append(ReadAnswer(call, answer))
        brought = len(answer.rows)
        if self.scope is not None:
            try:
                answer = await self.scope.visible(call, answer)
            except UpstreamError as error:
                step.outcome, step.error = "error", error.code
                raise
        if twice:
            answer = await self._settled(call, answer, twice)
        step.outcome = str(answer.notes.get("outcome", "off"))
        step.stale = answer.notes.get("stale")
        step.readings = answer.readings
        step.requests, step.rows, step.bytes = answer.requests, len(answer.rows), answer.bytes
        step.waited = answer.waited
        self.prices.keep(call, answer.rows)
        if step.outcome in ("off", "miss"):
            self.prices.learn(call, brought, max(answer.seconds - answer.waited, 0.0), call not in self.picked)
        return answer

    def _shown_twice(self, call: Call) -> list[Interval]:
        """Return the stretches of a call's period that GameHub's clock shows twice, so that R7 does not tell which."""
        return [] if call.interval is None else stretches(call.interval, self.gamehub_zone)

    async def _settled(self, call: Call, answer: Answer[Any], twice: Sequence[Interval]) -> Answer[Any]:
        """Return R7's rows of the period, with the moments that R5 tells for the hour that came twice (C29)."""
        assert call.interval is not None
        calls = [
            Call.of(GROUP_MOVEMENTS, stretch, group_id=group)
            for stretch in twice
            for group in sorted(groups_of(answer.rows, stretch))
        ]
        moments: dict[int, int] = {}
        for found in await asyncio.gather(*map(self._once, calls), return_exceptions=True):
            if isinstance(found, NotFound):
                continue
            if isinstance(found, BaseException):
                raise found
            need(found.rows, {"movement_id", "timestamp"})
            moments.update((row.movement_id, row.timestamp) for row in found.rows)
        return replace(answer, rows=like(answer.rows, [*settled(answer.rows, moments, twice, call.interval)]))

    async def _in_turn(self, call: Call) -> Answer[Any]:
        """Make a call when fewer calls of this operation are under way than the system has slots.

        So an operation waits for its own calls here, where they take no place in the system's waiting room and no time
        of their deadline. A call that is under way waits for none of these, so that every one of them has its turn.
        """
        system = call.report.system
        turns = self._turns.get(system)
        if turns is None:
            turns = self._turns[system] = Queue(self.prices.parallel[system])
        if not turns.take_free():
            await turns.take("")
        try:
            if self._closed:
                raise asyncio.CancelledError
            if system is System.GAMELOG:
                call = replace(call, moment=self.now)
            return await self.upstream.fetch(call, **self.fresh)
        finally:
            turns.give()

    async def _everyone(self, report: Report) -> Sequence[Any]:
        """Return all rows of a report, whoever calls. They decide whose other rows are; a caller never sees them."""
        call = Call.of(report)
        if self.scope is None:
            return (await self.fetch(call)).rows
        place = ("everyone", call)
        asked = self._calls.get(place)
        if asked is None:
            step = Step(call, time.monotonic() - self._began, scoped=True, way="everyone")
            self.steps.append(step)
            asked = self._calls[place] = _OperationCall(step)
        answer = asked.answer
        if answer is None:
            answer = await asked.made(self._fetch_unseen)
        return answer.rows

    async def _fetch_unseen(self, call: Call, step: Step) -> Answer[Any]:
        """Make a call whose rows no caller sees. The trace says that it was made, and nothing of its rows."""
        assert self.scope is not None
        began = time.monotonic()
        try:
            answer = await self._in_turn(call)
        except UpstreamError as error:
            step.outcome, step.error = "error", error.code
            raise self.scope.plain(call, error) from None
        finally:
            step.seconds = time.monotonic() - began
        step.outcome, step.requests = str(answer.notes.get("outcome", "off")), answer.requests
        return answer

    async def all(
        self,
        report: Report,
        interval: Interval | None = None,
        field: str = "",
        columns: frozenset[str] | None = None,
        agent: str = "",
        **params: str | int | None,
    ) -> KeyRows:
        """All rows of a report under the given parameters; of the rows no other `columns` may be read, if given."""
        call = replace(Call.of(report, interval, agent=agent, **params), columns=columns)
        answer = await self.fetch(call, (field,) if field else ())
        if answer.notes.get(UNDECIDED):
            raise undecided()
        return KeyRows(answer.rows, answer.rows)

    async def rows(
        self,
        edge: ReportEdge,
        key: Hashable,
        interval: Interval | None = None,
        agent: str = "",
        field: str = "",
        exact: bool = True,
        **fixed: str | int | None,
    ) -> KeyRows:
        """The rows of one key, all columns of them; keys that are asked for in one tick are read in one batch.

        `field` is the field they are for. Not `exact`, they may be those of a report that stands in for the edge's own.
        `fixed` are further parameters, the same for the whole batch. Raises the `UpstreamError` of the call that was to
        bring this key, and of no other.
        """
        (found,) = await self.rows_of(edge, (key,), interval, agent, field, exact, None, **fixed)
        if isinstance(found, Exception):
            raise found
        return found

    async def rows_of(
        self,
        edge: ReportEdge,
        keys: Sequence[Any],
        interval: Interval | None = None,
        agent: str = "",
        field: str = "",
        exact: bool = True,
        columns: Collection[str] | None = None,
        **fixed: str | int | None,
    ) -> list["KeyRows | Exception"]:
        """The rows of several keys, or the error that kept a key's away: as `rows`, for all of them at once.

        Of the rows no other `columns` may be read, if that is not None.
        """
        params = tuple(sorted((name, value) for name, value in fixed.items() if value is not None))
        place = (edge, interval, agent, exact, params)
        batch = self._batches.get(place)
        if batch is None:
            batch = self._batches[place] = _Batch(self, edge, interval, agent, dict(params), exact)
        if field:
            # Which field asks makes no difference to the batch: it is kept for the trace alone.
            batch.fields.add(field)
        found = await batch.read(keys, columns)
        for place_, rows in enumerate(found):
            if isinstance(rows, KeyRows):
                try:
                    rows.need(columns)
                except UpstreamError as error:
                    found[place_] = error
        return found

    def price(self, edge: ReportEdge, keys: Collection[Any], interval: Interval | None) -> float:
        """What it would cost to read so many keys of an edge, in seconds."""
        batch = _Batch(self, edge, interval, "", {}, True)
        return min(way.price for way in batch.ways(list(keys)))

    def gathered(self, place: Hashable, load: Callable[[list[Any]], Any]) -> DataLoader[Any, Any]:
        """A loader of this operation that hands the objects of one tick to `load` together."""
        loader = self._loaders.get(place)
        if loader is None:
            loader = self._loaders[place] = DataLoader(partial(_together, load), get_cache_key=id, cache=False)
        return loader


class _OperationCall:
    """A call of one operation: who asks first makes it, for all who ask; is it cancelled, the next of them goes on."""

    __slots__ = ("_bell", "answer", "error", "maker", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.answer: Answer[Any] | None = None
        self.maker: asyncio.Task[Any] | None = None
        self.error: Exception | None = None
        self._bell = Bell()

    async def made(self, make: Callable[[Call, Step], Awaitable[Answer[Any]]]) -> Answer[Any]:
        """Its answer. Raises what `make` has raised."""
        while self.maker is not None:
            await self._bell.wait()
        if self.answer is None and self.error is None:
            self.maker = asyncio.current_task()
            try:
                self.answer = await make(self.step.call, self.step)
            except Exception as error:
                self.error = error
            finally:
                self.maker = None
                self._bell.ring()
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer


class _LoadRound:
    """The keys of a batch that are read together, and what came of each, once that is known."""

    __slots__ = ("bell", "found", "keys", "task")

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.found: dict[Any, KeyRows | Exception] | None = None
        self.task: asyncio.Task[None] | None = None
        self.bell = Bell()

    async def read(self) -> dict[Any, KeyRows | Exception]:
        """What came of the keys. Who gives up waiting leaves the others untouched."""
        if self.task is not None:
            await self.bell.wait()
        if self.found is None:
            raise asyncio.CancelledError
        return self.found


class _Batch:
    """The keys of one edge that are read together."""

    def __init__(
        self,
        session: Session,
        edge: ReportEdge,
        interval: Interval | None,
        agent: str,
        fixed: Fixed,
        exact: bool,
    ) -> None:
        self.session = session
        self.edge = edge
        self.interval = interval
        self.agent = agent
        self.fixed = fixed
        self.exact = exact
        self.fields: set[str] = set()
        self._columns: set[str] | None = set()
        self._asked: dict[Any, _LoadRound] = {}
        self._gathering: _LoadRound | None = None

    def close(self) -> None:
        """Let go of what was read."""
        for each in self._asked.values():
            each.found = None  # an error's traceback refers to its round
        self._asked.clear()

    async def read(self, keys: Sequence[Any], columns: Collection[str] | None) -> list["KeyRows | Exception"]:
        """The rows of each key, or the error that kept them away; a key is read once an operation."""
        if columns is None or self._columns is None:
            self._columns = None
        else:
            self._columns.update(columns)
        asked = self._asked
        for key in keys:
            if key not in asked:
                if self._gathering is None:
                    self._gathering = _LoadRound()
                    self._gathering.task = asyncio.create_task(self._together(self._gathering))
                self._gathering.keys.append(key)
                asked[key] = self._gathering
        rounds = [asked[key] for key in keys]
        found = {each: await each.read() for each in dict.fromkeys(rounds)}
        return [found[each][key] for each, key in zip(rounds, keys, strict=True)]

    async def _together(self, gathered: _LoadRound) -> None:
        try:
            # So that a key is among them that is asked for in the tick after the first one's, too.
            await asyncio.sleep(0)
            while self.session.gathering:  # noqa: ASYNC110 - some turns of the loop, and the keys are one batch
                await asyncio.sleep(0)
            keys, self._gathering = gathered.keys, None
            try:
                gathered.found = dict(zip(keys, await self.load(keys), strict=True))
            except Exception as error:
                gathered.found = dict.fromkeys(keys, error)
        finally:
            gathered.task = None
            await self._tell(gathered)

    async def _tell(self, gathered: _LoadRound) -> None:
        """Wake those who asked, some in each turn. What they ask for next is one batch, as if all woke at once."""
        if not gathered.bell.ring(AWAKE):
            return
        self.session.gathering += 1
        try:
            await asyncio.sleep(0)
            while gathered.bell.ring(AWAKE):  # noqa: ASYNC110 - some are woken in each turn
                await asyncio.sleep(0)
        finally:
            self.session.gathering -= 1
            gathered.bell.ring()

    async def load(self, keys: list[Any]) -> list[Any]:
        """The rows of each key, or the error that kept them away."""
        refused = self._refused(keys)
        if not refused:
            return await (self._load(keys) if self.session.scope is None else self._load_sendable(keys))
        sendable = [key for key in keys if key not in refused]
        found = dict(zip(sendable, await self._load_sendable(sendable), strict=True)) if sendable else {}
        return [refused[key] if key in refused else found[key] for key in keys]

    def _refused(self, keys: Sequence[Any]) -> dict[Any, BadParameter]:
        """Return the keys that no upstream may be asked for, with the reason. Also among others they have no rows."""
        edge = self.edge
        if edge.by is None or edge.report.parameters[edge.by].check is not Check.TEXT:
            return {}
        if can_carry_all(keys):
            return {}
        refused = {}
        for key in keys:
            try:
                checked(self._narrow_call(key))
            except BadParameter as error:
                refused[key] = error
        return refused

    async def _load_sendable(self, keys: list[Any]) -> list[Any]:
        if self.session.scope is None or self.edge.by is None:
            return await self._load(keys)
        # Whoever is hidden has no part in the plan, either: what is chosen would tell of what others have asked.
        known = await self.session.scope.known(self.edge.report, self.edge.by, keys, self.agent)
        answers = dict(zip(known, await self._load(known), strict=True)) if known else {}
        return [answers[key] if key in answers else self._nobody(unknown(self._narrow_call(key))) for key in keys]

    def _nobody(self, error: NotFound) -> KeyRows | NotFound:
        return KeyRows() if self.edge.one or self.edge.maybe else error

    async def _load(self, keys: list[Any]) -> list[Any]:
        ways = self.ways(keys)
        way, rejected = ways[0], ways[1:]
        if rejected:
            ways = await self._less_what_is_held(ways, keys)
            prices = self.session.prices
            # Few keys and many are two questions, each with a way of its own.
            place = (self.edge, tuple(self.fixed.items()), self.agent, len(keys).bit_length())
            way = self.session.choose(ways, prices.taken.get(place))
            prices.remember(place, way.name)
            rejected = [other for other in ways if other is not way]
        if way.name == "narrow":
            return await self._narrow(keys, way, rejected)
        return await self._wide(keys, way, rejected, next((other for other in rejected if other.name == "narrow"), way))

    def ways(self, keys: list[Any]) -> list[Way]:
        """The ways to read these keys that are known to give the right rows, with their prices; never none."""
        edge, prices, found = self.edge, self.session.prices, []
        narrow = None if edge.by is None else self._narrow_call(keys[0])
        if narrow is not None:
            rows = len(keys) * prices.rows_of_kind(narrow, edge.rows)
            found.append(self._way("narrow", edge.report, len(keys), rows))
        wide = edge.wide
        if wide is not None and (narrow is None or (len(keys) > 1 and self._allowed(wide, keys))):
            found.append(self._way("wide", wide.report, 1, self._wide_rows(wide, narrow, keys)))
        return found

    def _wide_rows(self, wide: BulkWay, narrow: Call | None, keys: Sequence[Any]) -> float:
        """How many rows the wide call is likely to bring."""
        call, prices = self._wide_call(wide), self.session.prices
        if wide.members is None or narrow is None:
            return prices.rows(call, wide.rows)
        known = prices.rows_of_scope(call)
        if known is not None:
            return known
        # Groups differ more in size than their users do in what each of them does.
        members = Call.of(wide.members.report, None, agent="", **{str(wide.members.by): self.fixed["group"]})
        each = prices.rows_of_kind(narrow, wide.rows)
        guess = max(prices.rows(members, wide.members.rows), len(keys)) * each
        # A guess that is off by half does not rule the call out for good: once it was made, its rows are known.
        return min(guess, MOST_ROWS) if guess < 2 * MOST_ROWS else guess

    async def _less_what_is_held(self, ways: list[Way], keys: list[Any]) -> list[Way]:
        """The ways at the price of what is not at hand already, or under way."""
        upstream = self.session.upstream
        look = getattr(upstream, "held_many", None)
        if look is None or not getattr(upstream, "keeps", True):
            return ways
        wide = self.edge.wide
        assert wide is not None
        sample = keys[:: max(1, len(keys) // PEEK)]
        held = await look([self._wide_call(wide), *map(self._narrow_call, sample)], **self.session.fresh)
        shares = {
            "wide": held[0].fraction,
            "narrow": sum(one.fraction for one in held[1:]) / len(sample),
        }
        return [replace(way, price=way.price * (1 - shares[way.name])) for way in ways]

    def _way(self, name: str, report: Report, calls: int, rows: float) -> Way:
        return Way(name, report, calls, rows, self.session.prices.seconds(report, calls, rows))

    def _allowed(self, wide: BulkWay, keys: Sequence[Any]) -> bool:
        if wide.exact:
            return True
        if self.exact:
            return False
        settled = self.session.join.settled(self._today())
        # Until the reports are compared, which reads a sample of keys narrowly, no fewer calls come of it for these.
        return len(keys) > SAMPLE if settled is None else settled

    def _today(self) -> datetime.date:
        return self.session.now.astimezone(self.session.zone).date()

    def _narrow_call(self, key: Any) -> Call:
        edge = self.edge
        assert edge.by is not None
        sent = self._sent(edge.report) | {edge.by: key}
        return self._call(edge.report, sent, edge.column, edge.keep[0] if edge.keep else edge.column)

    def _wide_call(self, wide: BulkWay) -> Call:
        sent = self._sent(wide.report) | {name: self.fixed[source] for name, source in wide.params.items()}
        return self._call(wide.report, sent, wide.column)

    def _sent(self, report: Report) -> dict[str, str | int]:
        return {name: value for name, value in self.fixed.items() if name in report.parameters}

    def _call(self, report: Report, params: Fixed, *own: str) -> Call:
        """A call that tells which columns are read: those that were asked for, and those that tell rows apart."""
        columns = None if self._columns is None else frozenset(self._columns.union(own))
        return Call(report, tuple(sorted(params.items())), self.interval, self.agent, columns)

    def _told_apart_by(self) -> list[str]:
        """Return the columns by which the rows of one key are picked out of a narrow answer."""
        edge = self.edge
        return [*(edge.keep[:1] if edge.keep is not None else ()), *((edge.column,) if edge.one else ())]

    async def _narrow(self, keys: Sequence[Any], way: Way, rejected: Sequence[Way]) -> list[Any]:
        if len(keys) == 1:
            return [await self._one(keys[0], way, rejected, 1)]
        return await asyncio.gather(*(self._one(key, way, rejected, len(keys)) for key in keys))

    async def _one(self, key: Any, way: Way, rejected: Sequence[Way], keys: int) -> KeyRows | Exception:
        edge = self.edge
        try:
            rows = sheet = (await self.session.fetch(self._narrow_call(key), self.fields, way, rejected, keys)).rows
            if irregular(sheet):
                require(sheet, self._told_apart_by())
            if edge.loose:
                rows = await self._of_code(str(key), rows)
        except NotFound as error:
            return self._nobody(error)
        except Exception as error:
            return error
        if edge.keep is not None:
            column, name = edge.keep
            rows = [row for row in rows if getattr(row, column) == self.fixed[name]]
        # A search may bring neighbours (`username` looks inside names): an entity is the row of exactly this key.
        if edge.one:
            rows = [row for row in rows if getattr(row, edge.column) == key]
        return KeyRows(rows, sheet)

    async def _of_code(self, code: str, rows: list[Any]) -> list[Any]:
        """Return the rows whose spelling denotes the user of this code. Raise `Incomplete` if nobody can decide it."""
        column = self.edge.column
        found = set(map(attrgetter(column), rows))
        if found <= {code}:
            return rows
        settled = await settle(self.session.directory, self.agent, found, (code,))
        if any(len(owners) > 1 and code in owners for owners in settled.values()):
            raise undecided()
        own = {code, *(spelling for spelling, owners in settled.items() if code in owners)}
        return [row for row in rows if getattr(row, column) in own]

    async def _wide(self, keys: list[Any], way: Way, rejected: Sequence[Way], narrow: Way) -> list[Any]:
        edge, wide = self.edge, self.edge.wide
        assert wide is not None
        try:
            answer = await self.session.fetch(self._wide_call(wide), self.fields, way, rejected, len(keys))
            require(answer.rows, (wide.column,))
        except UpstreamError as error:
            if edge.by is None:
                raise
            return await self._one_by_one(keys, narrow, [way], error)
        if not wide.exact and self.session.join.settled(self._today()) is None:
            need(answer.rows, None)  # to be compared
        shares = _share_out(answer.rows, wide.column)
        if not wide.exact and not await self._agrees(keys, shares, narrow, way):
            return await self._narrow(keys, narrow, [way])
        try:
            asked = await self._unclear(keys, shares, answer.notes)
        except UpstreamError:
            # The users are not known. Asked for by themselves, those keys fail whose rows hold another spelling.
            asked = keys
        answers = dict(zip(asked, await self._narrow(asked, narrow, [way]), strict=True)) if asked else {}
        return [answers[key] if key in answers else KeyRows(shares.get(key, ()), answer.rows) for key in keys]

    async def _one_by_one(
        self, keys: list[Any], narrow: Way, rejected: Sequence[Way], error: UpstreamError
    ) -> list[Any]:
        """The rows of keys that could not be read together: what failed or was cut as a whole may be whole for each.

        But a system that fails altogether is not asked once a key: a few are tried first, one if it is down, and as far
        as the retry budget goes. If all of those fail, so do the others.
        """
        spare = getattr(self.session.upstream, "spare", None)
        tried = 1 if isinstance(error, Unavailable | Unauthenticated) else TRIED
        answers: list[Any] = []
        for key in keys[:tried]:
            if isinstance(error, Overloaded) or (spare is not None and not spare(self.edge.report.system)):
                break
            answers += await self._narrow([key], narrow, rejected)
            if not isinstance(answers[-1], UpstreamError) or isinstance(answers[-1], NotFound):
                rest = await self._narrow(keys[len(answers) :], narrow, rejected)
                return answers + rest
        return answers + [error] * (len(keys) - len(answers))

    async def _unclear(
        self, keys: Sequence[Any], shares: Mapping[Hashable, list[Any]], notes: Mapping[str, object]
    ) -> Sequence[Any]:
        """Return the keys that a wide answer does not settle, so that each has to be asked for by itself.

        A key that rows may denote in another spelling is not settled: only the upstream knows whether it takes both
        for one. `notes` are the answer's.
        """
        if self.edge.by is None:
            return ()
        # So many rows tell no key because they are not these keys'.
        if len(shares.get(None, ())) != notes.get(NAMELESS, 0):
            # A row does not say whose it is (C16: such columns may be missing).
            return keys
        if not self.edge.loose:
            return ()
        settled = await settle(self.session.directory, self.agent, map(str, shares), map(str, keys))
        owners = frozenset().union(*settled.values())
        left_out: Any = notes.get(UNDECIDED, ())
        undecided = set(map(fold, left_out))
        return [key for key in keys if str(key) in owners or fold(str(key)) in undecided]

    async def _agrees(self, keys: list[Any], shares: Mapping[Hashable, list[Any]], narrow: Way, way: Way) -> bool:
        """Whether the report that stands in tells the same: found out on a sample, if today it is not known yet."""
        join, today = self.session.join, self._today()
        settled = join.settled(today)
        if settled is not None:
            return settled
        # The users who moved most say most; one who did nothing says something, too.
        sample = sorted(keys, key=lambda key: len(shares.get(key, ())), reverse=True)[:SAMPLE]
        self.session.picked.update(map(self._narrow_call, sample))
        answers = await self._narrow(sample, narrow, [way])
        if any(isinstance(answer, Exception) for answer in answers):
            return False
        for answer in answers:
            answer.need()
        try:
            agrees = all(same(answer, shares.get(key, ())) for key, answer in zip(sample, answers, strict=True))
        except UpstreamError:
            return False  # a bad value cannot be compared: today's question stays open
        if agrees and not any(answers):
            return True  # nothing moved, so nothing was compared: today's question stays open
        return join.settle(today, agrees)


async def _together(load: Callable[[list[Any]], Any], objects: list[Any]) -> list[Any]:
    await load(objects)
    return objects


def _share_out(rows: Iterable[RowT], column: str) -> dict[Hashable, list[RowT]]:
    shares: defaultdict[Hashable, list[RowT]] = defaultdict(list)
    rows = list(rows)
    for key, row in zip(map(attrgetter(column), rows), rows, strict=True):
        shares[key].append(row)
    return dict(shares)
