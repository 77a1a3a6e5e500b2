"""`gamehub-graph reconcile`: the reports read day by day, past the cache, and compared with each other.

A day at a time, so that memory holds one day however long the window is: differences are told as they are found.
"""

import asyncio
import datetime
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TextIO, TypeVar
from zoneinfo import ZoneInfo

import orjson

from resolvers import reconcile
from resolvers.reconcile import EXACT, Difference, Totals
from server.refusal import Refusal
from server.tables.window import cut, interval_of
from upstream import reports, rows
from upstream.call import Answer, Call
from upstream.days import Piece, microseconds
from upstream.errors import NotFound, UpstreamError
from upstream.interval import Interval, dates
from upstream.reports import Report

COMPARISONS = ("daily", "movements", "games", "logs")
AT_ONCE = 8
GAME_TYPE = "slot"

_DAY = datetime.timedelta(days=1)
_RANGE = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", re.ASCII)

ItemT = TypeVar("ItemT")


class Books(Protocol):
    """What the reports are read from: the gateway."""

    async def anew(self, call: Call) -> Answer[Any]:
        """The rows of one call, from the upstream itself."""


@dataclass(frozen=True, slots=True)
class People:
    """Whose log is which: the column of a user's code, the agent of a group, and all agents."""

    user_code_from: str = "username"
    agent_of_group: Callable[[int | None], str] = lambda group: ""
    agents: Callable[[], Sequence[str]] = lambda: ("",)


@dataclass(slots=True)
class Result:
    """What came of it: rows compared and differences by comparison, what could not be compared, and what failed."""

    days: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: all is alike; 1: something differs; 2: something could not be compared."""
        return 2 if self.failures else 1 if self.differences.total() else 0


def days_of(
    given: Mapping[str, str], now: datetime.datetime, zone: ZoneInfo
) -> tuple[list[Piece], list[Piece]]:  # fmt: skip
    """The days that `period` (a name, or first..last), `since` and `until` mean: those that are over, and the others.

    Raises Refusal, also for parts of days: a day's totals are of the whole of it.
    """
    span = _RANGE.fullmatch(given.get("period", ""))
    if span is not None:
        try:
            first, last = map(datetime.date.fromisoformat, span.groups())
            found: Interval | None = dates(first, last, zone)
        except (ValueError, OverflowError) as error:
            raise Refusal(400, "BAD_USER_INPUT", f"{given['period']} is no range of days: {error}") from None
    else:
        found = interval_of(given, now, zone)
    if found is None:
        raise Refusal(400, "BAD_USER_INPUT", "Say which days: --during yesterday, --during 2026-03-01..2026-03-07.")
    pieces = cut(found, zone).pieces
    if not all(piece.whole for piece in pieces):
        raise Refusal(400, "BAD_USER_INPUT", "Only whole days can be compared: since and until are dates.")
    over = [piece for piece in pieces if piece.interval.end <= now]
    return over, [piece for piece in pieces if piece.interval.end > now]


class Reconciliation:
    """Compares the reports, day by day; of one group if it is given (its games are those of everybody)."""

    def __init__(
        self,
        books: Books,
        zone: ZoneInfo,
        people: People,
        *,
        group: int | None = None,
        logs: bool = True,
        tell: Callable[[datetime.date, Difference], None] = lambda day, difference: None,
    ) -> None:
        self.result = Result()
        self._books = books
        self._zone = zone
        self._people = people
        self._group = group
        self._with_logs = logs
        self._tell = tell
        self._day = datetime.date.min
        # By day: what the tickets of each group won, None if the games could not be read; and tickets without a number.
        self._won: dict[datetime.date, dict[int | None, Decimal] | None] = {}
        self._online: dict[datetime.date, dict[int | None, dict[Any, list[str]]]] = {}

    async def run(self, days: Sequence[Piece], done: Callable[[str, Any], None] = lambda day, part: None) -> Result:
        """Compare the days, one after the other. What an upstream fails to answer is noted, and the rest goes on."""
        groups: list[rows.Group] = []
        users: list[rows.User] = []
        async with self._failures("groups and users"):
            groups = await self._read(reports.GROUPS)
            if self._group is not None:
                groups = [group for group in groups if group.id == self._group]
                if not groups:
                    self.result.failures.append(f"there is no group {self._group}")
            if groups:
                users = await self._read(reports.USERS, fkgroup=self._group)
        if self.result.failures or not days:
            return self.result
        self._day = days[0].day - _DAY
        async with self._failures("games of the day before"):
            await self._games_before(self._frame(self._day), days[0].interval.start)
        for piece in days:
            self._day = piece.day
            frame = self._frame(piece.day)
            self._won.setdefault(piece.day, {})
            try:
                async with self._failures("games", again=True):
                    await self._games(frame)
            except UpstreamError:
                self._won[piece.day] = None
            async with self._failures("daily totals and movements"):
                await self._movements(frame, groups, users)
            if self._with_logs:
                async with self._failures("game logs"):
                    await self._logs(frame, users)
            for kept in (self._won, self._online):
                for day in [day for day in kept if day < piece.day]:
                    del kept[day]
            self.result.days += 1
            done(piece.text, None)
        return self.result

    @asynccontextmanager
    async def _failures(self, what: str, again: bool = False) -> AsyncIterator[None]:
        try:
            yield
        except UpstreamError as error:
            self.result.failures.append(f"{self._told_day()}{what}: {error.message} ({error.code})")
            if again:
                raise

    def _found(self, differences: Iterable[Difference]) -> None:
        for difference in differences:
            self.result.differences[difference.compared] += 1
            self._tell(self._day, difference)

    def _note(self, text: str) -> None:
        self.result.notes.append(f"{self._told_day()}{text}")

    def _told_day(self) -> str:
        return "" if self._day == datetime.date.min else f"{self._day}: "

    def _frame(self, day: datetime.date) -> Interval:
        return dates(day, day, self._zone)

    async def _read(
        self, report: Report, frame: Interval | None = None, agent: str = "", **params: str | int | None
    ) -> Any:
        return list((await self._books.anew(Call.of(report, frame, agent=agent, **params))).rows)

    async def _one(self, report: Report, id: int) -> Any:
        """The entity of that id, None if the report does not know it."""
        try:
            found = await self._read(report, id=id)
        except NotFound:
            return None
        return found[0] if found else None

    # Games: R2, R3, R4

    async def _games_before(self, frame: Interval, start: datetime.datetime) -> None:
        """The games of the day before that ended on the first day: what they won is that day's."""
        first = microseconds(start)
        games = [row for row in await self._read(reports.ROOM_GAMES, frame) if (row.finished_at or 0) >= first]

        async def one(row: rows.RoomGame) -> None:
            detail = await self._one(reports.GAME_DETAIL, row.id)
            if detail is not None:
                self._take(detail)

        await _each(games, one)

    async def _games(self, frame: Interval) -> None:
        async def one(row: rows.RoomGame) -> None:
            detail, summary = await _both(
                self._one(reports.GAME_DETAIL, row.id), self._one(reports.GAME_SUMMARY, row.id)
            )
            self.result.compared["games"] += 1
            self._found(reconcile.games(row, detail, summary))
            if detail is not None:
                self._take(detail)

        await _each(await self._read(reports.ROOM_GAMES, frame), one)

    def _take(self, detail: rows.GameDetail) -> None:
        """Keep of a game what the totals of its group are compared with: by the day on which it ended."""
        if detail.ends_at is None:
            return
        ended = datetime.datetime.fromtimestamp(detail.ends_at / 1_000_000, self._zone).date()
        won = self._won.setdefault(ended, {})
        if won is not None:
            for group, amount in reconcile.wins(detail).items():
                won[group] = EXACT.add(won.get(group, Decimal(0)), amount)
        online = self._online.setdefault(ended, {})
        for group, tickets in reconcile.online(detail).items():
            online.setdefault(group, {}).update(tickets)

    # Totals and movements: R1, R5, R7, R11

    async def _movements(self, frame: Interval, groups: Sequence[rows.Group], users: Sequence[rows.User]) -> None:
        ids = [group.id for group in groups]
        finance: dict[int | None, list[rows.FinancialMovement]] = {}
        for row in await self._read(reports.FINANCIAL_MOVEMENTS, frame, group_id=self._group):
            finance.setdefault(row.group_id, []).append(row)
        totals: dict[int, Totals] = {}
        of_group: dict[int, rows.GroupMovement] = {}
        daily: dict[int, list[rows.DailyMovement]] = {}

        async def one_group(id: int) -> None:
            daily[id], found = await _both(
                self._read(reports.DAILY_MOVEMENTS, frame, groupid=id),
                self._read(reports.GROUP_MOVEMENTS, frame, group_id=id),
            )
            totals[id] = reconcile.totals_of_movements(found, self._online.get(self._day, {}).get(id, {}))
            of_group.update((row.movement_id, row) for row in found)

        await _each(ids, one_group)
        # Guests play here, too: whoever moved money in one of the groups is asked for all that they did.
        people = {user.id for user in users} | {row.user_id for row in of_group.values() if row.user_id is not None}
        rates: dict[int | None, set[Fraction]] = {}

        async def one_user(id: int) -> None:
            found = await self._read(reports.USER_TRANSACTIONS, frame, user_id=id)
            mine = [row for row in found if self._group is None or row.group_id == self._group]
            self.result.compared["movements"] += len(mine)
            for group in {row.group_id for row in mine}:
                rates.setdefault(group, set()).update(reconcile.rates(row for row in mine if row.group_id == group))
            self._found(reconcile.movements(id, mine, of_group))

        await _each(sorted(people), one_user)
        self._found(reconcile.unmatched(of_group))
        for id in ids:
            financial = reconcile.totals_of_finance(finance.pop(id, ()))
            self.result.compared["daily"] += len(daily[id])
            for report, told in (("R5", totals[id]), ("R11", financial)):
                for kind, count in told.unknown.items():
                    self._note(f"group {id}: {count} movements of {report} of the type {kind!r} are in no total")
            won = self._wins(id, rates.get(id) or {Fraction(1)})
            self._found(reconcile.daily(f"group {id}", daily[id], totals[id], financial, won))
        if self._group is None and finance:
            self._note(f"R11 tells of groups that R8 does not list: {', '.join(map(str, finance))}")

    def _wins(self, group: int, rates: set[Fraction]) -> Decimal | None:
        """What the tickets of a group won, in the group's money; None if that cannot be told."""
        won = self._won.get(self._day)
        if won is None:
            return None
        if len(rates) > 1:
            self._note(
                f"group {group}: wins (R1) and prizes (R3) are in two moneys, whose rate (R7) is not the same all day"
            )
            return None
        return _exact(Fraction(won.get(group, Decimal(0))) * rates.pop())

    # Game logs: G1

    async def _logs(self, frame: Interval, users: Sequence[rows.User]) -> None:
        codes: dict[str, list[str]] = {agent: [] for agent in self._people.agents()}
        for user in users:
            code = getattr(user, self._people.user_code_from)
            if code is not None:
                codes.setdefault(self._people.agent_of_group(user.group_id), []).append(str(code))
        for agent, mine in codes.items():
            if self._group is not None and not mine:
                continue
            wanted = {code.casefold(): code for code in mine}  # each log once, though two users may share a code
            found: list[rows.GameLog] = await self._read(reports.GAME_LOGS, frame, agent, game_type=GAME_TYPE)
            if self._group is None:
                wanted = {row.user_code.casefold(): row.user_code for row in found} | wanted
            else:
                found = [row for row in found if row.user_code.casefold() in wanted]
            self.result.compared["logs"] += len(found)
            of_agent = {row.history_id: row for row in found}

            async def one(code: str, agent: str = agent, of_agent: dict[int, rows.GameLog] = of_agent) -> None:
                try:
                    told = await self._read(reports.GAME_LOGS, frame, agent, game_type=GAME_TYPE, user_code=code)
                except NotFound:  # who has never played there is not known there
                    told = []
                self._found(reconcile.logs(told, of_agent))

            await _each(list(wanted.values()), one)
            self._found(reconcile.unlogged(of_agent.values()))


async def _each(items: Sequence[ItemT], work: Callable[[ItemT], Awaitable[None]]) -> None:
    """Do the work for each item, a few at once; the first failure stops the rest."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    workers = [asyncio.ensure_future(worker()) for _ in range(min(AT_ONCE, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for one in workers:
            one.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _both(one: Awaitable[Any], other: Awaitable[Any]) -> tuple[Any, Any]:
    first, second = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        return await first, await second
    finally:
        second.cancel()


def _exact(value: Fraction) -> Decimal | None:
    """The fraction as a decimal; None for one that has no end."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)) if rest == 1 else None


class Lines:
    """Differences as lines of columns, for people."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun = False

    def tell(self, day: datetime.date, one: Difference) -> None:
        """Write a difference."""
        if not self._begun:
            self._begun = True
            self._out.write(f"{'day':<11} {'compared':<10} {'of':<36} {'column':<16} told\n")
        told = " | ".join(map(str, one.told))
        self._out.write(f"{day!s:<11} {one.compared:<10} {one.key:<36} {one.column:<16} {told}\n")

    def end(self, result: Result) -> None:
        """Write what came of it."""
        parts = ", ".join(
            f"{name}: {result.compared[name]} compared, {result.differences[name]} differ"
            for name in COMPARISONS
            if name in result.compared or name in result.differences
        )
        self._out.write(f"{result.days} days; {parts or 'nothing to compare'}\n")


class Json:
    """Differences as one JSON object, written as they are found."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = '{"differences":['

    def tell(self, day: datetime.date, one: Difference) -> None:
        """Write a difference."""
        self._out.write(f"{self._before}\n{orjson.dumps({'day': day, **asdict(one)}).decode()}")
        self._before = ","

    def end(self, result: Result) -> None:
        """Write what came of it."""
        begun = "" if self._before == "," else self._before
        rest = orjson.dumps(
            {
                "days": result.days,
                "compared": dict(result.compared),
                "found": dict(result.differences),
                "notes": result.notes,
                "failures": result.failures,
            }
        ).decode()
        self._out.write(f"{begun}\n],{rest[1:]}\n")


FORMS: Mapping[str, Callable[[TextIO], Lines | Json]] = {"table": Lines, "json": Json}
