"""A day of a group: its totals (R1) beside its movements (R5, R11) and the prizes of its tickets (R3)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from resolvers.reconcile.figures import WHOLE_ROW, Difference, Statement, loose, money
from upstream.reports.rows import DailyMovementRow, FinancialMovementRow, GameDetailRow, GroupMovementRow
from upstream.values.figures import EXACT, FINANCIAL_PARTS, PARTS

# Prizes of tickets that were sold online, whose payments name no ticket: the tickets by game and user.
Online = Mapping[tuple[int | None, int | None], Sequence[str]]


@dataclass(slots=True)
class Totals:
    """The sums of a group's movements, without signs, and the least and greatest number of tickets that were paid."""

    wagers: Decimal = Decimal(0)
    refunds: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    fewest_tickets: int = 0
    most_tickets: int = 0
    rows: int = 0
    unknown: Counter[str] = field(default_factory=Counter)  # rows by type, of types that belong to no known total

    @property
    def net(self) -> Decimal:
        """Return the net amount: wagers less refunds and payments."""
        return EXACT.subtract(EXACT.subtract(self.wagers, self.refunds), self.paid)

    def add(self, part: str | None, kind: str, amount: str) -> None:
        """Add a movement to one of the totals."""
        self.rows += 1
        if part is None:
            self.unknown[kind] += 1
        else:
            setattr(self, part, EXACT.add(getattr(self, part), Decimal(amount)))


def totals_of_movements(rows: Iterable[GroupMovementRow], online: Online) -> Totals:
    """Add up the movements of a group (R5). Payments without a ticket number are counted by the games' own tickets."""
    found = Totals()
    numbers: set[str] = set()
    unnumbered: Counter[tuple[int | None, int | None]] = Counter()
    for row in rows:
        part = PARTS.get(loose(row.type))
        found.add(part, row.type, row.currency_amount)
        if part == "paid":
            if row.ticket_id is not None:
                numbers.add(row.ticket_id)
            else:
                unnumbered[row.game_id, row.user_id] += 1
    found.fewest_tickets = found.most_tickets = len(numbers)
    for place, payments in unnumbered.items():
        tickets = online.get(place, ())
        exact = len(set(tickets)) if len(tickets) == payments else None
        found.fewest_tickets += exact or 1
        found.most_tickets += exact or payments
    return found


def totals_of_finance(rows: Iterable[FinancialMovementRow]) -> Totals:
    """Add up the movements of a group by R11, which has no tickets."""
    found = Totals()
    for row in rows:
        part = FINANCIAL_PARTS.get((row.type, row.subtype))
        if part != "":
            found.add(part, f"{row.type}/{row.subtype}", row.currency_amount)
    return found


def daily(
    key: str, rows: Sequence[DailyMovementRow], movements: Totals, finance: Totals, won: Decimal | None
) -> Iterable[Difference]:
    """Compare a day of a group. `won` is the sum of its tickets' prizes (R3), or None if it is not known."""
    if len(rows) != 1:
        quiet = not rows and not movements.rows and not finance.rows and not won
        if not quiet:
            counts = (("R1", len(rows)), ("R5", movements.rows), ("R11", finance.rows))
            yield Difference(
                "daily", key, WHOLE_ROW, tuple(Statement(name, "rows", str(count)) for name, count in counts)
            )
        return
    (row,) = rows
    for name, column, of in (
        ("wagers", "total_wagers_real", lambda totals: totals.wagers),
        ("refunds", "total_refunds_real", lambda totals: EXACT.minus(totals.refunds)),
        ("paid", "total_paid", lambda totals: EXACT.minus(totals.paid)),
        ("net", "net", lambda totals: totals.net),
    ):
        text = getattr(row, column)
        sums = {"R5": of(movements), "R11": of(finance)}
        if any(Decimal(text) != total for total in sums.values()):
            statements = (Statement(report, "sum", money(total)) for report, total in sums.items())
            yield Difference("daily", key, name, (Statement("R1", column, text), *statements))
    if won is not None and Decimal(row.total_wins_real) != won:
        wins = (
            Statement("R1", "total_wins_real", row.total_wins_real),
            Statement("R3", "sum of win_info", money(won)),
        )
        yield Difference("daily", key, "wins", wins)
    fewest, most = movements.fewest_tickets, movements.most_tickets
    if not fewest <= row.total_paid_tickets <= most:
        count = str(fewest) if fewest == most else f"{fewest} to {most}"
        tickets = (
            Statement("R1", "total_paid_tickets", str(row.total_paid_tickets)),
            Statement("R5", "tickets", count),
        )
        yield Difference("daily", key, "tickets", tickets)


def wins(game: GameDetailRow) -> dict[int | None, Decimal]:
    """Return what the tickets of a game won, by the group that sold them."""
    found: dict[int | None, Decimal] = {}
    for group, _, _, amount in _won_cards(game):
        found[group] = EXACT.add(found.get(group, Decimal(0)), amount)
    return found


def online(game: GameDetailRow) -> dict[int | None, dict[tuple[int | None, int | None], list[str]]]:
    """Return the tickets without a number that won, by group, then by game and user."""
    users = {winner.card_id: winner.user_id for winner in game.winners or () if winner.ticket_id is None}
    found: dict[int | None, dict[tuple[int | None, int | None], list[str]]] = {}
    for group, ticket, card, amount in _won_cards(game):
        if card in users and amount:
            found.setdefault(group, {}).setdefault((game.game_id, users[card]), []).append(ticket)
    return found


def _won_cards(game: GameDetailRow) -> Iterable[tuple[int | None, str, str, Decimal]]:
    for ticket in game.tickets or ():
        for win in ticket.win_info or ():
            prizes = win.prizes or ()
            for prize in prizes.values() if isinstance(prizes, dict) else prizes:
                yield ticket.seller_group_id, ticket.ticket_id, win.card_id, Decimal(prize.amount or 0)
