"""The rules of reconciliation by themselves: sums, tickets, rates, and lists without keys."""

from decimal import Decimal

from resolvers.reconcile.daily import totals_of_finance, totals_of_movements
from resolvers.reconcile.figures import match
from resolvers.reconcile.games import PRIZES
from upstream.reports.rows import FinancialMovementRow, GroupMovementRow, RoomGamePrize


def paid(ticket: str | None, game: int = 1, user: int = 1, amount: str = "1.00") -> GroupMovementRow:
    return GroupMovementRow(
        movement_id=1,
        timestamp=0,
        user_id=user,
        type="Bingo - Prize",
        currency_amount=amount,
        ticket_id=ticket,
        game_id=game,
    )


def test_no_digit_of_a_sum_is_lost() -> None:
    large, small = "9" * 60 + ".01", "0." + "0" * 59 + "1"
    found = totals_of_movements([paid("a", amount=large), paid("b", amount=small)], {})
    assert found.paid == Decimal("9" * 60 + ".01" + "0" * 57 + "1")
    assert f"{found.net:f}" == "-" + "9" * 60 + ".01" + "0" * 57 + "1"


def test_tickets_without_a_number_are_counted_by_the_games() -> None:
    rows = [paid("a"), paid("a"), paid("b"), paid(None), paid(None), paid(None, user=2), paid(None, game=2)]
    found = totals_of_movements(rows, {})
    assert (found.fewest_tickets, found.most_tickets) == (5, 6)
    # Both prizes are of one ticket; game 2 has another number of prizes, and is no help.
    found = totals_of_movements(rows, {(1, 1): ["t", "t"], (2, 1): ["u", "v"]})
    assert (found.fewest_tickets, found.most_tickets) == (5, 5)
    found = totals_of_movements(rows, {(1, 1): ["t", "s"], (1, 2): ["w"], (2, 1): ["u"]})
    assert (found.fewest_tickets, found.most_tickets) == (6, 6)


def test_a_type_that_nobody_knows_is_in_no_total() -> None:
    row = paid("a")
    row.type = "Bingo - Wager Cancelled"
    found = totals_of_movements([row, row], {})
    assert found.net == 0
    assert found.rows == 2
    assert found.unknown == {"Bingo - Wager Cancelled": 2}
    finance = [
        FinancialMovementRow(timestamp=0, type=kind, subtype=subtype, currency_amount="1.00")
        for kind, subtype in ((1, 1), (3, 1), (3, 2), (100, 2), (100, 3), (100, 5), (7, 1))
    ]
    totals = totals_of_finance(finance)
    assert [totals.wagers, totals.refunds, totals.paid] == list(map(Decimal, (1, 2, 1)))
    assert totals.unknown == {"7/1": 1}


def test_lists_without_keys_are_paired_as_they_fit() -> None:
    def prize(id: int, name: str, amount: str, call: int = 5) -> RoomGamePrize:
        return RoomGamePrize(id=id, prize_name=name, paid=amount, call_number=call)

    def found(ours: list[RoomGamePrize], others: list[RoomGamePrize]) -> list[tuple[str, str, list[str | None]]]:
        differences = match("games", "game 1", {"R2": ours, "R3": others}, PRIZES, "prize")
        return [(one.key, one.column, [statement.value for statement in one.statements]) for one in differences]

    one, two, three = prize(1, "One line", "1.00"), prize(2, "Two lines", "2.0"), prize(3, "Fullhouse", "3.00", 70)
    assert found([one, two, three], [three, prize(2, "Two lines", "2.00"), one]) == []
    assert found([one, two], [prize(2, "Two lines", "2.01"), one]) == [
        ("game 1, prize Two lines", "paid", ["2.0", "2.01"])
    ]
    assert found([one, one], [one]) == [("game 1, prize One line", "(row)", ["told", None])]
    assert found([one], [one, three]) == [("game 1, prize Fullhouse", "(row)", ["told", None])]
    assert found([one], [three]) == [
        ("game 1, prize One line", "(row)", ["told", None]),
        ("game 1, prize Fullhouse", "(row)", ["told", None]),
    ]
