"""Write differences for the command: as lines for people, or as one JSON object."""

import datetime
from collections.abc import Callable, Mapping
from typing import TextIO

import orjson

from resolvers.reconcile.figures import Difference
from server.reconcile.reconciliation import COMPARISONS, ReconciliationResult


class TextForm:
    """Differences as lines of columns, for people."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun = False

    def write(self, day: datetime.date, one: Difference) -> None:
        """Write a difference."""
        if not self._begun:
            self._begun = True
            self._out.write(f"{'day':<11} {'compared':<10} {'of':<36} {'column':<16} values\n")
        statements = " | ".join(map(str, one.statements))
        self._out.write(f"{day!s:<11} {one.compared:<10} {one.key:<36} {one.column:<16} {statements}\n")

    def end(self, result: ReconciliationResult) -> None:
        """Write how many days and rows were compared."""
        parts = ", ".join(
            f"{name}: {result.compared[name]} compared, {result.differences[name]} differ"
            for name in COMPARISONS
            if name in result.compared or name in result.differences
        )
        self._out.write(f"{result.days} days; {parts or 'nothing to compare'}\n")


class JsonForm:
    """Differences as one JSON object, written as they are found."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = '{"differences":['

    def write(self, day: datetime.date, one: Difference) -> None:
        """Write a difference."""
        self._out.write(f"{self._before}\n{orjson.dumps({'day': day, **one.to_dict()}).decode()}")
        self._before = ","

    def end(self, result: ReconciliationResult) -> None:
        """Write how many days and rows were compared."""
        begun = "" if self._before == "," else self._before
        rest = orjson.dumps(
            {
                "days": result.days,
                "compared": dict(result.compared),
                "found": dict(result.differences),
                "notes": result.notes,
                "failures": result.failures,
            }
        ).decode()
        self._out.write(f"{begun}\n],{rest[1:]}\n")


FORMS: Mapping[str, Callable[[TextIO], TextForm | JsonForm]] = {"table": TextForm, "json": JsonForm}
