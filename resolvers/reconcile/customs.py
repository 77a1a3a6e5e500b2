"""Customs: rules that no document states, though nearly all rows keep them.

A custom proves itself by the rows of one day. If nearly all rows keep it, the few that break it are differences. If
many rows break it, this upstream does not have that custom: a note says so, and nothing else.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from resolvers.reconcile.figures import Difference, Statement, text

# A custom that fewer rows keep proves nothing.
LEAST_FOLLOWED = 8
# So many rows may break a custom, or one in a hundred.
MOST_BROKEN = 2


@dataclass(frozen=True, slots=True)
class _SingleValue:
    """One row of a custom that says: all rows of a kind have one value."""

    value: Any
    difference: Difference


class Customs:
    """Counts which rows keep each custom, and holds those that break it."""

    def __init__(self) -> None:
        self._followed: Counter[str] = Counter()
        self._broken: dict[str, list[Difference]] = defaultdict(list)
        self._same: dict[str, dict[Hashable, list[_SingleValue]]] = defaultdict(lambda: defaultdict(list))

    def follow(self, custom: str, count: int = 1) -> None:
        """Count rows that keep a custom."""
        self._followed[custom] += count

    def breaks(self, custom: str, difference: Difference) -> None:
        """Hold a row that breaks a custom."""
        self._broken[custom].append(difference)

    def check(self, custom: str, followed: bool, difference: Difference) -> None:
        """Count a row that keeps a custom, or hold it as one that breaks it."""
        if followed:
            self.follow(custom)
        else:
            self.breaks(custom, difference)

    def same(self, custom: str, kind: Hashable, value: Any, compared: str, key: str, report: str, column: str) -> None:
        """Say that all rows of a kind have one value. The most frequent value of the kind counts as that one."""
        statement = Statement(report, column, text(value))
        self._same[custom][kind].append(_SingleValue(value, Difference(compared, key, custom, (statement,))))

    def few(self, custom: str) -> bool:
        """Return whether no row breaks a custom, or so few that they are differences."""
        followed, broken = self._followed[custom], len(self._broken.get(custom, ()))
        return not broken or (followed >= LEAST_FOLLOWED and broken <= max(MOST_BROKEN, (followed + broken) // 100))

    def settle(self) -> tuple[list[Difference], list[str]]:
        """Return the differences, and a note for each custom that too many rows break."""
        self._settle_same()
        differences: list[Difference] = []
        notes = []
        for custom, broken in self._broken.items():
            total = self._followed[custom] + len(broken)
            if self.few(custom):
                differences += broken
            else:
                notes.append(f"the custom {custom!r} is not followed here: {len(broken)} of {total} rows break it")
        return differences, notes

    def _settle_same(self) -> None:
        for custom, kinds in self._same.items():
            for rows in kinds.values():
                usual = _most_frequent(row.value for row in rows)
                for row in rows:
                    (statement,) = row.difference.statements
                    others = Statement(statement.report, f"{statement.column} of others", text(usual))
                    found = row.difference
                    self.check(
                        custom,
                        row.value == usual,
                        Difference(found.compared, found.key, found.column, (statement, others)),
                    )
        self._same.clear()


def _most_frequent(values: Iterable[Hashable]) -> Hashable:
    return Counter(values).most_common(1)[0][0]
