"""Games: the four reports agree, the clock reveals them, and the winners' cards really win."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.games import STATUSES
from tests.sandbox.conftest import Ask
from tests.sandbox.test_play import by_hand

NOON = 1773576000
PRIZES = ("One line", "Two lines", "Fullhouse")


@pytest.fixture(scope="module")
def today(ask: Ask) -> list[dict[str, Any]]:
    """Return R2's games of the day, of all rooms, at noon."""
    found: list[dict[str, Any]] = ask.rows("api_bulk_games_report", starts_at="today", per_page=-1)
    return found


@pytest.fixture(scope="module")
def some(ask: Ask, today: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Return R2, R3 and R4 of every other game."""
    return [
        (
            game,
            ask.rows("api_retail_game_details", id=game["id"]),
            ask.rows("api_retail_game_details_simplified", id=game["id"]),
        )
        for game in today[::2]
    ]


Some = list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]


def test_the_past_is_played_the_present_playing_and_the_future_on_sale(today: list[dict[str, Any]]) -> None:
    for game in today:
        wait = game["starts_at"] - NOON
        expected = {6} if wait > 24 * 60 else {1} if wait > 0 else {2, 3, 4, 5, 7, 8}
        assert game["status"] in expected
        assert game["status_name"] == STATUSES[game["status"]]
        assert (game["finished_at"] is not None) == (game["status"] in (3, 5))
    assert {1, 2, 3, 6} <= {game["status"] for game in today}
    assert max(game["starts_at"] for game in today) <= NOON + 6 * 3600


def test_the_reports_of_a_game_agree(some: Some) -> None:
    for bulk, details, summary in some:
        assert details["game_id"] == summary["bs_game_id_main"] == bulk["id"]
        assert details["room_name"] == summary["bs_room_id"] == bulk["room_name"]
        assert details["paid"] == bulk["paid"]
        assert details["wagered"] == summary["total_wagers_real"] == bulk["wagered"]
        assert details["cards_bought"] == summary["total_tickets"] == bulk["cards_bought"]
        assert details["players"] == summary["total_players"]
        assert details["status_id"] == summary["status"] == bulk["status"]
        assert details["profit"] == summary["net_win_real"]
        assert details["balls"] == summary["balls"]
        assert details["ends_at"] == summary["ends_at"] == bulk["finished_at"]
        assert [(won["id"], won["paid"], won["call_number"]) for won in details["prizes"]] == [
            (won["id"], won["paid"], won["call_number"]) for won in bulk["prizes"]
        ]
        assert [won["amount"] for won in summary["bs_game_prizes"]] == [won["paid"] for won in bulk["prizes"]]
        for mine, theirs in zip(details["winners"], bulk["winners"], strict=True):
            assert mine == {**theirs, "external_user_id": str(theirs["external_user_id"])}
            assert isinstance(theirs["user_id"], str)
            assert isinstance(theirs["external_user_id"], int)


def test_wagers_are_prizes_and_jackpot_and_profit(some: Some) -> None:
    for bulk, details, summary in some:
        wagered, prizes, jackpot, profit = (
            Decimal(details[name]) for name in ("wagered", "wagers_to_prizes", "wagers_to_pjp", "profit")
        )
        assert wagered == prizes + jackpot + profit
        assert wagered == Decimal(details["card_price"]) * details["cards_bought"]
        paid = {name: Decimal(0) for name in (*PRIZES, "PJP")}
        for won in details["prizes"]:
            paid[won["prize_name"]] += Decimal(won["paid"])
        assert sum(paid.values()) == Decimal(bulk["paid"])
        if bulk["status"] == 3:
            assert sum(paid[name] for name in PRIZES) == prizes
            assert summary["duration"] == bulk["finished_at"] - bulk["starts_at"] == 5 * len(details["balls"])


def test_winning_cards_complete_at_their_call_and_no_other_card_does_before(some: Some) -> None:
    games = 0
    for bulk, details, _ in some:
        if bulk["status"] not in (2, 3):
            continue
        games += 1
        balls = details["available_balls"]
        done = {
            card["card_id"]: by_hand(balls, card["numbers"], details["balls"])
            for ticket in details["tickets"]
            for card in ticket["cards"]
        }
        for place, name in enumerate(PRIZES):
            calls = {id: calls[place] for id, calls in done.items() if len(calls) > place}
            first = [id for id, call in calls.items() if call == min(calls.values())]
            assert [won["card_id"] for won in details["winners"] if won["prize_name"] == name] == first
            assert {won["call_number"] for won in details["winners"] if won["prize_name"] == name} == {
                calls[id] for id in first
            }
        full = {won["card_id"] for won in details["winners"] if won["prize_name"] == "Fullhouse"}
        jackpot = details["progressive_jackpot"]
        if jackpot and bulk["status"] == 3:
            hit = len(details["balls"]) <= jackpot["pjp_winnable_until_call"]
            assert {won["ticket_id"] for won in jackpot["winners"]} == (full if hit else set())
    assert games > 50


def test_tickets_hold_their_cards_and_tell_of_wins(some: Some) -> None:
    for _, details, _ in some:
        assert sum(len(ticket["cards"]) for ticket in details["tickets"]) == details["cards_bought"]
        for ticket in details["tickets"]:
            assert list(ticket) == [
                *("ticket_id", "created_at", "seller_group_id", "external_seller_group_id"),
                *("win_info", "pay_info", "sell_info", "cards"),
            ]
            assert ticket["created_at"] <= NOON
            for win in ticket["win_info"]:
                assert list(win) == ["prizes", "card_id"]
                assert all(str(prize["id"]) == key for key, prize in win["prizes"].items())
            if not ticket["win_info"]:
                assert ticket["pay_info"] is None
        won_prizes = [
            (win["card_id"], prize["id"])
            for ticket in details["tickets"]
            for win in ticket["win_info"]
            for prize in win["prizes"].values()
        ]
        assert sorted(won_prizes) == sorted((won["winners"][0]["ticket_id"], won["id"]) for won in details["prizes"])


def test_a_game_in_play_shows_the_balls_drawn_so_far(ask: Ask, today: list[dict[str, Any]]) -> None:
    playing = [game for game in today if game["status"] == 2]
    for game in playing:
        details = ask.rows("api_retail_game_details", id=game["id"])
        assert len(details["balls"]) == (NOON - game["starts_at"]) // 5
        assert all(won["call_number"] <= len(details["balls"]) for won in game["prizes"])
        assert details["ends_at"] is None


def test_on_sale_are_the_selling_and_the_preselling_games_of_the_room(ask: Ask, today: list[dict[str, Any]]) -> None:
    words = {"Currently Selling": 1, "Currently Preselling": 6}
    rows = ask.rows("api_selling_and_preselling_games_report", starts_at="today", bs_room_id=2)
    expected = [game for game in today if game["room_id"] == 2 and game["status"] in (1, 6)]
    assert [(row["id"], words[row["status"]], row["cards_bought"]) for row in rows] == [
        (game["id"], game["status"], game["cards_bought"]) for game in expected
    ]
    assert {row["bs_room_id"] for row in rows} == {"E2E Bingo 75"}
    for row in rows:
        assert row["canceled_tickets_sum"] >= 0
        pot = Decimal(row["card_price"]) * row["cards_bought"] * 7 / 10
        assert 0 <= pot - sum(Decimal(prize["amount"]) for prize in row["prizes"]) < Decimal("0.01")
        assert [prize["description"] for prize in row["prizes"]] == list(PRIZES)
        if not row["cards_bought"]:
            assert [prize["amount"] for prize in row["prizes"]] == ["0", "0", "0"]


def test_statuses_filter(ask: Ask, today: list[dict[str, Any]]) -> None:
    for status in STATUSES:
        found = ask.rows("api_bulk_games_report", starts_at="today", per_page=-1, status=status)
        assert found == [game for game in today if game["status"] == status]


def test_a_cancelled_game_has_given_everything_back(ask: Ask) -> None:
    games = ask.rows("api_bulk_games_report", starts_at="this_month", status=5, per_page=-1)
    assert games
    for game in games:
        summary = ask.rows("api_retail_game_details_simplified", id=game["id"])
        assert (game["cards_bought"], game["wagered"], game["prizes"]) == (0, "0.00", [])
        assert (summary["total_tickets_refunded"] > 0) == (Decimal(summary["total_refunds_real"]) > 0)
