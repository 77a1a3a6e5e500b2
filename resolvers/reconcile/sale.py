"""The games on sale now (R6 beside R2 and R4), and the progressive jackpots (R10).

These figures change while they are read. So R2 is read before and after the others, and only what was the same both
times is compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from resolvers.reconcile.customs import Customs
from resolvers.reconcile.figures import WHOLE_ROW, Difference, Statement, compare, figure, loose, missing, money
from upstream.reports.rows import GameDetailRow, GameOnSaleRow, GameSummaryRow, ProgressiveJackpotRow, RoomGameRow
from upstream.values.figures import EXACT

SELLING, PRESELLING = 1, 6

ON_SALE = (
    figure("room", loose=True, optional=True, R2="room_name", R6="bs_room_id"),
    figure("start", time=True, optional=True, R2="starts_at", R6="starts_at"),
    figure("cards", optional=True, R2="cards_bought", R6="cards_bought", R4="total_tickets"),
    figure("card price", money=True, optional=True, R2="card_price", R6="card_price", R4="card_price"),
    figure("tickets cancelled", optional=True, R6="canceled_tickets_sum", R4="total_tickets_refunded"),
)


@dataclass(slots=True)
class Sale:
    """Everything that is read of the games on sale: R2 before and after, R6 and R4 between, and one R3 a jackpot."""

    before: Mapping[int, RoomGameRow] = field(default_factory=dict)
    after: Mapping[int, RoomGameRow] = field(default_factory=dict)
    on_sale: Sequence[GameOnSaleRow] = ()
    summaries: Mapping[int, GameSummaryRow] = field(default_factory=dict)
    details: Mapping[str, GameDetailRow] = field(default_factory=dict)  # by the name of the jackpot
    jackpots: Sequence[ProgressiveJackpotRow] = ()


def sale(found: Sale, customs: Customs) -> Iterable[Difference]:
    """Compare the games on sale in R6 with those of R2 and R4."""
    steady = {id for id, row in found.before.items() if found.after.get(id) == row}
    listed = {row.id for row in found.on_sale}
    for id in sorted(steady - listed):
        if found.before[id].status in (SELLING, PRESELLING):
            yield missing("sale", f"game {id}", "R2", "R6")
    for row in found.on_sale:
        key = f"game {row.id}"
        if row.id not in found.before and row.id not in found.after:
            yield missing("sale", key, "R6", "R2")
        if row.id not in steady:
            continue
        game, summary = found.before[row.id], found.summaries.get(row.id)
        rows_by_report: dict[str, Any] = {"R2": game, "R6": row}
        if summary is not None:
            rows_by_report["R4"] = summary
        yield from compare("sale", key, rows_by_report, ON_SALE)
        _customs_of_game(key, row, game, summary, customs)


def _customs_of_game(
    key: str, row: GameOnSaleRow, game: RoomGameRow, summary: GameSummaryRow | None, customs: Customs
) -> None:
    """Compare the status and the prizes of a game on sale with those of the other games."""
    status = loose(row.status) if row.status is not None else None
    customs.same("one text (R6) for each status (R2)", game.status, status, "sale", key, "R6", "status")
    prizes = row.prizes or ()
    for column in ("id", "description"):
        values = tuple(getattr(prize, column) for prize in prizes)
        custom = f"the prizes on sale have one {column} each for all games of a configuration"
        customs.same(custom, game.game_configuration_id, values, "sale", key, "R6", column)
    pool = summary.total_wagers_to_prizes_real if summary is not None else None
    if pool is None or not prizes or any(prize.amount is None for prize in prizes):
        return
    total = Decimal(0)
    for prize in prizes:
        total = EXACT.add(total, Decimal(prize.amount))
    statements = (
        Statement("R6", "sum of prizes.amount", money(total)),
        Statement("R4", "total_wagers_to_prizes_real", pool),
    )
    custom = "the prizes on sale share the wagers to prizes"
    customs.check(custom, total == Decimal(pool), Difference("sale", key, "prizes", statements))


# A pair of columns of R10: the first is at most the second.
AT_MOST = (("value", "value_max"), ("seed", "seed_max"), ("seed_base", "seed_max"), ("seed_base", "seed"))
PERCENTAGES = ("percentage", "seed_percentage")
# R10 and R3 both have the part of the wagers that goes to the jackpot.
JACKPOT = (figure("percentage", money=True, optional=True, R10="percentage", R3="pjp_percentage"),)
AMOUNTS = ("value", "value_max", "seed", "seed_base", "seed_max")


def jackpots(found: Sale) -> Iterable[Difference]:
    """Check the ranges of R10, and its names and percentages beside the games on sale (R4, R3)."""
    for row in found.jackpots:
        key = f"jackpot {row.description}"
        for column in (*AMOUNTS, *PERCENTAGES):
            value = getattr(row, column)
            if value is not None and Decimal(value) < 0:
                yield Difference(
                    "jackpots", key, column, (Statement("R10", column, value), Statement("R10", "least", "0"))
                )
        for column in PERCENTAGES:
            value = getattr(row, column)
            if value is not None and Decimal(value) > 100:
                yield Difference(
                    "jackpots", key, column, (Statement("R10", column, value), Statement("R10", "most", "100"))
                )
        for less, more in AT_MOST:
            low, high = getattr(row, less), getattr(row, more)
            if None not in (low, high) and Decimal(low) > Decimal(high):
                yield Difference("jackpots", key, less, (Statement("R10", less, low), Statement("R10", more, high)))
        detail = found.details.get(loose(row.description))
        if detail is not None:
            yield from compare("jackpots", key, {"R10": row, "R3": detail}, JACKPOT)
    known = {loose(row.description) for row in found.jackpots}
    names = {loose(one.pjp_id): one.pjp_id for one in found.summaries.values() if one.pjp_id is not None}
    for name, written in sorted(names.items()):
        if name not in known:
            statements = (Statement("R4", "pjp_id", written), Statement("R10", "description", None))
            yield Difference("jackpots", f"jackpot {written}", WHOLE_ROW, statements)
