"""The recorded answers of the saved queries. A file holds the variables, the upstream calls and the data of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "answers"


def saved() -> dict[str, str]:
    """Return the text of every saved query, by the name of its file."""
    return {path.stem: path.read_text() for path in sorted((ROOT / "queries").glob("*.graphql"))}


@dataclass
class Answer:
    """The answer of a saved query for some variables, and the number of calls of each report."""

    name: str
    variables: dict[str, Any]
    calls: dict[str, int]
    data: dict[str, Any] | None

    @classmethod
    def read(cls, name: str) -> Self:
        """Return the recorded answer. A query without a recorded answer has neither variables nor data."""
        path = FOLDER / f"{name}.json"
        if not path.exists():
            return cls(name, {}, {}, None)
        return cls(name, **orjson.loads(path.read_bytes()))

    def write(self) -> None:
        """Write the answer into its file."""
        FOLDER.mkdir(exist_ok=True)
        content = {"variables": self.variables, "calls": self.calls, "data": self.data}
        (FOLDER / f"{self.name}.json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def has_rows(data: dict[str, Any] | None) -> bool:
    """Return whether an answer has a row. An answer without any list needs a root field that is not null."""
    if not data or all(value is None for value in data.values()):
        return False
    found = [bool(rows) for _, rows in _lists(data)]
    return not found or any(found)


def empty_lists(data: dict[str, Any] | None) -> list[str]:
    """Return the paths of the lists that have no item anywhere in an answer."""
    found: dict[str, bool] = {}
    for path, rows in _lists(data or {}):
        found[path] = found.get(path, False) or bool(rows)
    return [path for path, filled in found.items() if not filled]


def _lists(value: Any, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _lists(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, value
        for inner in value:
            yield from _lists(inner, path)
