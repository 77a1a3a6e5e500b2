"""The rules that a made-up day of the sandbox does not reach: ranges, commissions, currencies, customs and sales."""

from fractions import Fraction
from zoneinfo import ZoneInfo

from resolvers.reconcile import games, logs, movements, sale, tickets
from resolvers.reconcile.customs import Customs
from resolvers.reconcile.figures import Difference, Statement
from resolvers.reconcile.movements import Booked, Money
from resolvers.reconcile.names import GROUP, LISTED_GROUP, Names
from upstream.reports.rows import (
    FinancialMovementRow,
    GameDetailJackpot,
    GameDetailPrize,
    GameDetailRow,
    GameLogRow,
    GameOnSaleRow,
    GameSummaryRow,
    GroupMovementRow,
    GroupRow,
    PrizeTicket,
    ProgressiveJackpotRow,
    RoomGameRow,
    UserTransactionRow,
)

HOUR = 3_600_000_000


def shown(differences: list[Difference]) -> list[tuple[str, str, str]]:
    return [(one.key, one.column, " | ".join(map(str, one.statements))) for one in differences]


# R10


def jackpot(**changed: str) -> ProgressiveJackpotRow:
    usual = {"value": "50.00", "value_max": "100.00", "percentage": "5.00"}
    hidden = {"seed": "20.00", "seed_base": "20.00", "seed_max": "90.00", "seed_percentage": "30.00"}
    return ProgressiveJackpotRow(description="Gold", **{**usual, **hidden, **changed})


def test_the_ranges_of_a_jackpot() -> None:
    assert list(sale.jackpots(sale.Sale(jackpots=[jackpot()]))) == []
    for column, wrong, expected in (
        ("value", "100.01", "R10 value 100.01 | R10 value_max 100.00"),
        ("value", "-0.01", "R10 value -0.01 | R10 least 0"),
        ("percentage", "100.01", "R10 percentage 100.01 | R10 most 100"),
        ("seed_percentage", "-1.00", "R10 seed_percentage -1.00 | R10 least 0"),
        ("seed_percentage", "101.00", "R10 seed_percentage 101.00 | R10 most 100"),
        ("seed", "90.01", "R10 seed 90.01 | R10 seed_max 90.00"),
    ):
        found = list(sale.jackpots(sale.Sale(jackpots=[jackpot(**{column: wrong})])))
        assert shown(found) == [("jackpot Gold", column, expected)]
    low = list(sale.jackpots(sale.Sale(jackpots=[jackpot(seed="19.99")])))
    assert shown(low) == [("jackpot Gold", "seed_base", "R10 seed_base 20.00 | R10 seed 19.99")]


def test_a_jackpot_of_a_game_on_sale() -> None:
    """R10 lists all jackpots in use, with the percentage that the games have."""
    summaries = {
        1: GameSummaryRow(bs_game_id_main=1, pjp_id="gold "),
        2: GameSummaryRow(bs_game_id_main=2, pjp_id="Lead"),
    }
    details = {"gold": GameDetailRow(game_id=1, pjp_percentage="6.00")}
    found = list(sale.jackpots(sale.Sale(summaries=summaries, details=details, jackpots=[jackpot()])))
    assert shown(found) == [
        ("jackpot Gold", "percentage", "R10 percentage 5.00 | R3 pjp_percentage 6.00"),
        ("jackpot Lead", "(row)", "R4 pjp_id Lead | R10 description -"),
    ]


# R6


def on_sale(id: int, cards: int = 3) -> GameOnSaleRow:
    return GameOnSaleRow(id=id, bs_room_id="Main", starts_at=0, cards_bought=cards, card_price="1.00", status="Selling")


def room_game(id: int, cards: int = 3) -> RoomGameRow:
    return RoomGameRow(id=id, room_name="MAIN", starts_at=0, cards_bought=cards, card_price="1.00", status=1)


def test_games_on_sale_that_change_while_they_are_read_are_not_compared() -> None:
    before = {id: room_game(id) for id in (1, 2, 3)}
    after = before | {2: room_game(2, cards=5)}
    found = sale.Sale(before, after, [on_sale(1, cards=4), on_sale(2, cards=4), on_sale(4)])
    assert shown(list(sale.sale(found, Customs()))) == [
        ("game 3", "(row)", "R2 row told | R6 row -"),
        ("game 1", "cards", "R2 cards_bought 3 | R6 cards_bought 4"),
        ("game 4", "(row)", "R6 row told | R2 row -"),
    ]


# Customs


def broken(number: int) -> Difference:
    return Difference("games", f"game {number}", "custom", (Statement("R3", "column", str(number)),))


def test_a_custom_that_nearly_all_rows_keep_is_a_rule() -> None:
    customs = Customs()
    customs.follow("nearly all", 8)
    customs.breaks("nearly all", broken(1))
    customs.breaks("nearly all", broken(2))
    customs.follow("many break it", 100)
    for number in range(3):
        customs.breaks("many break it", broken(number))
    customs.follow("too few", 7)
    customs.breaks("too few", broken(4))
    differences, notes = customs.settle()
    assert differences == [broken(1), broken(2)]
    assert notes == [
        "the custom 'many break it' is not followed here: 3 of 103 rows break it",
        "the custom 'too few' is not followed here: 1 of 8 rows break it",
    ]


def test_a_custom_of_one_value() -> None:
    customs = Customs()
    for number in range(12):
        value = "b" if number == 5 else "a"
        customs.same("one mode", "configuration", value, "games", f"game {number}", "R4", "mode")
    differences, notes = customs.settle()
    assert (shown(differences), notes) == ([("game 5", "one mode", "R4 mode b | R4 mode of others a")], [])


# Movements


def transaction(id: int, amount: str, base: str | None, currency: str = "EUR", at: int = 0) -> UserTransactionRow:
    return UserTransactionRow(
        movement_id=id,
        timestamp=at,
        group_id=1,
        movement_type="Bingo - Wager",
        currency_amount=amount,
        currency_id=currency,
        base_currency_amount=base,
        base_currency_id="USD",
    )


def rate(*rows: UserTransactionRow) -> tuple[Fraction | None, list[str]]:
    money, customs = Money(), Customs()
    money.add(rows)
    found = money.rate(1, customs)
    return found, [one.key for one in customs.settle()[0]]


def test_the_rate_of_a_group() -> None:
    same = [transaction(id, "-0.80", "-1.00") for id in range(9)]
    assert rate(*same, transaction(20, "0.00", "0.00")) == (Fraction(4, 5), [])
    assert rate(*same, transaction(20, "0.81", "1.00")) == (Fraction(4, 5), ["movement 20"])
    assert rate(transaction(1, "0.80", "1.00"), transaction(2, "0.81", "1.00")) == (None, [])
    assert rate(transaction(1, "0.80", "0.80", "USD"), transaction(2, "1.00", None)) == (Fraction(1), [])
    assert rate() == (Fraction(1), [])


def test_a_group_with_two_currencies() -> None:
    money = Money()
    money.add([transaction(1, "1.00", "1.00"), transaction(2, "1.00", "1.00"), transaction(3, "1.00", "1.00", "GBP")])
    assert money.mixed(1)
    assert not money.mixed(2)
    assert shown(list(money.differences([1, 2]))) == [
        ("group 1, movement 3", "currency", "R7 currency_id EUR | R7 currency_id GBP")
    ]


def test_the_repeated_hour() -> None:
    """R7 writes local times. In the hour that the clock repeats each of them is two instants."""
    zone = ZoneInfo("Europe/Madrid")
    first = 1_792_886_400_000_000  # 2026-10-25 00:00 UTC, 02:00 in Madrid, for the first time

    def compared(of_user: int, of_group: int) -> list[str]:
        row = GroupMovementRow(
            movement_id=1, timestamp=of_group, type="bingo - WAGER", currency_amount="1.00", group_id=1
        )
        mine = transaction(1, "-1.00", "-1.00", "USD", at=of_user)
        return [one.column for one in movements.movements(1, [mine], {1: row}, zone)]

    assert compared(first, first + HOUR) == []
    assert compared(first + HOUR, first) == []
    assert compared(first, first + 2 * HOUR) == ["time"]
    assert compared(first - 24 * HOUR, first - 23 * HOUR) == ["time"]


def financial(
    type: int, subtype: int, amount: str = "1.00", game: int | None = 7, group: int = 1
) -> FinancialMovementRow:
    return FinancialMovementRow(
        timestamp=0, type=type, subtype=subtype, currency_amount=amount, game_id=game, group_id=group, user_id=5
    )


def test_commissions_need_wagers_and_cover_their_refunds() -> None:
    customs = Customs()
    kept = [row for game in range(20) for row in (financial(1, 1, game=game), financial(100, 3, "0.10", game))]
    before = Booked.of([financial(100, 5, "0.10", game=19)])
    alone = [financial(100, 3, "0.10", game=30), financial(100, 5, "0.20", game=3)]
    movements.commissions(range(40), [Booked.of([*kept, *alone]), before], customs)
    assert sorted(shown(customs.settle()[0])) == [
        (
            "group 1, game 3",
            "commission refunds are at most the commissions",
            "R11 commission refund 0.20 | R11 commission 0.10",
        ),
        ("group 1, game 30", "commissions belong to wagers", "R11 commission 0.10 | R11 wagers -"),
    ]


def test_refunds_are_added_in_the_base_currency() -> None:
    of_day = Booked.of([financial(3, 1), financial(3, 2, "1.00", group=2)])
    before = Booked.of([financial(3, 1)])
    rates = {1: Fraction(1), 2: Fraction(4, 5)}

    def found(tickets: int, amount: str, rates: dict[int | None, Fraction | None]) -> list[tuple[str, str, str]]:
        games = {
            id: GameSummaryRow(bs_game_id_main=id, total_tickets_refunded=0, total_refunds_real="0.00")
            for id in range(20, 30)
        }
        games[7] = GameSummaryRow(bs_game_id_main=7, total_tickets_refunded=tickets, total_refunds_real=amount)
        customs = Customs()
        movements.refunds(games, [of_day, before], rates, customs)
        return shown(customs.settle()[0])

    tickets = ("game 7", "tickets refunded", "R4 total_tickets_refunded 2 | R11 refunds 3")
    refunds = ("game 7", "refunds", "R4 total_refunds_real 3.00 | R11 sum of refunds 3.25")
    assert found(3, "3.25", {**rates}) == []
    assert found(2, "3.00", {**rates}) == [tickets, refunds]
    # Without a rate the amounts are not added, and the tickets are counted nevertheless.
    assert found(2, "3.00", {1: Fraction(1), 2: None}) == [tickets]


def test_a_row_of_r11_with_a_type_that_only_r5_knows() -> None:
    """The meaning of an undocumented type is unknown: if all rows have it, it is no difference."""
    row = GroupMovementRow(
        movement_id=1, timestamp=0, type="Bingo - Wager", currency_amount="1.00", user_id=5, game_id=7
    )
    customs = Customs()
    assert list(movements.finance(1, [row], [financial(9, 9)], customs)) == []
    note = "the custom 'types of R5 and R11 in group 1' is not followed here: 1 of 2 rows break it"
    assert customs.settle()[1] == [note]
    assert list(movements.finance(1, [row], [financial(1, 1), financial(100, 3)], Customs())) == []
    lost = list(movements.finance(1, [row], [], Customs()))
    assert [one.column for one in lost] == ["(row)"]


# Games, tickets, names, logs


def winner(amount: str, card: str = "9-1") -> PrizeTicket:
    return PrizeTicket(ticket_id=card, amount_won=amount, user_id=5)


def test_the_jackpot_s_winners_are_those_of_the_pjp_prize() -> None:
    def compared(name: str, *winners: PrizeTicket) -> list[tuple[str, str, str]]:
        detail = GameDetailRow(
            game_id=1,
            progressive_jackpot=GameDetailJackpot(name="Gold", winners=[winner("7.29")]),
            prizes=[GameDetailPrize(id=1, prize_name=name, winners=list(winners))],
        )
        return shown(list(games.games(RoomGameRow(id=1), detail, None, Customs())))

    of_jackpot, of_prize = "R3 progressive_jackpot", "R3 prizes"
    different = f"{of_jackpot} amount_won 7.29 | {of_prize} amount_won 7.30"
    assert ("game 1, jackpot winner 9-1", "amount", different) in compared("PJP", winner("7.30"))
    absent = f"{of_jackpot} row told | {of_prize} row -"
    assert ("game 1, jackpot winner 9-1", "(row)", absent) in compared("Big one", winner("7.30"))


def wager(id: int, ticket: str, at: int = 1) -> GroupMovementRow:
    return GroupMovementRow(
        movement_id=id,
        timestamp=at,
        group_id=1,
        user_id=5,
        type="Bingo - Wager",
        currency_amount="1.00",
        ticket_id=ticket,
        game_id=7,
    )


def test_tickets_and_their_wagers() -> None:
    held = [tickets.Sold(str(number), 7, 1, 1, 5, won=False) for number in range(20)]
    rows = [wager(number, str(number), at=2 if number == 3 else 1) for number in range(19)]
    refund = GroupMovementRow(movement_id=40, timestamp=3, type="Bingo - Refund", currency_amount="1.00", ticket_id="x")
    customs = Customs()
    tickets.tickets(held, [*rows, wager(30, "lost"), wager(31, "x"), refund], frozenset({1}), 0, customs)
    assert sorted(one.key for one in customs.settle()[0]) == [
        "game 7, ticket 19",  # has no wager
        "movement 3, ticket 3",  # was bought at another time
        "movement 30",  # is not in the game, and was not given back
    ]


def test_a_name_is_told_with_the_first_row_that_has_it() -> None:
    listed = Names()
    listed.add("R8", [GroupRow(id=1, name="Local 1")], LISTED_GROUP)
    found = Names(listed)
    rows = [
        GroupMovementRow(movement_id=id, timestamp=0, type="x", currency_amount="1.00", group_id=1, group_name=name)
        for id, name in enumerate(["LOCAL 1 ", "Local 1", "Local 2", "Local 2", "Local 1"])
    ]
    found.add("R5", rows, GROUP, "movement", "movement_id")
    assert shown(list(found.differences())) == [
        (
            "group 1, movement 2 and 1 more",
            "name",
            "R8 id, name 1, Local 1 | R5 group_id, group_name 1, LOCAL 1  | R5 group_id, group_name 1, Local 1"
            " | R5 group_id, group_name 1, Local 2",
        )
    ]
    assert list(found.unlisted("group", "R8", "id")) == []


def log_row(id: int, code: str) -> GameLogRow:
    return GameLogRow(
        history_id=id,
        agent_code="a",
        user_code=code,
        provider_code="p",
        game_code="g",
        type="BASE",
        bet_money="1.00",
        win_money="0.00",
        txn_id="t",
        txn_type="debit_credit",
        created_at=0,
    )


def test_users_whose_names_differ_in_case_alone() -> None:
    """An upstream may return the rows of bob and of Bob for either of them (C27)."""
    of_agent = {12: log_row(12, "bob"), 13: log_row(13, "Bob")}
    both = list(of_agent.values())
    for loose in (True, False):
        seen: dict[int, GameLogRow] = {}
        for code in ("bob", "Bob"):
            mine = both if loose else [row for row in both if row.user_code == code]
            assert list(logs.logs(mine, of_agent, seen)) == []
        assert list(logs.unlogged(of_agent, seen)) == []
    assert list(logs.unlisted(both, ["BOB "], "username")) == []
    assert [one.key for one in logs.unlisted(both, ["eva"], "username")] == ["user Bob"]
