"""Read the reports day by day, without the cache, and compare them with each other.

The memory contains one day at a time, however long the period is. Differences are reported when they are found.
"""

import asyncio
import datetime
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from resolvers.reconcile import daily, games, logs, movements, names, sale, tickets
from resolvers.reconcile.customs import Customs
from resolvers.reconcile.daily import Totals
from resolvers.reconcile.figures import Difference, loose
from resolvers.reconcile.movements import Booked, Money
from resolvers.reconcile.names import Names
from upstream.call import Answer, Call
from upstream.errors import Malformed, NotFound, UpstreamError
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.reports.table import Report
from upstream.values.days import Piece, microseconds
from upstream.values.figures import EXACT
from upstream.values.interval import Interval, dates

COMPARISONS = ("daily", "movements", "games", "logs", "names", "sale", "jackpots")
AT_ONCE = 8
GAME_TYPE = "slot"

_DAY = datetime.timedelta(days=1)

ItemT = TypeVar("ItemT")


class Books(Protocol):
    """The source of all rows: the gateway."""

    async def anew(self, call: Call) -> Answer[Any]:
        """Return the rows of one call from the upstream, without the cache."""


@dataclass(frozen=True, slots=True)
class People:
    """The relation of users and agents: the column with the code of a user, the agent of a group, and all agents."""

    user_code_from: str = "username"
    agent_of_group: Callable[[int | None], str] = lambda group: ""
    agents: Callable[[], Sequence[str]] = lambda: ("",)


@dataclass(slots=True)
class ReconciliationResult:
    """Rows and differences by comparison, notes about what was not compared, and failures."""

    days: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 0 if nothing differs, 1 if something differs, 2 if something could not be compared."""
        return 2 if self.failures else 1 if self.differences.total() else 0


@dataclass(slots=True)
class _ReconciledDay:
    """The rows of one day that several comparisons need."""

    names: Names
    customs: Customs = field(default_factory=Customs)
    summaries: dict[int, rows.GameSummaryRow] = field(default_factory=dict)
    sold: list[tickets.Sold] = field(default_factory=list)


class Reconciliation:
    """Compare the reports day by day, of one group if it is given. Games are always those of all groups."""

    def __init__(
        self,
        books: Books,
        zone: ZoneInfo,
        people: People,
        *,
        group: int | None = None,
        logs: bool = True,
        on_difference: Callable[[datetime.date, Difference], None] = lambda day, difference: None,
        at_once: int = AT_ONCE,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.result = ReconciliationResult()
        self._books = books
        self._zone = zone
        self._people = people
        self._group = group
        self._with_logs = logs
        self._on_difference = on_difference
        self._at_once = at_once
        self._now = now
        self._day = datetime.date.min
        self._listed = Names()
        # By day: the prizes of each group's tickets (None: a game could not be read), and tickets without a number.
        self._won: dict[datetime.date, dict[int | None, Decimal] | None] = {}
        self._online: dict[datetime.date, dict[int | None, dict[Any, list[str]]]] = {}
        self._booked: dict[datetime.date, Booked] = {}

    async def run(
        self, days: Sequence[Piece], done: Callable[[str, Any], None] = lambda day, part: None
    ) -> ReconciliationResult:
        """Compare the days one after the other. A part without an answer is a failure, and the rest goes on."""
        groups: list[rows.GroupRow] = []
        users: list[rows.UserRow] = []
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
        await self._lists(groups, users)
        await self._sale()
        await self._day_before(days[0])
        for piece in days:
            await self._one_day(piece, groups, users)
            self.result.days += 1
            done(piece.text, None)
        return self.result

    async def _day_before(self, first: Piece) -> None:
        """Read the games of the day before that end on the first day, and the tickets that are given back."""
        self._day = first.day - _DAY
        frame = self._frame(self._day)
        async with self._failures("games of the day before"):
            await self._games_before(frame, first.interval.start)
        if self._group is None:
            async with self._failures("movements of the day before"):
                financial = await self._read(reports.FINANCIAL_MOVEMENTS, frame)
                self._booked[self._day] = await asyncio.to_thread(Booked.of, financial)

    async def _one_day(self, piece: Piece, groups: Sequence[rows.GroupRow], users: Sequence[rows.UserRow]) -> None:
        self._day = piece.day
        frame = self._frame(piece.day)
        day = _ReconciledDay(Names(self._listed))
        self._won.setdefault(piece.day, {})
        async with self._failures("games"):
            await self._games(frame, day)
        async with self._failures("daily totals and movements"):
            await self._movements(frame, groups, users, day)
        if self._with_logs:
            async with self._failures("game logs"):
                await self._logs(frame, users)
        self.result.compared["names"] += len(day.names)
        await self._compare(day.names.differences)
        self._settle(day.customs)
        rows_by_day: tuple[dict[datetime.date, Any], ...] = (self._won, self._online, self._booked)
        for days in rows_by_day:
            # The next day needs this one.
            for old in [old for old in days if old < piece.day]:
                del days[old]

    @asynccontextmanager
    async def _failures(self, what: str) -> AsyncIterator[None]:
        try:
            yield
        except UpstreamError as error:
            self._failed(what, error)

    def _failed(self, what: str, error: UpstreamError) -> None:
        self.result.failures.append(f"{self._day_prefix()}{what}: {error.message} ({error.code})")

    def _found(self, differences: Iterable[Difference]) -> None:
        """Count differences and report them."""
        for difference in differences:
            self.result.differences[difference.compared] += 1
            self._on_difference(self._day, difference)

    async def _compare(self, rule: Callable[..., Iterable[Difference]], *given: Any) -> None:
        """Apply a rule in a thread, because it takes the rows of a whole group or day."""
        self._found(await asyncio.to_thread(lambda: list(rule(*given))))

    def _settle(self, customs: Customs) -> None:
        differences, notes = customs.settle()
        self._found(differences)
        for note in notes:
            self._note(note)

    def _note(self, text: str) -> None:
        self.result.notes.append(f"{self._day_prefix()}{text}")

    def _day_prefix(self) -> str:
        return "" if self._day == datetime.date.min else f"{self._day}: "

    def _frame(self, day: datetime.date) -> Interval:
        return dates(day, day, self._zone)

    async def _read(
        self, report: Report, frame: Interval | None = None, agent: str = "", **params: str | int | None
    ) -> Any:
        return list((await self._books.anew(Call.of(report, frame, agent=agent, **params))).rows)

    async def _one(self, report: Report, id: int) -> Any:
        """Return the entity of an id; None if the report does not have it."""
        try:
            found = await self._read(report, id=id)
        except NotFound:
            return None
        return found[0] if found else None

    # Groups and users: R8, R9

    async def _lists(self, groups: Sequence[rows.GroupRow], users: Sequence[rows.UserRow]) -> None:
        """Compare the current lists of groups and users."""
        self._day = self._today()

        def collect() -> None:
            self._listed.add("R8", groups, names.LISTED_GROUP)
            self._listed.add("R9", users, names.LISTED_USER, "user", "id")
            self._listed.add("R9", users, names.GROUP_OF_USER, "user", "id")

        await asyncio.to_thread(collect)
        self.result.compared["names"] += len(self._listed)
        await self._compare(self._listed.differences)

    def _today(self) -> datetime.date:
        return self._now().astimezone(self._zone).date()

    # On sale now: R6, R10, and R2, R3 and R4 of these games

    async def _sale(self) -> None:
        self._day = self._today()
        customs = Customs()
        async with self._failures("games on sale and jackpots"):
            found = await self._on_sale()
            self.result.compared["sale"] += len(found.on_sale)
            self.result.compared["jackpots"] += len(found.jackpots)
            self._found(sale.sale(found, customs))
            self._found(sale.jackpots(found))
        self._settle(customs)

    async def _on_sale(self) -> sale.Sale:
        frame = dates(self._day, self._day + _DAY, self._zone)
        before = {row.id: row for row in await self._read(reports.ROOM_GAMES, frame)}
        rooms = sorted({row.room_id for row in before.values() if row.room_id is not None})
        on_sale: list[rows.GameOnSaleRow] = []
        summaries: dict[int, rows.GameSummaryRow] = {}
        details: dict[str, rows.GameDetailRow] = {}

        async def room(id: int) -> None:
            on_sale.extend(await self._read(reports.GAMES_ON_SALE, frame, bs_room_id=id))

        async def game(id: int) -> None:
            summary = await self._one(reports.GAME_SUMMARY, id)
            if summary is not None:
                summaries[id] = summary

        async def detail(id: int) -> None:
            found = await self._one(reports.GAME_DETAIL, id)
            if found is not None:
                details[loose(summaries[id].pjp_id)] = found

        await self._each(rooms, room)
        await self._each(sorted(row.id for row in on_sale if row.id in before), game)
        jackpots = await self._read(reports.PROGRESSIVE_JACKPOTS)
        of_jackpot = {loose(one.pjp_id): id for id, one in sorted(summaries.items()) if one.pjp_id is not None}
        await self._each(sorted(of_jackpot.values()), detail)
        after = {row.id: row for row in await self._read(reports.ROOM_GAMES, frame)} if on_sale else before
        on_sale.sort(key=lambda row: row.id)
        return sale.Sale(before, after, on_sale, summaries, details, jackpots)

    # Games: R2, R3, R4

    async def _games_before(self, frame: Interval, start: datetime.datetime) -> None:
        """Read the games of the day before that ended on the first day: their prizes belong to that day."""
        first = microseconds(start)
        found = [row for row in await self._read(reports.ROOM_GAMES, frame) if (row.finished_at or 0) >= first]

        async def one(row: rows.RoomGameRow) -> None:
            detail = await self._one(reports.GAME_DETAIL, row.id)
            if detail is not None:
                self._take(detail)

        await self._each(found, one)

    async def _games(self, frame: Interval, day: _ReconciledDay) -> None:
        async def one(row: rows.RoomGameRow) -> None:
            try:
                detail, summary = await _both(
                    self._one(reports.GAME_DETAIL, row.id), self._one(reports.GAME_SUMMARY, row.id)
                )
            except Malformed as error:
                # The others can still be compared; the wins of the day cannot.
                self._failed(f"game {row.id}", error)
                self._won[self._day] = None
                return
            self.result.compared["games"] += 1
            self._found(games.games(row, detail, summary, day.customs))
            games.names(row, detail, summary, day.names)
            if summary is not None:
                day.summaries[row.id] = summary
            if detail is not None:
                day.sold += tickets.sold(detail)
                self._take(detail)

        try:
            await self._each(await self._read(reports.ROOM_GAMES, frame), one)
        except UpstreamError:
            self._won[self._day] = None
            raise

    def _take(self, detail: rows.GameDetailRow) -> None:
        """Store the prizes of a game by the day of its end, for the totals of the groups."""
        if detail.ends_at is None:
            return
        ended = datetime.datetime.fromtimestamp(detail.ends_at / 1_000_000, self._zone).date()
        won = self._won.setdefault(ended, {})
        if won is not None:
            for group, amount in daily.wins(detail).items():
                won[group] = EXACT.add(won.get(group, Decimal(0)), amount)
        online = self._online.setdefault(ended, {})
        for group, found in daily.online(detail).items():
            online.setdefault(group, {}).update(found)

    # Totals and movements: R1, R5, R7, R11

    async def _movements(
        self, frame: Interval, groups: Sequence[rows.GroupRow], users: Sequence[rows.UserRow], day: _ReconciledDay
    ) -> None:
        ids = [group.id for group in groups]
        financial = await self._read(reports.FINANCIAL_MOVEMENTS, frame, group_id=self._group)
        finance: dict[int | None, list[rows.FinancialMovementRow]] = {}
        for row in financial:
            finance.setdefault(row.group_id, []).append(row)
        totals: dict[int, Totals] = {}
        of_group: dict[int, rows.GroupMovementRow] = {}
        of_groups: dict[int, list[rows.GroupMovementRow]] = {}
        totals_of_day: dict[int, list[rows.DailyMovementRow]] = {}
        strange: set[int] = set()

        async def one_group(id: int) -> None:
            try:
                totals_of_day[id], found = await _both(
                    self._read(reports.DAILY_MOVEMENTS, frame, groupid=id),
                    self._read(reports.GROUP_MOVEMENTS, frame, group_id=id),
                )
            except NotFound:
                strange.add(id)
                self._found([names.unknown("group", id, "R8", "id", "R1 and R5")])
                return
            online = self._online.get(self._day, {}).get(id, {})
            totals[id] = await asyncio.to_thread(daily.totals_of_movements, found, online)
            of_groups[id] = found
            of_group.update((row.movement_id, row) for row in found)

        await self._each(ids, one_group)
        ids = [id for id in ids if id not in strange]
        known = {None, *ids}
        # Users play in other groups too. So read every user that moved money in one of the groups.
        people = {user.id for user in users} | {row.user_id for row in of_group.values() if row.user_id is not None}
        money = Money()

        async def one_user(id: int) -> None:
            try:
                found = await self._read(reports.USER_TRANSACTIONS, frame, user_id=id)
            except NotFound:
                self._found([names.unknown("user", id, "R9 or R5", "id", "R7")])
                return
            # R5 of other groups was not read.
            mine = [row for row in found if row.group_id in known or row.movement_id in of_group]
            self.result.compared["movements"] += len(mine)
            money.add(mine)
            day.names.add("R7", mine, names.GROUP, "movement", "movement_id")
            self._found(movements.movements(id, mine, of_group, self._zone))

        await self._each(sorted(people), one_user)
        await self._compare(movements.unmatched, of_group)
        self._found(money.differences(ids))
        await asyncio.to_thread(self._collect_names, day.names, totals_of_day, of_groups, financial)
        rates: dict[int | None, Fraction | None] = {}
        for id in ids:
            rates[id] = await asyncio.to_thread(money.rate, id, day.customs)
        for id in ids:
            await self._one_total(id, totals_of_day[id], totals[id], finance.get(id, []), money, rates[id])
            await self._compare(movements.finance, id, of_groups[id], finance.get(id, []), day.customs)
        start = microseconds(frame.start)
        every = [row for found in of_groups.values() for row in found]
        await asyncio.to_thread(tickets.tickets, day.sold, every, frozenset(ids), start, day.customs)
        if self._group is None:
            await self._whole_business(financial, rates, day)

    def _collect_names(
        self,
        found: Names,
        totals: Mapping[int, Sequence[rows.DailyMovementRow]],
        of_groups: Mapping[int, Sequence[rows.GroupMovementRow]],
        financial: Sequence[rows.FinancialMovementRow],
    ) -> None:
        for of_day in totals.values():
            found.add("R1", of_day, names.GROUP)
        for mine in of_groups.values():
            for identity in (names.GROUP, names.USER):
                found.add("R5", mine, identity, "movement", "movement_id")
        for identity in (names.UNNAMED_GROUP, names.USER):
            found.add("R11", financial, identity, "movement of", "timestamp")

    async def _one_total(
        self,
        id: int,
        of_day: Sequence[rows.DailyMovementRow],
        totals: Totals,
        finance: Sequence[rows.FinancialMovementRow],
        money: Money,
        rate: Fraction | None,
    ) -> None:
        """Compare the totals of a group."""
        self.result.compared["daily"] += len(of_day)
        financial = await asyncio.to_thread(daily.totals_of_finance, finance)
        for report, figures in (("R5", totals), ("R11", financial)):
            for kind, count in figures.unknown.items():
                self._note(f"group {id}: {count} movements of {report} of the type {kind!r} are in no total")
        if money.mixed(id):
            self._note(f"group {id}: R7 names several currencies, so its movements are not added")
            return
        await self._compare(daily.daily, f"group {id}", of_day, totals, financial, self._wins(id, rate))

    def _wins(self, group: int, rate: Fraction | None) -> Decimal | None:
        """Return the prizes of a group's tickets in the group's currency, or None if they are not known."""
        won = self._won.get(self._day)
        if won is None:
            return None
        if rate is None:
            self._note(
                f"group {group}: wins (R1) and prizes (R3) are in two currencies, and R7 does not have one rate all day"
            )
            return None
        return movements.decimal_of(Fraction(won.get(group, Decimal(0))) * rate)

    async def _whole_business(
        self,
        financial: Sequence[rows.FinancialMovementRow],
        rates: Mapping[int | None, Fraction | None],
        day: _ReconciledDay,
    ) -> None:
        """Run the comparisons that need the movements of all groups: refunds, commissions, unknown groups and users."""
        self._booked[self._day] = await asyncio.to_thread(Booked.of, financial)
        before = self._booked.get(self._day - _DAY)
        booked = [self._booked[self._day], *([before] if before is not None else [])]
        if before is not None:
            await asyncio.to_thread(movements.refunds, day.summaries, booked, rates, day.customs)
            await asyncio.to_thread(movements.commissions, day.summaries, booked, day.customs)
        moved = Names(self._listed)
        for identity in (names.UNNAMED_GROUP, names.UNNAMED_USER):
            await asyncio.to_thread(moved.add, "R11", financial, identity)
        await self._compare(moved.unlisted, "group", "R8", "id")
        await self._compare(moved.unlisted, "user", "R9", "id")

    # Game logs: G1

    async def _logs(self, frame: Interval, users: Sequence[rows.UserRow]) -> None:
        column = self._people.user_code_from
        codes: dict[str, set[str]] = {agent: set() for agent in self._people.agents()}
        for user in users:
            code = getattr(user, column)
            if code is not None:
                codes.setdefault(self._people.agent_of_group(user.group_id), set()).add(str(code))
        for agent, mine in codes.items():
            if self._group is not None and not mine:
                continue
            found: list[rows.GameLogRow] = await self._read(reports.GAME_LOGS, frame, agent, game_type=GAME_TYPE)
            if self._group is None:
                await self._compare(logs.unlisted, found, mine, column)
                mine = mine | {row.user_code for row in found}
            else:
                wanted = {loose(code) for code in mine}
                found = [row for row in found if loose(row.user_code) in wanted]
            self.result.compared["logs"] += len(found)
            of_agent = {row.history_id: row for row in found}
            seen: dict[int, rows.GameLogRow] = {}

            async def one(
                code: str,
                agent: str = agent,
                of_agent: Mapping[int, rows.GameLogRow] = of_agent,
                seen: dict[int, rows.GameLogRow] = seen,
            ) -> None:
                try:
                    of_user = await self._read(reports.GAME_LOGS, frame, agent, game_type=GAME_TYPE, user_code=code)
                except NotFound:  # Game History does not know a user that never played
                    of_user = []
                self._found(logs.logs(of_user, of_agent, seen))

            await self._each(sorted(mine), one)
            await self._compare(logs.unlogged, of_agent, seen)

    async def _each(self, items: Sequence[ItemT], work: Callable[[ItemT], Awaitable[None]]) -> None:
        """Do the work for each item, a few at a time. The first failure stops the rest."""
        left = iter(items)

        async def worker() -> None:
            for item in left:
                await work(item)

        workers = [asyncio.ensure_future(worker()) for _ in range(min(self._at_once, len(items)))]
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
