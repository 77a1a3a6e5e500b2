"""The order of the tests of a run: modules with tests that run alone are first, or another order for each seed.

A test that runs alone waits for the tests of all other workers. At the start of a run these are short. Modules with a
test of half a minute follow: at the end of a run, the other workers would wait for it.

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
    modules = _modules(items)
    names = list(modules)
    chance.shuffle(names)
    for name in names:
        chance.shuffle(modules[name])
    return [item for name in names for item in modules[name]]


def early_first(items: list[Item]) -> list[Item]:
    """Return the tests with those modules first in which a test is marked `alone`, then those with one marked `long`.

    Modules whose tests all run alone are side by side, so that they wait once. Otherwise the order stays.
    """

    def place(module: list[Item]) -> tuple[bool, ...]:
        alone, long = ([bool(item.get_closest_marker(name)) for item in module] for name in ("alone", "long"))
        return (not all(alone), not any(alone), not any(long))

    return [item for module in sorted(_modules(items).values(), key=place) for item in module]


def _modules(items: list[Item]) -> dict[str, list[Item]]:
    modules: dict[str, list[Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    return modules
