"""The order of the tests of a run: modules with tests that run alone are first, or another order for each seed.

A test that runs alone waits for the tests of all other workers. At the start of a run these are short.

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


def alone_first(items: list[Item]) -> list[Item]:
    """Return the tests with those modules first in which a test is marked `alone`. Otherwise the order stays."""
    modules = _modules(items).values()
    some_alone = [any(item.get_closest_marker("alone") for item in module) for module in modules]
    return [
        item
        for wanted in (True, False)
        for module, alone in zip(modules, some_alone, strict=True)
        if alone is wanted
        for item in module
    ]


def _modules(items: list[Item]) -> dict[str, list[Item]]:
    modules: dict[str, list[Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    return modules
