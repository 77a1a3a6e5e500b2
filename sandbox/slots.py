"""Simulate a day of slot sessions for the game log, with the running balances of players and agent.

A player's balance continues from spin to spin and from day to day. The seed and the date alone decide the balance at
the end of a day, and the last spin of the day adjusts to it. Therefore no day depends on the day before. The agent wins
what the players lose, so the sum of all balances never changes.
"""

import hashlib
from datetime import date

import numpy as np
import numpy.typing as npt

from sandbox.chance import Ints, chance, fraction
from sandbox.world import Rows, World

ALL_MONEY = 22_092_000_00  # cents: the agent's balance and the players' together
ACTIVE = 0.85  # of the players spin on a day
LOOK_BACK = 64  # days after which somebody who never played has the balance of the first of them
SPINS = (8, 36)  # in a session; one in the morning, one in the afternoon
PAUSE = (3, 14)  # seconds between two spins
FREE = 0.08  # of the spins are free

# provider and game
GAMES = (
    ("PRAGMATIC", "vs20doghouse"),
    ("PRAGMATIC", "vs20olympgate"),
    ("PRAGMATIC", "vs25wolfgold"),
    ("PRAGMATIC", "vs20fruitsw"),
    ("PGSOFT", "fortune-tiger"),
    ("PGSOFT", "mahjong-ways2"),
    ("HACKSAW", "wanted-dead"),
    ("BOOONGO", "sun_of_egypt"),
)
TYPES = ("BASE", "FREE")

# A spin wins a multiple of its stake with a certain chance: in the long run 95 % comes back.
_TIMES = np.array([0, 0.5, 1, 2, 5, 20])
_CHANCE = np.array([0.61, 0.16, 0.12, 0.06, 0.04, 0.01])


def slots(world: World, day: date) -> Rows:
    """Return a day's rows of the table spin, ordered by time."""
    today = day.toordinal()
    user = np.array([player.id for player in world.players])
    opening = _balance(world, user, today - _last_active(world, user, today))
    plays = _active(world, user, today)
    closing = np.where(plays, _balance(world, user, np.full(len(user), today)), opening)

    dice = np.random.default_rng([world.seed, today, 1])
    midnight, end = world.clock.bounds(day)
    sessions = np.column_stack([plays, plays & (dice.random(len(user)) < 0.6)])
    # The longest session takes less than nine minutes, so no session runs into the next one or into the next day.
    begins = np.column_stack(
        [
            dice.integers(midnight + 600, midnight + 11 * 3600, len(user)),
            dice.integers(midnight + 12 * 3600, end - 3600, len(user)),
        ]
    )
    counts = np.where(sessions, dice.integers(*SPINS, sessions.shape), 0).ravel()
    # No day's stakes can use up a balance: at most 70 times a 200th of the smallest balance.
    stakes = np.repeat(_base(world, user) // 200, 2) // dice.integers(1, 5, len(counts))
    games = dice.integers(0, len(GAMES), len(counts))
    session = _index(counts)
    who = session // 2
    total = len(who)
    if not total:
        return {"spin": []}
    pause = dice.integers(*PAUSE, total).cumsum()
    first = (np.cumsum(counts) - counts)[session]
    ts = begins.ravel()[session] + pause - pause[first]

    stake = stakes[session]
    free = dice.random(total) < FREE
    win = (stake * dice.choice(_TIMES, total, p=_CHANCE)).astype(np.int64)
    bet = np.where(free, 0, stake)
    ends = np.append(who[1:] != who[:-1], True)
    bet[ends], win[ends], free[ends] = 0, 0, False
    gained = np.bincount(who, weights=win - bet, minlength=len(user)).astype(np.int64)
    left = (opening + gained - closing)[plays]
    bet[ends] = np.where(left > 0, left, stake[ends])
    win[ends] = np.where(left > 0, 0, stake[ends] - left)

    change = win - bet
    before = change.cumsum() - change
    starts = np.append(True, ends[:-1])
    user_start = opening[who] + before - np.repeat(before[starts], np.diff(np.append(np.flatnonzero(starts), total)))
    order = np.lexsort((who, ts))
    agent_start = ALL_MONEY - int(opening.sum()) - (change[order].cumsum() - change[order])
    columns = (ts, user[who], games[session], free.astype(np.int64), bet, win, user_start)
    first_id = world.first_id(day)
    return {
        "spin": zip(
            range(first_id, first_id + total),
            *(column[order].tolist() for column in columns),
            agent_start.tolist(),
            strict=True,
        )
    }


def _index(counts: Ints) -> Ints:
    """Return the index of each count, repeated that many times."""
    return np.repeat(np.arange(len(counts)), counts)


def _active(world: World, user: Ints, day: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    return fraction(chance(world.seed, 2, user, day)) < ACTIVE


def _last_active(world: World, user: Ints, today: int) -> Ints:
    """Return how many days before today each user last played."""
    back = np.arange(1, LOOK_BACK + 1)
    played = fraction(chance(world.seed, 2, user[:, None], today - back)) < ACTIVE
    played[:, -1] = True
    days: Ints = back[played.argmax(axis=1)]
    return days


def _base(world: World, user: Ints) -> Ints:
    """Return a player's usual balance, in cents: 100 to 1,000."""
    spread: Ints = (chance(world.seed, 3, user) % np.uint64(900_00)).astype(np.int64)
    return 100_00 + spread


def _balance(world: World, user: Ints, day: Ints) -> Ints:
    """Return a player's balance after a day of play, in cents."""
    balance: Ints = (_base(world, user) * (0.8 + 0.4 * fraction(chance(world.seed, 4, user, day)))).astype(np.int64)
    return balance


def transaction_id(history_id: int) -> str:
    """Return the provider's id of a spin: 32 hexadecimal digits."""
    return hashlib.md5(f"spin {history_id}".encode(), usedforsecurity=False).hexdigest()
