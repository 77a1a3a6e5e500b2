"""The saved queries: every file `queries/*.graphql` is one. No other list names them.

A file begins with `#` lines that describe the operation. A line `# variables: {…}` among them has an example.
`start.json` names the queries that the explorer opens at first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLError, OperationDefinitionNode, parse
from graphql.execution import get_variable_values
from strawberry import Schema

from server.execution.documents import Document, prepare

FOLDER = Path(__file__).resolve().parents[2] / "queries"

START = "start.json"

_VARIABLES = "variables:"


class BrokenQuery(ValueError):
    """A file is not a valid saved query. One line names the file and says why."""


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A saved query: its name, its description, its text, and example variables."""

    name: str
    comment: str
    text: str
    variables: dict[str, Any] = field(default_factory=dict)
    path: Path = Path()

    def tab(self) -> dict[str, Any]:
        """Return the query as a tab of the explorer."""
        return {"name": self.name, "comment": self.comment, "query": self.text, "variables": self.variables}


def saved_queries(folder: Path = FOLDER) -> list[SavedQuery]:
    """Return the saved queries, sorted by name. Raises BrokenQuery."""
    found: dict[str, SavedQuery] = {}
    for path in sorted(folder.glob("*.graphql")):
        saved = read(path)
        if saved.name in found:
            raise BrokenQuery(f"queries/{path.name}: {saved.name} is already in queries/{found[saved.name].path.name}")
        found[saved.name] = saved
    return sorted(found.values(), key=lambda saved: saved.name)


def start(folder: Path = FOLDER) -> list[str]:
    """Return the names of the queries that the explorer opens at first."""
    names: list[str] = orjson.loads((folder / START).read_bytes())
    return names


def read(path: Path) -> SavedQuery:
    """Return the one operation of a file. Raises BrokenQuery."""
    try:
        text = path.read_text("utf-8")
        tree = parse(text)
    except (OSError, UnicodeDecodeError, GraphQLError) as error:
        raise BrokenQuery(f"queries/{path.name}: {_first_line(error)}") from None
    operations = [node for node in tree.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].name is None:
        raise BrokenQuery(f"queries/{path.name}: it must hold one operation, with a name")
    comment, variables = _heading(path, text)
    return SavedQuery(operations[0].name.value, comment, text, variables, path)


def find(name: str, saved: Sequence[SavedQuery]) -> SavedQuery:
    """Return the saved query of a name, or the operations of a file, which need no name. Raises BrokenQuery."""
    for one in saved:
        if name in (one.name, one.path.stem):
            return one
    path = Path(name)
    if not path.is_file():
        close = get_close_matches(name, [one.name for one in saved], n=1)
        hint = f"did you mean {close[0]}?" if close else "`gamehub-graph query` lists the saved ones"
        raise BrokenQuery(f"there is no saved query and no file called {name}; {hint}")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenQuery(f"{name} cannot be read: {_first_line(error)}") from None
    comment, variables = _heading(path, text)
    return SavedQuery("", comment, text, variables, path)


def fitting(saved: Sequence[SavedQuery], schema: Schema) -> list[SavedQuery]:
    """Return the saved queries that a part of the graph can answer, each with the examples that it can look up."""
    found = {one.name: one for one in saved if not document_of(one.text, schema).errors}

    def known(value: Any) -> bool:
        return not isinstance(value, str) or not value.startswith("@") or value[1:].partition(" ")[0] in found

    return [
        replace(one, variables={name: value for name, value in one.variables.items() if known(value)})
        for one in found.values()
    ]


def check(saved: Sequence[SavedQuery], schema: Schema) -> None:
    """Raise BrokenQuery for the first operation that does not fit the schema, or with an example that does not."""
    operations = {one.name for one in saved}
    for one in saved:
        for value in one.variables.values():
            if isinstance(value, str) and value.startswith("@") and value[1:].partition(" ")[0] not in operations:
                raise BrokenQuery(f"queries/{one.path.name}: its example {value!r} names no saved query")
        document = document_of(one.text, schema)
        if document.errors:
            first = document.errors[0]
            line = first["locations"][0]["line"] if first.get("locations") else 1
            raise BrokenQuery(f"queries/{one.path.name}, line {line}: {first['message']}")
        if one.variables:
            node = document.operations[one.name]
            names = {variable.variable.name.value for variable in node.variable_definitions or ()}
            for name in one.variables:
                if name not in names:
                    raise BrokenQuery(f"queries/{one.path.name}: the example names ${name}, which it does not have")
            values = get_variable_values(schema._schema, node.variable_definitions or (), one.variables, max_errors=1)
            if isinstance(values, list):
                raise BrokenQuery(f"queries/{one.path.name}: its example variables: {values[0].message}")


@lru_cache(maxsize=100)
def document_of(text: str, schema: Schema) -> Document:
    """Return the document of a saved query. It is validated once for all that read it at the start."""
    return prepare(schema, text)


def _heading(path: Path, text: str) -> tuple[str, dict[str, Any]]:
    comment = []
    variables: dict[str, Any] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        words = line.lstrip("#").strip()
        if words.startswith(_VARIABLES):
            try:
                variables = orjson.loads(words.removeprefix(_VARIABLES))
            except orjson.JSONDecodeError as error:
                raise BrokenQuery(f"queries/{path.name}: its example variables are not JSON: {error.msg}") from None
            if not isinstance(variables, dict):
                raise BrokenQuery(f"queries/{path.name}: its example variables are not an object")
        elif words:
            comment.append(words)
    return " ".join(comment), variables


def _first_line(error: Exception) -> str:
    if isinstance(error, GraphQLError):
        return error.message
    return str(error).splitlines()[0]
