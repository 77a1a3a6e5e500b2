"""Compute the daily totals of a group from its movements (R5 or R11), as the daily report has them (R1, C19)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from typing import Any

from upstream.reports.rows import DailyMovementRow
from upstream.reports.table import FINANCIAL_MOVEMENTS, GROUP_MOVEMENTS

# Sums amounts of up to a hundred digits without losing one.
EXACT = Context(prec=400, traps=[Inexact])

# The total that each type of movement of R5 counts towards.
PARTS: Mapping[str, str] = GROUP_MOVEMENTS.totals
COMMISSION, COMMISSION_REFUND = (100, 3), (100, 5)
# The same for type and subtype of R11. Commissions are no part of a group's daily totals.
FINANCIAL_PARTS: Mapping[tuple[int, int], str] = FINANCIAL_MOVEMENTS.totals


@dataclass(frozen=True, slots=True)
class NumberForms:
    """Hold the totals of a group on one day, without signs: wagers, refunds and payments."""

    wagers: Decimal = Decimal(0)
    refunds: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """Return the wagers less refunds and payments."""
        return EXACT.subtract(EXACT.subtract(self.wagers, self.refunds), self.paid)


NOTHING = NumberForms()


def of_day(row: DailyMovementRow) -> NumberForms:
    """Return the figures of a row of R1, whose refunds and payments are negative."""
    refunds, paid = Decimal(row.total_refunds_real), Decimal(row.total_paid)
    return NumberForms(Decimal(row.total_wagers_real), EXACT.minus(refunds), EXACT.minus(paid))


def of_movements(rows: Iterable[Any]) -> NumberForms | None:
    """Return the figures of movements of R5, or None if a type is among them whose total is not known."""
    return _added((PARTS.get(row.type.casefold()), row.currency_amount) for row in rows)


def of_finance(rows: Iterable[Any]) -> NumberForms | None:
    """Return the figures of movements of R11, or None if a type is among them whose total is not known."""
    return _added((FINANCIAL_PARTS.get((row.type, row.subtype)), row.currency_amount) for row in rows)


def _added(parts: Iterable[tuple[str | None, str]]) -> NumberForms | None:
    sums = {"wagers": Decimal(0), "refunds": Decimal(0), "paid": Decimal(0), "": Decimal(0)}
    for part, amount in parts:
        if part is None:
            return None
        sums[part] = EXACT.add(sums[part], Decimal(amount))
    return NumberForms(sums["wagers"], sums["refunds"], sums["paid"])
