"""Simulate a day of bingo: games on a timetable, tickets, refunds, draws played card by card, prizes and all movements.

In every game, wagered = prizes + jackpot + profit. The prizes pay out what was set aside for them (rooms.pots). The
progressive jackpot pays what its pot contains.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from sandbox import movement
from sandbox.cards import STRIP, deal
from sandbox.chance import Ints
from sandbox.draw import calls, draw
from sandbox.play import play
from sandbox.rooms import INTERVAL, PRESELLING, SELLING, Configuration, Jackpot, SandboxRoom, pots
from sandbox.win import JACKPOT, SandboxWin, prizes_json, winners_json
from sandbox.world import Rows, World

TICKETS = 25  # a user buys on an average day
CANCELLED, UNSOLD = 0.01, 0.005  # of the games
REFUNDED = 0.02  # of the tickets
PAPER = 0.65  # of the tickets are printed; the others are sold online and have no ticket number
CARDS_BOUGHT = (0.10, 0.10, 0.20, 0.10, 0.05, 0.45)  # one to six cards of a strip
GUEST_SHARE = 0.3  # of a roaming user's tickets are bought in the other group
CANCELLING = 60  # seconds from a cancelled game's start until all is paid back …
PROCESSING = 20  # … of which so many pass before the first refund
CLAIM = (10, 900)  # seconds until the prize of a printed ticket is fetched; online it is paid at once

PLAYED, NOT_PLAYED, CALLED_OFF = 3, 4, 5


@dataclass(frozen=True)
class Slot:
    """A place on the timetable. `last` marks the last game of a room's day."""

    starts_at: int
    room: SandboxRoom
    configuration: Configuration
    last: bool

    @property
    def winnable(self) -> int | None:
        """Return the last call at which a full house wins the jackpot. In the last game of a day any full house wins
        it.
        """
        if not self.room.jackpot or not self.configuration.jackpot_percent:
            return None
        return self.room.balls if self.last else self.room.jackpot.winnable


@dataclass(frozen=True)
class Tickets:
    """The tickets of a day, sorted by game. `game` counts from 0. Times are unix seconds; `refunded_at` is 0 without a
    refund.
    """

    game: Ints
    user: Ints
    group: Ints
    cards: Ints
    paper: npt.NDArray[np.bool_]
    bought_at: Ints
    refunded_at: Ints


@dataclass
class Pot:
    """A progressive jackpot during a day, in cents."""

    jackpot: Jackpot
    value: int
    seed: int

    def put(self, amount: int) -> None:
        """Distribute a contribution between the visible and the hidden pot."""
        hidden = amount * self.jackpot.seed_percent // 100
        self.seed = min(self.seed + hidden, self.jackpot.seed_maximum)
        self.value = min(self.value + amount - hidden, self.jackpot.maximum)

    def win(self, last: bool) -> int:
        """Empty the pot and replace it by the hidden one. The last game of the day also wins what the hidden pot took
        in.
        """
        base = self.jackpot.base
        won = self.value + (self.seed - base if last else 0)
        self.value, self.seed = (base if last else self.seed), base
        return won


def timetable(world: World, day: date) -> list[Slot]:
    """Return the day's games in order of their start. No game reaches into the next day."""
    start, end = world.clock.bounds(day)
    slots = []
    for room in world.rooms:
        times = range(start + INTERVAL + room.offset, end - INTERVAL, INTERVAL)
        for number, starts_at in enumerate(times):
            last = number == len(times) - 1
            # The last game must pay the jackpot, so it must be a game that takes part in it.
            which = 0 if last else (number + day.toordinal()) % len(room.configurations)
            slots.append(Slot(starts_at, room, room.configurations[which], last))
    return sorted(slots, key=lambda slot: (slot.starts_at, slot.room.id))


def bingo(world: World, day: date) -> Rows:
    """Return a day's rows of the tables game, ticket, win, movement, jackpot_value and daily."""
    dice = np.random.default_rng([world.seed, day.toordinal()])
    slots = timetable(world, day)
    luck = np.where([slot.last for slot in slots], 1.0, dice.random(len(slots)))
    tickets = _sell(world, day, slots, luck, dice)
    held = tickets.refunded_at == 0
    sold = np.bincount(tickets.game[held], minlength=len(slots)) > 0
    outcome = np.where(luck < CANCELLED, CALLED_OFF, np.where(sold, PLAYED, NOT_PLAYED))
    fetched = tickets.paper * dice.integers(*CLAIM, len(held))

    winners, last_calls = _play(world, day, slots, tickets, held)
    games, wins, history = _settle(world, day, slots, tickets, outcome, winners, last_calls, fetched)
    movements = _movements(world, day, slots, tickets, wins)
    first_id, first_game = world.first_id(day), world.first_game(day)
    return {
        "game": games,
        "win": [win.row() for win in wins],
        "jackpot_value": history,
        "ticket": zip(
            range(first_id, first_id + len(held)),
            (tickets.game + first_game).tolist(),
            tickets.user.tolist(),
            tickets.group.tolist(),
            tickets.cards.tolist(),
            tickets.paper.tolist(),
            tickets.bought_at.tolist(),
            [instant or None for instant in tickets.refunded_at.tolist()],
            strict=True,
        ),
        "movement": zip(
            range(first_id, first_id + len(movements[0])), *(column.tolist() for column in movements), strict=True
        ),
        "daily": _daily(day, movements, wins),
    }


def _sell(
    world: World, day: date, slots: list[Slot], luck: npt.NDArray[np.float64], dice: np.random.Generator
) -> Tickets:
    midnight, end = world.clock.bounds(day)
    starts = np.array([slot.starts_at for slot in slots])
    hours = (starts - midnight) / (end - midnight) * 24
    busy = 1 - 0.6 * np.cos((hours - 8) / 24 * 2 * np.pi)  # busiest at eight in the evening
    counts = dice.poisson(busy * world.users * TICKETS / len(slots))
    counts[(luck >= CANCELLED) & (luck < CANCELLED + UNSOLD)] = 0
    last = np.array([slot.last for slot in slots])
    counts[last] = np.maximum(counts[last], 1)
    game = np.repeat(np.arange(len(slots)), counts)
    total = len(game)

    # Some users play more than others. Each user's eagerness stays the same from day to day.
    eagerness = np.random.default_rng(world.seed).gamma(3.0, size=world.users).cumsum()
    buyer = np.searchsorted(eagerness, dice.random(total) * eagerness[-1])
    home, guest, user = (
        np.array([getattr(player, name) for player in world.players])[buyer] for name in ("group", "guest", "id")
    )
    away = (dice.random(total) < GUEST_SHARE) & (guest > 0)
    early = np.where(dice.random(total) < 0.15, min(2 * 60 * 60, PRESELLING), SELLING)
    lead = 10 + (dice.random(total) ** 2 * (early - 10)).astype(np.int64)
    bought_at = np.maximum(starts[game] - lead, midnight + 1 + dice.integers(0, 300, total))
    left = starts[game] - bought_at
    returned = (dice.random(total) < REFUNDED) & ~last[game]
    refunded_at = np.where(returned, bought_at + 1 + (dice.random(total) * (left - 1)).astype(np.int64), 0)
    off = (luck[game] < CANCELLED) & ~returned
    paid_back = starts[game] + dice.integers(PROCESSING, CANCELLING, total)
    return Tickets(
        game=game,
        user=user,
        group=np.where(away, guest, home),
        cards=dice.choice(np.arange(1, STRIP + 1), size=total, p=CARDS_BOUGHT),
        paper=dice.random(total) < PAPER,
        bought_at=bought_at,
        refunded_at=np.where(off, paid_back, refunded_at),
    )


# The winners of each (game, prize 0 to 2): (ticket, card of its strip from 1, place among the game's cards, call)
Winners = dict[tuple[int, int], list[tuple[int, int, int, int]]]


def _play(
    world: World, day: date, slots: list[Slot], tickets: Tickets, held: npt.NDArray[np.bool_]
) -> tuple[Winners, list[int]]:
    """Return the winners of every game, in the order of their cards, and the call at which each game ended."""
    best = np.full((len(slots), 3), 255, dtype=np.uint8)
    found: Winners = {}
    for balls in sorted({slot.room.balls for slot in slots}):
        games = np.flatnonzero([slot.room.balls == balls for slot in slots])
        index = np.zeros(len(slots), dtype=np.intp)
        index[games] = np.arange(len(games))
        called = calls(draw(balls, world.seed, games + world.first_game(day)))
        # Work in portions, so that memory does not grow with the number of users.
        for few in np.array_split(games, 1 + int(tickets.cards.sum()) // 50_000):
            mine = np.flatnonzero(held & np.isin(tickets.game, few))
            counts = tickets.cards[mine]
            numbers = deal(balls, world.seed, mine + world.first_id(day), counts)
            ticket = np.repeat(mine, counts)
            game = tickets.game[ticket]
            card = np.arange(len(ticket)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
            done = play(balls, numbers, called[index[game]])
            np.minimum.at(best, game, done)
            first_card = np.searchsorted(game, game)
            for where, prize in np.argwhere(done == best[game]).tolist():
                winner = (int(ticket[where]), int(card[where]), where - int(first_card[where]) + 1)
                found.setdefault((int(game[where]), prize), []).append((*winner, int(done[where, prize])))
    return found, best[:, 2].tolist()


# The parameters are the intermediate results of one day, which only this function combines.
def _settle(
    world: World,
    day: date,
    slots: list[Slot],
    tickets: Tickets,
    outcomes: npt.NDArray[np.int64],
    winners: Winners,
    last_calls: list[int],
    fetched: Ints,
) -> tuple[list[tuple[object, ...]], list[SandboxWin], list[tuple[object, ...]]]:
    """Return the rows of table game, the wins, and the rows of table jackpot_value."""
    midnight, end = world.clock.bounds(day)
    players = {player.id: player for player in world.players}
    jackpots = {
        room.id: Pot(room.jackpot, room.jackpot.base, room.jackpot.base) for room in world.rooms if room.jackpot
    }
    first_id, first_game = world.first_id(day), world.first_game(day)
    held = tickets.refunded_at == 0
    sizes, gone, cards, all_cards = (
        np.bincount(tickets.game, weights=weight, minlength=len(slots)).astype(np.int64).tolist()
        for weight in (None, ~held, tickets.cards * held, tickets.cards)
    )
    held_players = np.unique(np.column_stack([tickets.game[held], tickets.user[held]]), axis=0)[:, 0]
    player_counts = np.bincount(held_players, minlength=len(slots)).tolist()
    games: list[tuple[object, ...]] = []
    wins: list[SandboxWin] = []
    history: list[tuple[object, ...]] = [(pot.jackpot.id, midnight, pot.value, pot.seed) for pot in jackpots.values()]
    first_ticket = first_id
    for index, (slot, outcome) in enumerate(zip(slots, outcomes.tolist(), strict=True)):
        price, ends_at, drawn = slot.configuration.price, slot.starts_at, 0
        won: list[SandboxWin] = []
        wagered = cards[index] * price
        to_prizes, to_jackpot, shares = pots(wagered, slot.configuration.jackpot_percent)
        if outcome == CALLED_OFF:
            ends_at += CANCELLING
        elif outcome == PLAYED:
            drawn = last_calls[index]
            ends_at += drawn * slot.room.delay
            amounts = list(shares)
            if slot.winnable is not None:
                pot = jackpots[slot.room.id]
                pot.put(to_jackpot)
                if drawn <= slot.winnable:
                    amounts.append(pot.win(slot.last))
                history.append((pot.jackpot.id, ends_at, pot.value, pot.seed))
            for prize, amount in enumerate(amounts):
                # The jackpot goes to the winners of the full house.
                winning = winners[index, min(prize, 2)]
                for turn, (ticket, card, ordinal, call) in enumerate(winning):
                    user = players[int(tickets.user[ticket])]
                    won.append(
                        SandboxWin(
                            id=first_id + len(wins) + len(won),
                            game=first_game + index,
                            ticket=first_id + ticket,
                            card=card,
                            prize=prize,
                            amount=amount // len(winning) + (turn < amount % len(winning)),
                            call=call,
                            ordinal=ordinal,
                            user=user.id,
                            external_user=user.external_id,
                            username=user.username,
                            group=int(tickets.group[ticket]),
                            paper=bool(tickets.paper[ticket]),
                            won_at=ends_at,
                            paid_at=min(ends_at + int(fetched[ticket]), end - 1),
                        )
                    )
        games.append(
            (
                *(first_game + index, slot.room.id, slot.configuration.id, slot.starts_at, ends_at, outcome, drawn),
                *(first_ticket, sizes[index], first_id + len(wins), len(won)),
                *(cards[index], player_counts[index], wagered, to_prizes, to_jackpot, sum(win.amount for win in won)),
                *(gone[index], (all_cards[index] - cards[index]) * price, slot.winnable),
                *(prizes_json(won), winners_json(won)),
            )
        )
        wins += won
        first_ticket += sizes[index]
    return games, wins, history


def _movements(world: World, day: date, slots: list[Slot], tickets: Tickets, wins: list[SandboxWin]) -> list[Ints]:
    """Return the columns ts, kind, cents, user, group, game, ticket, paper, ordered by time."""
    first_id, first_game = world.first_id(day), world.first_game(day)
    prices = np.array([slot.configuration.price for slot in slots])
    starts = np.array([slot.starts_at for slot in slots])
    back = np.flatnonzero(tickets.refunded_at)
    before = tickets.refunded_at[back] < starts[tickets.game[back]]
    paid = [win for win in wins if win.amount]
    which = np.concatenate(
        [np.arange(len(tickets.game)), back, np.array([win.ticket - first_id for win in paid], dtype=np.int64)]
    )
    stakes = tickets.cards * prices[tickets.game]
    ts = np.concatenate([tickets.bought_at, tickets.refunded_at[back], [win.paid_at for win in paid]]).astype(np.int64)
    kind = np.concatenate(
        [
            np.full(len(tickets.game), movement.WAGER.id),
            np.where(before, movement.REFUND.id, movement.API_REFUND.id),
            [movement.JACKPOT.id if win.prize == JACKPOT else movement.PRIZE.id for win in paid],
        ]
    ).astype(np.int64)
    cents = np.concatenate([stakes, stakes[back], [win.amount for win in paid]]).astype(np.int64)
    columns = [
        *(ts, kind, cents, tickets.user[which], tickets.group[which]),
        *(tickets.game[which] + first_game, which + first_id, tickets.paper[which].astype(np.int64)),
    ]
    order = np.lexsort((which, kind, ts))
    return [column[order] for column in columns]


def _daily(day: date, movements: list[Ints], wins: list[SandboxWin]) -> list[tuple[object, ...]]:
    """Return the day's totals of each group with movements, in cents and without signs."""
    _, kind, cents, _, group, _, ticket, _ = movements
    rows: list[tuple[object, ...]] = []
    for id in np.unique(group).tolist():
        mine = group == id
        sums = [
            int(cents[mine & np.isin(kind, [each.id for each in kinds])].sum())
            for kinds in ((movement.WAGER,), movement.REFUNDS, movement.PAYMENTS)
        ]
        paid_tickets = len(np.unique(ticket[mine & np.isin(kind, [each.id for each in movement.PAYMENTS])]))
        won = sum(win.amount for win in wins if win.group == id)
        rows.append((id, day.isoformat(), *sums, won, paid_tickets))
    return rows
