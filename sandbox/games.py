"""Games at the current time. R2, R3, R4 and R6 are four views of them.

The database contains the result of a game from the start. Before the game has ended, the reports show only what has
happened so far: the tickets bought, the balls drawn, and the prizes that these balls have won.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from sandbox.bingo import PLAYED, PROCESSING
from sandbox.cards import deal
from sandbox.draw import draw
from sandbox.errors import ReportError
from sandbox.money import SQL_MONEY, money, short_money
from sandbox.play import PRIZES
from sandbox.rooms import PRESELLING, SELLING, pots
from sandbox.store import SandboxStore
from sandbox.win import JACKPOT, TICKET_CODE, SandboxWin, prizes_json, winners_json

STATUSES = {
    1: "Selling",
    2: "Playing",
    3: "Played",
    4: "Not played",
    5: "Cancelled",
    6: "Preselling",
    7: "Cancelling",
    8: "To process cancel",
}
ON_SALE = {1: "Currently Selling", 6: "Currently Preselling"}

STATUS = f"""CASE WHEN :now < g.starts_at - {SELLING} THEN 6 WHEN :now < g.starts_at THEN 1
    WHEN g.outcome = {PLAYED} THEN CASE WHEN :now < g.ends_at THEN 2 ELSE 3 END
    WHEN g.outcome = 4 THEN 4
    WHEN :now < g.starts_at + {PROCESSING} THEN 8 WHEN :now < g.ends_at THEN 7 ELSE 5 END"""
FINISHED_AT = f"CASE WHEN {STATUS} IN (3, 5) THEN g.ends_at END"
# CROSS makes the query planner keep this order: games by their start, everything else by its id.
SOURCE = """game g CROSS JOIN room r ON r.id = g.room_id CROSS JOIN configuration c ON c.id = g.configuration_id
    LEFT JOIN jackpot j ON j.id = r.jackpot_id AND g.winnable IS NOT NULL"""
# A game is known from the opening of its presale until its day leaves the history.
KNOWN = f"g.starts_at >= :oldest AND g.starts_at <= :now + {PRESELLING}"


@dataclass(frozen=True)
class GameFigures:
    """A game's current figures, money in cents. `cards`, `players` and `wagered` exclude refunded tickets."""

    cards: int
    players: int
    wagered: int
    to_prizes: int
    to_jackpot: int
    shares: tuple[int, int, int]
    refunded_tickets: int
    refunded: int
    drawn: int
    wins: list[SandboxWin]

    @property
    def paid(self) -> int:
        """Return the sum of all prizes, including the jackpot."""
        return sum(win.amount for win in self.wins)

    @property
    def profit(self) -> int:
        """Return what remains of the wagers."""
        return self.wagered - self.to_prizes - self.to_jackpot


def unfinished(store: SandboxStore, now: int, condition: str = "1", **values: int) -> dict[int, GameFigures]:
    """Return the figures of all known games that end after now, by game id."""
    parameters = {"now": now, **values}
    where = f"g.ends_at > :now AND g.starts_at BETWEEN :now - 3600 AND :now + {PRESELLING} AND {condition}"
    wins = _wins(store, f"{where} AND g.starts_at + w.call * r.delay <= :now", parameters)
    held = "(t.id IS NOT NULL AND (t.refunded_at IS NULL OR t.refunded_at > :now))"
    rows = store.query(
        f"""SELECT g.id, g.starts_at, r.delay, c.price, c.jackpot_percent, count(t.id) AS tickets,
            coalesce(sum(t.cards), 0) AS all_cards, coalesce(sum({held}), 0) AS held,
            coalesce(sum(t.cards * {held}), 0) AS cards, count(DISTINCT CASE WHEN {held} THEN t.user_id END) AS players
        FROM {SOURCE} LEFT JOIN ticket t
            ON t.id >= g.first_ticket AND t.id < g.first_ticket + g.tickets AND t.bought_at <= :now
        WHERE {where} GROUP BY g.id""",
        parameters,
    )
    return {
        row["id"]: _figures(
            row,
            wins.get(row["id"], []),
            row["tickets"] - row["held"],
            (row["all_cards"] - row["cards"]) * row["price"],
            max(0, now - row["starts_at"]) // row["delay"],
        )
        for row in rows
    }


def _figures(
    row: dict[str, Any], wins: list[SandboxWin], refunded_tickets: int, refunded: int, drawn: int
) -> GameFigures:
    wagered = row["cards"] * row["price"]
    return GameFigures(
        row["cards"],
        row["players"],
        wagered,
        *pots(wagered, row["jackpot_percent"]),
        refunded_tickets,
        refunded,
        drawn,
        wins,
    )


def _wins(store: SandboxStore, condition: str, values: dict[str, int]) -> dict[int, list[SandboxWin]]:
    """Return the wins by game, in the order of their ids."""
    found: dict[int, list[SandboxWin]] = {}
    for row in store.query(
        f"""SELECT w.id, w.game_id, w.ticket_id, w.card, w.prize, w.amount, w.call, w.ordinal, w.user_id, u.external_id,
            u.username, w.group_id, w.paper, w.won_at, w.paid_at
        FROM {SOURCE} CROSS JOIN win w ON w.id >= g.first_win AND w.id < g.first_win + g.wins
            CROSS JOIN user u ON u.id = w.user_id
        WHERE {condition} ORDER BY w.id""",
        values,
    ):
        win = SandboxWin(*row.values())
        found.setdefault(win.game, []).append(win)
    return found


def bulk_games(store: SandboxStore, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return R2: games by their start, the oldest first."""
    conditions = [KNOWN, "g.starts_at BETWEEN :start AND :end"]
    conditions += ["g.room_id = :bs_room_id"] if "bs_room_id" in values else []
    conditions += [f"{STATUS} = :status"] if "status" in values else []
    status_name = " ".join(f"WHEN {status} THEN '{name}'" for status, name in STATUSES.items())
    rows = store.query(
        f"""SELECT g.id, g.room_id, r.name AS room_name, g.configuration_id AS game_configuration_id,
            c.name AS game_configuration_name, c.key AS game_configuration_key, {STATUS} AS status,
            CASE {STATUS} {status_name} END AS status_name, {SQL_MONEY.format("c.price")} AS card_price,
            g.cards AS cards_bought, {SQL_MONEY.format("g.wagered")} AS wagered, {SQL_MONEY.format("g.paid")} AS paid,
            g.prizes_json AS prizes, g.winners_json AS winners, g.starts_at, {FINISHED_AT} AS finished_at
        FROM {SOURCE} WHERE {" AND ".join(conditions)}
        ORDER BY g.starts_at, g.id LIMIT :limit OFFSET :offset""",
        values,
    )
    figures = unfinished(store, values["now"])
    for row in rows:
        game = figures.get(row["id"])
        if game:
            row["cards_bought"], row["wagered"], row["paid"] = game.cards, money(game.wagered), money(game.paid)
            row["prizes"], row["winners"] = prizes_json(game.wins), winners_json(game.wins)
        row["prizes"], row["winners"] = orjson.Fragment(row["prizes"]), orjson.Fragment(row["winners"])
    return rows


def games_on_sale(store: SandboxStore, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return R6: the games of a room on sale or presale, the next one first. `bs_room_id` is the room's name."""
    rows = store.query(
        f"""SELECT g.id, r.name, g.starts_at, {SQL_MONEY.format("c.price")} AS price, {STATUS} AS status FROM {SOURCE}
        WHERE {KNOWN} AND g.starts_at BETWEEN :start AND :end AND g.starts_at > :now AND g.room_id = :bs_room_id
        ORDER BY g.starts_at""",
        values,
    )
    figures = unfinished(store, values["now"], "g.room_id = :room", room=values["bs_room_id"])
    # A game of which no card will ever be bought ends when it starts, so it is always among the unfinished games.
    return [
        {
            "id": row["id"],
            "bs_room_id": row["name"],
            "starts_at": row["starts_at"],
            "cards_bought": figures[row["id"]].cards,
            "canceled_tickets_sum": figures[row["id"]].refunded_tickets,
            "card_price": row["price"],
            "status": ON_SALE[row["status"]],
            "prizes": [
                {"id": number, "description": name, "amount": short_money(share)}
                for number, (name, share) in enumerate(zip(PRIZES, figures[row["id"]].shares, strict=True), 1)
            ],
        }
        for row in rows
    ]


def _game(store: SandboxStore, values: dict[str, Any]) -> tuple[dict[str, Any], GameFigures]:
    """Return a game's row and its current figures. Raise ReportError 10016 if the game is not known now."""
    rows = store.query(
        f"""SELECT g.*, r.name AS room_name, r.variant, r.balls, r.delay, c.name AS configuration_name, c.key, c.price,
            c.build_method, c.prize_mode, c.jackpot_percent, c.continuous_name, c.continuous_games,
            j.name AS jackpot_name, {STATUS} AS status, {FINISHED_AT} AS finished_at
        FROM {SOURCE} WHERE g.id = :id AND {KNOWN}""",
        values,
    )
    if not rows:
        raise ReportError("10016")
    game = rows[0]
    if values["now"] < game["ends_at"]:
        return game, unfinished(store, values["now"], "g.id = :id", id=game["id"])[game["id"]]
    wins = _wins(store, "g.id = :id", {"id": game["id"]}).get(game["id"], [])
    return game, _figures(game, wins, game["refunded_tickets"], game["refunded"], game["calls"])


def game_details(store: SandboxStore, values: dict[str, Any]) -> dict[str, Any]:
    """Return R3: one game with its tickets, cards, balls, prizes and jackpot."""
    game, figures = _game(store, values)
    jackpot: bool | dict[str, Any] = False
    if game["winnable"] is not None:
        jackpot = {
            "name": game["jackpot_name"],
            "pjp_winnable_until_call": game["winnable"],
            "winners": [
                {
                    "ticket_id": win.card_id,
                    "amount_won": money(win.amount),
                    "user_id": win.user,
                    "group_id": win.group,
                }
                for win in figures.wins
                if win.prize == JACKPOT
            ],
        }
    external = _external_groups(store)
    return {
        "game_id": game["id"],
        "room_name": game["room_name"],
        "game_variant": game["variant"],
        "room_id": game["room_id"],
        "game_configuration_id": game["configuration_id"],
        "paid": money(figures.paid),
        "configuration": game["configuration_name"],
        "configuration_key": game["key"],
        "available_balls": game["balls"],
        "balls_delay": game["delay"],
        "jackpot_build_method": game["build_method"],
        "progressive_jackpot": jackpot,
        "starts_at": game["starts_at"],
        "ends_at": game["finished_at"],
        "players": figures.players,
        "cards_bought": figures.cards,
        "wagered": money(figures.wagered),
        "wagers_to_prizes": money(figures.to_prizes),
        "wagers_to_pjp": money(figures.to_jackpot),
        "pjp_percentage": money(game["jackpot_percent"] * 100),
        "profit": money(figures.profit),
        "card_price": money(game["price"]),
        "status_id": game["status"],
        "status_name": STATUSES[game["status"]],
        "prizes": [
            {
                "id": win.id,
                "prize_name": win.name,
                "paid": money(win.amount),
                "bs_user_bought_strip_id": win.ticket,
                "won_at_card": win.ordinal,
                "call_number": win.call,
                "winners": [
                    {
                        "ticket_id": win.card_id,
                        "amount_won": money(win.amount),
                        "user_id": win.user,
                        "external_user_id": win.external_user,
                        "external_group_id": external[win.group],
                    }
                ],
            }
            for win in figures.wins
        ],
        "tickets": _tickets(store, game, figures.wins, values["now"], external),
        "winners": [
            # Both ids are strings in this report's table.
            {
                "user_name": win.username,
                "user_id": str(win.user),
                "external_user_id": str(win.external_user),
                "card_id": win.card_id,
                "call_number": win.call,
                "card_holder_name": win.username,
                "ticket_id": win.printed_ticket,
                "prize_name": win.name,
            }
            for win in figures.wins
        ],
        "balls": _balls(store, game, figures.drawn),
    }


def game_summary(store: SandboxStore, values: dict[str, Any]) -> dict[str, Any]:
    """Return R4: one game's totals. It has names where ids are expected, and `balls` is the order of the draw."""
    game, figures = _game(store, values)
    until = game["finished_at"] or min(values["now"], game["ends_at"])
    return {
        "bs_game_id_main": game["id"],
        "bs_room_id": game["room_name"],
        "bs_game_variant_description": game["variant"],
        "bs_game_configuration_description": game["configuration_name"],
        "continuous_game_configuration_description": game["continuous_name"],
        "continuous_games": game["continuous_games"],
        "game_available_balls": game["balls"],
        "draw_balls_delay": game["delay"],
        "jackpot_build_method": game["build_method"],
        "jackpot_prize_mode": game["prize_mode"],
        "pjp_id": game["jackpot_name"],
        "pjp_winnable_until_call_included": game["winnable"],
        "starts_at": game["starts_at"],
        "ends_at": game["finished_at"],
        "duration": max(0, until - game["starts_at"]),
        "total_players": figures.players,
        "total_tickets": figures.cards,
        "total_tickets_refunded": figures.refunded_tickets,
        "total_wagers_to_prizes_real": money(figures.to_prizes),
        "total_wagers_to_pjp_real": money(figures.to_jackpot),
        "net_win_real": money(figures.profit),
        "total_wagers_real": money(figures.wagered),
        "total_refunds_real": money(figures.refunded),
        "card_price": money(game["price"]),
        "status": game["status"],
        "bs_game_prizes": [
            {
                "prize_name": win.name,
                "amount": money(win.amount),
                "winners": [
                    {
                        "username": win.username,
                        "user_id": win.user,
                        "amount": {"real": money(win.amount), "bonus": "0"},
                        "ticket_id": win.card_id,
                        "external_user_id": win.external_user,
                    }
                ],
            }
            for win in figures.wins
        ],
        "balls": _balls(store, game, figures.drawn),
    }


def _balls(store: SandboxStore, game: dict[str, Any], drawn: int) -> list[int]:
    if game["outcome"] != PLAYED or not drawn:
        return []
    balls: list[int] = draw(game["balls"], store.world.seed, np.array([game["id"]]))[0, :drawn].tolist()
    return balls


def _external_groups(store: SandboxStore) -> dict[int, int]:
    return {group.id: group.external_id for group in store.world.groups}


def _tickets(
    store: SandboxStore, game: dict[str, Any], wins: list[SandboxWin], now: int, external: dict[int, int]
) -> list[dict[str, Any]]:
    """Return R3's tickets that are valid now. A ticket sold online has no printed number; it has its strip's number."""
    rows = store.query(
        f"""SELECT t.*, CASE WHEN t.paper THEN {TICKET_CODE.format("t.id")} ELSE t.id || '' END AS number,
            u.external_id, cashier.id AS cashier, cashier.external_id AS external_cashier
        FROM ticket t JOIN user u ON u.id = t.user_id JOIN "group" home ON home.id = t.group_id
            LEFT JOIN user cashier ON cashier.id = home.cashier
        WHERE t.id >= :first AND t.id < :first + :count AND t.bought_at <= :now
            AND (t.refunded_at IS NULL OR t.refunded_at > :now) ORDER BY t.id""",
        {"first": game["first_ticket"], "count": game["tickets"], "now": now},
    )
    if not rows:
        return []
    strips, counts = (np.array([row[name] for row in rows]) for name in ("id", "cards"))
    numbers = iter(deal(game["balls"], store.world.seed, strips, counts).tolist())
    won: dict[int, dict[int, list[SandboxWin]]] = {}
    for win in wins:
        won.setdefault(win.ticket, {}).setdefault(win.card, []).append(win)
    tickets = []
    for row in rows:
        cards = won.get(row["id"], {})
        paid = bool(cards) and all(win.paid_at <= now for each in cards.values() for win in each)
        group = {"group_id": row["group_id"], "external_group_id": external[row["group_id"]]}
        tickets.append(
            {
                "ticket_id": row["number"],
                "created_at": row["bought_at"],
                "seller_group_id": row["group_id"],
                "external_seller_group_id": external[row["group_id"]],
                "win_info": [
                    {
                        "prizes": {
                            str(win.id): {"id": win.id, "name": win.name, "amount": money(win.amount)} for win in each
                        },
                        "card_id": f"{row['id']}-{card}",
                    }
                    for card, each in sorted(cards.items())
                ],
                "pay_info": {
                    "user_id": row["cashier"],
                    "group_id": group["group_id"],
                    "external_user_id": row["external_cashier"],
                    "external_group_id": group["external_group_id"],
                }
                if paid
                else None,
                "sell_info": {
                    "group_id": group["group_id"],
                    "user_id": row["user_id"],
                    "external_user_id": row["external_id"],
                    "external_group_id": group["external_group_id"],
                },
                "cards": [
                    {"numbers": next(numbers), "card_id": f"{row['id']}-{card}"} for card in range(1, row["cards"] + 1)
                ],
            }
        )
    return tickets
