"""The tickets of a day's games (R3) beside the movements that bought, returned and paid them (R5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from resolvers.reconcile.customs import Customs
from resolvers.reconcile.figures import Difference, Statement, compare, figure, loose
from upstream.reports.rows import GameDetailRow, GroupMovementRow, PartyPart
from upstream.values.figures import PARTS

PLAYED = 3


@dataclass(frozen=True, slots=True)
class Sold:
    """A ticket that took part when its game was played."""

    ticket_id: str
    game_id: int
    created_at: int | None
    group_id: int | None
    user_id: int | None
    won: bool


SALE = (
    figure("time", time=True, optional=True, R3="created_at", R5="timestamp"),
    figure("group", optional=True, R3=("seller_group_id", lambda one: one.group_id), R5="group_id"),
    figure("user", optional=True, R3=("sell_info.user_id", lambda one: one.user_id), R5="user_id"),
)
BOUGHT = "a ticket (R3) and its wager (R5) have one time, group and user"
NUMBERED = "the ticket of a wager (R5) is in its game (R3), or was given back"
SOLD = "a ticket (R3) has a wager (R5)"
RETURNED = "the ticket that is given back was bought (R5)"
PAID = "the ticket that is paid (R5) has won in its game (R3)"


def sold(game: GameDetailRow) -> list[Sold]:
    """Return the tickets of a game that was played. R3 does not show what is given back later."""
    if game.status_id != PLAYED:
        return []
    found = []
    for ticket in game.tickets or ():
        seller = ticket.sell_info[0] if isinstance(ticket.sell_info, list) and ticket.sell_info else ticket.sell_info
        user = seller.user_id if isinstance(seller, PartyPart) else None
        won = bool(ticket.win_info)
        group = ticket.seller_group_id
        found.append(Sold(ticket.ticket_id, game.game_id, ticket.created_at, group, user, won))
    return found


@dataclass(frozen=True, slots=True)
class _Movements:
    """The movements of a day's tickets, by their parts."""

    wagers: dict[tuple[int | None, str], GroupMovementRow] = field(default_factory=dict)
    # Wagers of tickets that were sold online have no number: their game, group, user and time.
    online: set[tuple[int | None, int | None, int | None, int]] = field(default_factory=set)
    others: list[GroupMovementRow] = field(default_factory=list)
    returned: set[str] = field(default_factory=set)

    def add(self, row: GroupMovementRow) -> None:
        """Add a movement, if it is one of a ticket."""
        part = PARTS.get(loose(row.type))
        if part == "wagers" and row.ticket_id is not None:
            self.wagers[row.game_id, row.ticket_id] = row
        elif part == "wagers":
            self.online.add((row.game_id, row.group_id, row.user_id, row.timestamp))
        elif part is not None and row.ticket_id is not None:
            self.others.append(row)
            if part == "refunds":
                self.returned.add(row.ticket_id)

    def has_wager(self, one: Sold) -> bool:
        """Return whether a movement bought this ticket."""
        online = (one.game_id, one.group_id, one.user_id, one.created_at)
        return (one.game_id, one.ticket_id) in self.wagers or online in self.online


def tickets(
    of_games: Sequence[Sold], rows: Iterable[GroupMovementRow], groups: frozenset[int], start: int, customs: Customs
) -> None:
    """Compare the tickets of a day's games with the movements of `groups` since `start`, the beginning of the day."""
    movements = _Movements()
    for row in rows:
        movements.add(row)
    by_number = {(one.game_id, one.ticket_id): one for one in of_games}
    games = {one.game_id for one in of_games}
    _check_wagers(movements, games, by_number, customs)
    _check_sold((one for one in of_games if one.group_id in groups), movements, start, customs)
    _check_others(movements, games, by_number, customs)


def _check_wagers(
    movements: _Movements, games: set[int], by_number: Mapping[tuple[int, str], Sold], customs: Customs
) -> None:
    """Check that the ticket of each wager is in its game, with the same facts."""
    for (game, number), row in movements.wagers.items():
        if game not in games or number in movements.returned:
            continue
        one = by_number.get((game, number)) if game is not None else None
        key = f"movement {row.movement_id}"
        if one is None:
            statements = (Statement("R5", "ticket_id", number), Statement("R3", "ticket_id", None))
            customs.breaks(NUMBERED, Difference("movements", key, "ticket", statements))
            continue
        customs.follow(NUMBERED)
        differences = list(compare("movements", f"{key}, ticket {number}", {"R3": one, "R5": row}, SALE))
        for difference in differences:
            customs.breaks(BOUGHT, difference)
        customs.follow(BOUGHT, not differences)


def _check_sold(of_groups: Iterable[Sold], movements: _Movements, start: int, customs: Customs) -> None:
    """Check that each ticket that was sold since `start` has a wager."""
    for one in of_groups:
        if one.created_at is None or one.created_at < start:
            continue
        statements = (
            Statement("R3", "ticket_id, created_at", f"{one.ticket_id}, {one.created_at}"),
            Statement("R5", "wager", None),
        )
        key = f"game {one.game_id}, ticket {one.ticket_id}"
        customs.check(SOLD, movements.has_wager(one), Difference("movements", key, "ticket", statements))


def _check_others(
    movements: _Movements, games: set[int], by_number: Mapping[tuple[int, str], Sold], customs: Customs
) -> None:
    """Check that a returned ticket was bought, and that a paid ticket has won."""
    bought = {number for _, number in movements.wagers}
    for row in movements.others:
        key = f"movement {row.movement_id}"
        if PARTS[loose(row.type)] == "refunds":
            statements = (Statement("R5", "ticket_id", row.ticket_id), Statement("R5", "wager of the ticket", None))
            customs.check(RETURNED, row.ticket_id in bought, Difference("movements", key, "ticket", statements))
        elif row.game_id in games:
            paid = by_number.get((row.game_id, row.ticket_id or ""))
            statements = (Statement("R5", "ticket_id", row.ticket_id), Statement("R3", "ticket_id of a winner", None))
            customs.check(PAID, paid is not None and paid.won, Difference("movements", key, "ticket", statements))
