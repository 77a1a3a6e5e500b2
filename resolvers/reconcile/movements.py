"""Movements: those of groups (R5) beside those of users (R7) by id, and beside those of R11 row by row."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from resolvers.reconcile.customs import Customs
from resolvers.reconcile.figures import Difference, Statement, compare, figure, loose, match, missing, money, text
from resolvers.rules.movement import wallet_amount
from upstream.reports.rows import FinancialMovementRow, GameSummaryRow, GroupMovementRow, UserTransactionRow
from upstream.values.figures import COMMISSION, EXACT, FINANCIAL_PARTS, PARTS

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
UNKNOWN = "unknown"


# R5 beside R7

MOVEMENT = (
    figure("type", loose=True, R5="type", R7="movement_type"),
    figure("group", R5="group_id", R7="group_id", optional=True),
)


def movements(
    user: int, of_user: Iterable[UserTransactionRow], of_group: dict[int, GroupMovementRow], zone: ZoneInfo
) -> Iterable[Difference]:
    """Compare the movements of a user (R7) with those of the groups (R5). Those that are found leave `of_group`.

    R7 writes the local time of `zone`, which names two instants in the hour that the clock repeats (C29). Two instants
    with the same local time are the same.
    """
    for row in of_user:
        key = f"movement {row.movement_id}"
        base = row.base_currency_amount if row.currency_id in (None, row.base_currency_id) else None
        if base is not None and Decimal(base) != Decimal(row.currency_amount):
            own = (
                Statement("R7", "currency_amount", row.currency_amount),
                Statement("R7", "base_currency_amount", base),
            )
            yield Difference("movements", key, "base amount", own)
        other = of_group.pop(row.movement_id, None)
        if other is None:
            yield missing("movements", f"{key} of user {user}", "R7", "R5")
            continue
        if other.timestamp != row.timestamp and _wall(other.timestamp, zone) != _wall(row.timestamp, zone):
            times = (
                Statement("R5", "timestamp", text(other.timestamp, time=True)),
                Statement("R7", "timestamp", text(row.timestamp, time=True)),
            )
            yield Difference("movements", key, "time", times)
        yield from compare("movements", key, {"R5": other, "R7": row}, MOVEMENT)
        if other.user_id not in (None, user):
            whose = (Statement("R5", "user_id", str(other.user_id)), Statement("R7", "user_id", str(user)))
            yield Difference("movements", key, "user", whose)
        wallet, amount = wallet_amount(other.type, other.currency_amount), row.currency_amount
        if wallet is None:  # the sign of this type is not known, so only the amounts without signs are compared
            wallet, amount = other.currency_amount.lstrip("-"), amount.lstrip("-")
        if Decimal(wallet) != Decimal(amount):
            both = (
                Statement("R5", "currency_amount", other.currency_amount),
                Statement("R7", "currency_amount", row.currency_amount),
            )
            yield Difference("movements", key, "amount", both)


def unmatched(of_group: Mapping[int, GroupMovementRow]) -> Iterable[Difference]:
    """Return a difference for each movement of a group that no user has."""
    for id, row in of_group.items():
        yield missing("movements", f"movement {id} of user {row.user_id}", "R5", "R7")


def _wall(instant: int, zone: ZoneInfo) -> datetime.datetime:
    return (_EPOCH + datetime.timedelta(microseconds=instant)).astimezone(zone).replace(tzinfo=None)


# Currencies and rates, as R7 names them


@dataclass(slots=True)
class Money:
    """The currencies of each group, and what one unit of the base currency is in each."""

    currencies: dict[int | None, dict[str, list[UserTransactionRow]]] = field(default_factory=dict)
    bases: dict[str, list[UserTransactionRow]] = field(default_factory=dict)

    def add(self, rows: Iterable[UserTransactionRow]) -> None:
        """Collect the movements of a user."""
        for row in rows:
            if row.currency_id is not None:
                self.currencies.setdefault(row.group_id, {}).setdefault(row.currency_id, []).append(row)
            if row.base_currency_id is not None:
                self.bases.setdefault(row.base_currency_id, []).append(row)

    def mixed(self, group: int | None) -> bool:
        """Return whether a group has several currencies, so that its amounts must not be added (C30)."""
        return len(self.currencies.get(group, ())) > 1

    def differences(self, groups: Collection[int]) -> Iterable[Difference]:
        """Return a difference for each group with several currencies, and one for several base currencies."""
        for group in groups:
            found = self.currencies.get(group, {})
            if len(found) > 1:
                yield _several("currency_id", f"group {group}", "currency", found)
        if len(self.bases) > 1:
            yield _several("base_currency_id", "all groups", "base currency", self.bases)

    def rate(self, group: int | None, customs: Customs) -> Fraction | None:
        """Return the rate of a group: 1 for a group in the base currency, None if no single rate is known.

        A row with another rate than the others is a difference, if such rows are few.
        """
        one = Fraction(1)
        rates: list[tuple[Fraction, UserTransactionRow]] = []
        for row in (row for rows in self.currencies.get(group, {}).values() for row in rows):
            if row.base_currency_amount is None or row.currency_id == row.base_currency_id:
                rates.append((one, row))
            elif Decimal(row.base_currency_amount):
                rates.append((Fraction(row.currency_amount) / Fraction(row.base_currency_amount), row))
        if not rates:
            return one
        counted = Counter(rate for rate, _ in rates)
        usual, count = counted.most_common(1)[0]
        others = [row for rate, row in rates if rate != usual]
        custom = f"one rate of group {group}"
        customs.follow(custom, count)
        for row in others:
            statements = (
                Statement("R7", "currency_amount", row.currency_amount),
                Statement("R7", "base_currency_amount", row.base_currency_amount),
            )
            customs.breaks(custom, Difference("movements", f"movement {row.movement_id}", "base amount", statements))
        return usual if customs.few(custom) else None


def _several(column: str, key: str, name: str, found: Mapping[str, Sequence[UserTransactionRow]]) -> Difference:
    rarest = min(found.values(), key=len)
    more = f" and {len(rarest) - 1} more" if len(rarest) > 1 else ""
    statements = tuple(Statement("R7", column, currency) for currency in found)
    return Difference("movements", f"{key}, movement {rarest[0].movement_id}{more}", name, statements)


# R5 beside R11


@dataclass(frozen=True, slots=True)
class BookedPart:
    """The kind of a movement, as both reports know it, and the text that the report has for it."""

    name: str
    written: str = field(compare=False)

    def __str__(self) -> str:
        return self.written


def _part(row: GroupMovementRow) -> BookedPart:
    return BookedPart(PARTS.get(loose(row.type), UNKNOWN), row.type)


def _financial_part(row: FinancialMovementRow) -> BookedPart:
    return BookedPart(FINANCIAL_PARTS.get((row.type, row.subtype), UNKNOWN), f"{row.type}/{row.subtype}")


FINANCE = (
    figure("time", time=True, R5="timestamp", R11="timestamp"),
    figure("type", R5=("type", _part), R11=("type/subtype", _financial_part)),
    figure("amount", money=True, R5="currency_amount", R11="currency_amount"),
    figure("user", optional=True, R5="user_id", R11="user_id"),
    figure("game", optional=True, R5="game_id", R11="game_id"),
)


def finance(
    group: int, of_group: Sequence[GroupMovementRow], financial: Sequence[FinancialMovementRow], customs: Customs
) -> Iterable[Difference]:
    """Compare the movements of a group in R5 and R11, row by row. R11's commissions are not movements of R5."""
    sides = {"R5": of_group, "R11": [row for row in financial if _financial_part(row).name != ""]}
    custom = f"types of R5 and R11 in group {group}"
    customs.follow(custom, len(of_group))
    for found in match("movements", f"group {group}", sides, FINANCE, "movement of"):
        # No document says what such a type means.
        if found.column == "type" and any(_is_unknown(statement) for statement in found.statements):
            customs.breaks(custom, found)
        else:
            yield found


def _is_unknown(statement: Statement) -> bool:
    if statement.report == "R5":
        return loose(statement.value or "") not in PARTS
    return statement.value not in {f"{kind}/{subtype}" for kind, subtype in FINANCIAL_PARTS}


# The entries of R11 for games: refunds beside R4, commissions beside wagers


@dataclass(slots=True)
class Booked:
    """The refunds, wagers and commissions that R11 has for games; of the day, and of the day before."""

    refunds: dict[int, list[tuple[int | None, str]]] = field(default_factory=lambda: defaultdict(list))
    wagers: set[tuple[int | None, int]] = field(default_factory=set)
    commissions: dict[tuple[int | None, int], Decimal] = field(default_factory=dict)
    commission_refunds: dict[tuple[int | None, int], Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[FinancialMovementRow]) -> "Booked":
        """Collect the rows of a day that name a game."""
        found = cls()
        for row in rows:
            if row.game_id is None:
                continue
            place = (row.group_id, row.game_id)
            part = FINANCIAL_PARTS.get((row.type, row.subtype))
            if part == "refunds":
                found.refunds[row.game_id].append((row.group_id, row.currency_amount))
            elif part == "wagers":
                found.wagers.add(place)
            elif part == "":
                sums = found.commissions if (row.type, row.subtype) == COMMISSION else found.commission_refunds
                sums[place] = EXACT.add(sums.get(place, Decimal(0)), Decimal(row.currency_amount))
        return found


REFUNDED_TICKETS = "each ticket refunded (R4) is a refund of R11"
REFUNDED = "the refunds of a game (R4) are those of R11"


def refunds(
    games: Mapping[int, GameSummaryRow],
    booked: Sequence[Booked],
    rates: Mapping[int | None, Fraction | None],
    customs: Customs,
) -> None:
    """Compare the refunds of each game (R4) with those of R11, whose amounts are added in the base currency.

    These are customs, because a game may have been sold, and its tickets given back, on earlier days than `booked`.
    """
    for id, game in games.items():
        rows = [row for day in booked for row in day.refunds.get(id, ())]
        key = f"game {id}"
        if game.total_tickets_refunded is not None:
            counts = (
                Statement("R4", "total_tickets_refunded", str(game.total_tickets_refunded)),
                Statement("R11", "refunds", str(len(rows))),
            )
            followed = game.total_tickets_refunded == len(rows)
            customs.check(REFUNDED_TICKETS, followed, Difference("games", key, "tickets refunded", counts))
        total = Fraction(0)
        for group, amount in rows:
            rate = rates.get(group)
            if not rate:
                break
            total += Fraction(amount) / rate
        else:
            if game.total_refunds_real is not None:
                exact = decimal_of(total)
                sums = (
                    Statement("R4", "total_refunds_real", game.total_refunds_real),
                    Statement("R11", "sum of refunds", str(total) if exact is None else money(exact)),
                )
                followed = Fraction(game.total_refunds_real) == total
                customs.check(REFUNDED, followed, Difference("games", key, "refunds", sums))


def commissions(games: Iterable[int], booked: Sequence[Booked], customs: Customs) -> None:
    """Compare commissions with wagers: a commission needs a wager, and its refunds are at most the commission."""
    wagers = {place for day in booked for place in day.wagers}
    started = set(games)
    paid, returned = (_sums(getattr(day, name) for day in booked) for name in ("commissions", "commission_refunds"))
    for place in paid.keys() | returned.keys():
        group, game = place
        if game not in started:
            continue
        key = f"group {group}, game {game}"
        statements = (
            Statement("R11", "commission", money(paid.get(place, Decimal(0)))),
            Statement("R11", "wagers", None),
        )
        needs_wager = "commissions belong to wagers"
        customs.check(needs_wager, place in wagers, Difference("movements", key, needs_wager, statements))
        both = (
            Statement("R11", "commission refund", money(returned.get(place, Decimal(0)))),
            Statement("R11", "commission", money(paid.get(place, Decimal(0)))),
        )
        at_most = "commission refunds are at most the commissions"
        followed = returned.get(place, Decimal(0)) <= paid.get(place, Decimal(0))
        customs.check(at_most, followed, Difference("movements", key, at_most, both))


def _sums(days: Iterable[Mapping[Any, Decimal]]) -> dict[Any, Decimal]:
    found: dict[Any, Decimal] = {}
    for day in days:
        for place, amount in day.items():
            found[place] = EXACT.add(found.get(place, Decimal(0)), amount)
    return found


def decimal_of(value: Fraction) -> Decimal | None:
    """Return the fraction as a decimal, or None if it has no end."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)) if rest == 1 else None
