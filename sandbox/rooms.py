"""Bingo rooms, their game configurations and their progressive jackpots."""

from dataclasses import dataclass

INTERVAL = 12 * 60  # seconds between two games of a room
SELLING = 2 * INTERVAL  # a game sells this long before it starts …
PRESELLING = 6 * 60 * 60  # … and presells this long; before that it is not known

PRIZES_PERCENT = 70  # of the wagers
SPLIT_PERCENT = (20, 30)  # of the prizes, for one and two lines; the full house takes the rest


@dataclass(frozen=True)
class Configuration:
    """The configuration of a game, money in cents. `key` is the configuration that it was cloned from, or 0."""

    id: int
    name: str
    key: int
    price: int
    build_method: str = "Wager"
    prize_mode: str = "Percentage of wagers"
    jackpot_percent: int = 0
    continuous_name: str | None = None
    continuous_games: int = 0


@dataclass(frozen=True)
class Jackpot:
    """A progressive jackpot: a visible pot, and a hidden pot (the seed) that replaces the visible one when it is won.

    A full house within `winnable` calls wins it. In the last game of a day any full house wins it, together with all
    that was put into the hidden pot, and the next day starts from `base`. Money in cents.
    """

    id: int
    name: str
    percent: int
    seed_percent: int
    base: int
    maximum: int
    seed_maximum: int
    winnable: int


@dataclass(frozen=True)
class SandboxRoom:
    """A room. `delay` is the time between balls in seconds. Its first game starts `offset` seconds after the first
    room's.
    """

    id: int
    name: str
    variant: str
    balls: int
    delay: int
    offset: int
    configurations: tuple[Configuration, ...]
    jackpot: Jackpot | None


# name, balls, has a jackpot, configurations as (name, price, takes part in the jackpot)
_PLANS = (
    ("E2E Bingo 90", 90, True, (("Classic 90", 25, True), ("Penny 90", 10, True), ("Dollar 90", 100, True))),
    ("E2E Bingo 75", 75, True, (("Classic 75", 20, True), ("Half Dollar 75", 50, True), ("Fixed 75", 30, False))),
    ("E2E Bingo 90 Express", 90, False, (("Express", 50, False), ("Express High", 500, False))),
)


def rooms(count: int) -> list[SandboxRoom]:
    """Return the first `count` rooms. After the third room, the kinds repeat under numbered names."""
    made = []
    for index in range(count):
        name, balls, pooled, configurations = _PLANS[index % len(_PLANS)]
        again = "" if index < len(_PLANS) else f" {index // len(_PLANS) + 1}"
        jackpot = _jackpot(index + 1, f"{name}{again} Jackpot", balls) if pooled else None
        made.append(
            SandboxRoom(
                id=index + 1,
                name=name + again,
                variant=f"{balls} balls",
                balls=balls,
                delay=5,
                # The rooms take turns, so that a game is in play at nearly any moment.
                offset=index % 3 * INTERVAL // 3,
                configurations=tuple(
                    _configuration(134 + 10 * index + number, number, *configuration, jackpot)
                    for number, configuration in enumerate(configurations)
                ),
                jackpot=jackpot,
            )
        )
    return made


def _configuration(id: int, number: int, name: str, price: int, pooled: bool, jackpot: Jackpot | None) -> Configuration:
    return Configuration(
        id=id,
        name=name,
        key=id - number if number == 1 else 0,
        price=price,
        build_method="Wager" if pooled else "Fixed",
        prize_mode="Percentage of wagers" if pooled else "Fixed amount",
        jackpot_percent=jackpot.percent if pooled and jackpot else 0,
        continuous_name=f"{name} Night" if number == 1 else None,
        continuous_games=3 if number == 1 else 0,
    )


def _jackpot(id: int, name: str, balls: int) -> Jackpot:
    return Jackpot(
        id=id,
        name=name,
        percent=5,
        seed_percent=30,
        base=2_000,
        maximum=100_000_00,
        seed_maximum=50_000_00,
        winnable=58 if balls == 90 else 56,
    )


def pots(wagered: int, jackpot_percent: int) -> tuple[int, int, tuple[int, int, int]]:
    """Return what the wagers of a game (cents) give to the prizes and to the jackpot, and the prizes one by one."""
    prizes = wagered * PRIZES_PERCENT // 100
    one, two = (prizes * percent // 100 for percent in SPLIT_PERCENT)
    return prizes, wagered * jackpot_percent // 100, (one, two, prizes - one - two)
