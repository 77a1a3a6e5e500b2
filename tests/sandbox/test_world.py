"""The reports agree: all reports of the same money show the same amounts."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.conftest import Ask

THIS_WEEK = {"timestamp": "this_week"}
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def groups(ask: Ask) -> dict[int, Rows]:
    """Return R5 of every Local group, this week."""
    return {
        group["id"]: ask.rows("api_retail_movements", group_id=group["id"], **THIS_WEEK)
        for group in ask.rows("api_groups_report")
        if group["type"] == "Local"
    }


@pytest.fixture(scope="module")
def users(ask: Ask) -> dict[int, Rows]:
    """Return R7 of every user, this week."""
    return {
        user["id"]: ask.rows("transaction_report", user_id=user["id"], per_page=-1, **THIS_WEEK)
        for user in ask.rows("api_users_report")
    }


@pytest.fixture(scope="module")
def financial(ask: Ask) -> Rows:
    """Return R11 of all groups, this week."""
    found: Rows = ask.rows("api_movements_external_report", "group_reports", per_page=-1, **THIS_WEEK)
    return found


def exact(amount: str | int | float) -> Decimal:
    return Decimal(str(amount))


def test_r5_and_r7_are_the_same_movements(groups: dict[int, Rows], users: dict[int, Rows]) -> None:
    by_group = {row["movement_id"]: row for rows in groups.values() for row in rows}
    by_user = {row["movement_id"]: (user, row) for user, rows in users.items() for row in rows}
    assert by_group.keys() == by_user.keys()
    assert len(by_group) > 10_000
    for id, one in by_group.items():
        user, other = by_user[id]
        sign = -1 if one["type"] == "Bingo - Wager" else 1
        assert one["user_id"] == user
        assert one["type"] == other["movement_type"]
        assert [one[name] for name in ("group_id", "external_group_id", "group_name")] == [
            other[name] for name in ("group_id", "external_group_id", "group_name")
        ]
        assert exact(one["currency_amount"]) * sign == exact(other["currency_amount"])


def test_movement_ids_are_one_sequence_that_rises_with_time(groups: dict[int, Rows]) -> None:
    rows = sorted((row["movement_id"], row["timestamp"]) for rows in groups.values() for row in rows)
    assert [instant for _, instant in rows] == sorted(instant for _, instant in rows)
    assert len({id for id, _ in rows}) == len(rows)


def test_r11_are_the_same_movements_oldest_first(groups: dict[int, Rows], financial: Rows) -> None:
    types = {
        "Bingo - Wager": {(1, 1)},
        "Bingo - Refund": {(3, 1), (3, 2)},
        "Bingo - Prize": {(100, 2)},
        "Bingo - Jackpot": {(100, 2)},
    }
    movements = sorted((row for rows in groups.values() for row in rows), key=lambda row: row["movement_id"])
    assert len(movements) == len(financial)
    for one, other in zip(movements, financial, strict=True):
        assert all(one[name] == other[name] for name in ("timestamp", "group_id", "user_id", "username"))
        assert (other["type"], other["subtype"]) in types[one["type"]]
        assert exact(one["currency_amount"]) == exact(other["currency_amount"])
        assert one["game_id"] in (other["game_id"], "")
        assert (one["game_id"] == "") == ((other["type"], other["subtype"]) == (3, 2))


def test_daily_movements_are_the_sum_of_movements(ask: Ask, groups: dict[int, Rows]) -> None:
    for group, rows in groups.items():
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            day = f"2026-03-{9 + (row['timestamp'] - 1773014400) // 86400:02}"
            sums[day][row["type"]] += exact(row["currency_amount"])  # type: ignore[assignment]
        daily = ask.rows("users_report", groupid=group, **THIS_WEEK)
        assert [row["timestamp"] for row in daily] == sorted(sums)
        for row in daily:
            total = sums[row["timestamp"]]
            paid = total["Bingo - Prize"] + total["Bingo - Jackpot"]
            assert exact(row["total_wagers_real"]) == total["Bingo - Wager"]
            assert exact(row["total_refunds_real"]) == -total["Bingo - Refund"]
            assert exact(row["total_paid"]) == -paid
            assert exact(row["net"]) == sum(
                exact(row[name]) for name in ("total_wagers_real", "total_refunds_real", "total_paid")
            )
            if row["timestamp"] < "2026-03-15":
                assert exact(row["total_wins_real"]) == paid


def test_part_of_a_day_adds_up_to_the_day(ask: Ask) -> None:
    def totals(first: str, last: str) -> list[Decimal | int]:
        row = ask.rows(
            "users_report",
            groupid=382,
            timestamp="datetime_range",
            timestamp_range_from="2026-03-12",
            timestamp_range_to="2026-03-12",
            timestamp_range_from_time=first,
            timestamp_range_to_time=last,
        )[0]
        return [exact(row[name]) for name in ("total_wagers_real", "total_wins_real", "total_paid", "net")]

    morning, rest, day = totals("00:00:00", "09:59:59"), totals("10:00:00", "23:59:59"), totals("00:00:00", "23:59:59")
    assert [one + other for one, other in zip(morning, rest, strict=True)] == day


def test_a_prize_that_is_won_is_paid_and_nothing_else_is(ask: Ask, groups: dict[int, Rows]) -> None:
    games = ask.rows(
        "api_bulk_games_report",
        per_page=-1,
        starts_at="range",
        starts_at_range_from="2026-03-09",
        starts_at_range_to="2026-03-14",
    )
    won = {game["id"]: exact(game["paid"]) for game in games if game["prizes"]}
    paid: Counter[int] = Counter()
    for group, rows in groups.items():
        rate = Decimal("1.25") if group == 386 else Decimal(1)
        for row in rows:
            if row["type"] in ("Bingo - Prize", "Bingo - Jackpot") and row["game_id"] in won:
                paid[row["game_id"]] += exact(row["currency_amount"]) * rate  # type: ignore[assignment]
    assert paid == won
    wagered = sum(exact(game["wagered"]) for game in games)
    spent = sum(
        exact(row["currency_amount"])
        * (Decimal("1.25") if group == 386 else 1)
        * (1 if row["type"] == "Bingo - Wager" else -1)
        for group, rows in groups.items()
        for row in rows
        if row["type"] in ("Bingo - Wager", "Bingo - Refund") and row["timestamp"] < 1773014400 + 6 * 86400
    )
    assert wagered == spent


def test_some_users_have_movements_in_another_group(ask: Ask, users: dict[int, Rows]) -> None:
    homes = {user["id"]: user["group_id"] for user in ask.rows("api_users_report")}
    roaming = {user for user, rows in users.items() for row in rows if row["group_id"] != homes[user]}
    assert roaming == {2014, 2034, 2054}


def test_another_currency_has_its_base_amounts(users: dict[int, Rows]) -> None:
    foreign = [row for rows in users.values() for row in rows if row["currency_id"] != "Real USD"]
    assert {row["group_id"] for row in foreign} == {386}
    for row in foreign:
        assert (row["currency_id"], row["base_currency_id"]) == ("Real EUR", "Real USD")
        assert exact(row["currency_amount"]) * Decimal("1.25") == exact(row["base_currency_amount"])


def test_jackpots_pay_what_was_put_in_and_their_base(ask: Ask) -> None:
    base = Decimal(20)
    for room, name in ((1, "E2E Bingo 90 Jackpot"), (2, "E2E Bingo 75 Jackpot")):
        games = ask.rows(
            "api_bulk_games_report",
            bs_room_id=room,
            per_page=-1,
            starts_at="yesterday",
        )
        details = [ask.rows("api_retail_game_details", id=game["id"]) for game in games if game["status"] == 3]
        put = sum(exact(game["wagers_to_pjp"]) for game in details)
        wins = [game["progressive_jackpot"]["winners"] for game in details if game["progressive_jackpot"]]
        won = [sum(exact(each["amount_won"]) for each in winners) for winners in wins if winners]
        # The last game pays the jackpot with all that was put in, and each win costs the business one base.
        assert wins[-1]
        assert sum(won) == put + base * len(won)
        assert name in {jackpot["description"] for jackpot in ask.rows("progressive_jackpot_summary")}
