"""The loader reads the rows of keys: it collects the keys of one tick, plans them together and makes the calls.

Two ways lead in. A whole level of objects calls `load(lookup, keys)`. A single key goes through the `DataLoader` of its
lookup, whose batch function is the same `load`.
"""

import asyncio
import datetime
from collections import defaultdict
from collections.abc import Collection, Coroutine, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol, TypeVar

import msgspec
from aiodataloader import DataLoader

from resolvers.directory import Directory, settle, undecided
from resolvers.edges import Bulk
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.plan import MOST_ROWS, Choose, Known, Plan, allowed, answered, candidates, plan, sample, trials
from resolvers.prices import Prices
from resolvers.rules.join import Join
from resolvers.rules.movement import same
from resolvers.sources.ended import ENDED, ended
from resolvers.sources.source import Reason, Source
from resolvers.sources.visibility import unknown
from resolvers.sources.waiters import Waiters
from resolvers.way import BULK, PER_KEY, Way
from upstream.call import Answer, Call
from upstream.errors import NotFound, UpstreamError
from upstream.reports.request import BadParameter, can_carry_all, checked
from upstream.reports.rows import Row
from upstream.reports.spelling import fold
from upstream.reports.table import Check, Report
from upstream.values.interval import Interval

RowT = TypeVar("RowT", bound=Row)
Found = KeyRows | Exception

# The cached share is looked up for so many keys. The others are assumed to be like them.
PEEK = 8
# So many waiters are woken in one turn of the event loop.
AWAKE = 200


class Visible(Protocol):
    """Decide which keys a restricted caller may name."""

    async def known(self, report: Report, parameter: str, values: Sequence[Any], agent: str) -> list[Any]:
        """Return the values of a parameter that name nothing hidden."""
        ...


class Facts(Protocol):
    """The facts of an operation that the loader needs."""

    prices: Prices
    join: Join
    gathering: int
    picked: set[Call]

    @property
    def directory(self) -> Directory:
        """Return the users of each agent."""
        ...

    @property
    def choose(self) -> Choose:
        """Return how one of several ways is chosen."""
        ...

    @property
    def today(self) -> datetime.date:
        """Return the business day of the operation."""
        ...


class Loader(msgspec.Struct, eq=False):
    """Reads the rows of keys for one operation, from a source of calls. `visible` is None for an open caller."""

    facts: Facts
    source: Source
    visible: Visible | None
    _batches: dict[Hashable, "Batch"] = msgspec.field(default_factory=dict)
    _single: dict[Lookup, "_SingleKeys"] = msgspec.field(default_factory=dict)

    def close(self) -> None:
        """Release the rows that were read, and the operation, which refers to this object.

        Tasks that still wait are cancelled.
        """
        self.facts = ENDED
        if self._single:
            for single in self._single.values():
                single.close()
            self._single.clear()
        for batch in self._batches.values():
            batch.close()
        self._batches.clear()

    def release(self, interval: Interval) -> None:
        """Forget the rows of a period. Whoever needs them again reads them again."""
        for key, batch in list(self._batches.items()):
            if batch.lookup.interval == interval and batch.over:
                del self._batches[key]

    async def one(self, lookup: Lookup, key: Hashable, field: str = "") -> KeyRows:
        """Return the rows of one key, with all columns. Raise the `UpstreamError` that prevents it."""
        single = self._single.get(lookup)
        if single is None:
            single = self._single[lookup] = _SingleKeys(self, lookup)
        if field:
            self.batch(lookup).fields.add(field)
        return await single.load(key)

    def load(
        self,
        lookup: Lookup,
        keys: Sequence[Any],
        columns: Collection[str] | None = None,
        field: str = "",
        *,
        alone: bool = False,
    ) -> Coroutine[Any, Any, list[Found]]:
        """Return the rows of each key, or the error that prevents it.

        Only `columns` of the rows may be read; None means all. Whoever uses an amount in them checks it. `field` is the
        field that needs them, for the trace. Keys that come one tick later join them, unless these keys are `alone`.
        """
        batch = self.batch(lookup)
        if field:
            batch.fields.add(field)
        return batch.read(keys, columns, alone)

    def price(self, lookup: Lookup, keys: Collection[Any]) -> float:
        """Return what it would cost to read these keys, in seconds."""
        some = list(keys)
        return min(way.price for way in candidates(lookup, some, self.known(lookup, some)))

    async def keys_of(self, lookup: Lookup) -> list[Any]:
        """Return the distinct keys of an edge that is read without a key. Raise `UpstreamError` if it fails."""
        edge = lookup.edge
        assert edge.bulk is not None
        way = self._bulk_way(lookup, edge.bulk, None, 1)
        answer = await self.source.fetch(lookup.bulk_call(edge.bulk, {edge.column}), Reason(way=way))
        rows = answer.require((edge.column,))
        keys = [key for key in dict.fromkeys(map(attrgetter(edge.column), rows)) if key is not None]
        self.facts.prices.learn_distinct(edge, len(keys))
        return keys

    def batch(self, lookup: Lookup) -> "Batch":
        """Return the batch of a lookup. There is one for each lookup of the operation."""
        batch = self._batches.get(lookup.key)
        if batch is None:
            batch = self._batches[lookup.key] = Batch(self, lookup)
        return batch

    def known(self, lookup: Lookup, keys: Sequence[Any], example: Call | None = None) -> Known:
        """Return the known facts about a lookup and its keys, except those of the cache. `example` reads a key."""
        edge, prices = lookup.edge, self.facts.prices
        per_key = bulk = agrees = before = None
        count = len(keys)
        if example is None and edge.by is not None:
            example = lookup.per_key_call(keys[0])
        if example is not None:
            rows = count * prices.rows_of_kind(example, edge.rows)
            per_key = Way(PER_KEY, edge.report, count, rows, prices.seconds(edge.report, count, rows))
        if edge.bulk is not None and (example is None or count > 1):
            if not edge.bulk.exact:
                agrees = self.facts.join.settled(self.facts.today)
            if example is None or allowed(lookup, count, agrees):
                bulk = self._bulk_way(lookup, edge.bulk, example, count)
        if per_key is not None and bulk is not None:
            before = prices.taken.get(_place(lookup, count))
        return Known(per_key, bulk, agrees, {}, before)

    def _bulk_way(self, lookup: Lookup, bulk: Bulk, example: Call | None, keys: int) -> Way:
        prices = self.facts.prices
        if bulk.each is None:
            rows = self._bulk_rows(lookup, bulk, example, keys)
            return Way(BULK, bulk.report, 1, rows, prices.seconds(bulk.report, 1, rows))
        # One call for each key of the other edge, which has to be read first.
        others = lookup.of_other_keys(bulk.each)
        first = min(way.price for way in candidates(others, [None], self.known(others, [None])))
        calls = max(round(prices.distinct(bulk.each, bulk.each.rows)), 1)
        rows = calls * prices.rows_of_kind(lookup.bulk_call(bulk, key=0), bulk.rows)
        return Way(BULK, bulk.report, calls, rows, first + prices.seconds(bulk.report, calls, rows))

    def _bulk_rows(self, lookup: Lookup, bulk: Bulk, example: Call | None, keys: int) -> float:
        """Return how many rows the bulk call is likely to bring."""
        call, prices = lookup.bulk_call(bulk), self.facts.prices
        if bulk.members is None or example is None:
            return prices.rows(call, bulk.rows)
        known = prices.rows_of_scope(call)
        if known is not None:
            return known
        # Groups differ more in size than their users differ in the number of their movements.
        members = Call.of(bulk.members.report, None, agent="", **{str(bulk.members.by): lookup.fixed["group"]})
        each = prices.rows_of_kind(example, bulk.rows)
        guess = max(prices.rows(members, bulk.members.rows), keys) * each
        # A guess that is wrong by half does not rule the call out for good: once it was made, its rows are known.
        return min(guess, MOST_ROWS) if guess < 2 * MOST_ROWS else guess


def _place(lookup: Lookup, keys: int) -> Hashable:
    # Few keys and many keys are two questions, each with a way of its own.
    return lookup.edge, lookup.params, lookup.agent, keys.bit_length()


class _SingleKeys:
    """The keys of one lookup that are read one by one: they go through a `DataLoader`."""

    def __init__(self, loader: Loader, lookup: Lookup) -> None:
        self._loader = loader
        self._lookup = lookup
        self._futures: dict[Any, asyncio.Future[KeyRows]] = {}
        self._data_loader: DataLoader[Any, KeyRows] = DataLoader(self._load, cache_map=self._futures)

    async def load(self, key: Any) -> KeyRows:
        """Return the rows of a key. A task that is cancelled leaves the key to the others."""
        future = self._futures.get(key)
        if future is None:
            future = self._data_loader.load(key)
            # Whole levels wait for this key, so that all keys of a tick are one batch.
            self._loader.facts.gathering += 1
            # An error is an answer, also if every task that waits for it was cancelled.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(future)

    async def _load(self, keys: list[Any]) -> list[Any]:
        self._loader.facts.gathering -= len(keys)
        try:
            return await self._loader.load(self._lookup, keys)
        except asyncio.CancelledError:
            self.close()  # the operation is over, and a `DataLoader` would let its waiters wait
            raise

    def close(self) -> None:
        """Cancel what still waits, and release the rows."""
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()
        self._data_loader.batch_load_fn = ended


class _LoadRound(msgspec.Struct, eq=False):
    """The keys that are read together, and the rows of each key, once they are read.

    The first task that needs a key reads them all. The others wait. If the first task is cancelled, `task` goes on.
    """

    keys: list[Any] = msgspec.field(default_factory=list)
    found: dict[Any, Found] | None = None
    over: bool = False
    task: asyncio.Task[None] | None = None
    waiters: Waiters | None = None

    async def read(self) -> dict[Any, Found]:
        """Return the rows. A waiter that is cancelled leaves the others untouched."""
        if not self.over:
            if self.waiters is None:
                self.waiters = Waiters()
            await self.waiters.wait()
        if self.found is None:
            raise asyncio.CancelledError
        return self.found


class Batch:
    """Reads the keys of one lookup, each key once in an operation and the keys of one tick together."""

    def __init__(self, loader: Loader, lookup: Lookup) -> None:
        self.loader = loader
        self.lookup = lookup
        edge = lookup.edge
        self._texts = edge.by is not None and edge.report.parameters[edge.by].check is Check.TEXT
        self.fields: set[str] = set()
        self._columns: set[str] | None = set()
        self._rounds: dict[Any, _LoadRound] = {}
        self._collecting: _LoadRound | None = None

    def close(self) -> None:
        """Release the rows that were read."""
        for each in self._rounds.values():
            each.found = None  # the traceback of an error refers to its round
            if each.task is not None:
                each.task.cancel()
        self._rounds.clear()

    @property
    def over(self) -> bool:
        """Return whether all its keys were read."""
        return all(each.over for each in self._rounds.values())

    async def read(self, keys: Sequence[Any], columns: Collection[str] | None, alone: bool) -> list[Found]:
        """Return the rows of each key with these columns readable, or the error that prevents it."""
        if columns is None or self._columns is None:
            self._columns = None
        else:
            self._columns.update(columns)
        known, own = self._rounds, None
        for key in keys:
            if key not in known:
                if self._collecting is None:
                    own = self._collecting = _LoadRound()
                self._collecting.keys.append(key)
                known[key] = self._collecting
        if own is not None:
            try:
                if not alone:
                    # Keys that come one tick after the first one belong to the same round.
                    await asyncio.sleep(0)
                await self._read_round(own)
            except asyncio.CancelledError:
                self._leave(own)
                raise
        if own is not None and own.found is not None and len(keys) == 1:
            found = [own.found[keys[0]]]
        else:
            rounds = [known[key] for key in keys]
            each = {one: await one.read() for one in dict.fromkeys(rounds)}
            found = [each[one][key] for one, key in zip(rounds, keys, strict=True)]
        KeyRows.take_each(found, columns)
        return found

    def _leave(self, own: _LoadRound) -> None:
        """Leave a round whose first task is cancelled. Another task goes on for those who wait."""
        if own.waiters is None:
            self._forget(own)
        elif not own.over:
            own.task = asyncio.create_task(self._go_on(own))

    async def _go_on(self, own: _LoadRound) -> None:
        try:
            await self._read_round(own)
        finally:
            own.over, own.task = True, None
            if own.waiters is not None:
                own.waiters.wake()

    def _forget(self, own: _LoadRound) -> None:
        """Drop a round that nobody needs. Its keys can be read again."""
        if self._collecting is own:
            self._collecting = None
        for key in own.keys:
            if self._rounds.get(key) is own:
                del self._rounds[key]

    async def _read_round(self, own: _LoadRound) -> None:
        facts = self.loader.facts
        while facts.gathering:  # noqa: ASYNC110 - some turns of the loop, and the keys are one batch
            await asyncio.sleep(0)
        if self._collecting is own:
            self._collecting = None
        keys = own.keys
        try:
            # Only texts may be keys that no request can carry.
            refused = self._refused(keys) if self._texts and not can_carry_all(keys) else None
            if refused:
                load = self._load_sendable(keys, refused)
            else:
                load = self._load_planned(keys) if self.loader.visible is None else self._load_visible(keys)
            own.found = dict(zip(keys, await load, strict=True))
        except Exception as error:
            own.found = dict.fromkeys(keys, error)
        own.over = True
        if own.waiters is not None:
            await self._wake(own.waiters)

    async def _wake(self, waiters: Waiters) -> None:
        """Wake the waiters, some in each turn. The keys that they need next are one batch, as if all woke at once."""
        if not waiters.wake(AWAKE):
            return
        self.loader.facts.gathering += 1
        try:
            await asyncio.sleep(0)
            while waiters.wake(AWAKE):  # noqa: ASYNC110 - some are woken in each turn
                await asyncio.sleep(0)
        finally:
            self.loader.facts.gathering -= 1
            waiters.wake()

    async def _load_sendable(self, keys: list[Any], refused: Mapping[Any, BadParameter]) -> list[Any]:
        sendable = [key for key in keys if key not in refused]
        found = dict(zip(sendable, await self._load_visible(sendable), strict=True)) if sendable else {}
        return [refused[key] if key in refused else found[key] for key in keys]

    def _refused(self, keys: Sequence[Any]) -> dict[Any, BadParameter]:
        """Return the keys that no upstream accepts, each with the reason. Also in a bulk call they have no rows."""
        refused = {}
        for key in keys:
            try:
                checked(self.lookup.per_key_call(key))
            except BadParameter as error:
                refused[key] = error
        return refused

    async def _load_visible(self, keys: list[Any]) -> list[Any]:
        edge, visible = self.lookup.edge, self.loader.visible
        if visible is None or edge.by is None:
            return await self._load_planned(keys)
        # Hidden keys are no part of the plan: the chosen way would reveal the calls of others.
        known = await visible.known(edge.report, edge.by, keys, self.lookup.agent)
        found = dict(zip(known, await self._load_planned(known), strict=True)) if known else {}
        return [found[key] if key in found else self._no_such(unknown(self._per_key_call(key))) for key in keys]

    def _no_such(self, error: NotFound) -> Found:
        return KeyRows() if self.lookup.edge.one or self.lookup.edge.maybe else error

    async def _load_planned(self, keys: list[Any]) -> list[Any]:
        loader, lookup, facts = self.loader, self.lookup, self.loader.facts
        first = None if lookup.edge.by is None else lookup.per_key_call(keys[0], self._columns)
        known = loader.known(lookup, keys, first)
        if known.bulk is None and known.per_key is not None:
            if first is not None and len(keys) == 1:
                return [await self._read_one(keys[0], first, Reason(self.fields, known.per_key))]
            return await self._read_per_key(keys, known.per_key, ())
        if known.per_key is not None:
            known.cached = await self._cached(keys)
            planned = plan(lookup, keys, known, facts.choose)
            facts.prices.remember(_place(lookup, len(keys)), planned.way.name)
        else:
            planned = plan(lookup, keys, known)
        if planned.way.name == PER_KEY:
            return await self._read_per_key(keys, planned.way, planned.rejected)
        return await self._read_bulk(keys, planned)

    async def _cached(self, keys: list[Any]) -> Mapping[str, float]:
        """Return the share of each way that needs no upstream request."""
        bulk = self.lookup.edge.bulk
        assert bulk is not None
        if bulk.each is not None:
            return {}
        of_bulk = await self.loader.source.cached_shares([self.lookup.bulk_call(bulk, self._columns)])
        if of_bulk is None:
            return {}
        some = keys[:: max(1, len(keys) // PEEK)]
        of_keys = await self.loader.source.cached_shares([*map(self._per_key_call, some)]) or ()
        return {BULK: of_bulk[0], PER_KEY: sum(of_keys) / len(some)}

    def _per_key_call(self, key: Any) -> Call:
        return self.lookup.per_key_call(key, self._columns)

    async def _read_per_key(self, keys: Sequence[Any], way: Way, rejected: Sequence[Way]) -> list[Any]:
        reason = Reason(self.fields, way, rejected, len(keys))
        reads = [self._read_one(key, self._per_key_call(key), reason) for key in keys]
        return [await reads[0]] if len(reads) == 1 else await asyncio.gather(*reads)

    async def _read_one(self, key: Any, call: Call, reason: Reason) -> Found:
        edge = self.lookup.edge
        try:
            answer = await self.loader.source.fetch(call, reason)
            rows = answer.rows
            if answer.irregular:
                answer.require(self._identifying_columns())
            if edge.loose:
                rows = await self._of_code(str(key), rows)
        except NotFound as error:
            return self._no_such(error)
        except Exception as error:
            return error
        if edge.keep is not None:
            column, name = edge.keep
            value = self.lookup.fixed[name]
            rows = [row for row in rows if getattr(row, column) == value]
        # A search may find neighbours (`username` searches inside names). An entity is the row of exactly this key.
        if edge.one:
            rows = [row for row in rows if getattr(row, edge.column) == key]
        return KeyRows.of(answer, rows)

    def _identifying_columns(self) -> list[str]:
        """Return the columns that select the rows of one key from its own answer."""
        edge = self.lookup.edge
        return [*(edge.keep[:1] if edge.keep is not None else ()), *((edge.column,) if edge.one else ())]

    async def _of_code(self, code: str, rows: list[Any]) -> list[Any]:
        """Return the rows whose spelling denotes the user of this code. Raise `Incomplete` if that is undecided."""
        column = self.lookup.edge.column
        found = set(map(attrgetter(column), rows))
        if found <= {code}:
            return rows
        settled = await settle(self.loader.facts.directory, self.lookup.agent, found, (code,))
        if any(len(owners) > 1 and code in owners for owners in settled.values()):
            raise undecided()
        own = {code, *(spelling for spelling, owners in settled.items() if code in owners)}
        return [row for row in rows if getattr(row, column) in own]

    async def _read_bulk(self, keys: list[Any], planned: Plan) -> list[Any]:
        edge, bulk, way = self.lookup.edge, self.lookup.edge.bulk, planned.way
        assert bulk is not None
        try:
            answer = await self._bulk_answer(bulk, Reason(self.fields, way, planned.rejected, len(keys)))
            answer.require((bulk.column,))
        except UpstreamError as error:
            if edge.by is None:
                raise
            return await self._one_by_one(keys, planned.fallback or way, [way], error)
        fallback = planned.fallback or way
        verify = planned.verify and self.loader.facts.join.settled(self.loader.facts.today) is None
        if verify:
            answer.read(None)
        shares = _distribute(answer.rows, bulk.column)
        if not bulk.exact and not await self._agrees(keys, shares, fallback, way):
            return await self._read_per_key(keys, fallback, [way])
        try:
            unclear = await self._unclear(keys, shares, answer)
        except UpstreamError:
            # The users are not known. The keys are read one by one; a key fails if its rows have another spelling.
            unclear = keys
        single = await self._read_per_key(unclear, fallback, [way]) if unclear else ()
        found = dict(zip(unclear, single, strict=True))
        each = KeyRows.shares(answer, [shares.get(key, ()) for key in keys])
        return each if not found else [found.get(key, rows) for key, rows in zip(keys, each, strict=True)]

    async def _bulk_answer(self, bulk: Bulk, reason: Reason) -> Answer[Any]:
        """Return the rows that are distributed over the keys: of one call, or of a call per key of another edge."""
        lookup, source = self.lookup, self.loader.source
        if bulk.each is None:
            return await source.fetch(lookup.bulk_call(bulk, self._columns), reason)
        others = lookup.of_other_keys(bulk.each)
        keys = await self.loader.keys_of(others)
        calls = [lookup.bulk_call(bulk, self._columns, key) for key in keys]
        answers = await asyncio.gather(*(source.fetch(call, reason) for call in calls), return_exceptions=True)
        found = []
        for one in answers:
            if isinstance(one, NotFound):
                continue  # the other report knows a key that this one does not
            if isinstance(one, BaseException):
                raise one
            found.append(one.read(None))
        return Answer.joined(found)

    async def _one_by_one(self, keys: list[Any], way: Way, rejected: Sequence[Way], error: UpstreamError) -> list[Any]:
        """Read keys one by one after a bulk call failed: what failed or was cut as a whole may be whole for each.

        Some keys are tried first, as far as the retry budget allows. If all of them fail, so do the others.
        """
        answers: list[Any] = []
        for key in keys[: trials(error)]:
            if not self.loader.source.may_retry(self.lookup.edge.report.system):
                break
            answers += await self._read_per_key([key], way, rejected)
            if answered(answers[-1]):
                return answers + await self._read_per_key(keys[len(answers) :], way, rejected)
        return answers + [error] * (len(keys) - len(answers))

    async def _unclear(
        self, keys: Sequence[Any], shares: Mapping[Hashable, list[Any]], answer: Answer[Any]
    ) -> Sequence[Any]:
        """Return the keys that a bulk answer does not settle, so that each of them is read on its own.

        A key that rows may denote in another spelling is not settled: only the upstream knows whether it takes both
        spellings for one user.
        """
        edge = self.lookup.edge
        if edge.by is None:
            return ()
        # Rows whose user is hidden name no key. Any other row without a key may belong to any of them (C16).
        if len(shares.get(None, ())) != answer.nameless:
            return keys
        if not edge.loose:
            return ()
        settled = await settle(self.loader.facts.directory, self.lookup.agent, map(str, shares), map(str, keys))
        owners = frozenset().union(*settled.values())
        open_codes = set(map(fold, answer.undecided))
        return [key for key in keys if str(key) in owners or fold(str(key)) in open_codes]

    async def _agrees(self, keys: list[Any], shares: Mapping[Hashable, list[Any]], way: Way, rejected: Way) -> bool:
        """Return whether the substitute report agrees with the edge's own. Compare a sample if that is open today."""
        join, today, facts = self.loader.facts.join, self.loader.facts.today, self.loader.facts
        settled = join.settled(today)
        if settled is not None:
            return settled
        some = sample(keys, shares)
        facts.picked.update(map(self._per_key_call, some))
        found = await self._read_per_key(some, way, [rejected])
        if any(isinstance(each, Exception) for each in found):
            return False
        for each in found:
            each.read()
        try:
            agrees = all(same(each, shares.get(key, ())) for key, each in zip(some, found, strict=True))
        except UpstreamError:
            return False  # a bad value cannot be compared: the question stays open
        if agrees and not any(found):
            return True  # there were no movements, so nothing was compared: the question stays open
        return join.settle(today, agrees)


def _distribute(rows: Iterable[RowT], column: str) -> dict[Hashable, list[RowT]]:
    """Return the rows by the value of a column, in their order."""
    shares: defaultdict[Hashable, list[RowT]] = defaultdict(list)
    rows = list(rows)
    for key, row in zip(map(attrgetter(column), rows), rows, strict=True):
        shares[key].append(row)
    return dict(shares)
