"""The order of the tests of a run: another one for each seed.

Tests must pass in any order. `TEST_ORDER_SEED=7 make test` shuffles the modules and the tests in each module. The tests
of one module stay together, because they share servers and worlds.
"""

import random
from typing import TypeVar

import pytest

Item = TypeVar("Item", bound=pytest.Item)


def shuffled(items: list[Item], seed: str) -> list[Item]:
    """Return the tests in the order of a seed. The same seed gives the same order in every worker."""
    chance = random.Random(seed)
    modules: dict[str, list[Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    names = list(modules)
    chance.shuffle(names)
    for name in names:
        chance.shuffle(modules[name])
    return [item for name in names for item in modules[name]]
