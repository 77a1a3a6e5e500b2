"""The tree that the grammar makes of the text of a `$filter` or an `$apply`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it is written. `kind` is the name of its word in lower case: integer, string, date, …"""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column."""

    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison. `word` is eq, ne, lt, …"""

    word: str
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Among:
    """A test whether a value is in a list."""

    value: Any
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Logical:
    """Conditions with the same `word` between them: and, or."""

    word: str
    parts: list[Any]


@dataclass(frozen=True, slots=True)
class Negated:
    """A condition after not."""

    part: Any


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a function."""

    name: str
    arguments: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A part that the grammar knows, so that the error can name it."""

    what: str


@dataclass(frozen=True, slots=True)
class Aggregation:
    """A new column `alias`: the `method` of a column's values, or the number of rows if `column` is None."""

    column: str | None
    method: str
    alias: str


@dataclass(frozen=True, slots=True)
class Filtered:
    """The transformation `filter`."""

    condition: Any


@dataclass(frozen=True, slots=True)
class Grouped:
    """The transformations `groupby` and `aggregate`, which has no columns `by` which it groups."""

    by: tuple[str, ...]
    aggregates: tuple[Aggregation, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """The transformation `orderby`: columns, each with the word after it."""

    order: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """The transformations `skip` and `top`."""

    skip: int
    top: int | None


@dataclass(frozen=True, slots=True)
class Joint:
    """The transformation `concat`: the rows of each branch, one after the other."""

    branches: tuple[tuple[Any, ...], ...]


Transformation = Filtered | Grouped | Sorted | Cut | Joint
