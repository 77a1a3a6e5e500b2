"""The order of a run."""

import itertools
from dataclasses import dataclass
from typing import Any

from tests.order import early_first, shuffled


@dataclass(frozen=True)
class Named:
    nodeid: str
    marker: str = ""

    def get_closest_marker(self, name: str) -> str | None:
        return self.marker if self.marker == name else None


def test_a_seed_gives_one_order_that_keeps_modules_together() -> None:
    items: Any = [Named(f"tests/test_{module}.py::test_{number}") for module in "abcde" for number in range(20)]
    order = shuffled(items, "7")
    assert order == shuffled(items, "7")
    assert order != shuffled(items, "8")
    assert sorted(order, key=items.index) == items
    modules = [item.nodeid.partition("::")[0] for item in order]
    assert sum(one != other for one, other in itertools.pairwise(modules)) == 4


def test_modules_with_tests_that_run_alone_or_long_are_first() -> None:
    marked = {("c", 2): "alone", ("e", 1): "alone", ("b", 0): "long", ("e", 0): "long"}
    marked |= {("d", number): "alone" for number in range(4)}
    items: Any = [
        Named(f"tests/test_{module}.py::test_{number}", marked.get((module, number), "slow"))
        for module in "abcde"
        for number in range(4)
    ]
    order = early_first(items)
    assert [item.nodeid.removeprefix("tests/test_")[0] for item in order] == list("ddddeeeeccccbbbbaaaa")
    assert sorted(order, key=items.index) == items
