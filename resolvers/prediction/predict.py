"""Predict the calls of an operation by running it: its own resolvers, on rows that are made up.

A `Predictor` replaces the upstream. It returns what a call returned before. For a call that was never made, it returns
as many rows as the learnt figures say, with made-up values. Prediction and execution use the same code, so they cannot
differ in how they plan.
"""

import datetime
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

from resolvers.prediction.made_up import edges_by, expected_rows, is_made_up, made_up_rows, rows_like
from resolvers.prediction.predicted_plan import PredictedCalls, PredictedPlan, PredictedTotal
from resolvers.prices import Prices
from resolvers.rules.join import Join
from resolvers.session import Session
from resolvers.sources.upstream_calls import UpstreamRoom
from resolvers.trace import Step, SummedList
from resolvers.way import KEPT
from upstream.call import Answer, CachedShare, Call, Provenance
from upstream.reports.request import checked
from upstream.values.interval import Interval

# So many rows one prediction makes up at most: it has to be cheaper than the operation.
MOST_MADE_UP = 20_000
MANY = 4  # the upper end of a range has so many times the likely number of rows

Look = Callable[..., Awaitable[list[CachedShare]]]
_NOT_CACHED = CachedShare(1, 0, 0, ())


class GuessedSize(Enum):
    """The number of rows that a call will probably have, before it is made."""

    FEWEST = "fewest"
    LIKELY = "likely"
    MOST = "most"


class Predictor:
    """Replaces the upstream: it makes up the rows of calls, and makes no call.

    `unsure` are the calls whose number of rows is a guess.
    """

    def __init__(self, upstream: UpstreamRoom, prices: Prices, guess: GuessedSize = GuessedSize.LIKELY) -> None:
        self.prices = prices
        self.guess = guess
        self.unsure: set[Call] = set()
        self.cached_shares = getattr(upstream, "cached_shares", None)
        if self.cached_shares is not None and prices.scope is not None:
            self.cached_shares = partial(self._cached_shares, self.cached_shares)
        self._left = MOST_MADE_UP

    async def fetch(self, call: Call, **_: Any) -> Answer[Any]:
        """Return the rows that a call will probably return. Raise `BadParameter` or `NotFound` like the upstream."""
        call = checked(call)
        if call.report.system in self.prices.buckets:
            self.prices.ahead[call.report.system] += await self._calls(call)
        known = self.prices.sample(call)
        if known is not None:
            if known.unknown is not None:
                raise known.unknown.with_traceback(None)
            if known.count == len(known.rows):
                return Answer(list(known.rows))
            return Answer(rows_like(call, known.rows, known.count))
        self.unsure.add(call)
        count = self._count(call)
        like = self.prices.sample_like(call)
        found = rows_like(call, like.rows, count) if like is not None and like.rows else made_up_rows(call, count)
        return Answer(found, provenance=Provenance(made_up=True))

    async def _calls(self, call: Call) -> int:
        """Return how many upstream calls this call needs."""
        return 1 if self.cached_shares is None else _calls_for((await self.cached_shares([call]))[0])

    async def _cached_shares(self, look: Look, calls: Sequence[Call], **fresh: Any) -> list[CachedShare]:
        """Return what is cached of calls that this caller made before. It must not learn of the calls of others."""
        own = [call for call in calls if self.prices.sample(call) is not None]
        shares = dict(zip(own, await look(own, **fresh), strict=True))
        return [shares.get(call, _NOT_CACHED) for call in calls]

    def _count(self, call: Call) -> int:
        one = call.report.single or any(edge.one for edge in edges_by(call))
        likely = self.prices.expected(call, expected_rows(call))
        if one:
            likely = 1
        elif self.guess is GuessedSize.MOST:
            likely = max(likely * MANY, MANY)
        if self.guess is GuessedSize.FEWEST:
            likely = 0
        count = min(round(likely), self._left)
        self._left -= count
        return count


class _Hopeful(Join):
    """The comparison of today without a memory. If it is still open, both reports are assumed to agree."""

    __slots__ = ()

    def settle(self, today: datetime.date, agrees: bool) -> bool:
        self._day, self._agrees = today, True
        return True


async def foresee(session: Session, run: Callable[[Session], Awaitable[Any]]) -> PredictedPlan:
    """Return the calls that `run` will make with this session. Nothing is called, and nothing is learnt from it."""
    likely = await _rehearse(session, run, GuessedSize.LIKELY)
    calls = sum(part.calls for part in likely.parts)
    if not likely.unsure:
        return PredictedPlan(likely.parts, calls, calls, likely.totals)
    counts = [calls]
    for guess in (GuessedSize.FEWEST, GuessedSize.MOST):
        other = await _rehearse(session, run, guess)
        counts.append(sum(part.calls for part in other.parts))
    return PredictedPlan(likely.parts, min(counts), max(counts), likely.totals)


@dataclass(slots=True)
class _Rehearsal:
    parts: list[PredictedCalls] = field(default_factory=list)
    unsure: bool = False
    totals: list[PredictedTotal] = field(default_factory=list)


async def _rehearse(session: Session, run: Callable[[Session], Awaitable[Any]], guess: GuessedSize) -> _Rehearsal:
    prices = session.prices.still()
    predictor = Predictor(session.room, prices, guess)
    rehearsed = Session(
        predictor,
        session.zone,
        user_code_from=session.user_code_from,
        agent_of_group=session.agent_of_group,
        agents=session.every_agent,
        lookback_days=session.lookback_days,
        prices=prices,
        join=_hopeful(session),
        now=session.now,
        caller=session.caller,
        not_before=session.not_before,
        gamehub_zone=session.gamehub_zone,
        currencies=session.currencies,
        sums=session.sums,
        most_nodes=session.nodes.most,
    )
    rehearsed.rehearsal = True
    await run(rehearsed)
    parts = await _parts(rehearsed, predictor)
    return _Rehearsal(parts, bool(predictor.unsure), [_total(added, parts) for added in rehearsed.summed])


def _total(added: SummedList, parts: Sequence[PredictedCalls]) -> PredictedTotal:
    own = [part for part in parts if added.field in part.fields]
    return PredictedTotal(added, list(dict.fromkeys(part.report for part in own)), sum(part.calls for part in own))


def _hopeful(session: Session) -> Join:
    join = session.join
    settled = join.settled(session.now.astimezone(session.zone).date())
    hopeful = _Hopeful(join.mode)
    if settled is not None:
        hopeful._day, hopeful._agrees = session.now.astimezone(session.zone).date(), settled
    return hopeful


async def _parts(session: Session, predictor: Predictor) -> list[PredictedCalls]:
    steps = session.steps
    if predictor.cached_shares is not None:
        shares = await predictor.cached_shares([step.call for step in steps], **session.options)
        wanted = list(map(_calls_for, shares))
    else:
        wanted = [1] * len(steps)
    alike: dict[object, list[tuple[Step, int]]] = {}
    for step, calls in zip(steps, wanted, strict=True):
        call = step.call
        place = (
            call.report.code,
            tuple(name for name, _ in call.params),
            None if step.way == KEPT else call.interval,
            step.way,
            *sorted(step.fields),
        )
        alike.setdefault(place, []).append((step, calls))
    parts, prices = [], predictor.prices.still()
    for members in alike.values():
        first = members[0][0]
        calls = sum(calls for _, calls in members)
        count = sum(step.rows for step, _ in members)
        # Cached rows cost no call, and they are decoded already.
        rows_to_read = sum(step.rows for step, calls in members if calls)
        parts.append(
            PredictedCalls(
                first.call.report.code,
                first.call.report.report_type,
                _parameters([step.call for step, _ in members]),
                _period([step.call for step, _ in members]),
                first.way,
                calls,
                sum(not calls for _, calls in members),
                count,
                prices.seconds(first.call.report, calls, rows_to_read) if calls else 0.0,
                sorted(set().union(*(step.fields for step, _ in members))),
                () if first.scoped else first.rejected,
            )
        )
        prices.ahead[first.call.report.system] += calls
    return parts


def _period(calls: Sequence[Call]) -> Interval | None:
    """Return the period from the first to the last of the calls: days with kept sums are one part of the plan."""
    intervals = [call.interval for call in calls if call.interval is not None]
    if len(set(intervals)) <= 1:
        return calls[0].interval
    return Interval(min(each.start for each in intervals), max(each.end for each in intervals))


def _calls_for(share: CachedShare) -> int:
    """Return how many calls read what is not cached."""
    return 0 if share.fraction >= 1 else max(1, len(share.missing))


def _parameters(calls: Sequence[Call]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, _ in calls[0].params:
        values = {dict(call.params)[name] for call in calls}
        value = next(iter(values))
        shown[name] = {"distinct": len(values)} if len(values) > 1 or is_made_up(value) else value
    return shown
