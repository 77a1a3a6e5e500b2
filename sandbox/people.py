"""Groups and users: a tree Manager > Distributor > Local, and players who belong to one Local group each.

Group 382 is the example for newcomers. It is the largest group, with 50 of the 60 users of a default world (five of six
users up to 50, and half of the users in large worlds). The sizes of the other groups fall with one over their rank, so
that they are skewed as in reality. With four or more Local groups, the last one keeps its books in euros.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from sandbox.chance import chance

MANAGER = 347
FIRST_DISTRIBUTOR = 348
FIRST_LOCAL = 382
FIRST_USER = 2001
# The example of the upstream's document: user 2090 is the partner's 4677.
EXTERNAL_USER = 4677 - 2090
GUEST_EVERY, GUEST_INDEX = 20, 13

# currency: hundredths of it that one base unit buys; a fixed rate whose products have at most three decimals
CURRENCIES = {"Real USD": 100, "Real EUR": 80}
BASE_CURRENCY = "Real USD"

# fmt: off
_TOWNS = [
    "Aurora", "Bella", "Cielo", "Delta", "Estrella", "Fortuna", "Gloria", "Horizonte", "Isla", "Jardín", "Kiosco",
    "Laguna", "Marina", "Norte", "Oasis", "Palma", "Quinta", "Rivera", "Salón", "Torre", "Unión", "Victoria",
    "Zenit",
]
_FIRST_NAMES = [
    "maria", "jose", "ana", "luis", "carmen", "juan", "lucia", "pedro", "elena", "diego", "sofia", "carlos",
    "laura", "miguel", "paula", "jorge", "marta", "david", "sara", "pablo", "irene", "javier", "nuria", "sergio",
    "alba", "ruben", "clara", "ivan", "rosa", "hugo", "emma", "liam", "olivia", "noah", "grace", "owen", "ruby",
    "jack", "nora", "tom",
]
_LAST_NAMES = [
    "garcia", "lopez", "perez", "gomez", "martin", "ruiz", "diaz", "moreno", "alvarez", "romero", "navarro",
    "torres", "dominguez", "vazquez", "ramos", "gil", "serrano", "blanco", "molina", "castro", "ortiz", "rubio",
    "marin", "sanz", "iglesias", "nunez", "medina", "cortes", "reyes", "smith", "jones", "taylor", "brown",
    "wilson", "evans", "walker", "wright", "hall", "green", "baker", "hill", "cooper", "ward", "turner", "parker",
]
# fmt: on


@dataclass(frozen=True)
class SandboxGroup:
    """A group. `parent` is 0 for the manager. `cashier` is the user who pays its prizes, or 0."""

    id: int
    name: str
    type: str
    parent: int
    currency: str
    cashier: int

    @property
    def external_id(self) -> int:
        """Return the partner's id. It is the same number, as in every example of the document."""
        return self.id


@dataclass(frozen=True)
class SandboxUser:
    """A user of group `group`. One user in twenty also plays in another group, `guest`; otherwise `guest` is 0."""

    id: int
    username: str
    group: int
    guest: int

    @property
    def external_id(self) -> int:
        """Return the partner's id."""
        return self.id + EXTERNAL_USER


def people(users: int, seed: int) -> tuple[list[SandboxGroup], list[SandboxUser]]:
    """Return all groups and users of a world with this number of users (at least one)."""
    sizes = group_sizes(users)
    local_ids = range(FIRST_LOCAL, FIRST_LOCAL + len(sizes))
    homes = [group for group, size in zip(local_ids, sizes, strict=True) for _ in range(size)]
    names = _usernames(users, seed)
    made = [
        SandboxUser(FIRST_USER + index, names[index], home, _guest(index, home, local_ids))
        for index, home in enumerate(homes)
    ]
    distributors = max(1, min(2 + len(sizes) // 10, FIRST_LOCAL - FIRST_DISTRIBUTOR, len(sizes)))
    groups = [SandboxGroup(MANAGER, "Integrations", "Manager", 0, BASE_CURRENCY, 0)]
    groups += [
        SandboxGroup(FIRST_DISTRIBUTOR + index, f"Distributor {index + 1}", "Distributor", MANAGER, BASE_CURRENCY, 0)
        for index in range(distributors)
    ]
    for index, id in enumerate(local_ids):
        name = "E2E Development - Physical" if index == 0 else f"Local {_TOWNS[(index - 1) % len(_TOWNS)]} {index}"
        currency = "Real EUR" if index >= 3 and index == len(sizes) - 1 else BASE_CURRENCY
        cashier = FIRST_USER + homes.index(id)
        groups.append(SandboxGroup(id, name, "Local", FIRST_DISTRIBUTOR + index % distributors, currency, cashier))
    return groups, made


def group_sizes(users: int) -> list[int]:
    """Return how many users each Local group has, group 382 first. No group is empty; there are at most 50 groups."""
    first = max(1, min(50, users * 5 // 6), users // 2)
    rest = users - first
    others = min(rest, 49, max(4, rest // 20))
    shares = [1 / rank for rank in range(1, others + 1)]
    sizes = [1 + int((rest - others) * share / sum(shares)) for share in shares]
    for index in range(rest - sum(sizes)):
        sizes[index % others] += 1
    return [first, *sizes]


def _guest(index: int, home: int, locals: range) -> int:
    if index % GUEST_EVERY != GUEST_INDEX or len(locals) < 2:
        return 0
    others = [group for group in locals if group != home]
    return others[index // GUEST_EVERY % len(others)]


def _usernames(users: int, seed: int) -> list[str]:
    pairs = [f"{first}.{last}" for first, last in product(_FIRST_NAMES, _LAST_NAMES)]
    order = np.argsort(chance(seed, 1, np.arange(len(pairs))))
    rounds = range(-(-users // len(pairs)))
    names = [pairs[index] + (str(turn + 1) if turn else "") for turn in rounds for index in order.tolist()]
    return names[:users]
