"""The shuffled order of a run."""

import itertools
from dataclasses import dataclass
from typing import Any

from tests.order import shuffled


@dataclass(frozen=True)
class Named:
    nodeid: str


def test_a_seed_gives_one_order_that_keeps_modules_together() -> None:
    items: Any = [Named(f"tests/test_{module}.py::test_{number}") for module in "abcde" for number in range(20)]
    order = shuffled(items, "7")
    assert order == shuffled(items, "7")
    assert order != shuffled(items, "8")
    assert sorted(order, key=items.index) == items
    modules = [item.nodeid.partition("::")[0] for item in order]
    assert sum(one != other for one, other in itertools.pairwise(modules)) == 4
