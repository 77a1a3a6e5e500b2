"""The tables of SQL: documents of this package in the schema `main`, and the saved queries with rows in `saved`.

A table has one or more ways to read it. Each way is a document, and its variables are columns of the table: a statement
says with `=` or `IN` which values are read. Everything is read through the graph, with the credential of the caller.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
from graphql import FieldNode, Visitor, VisitorAction, parse, print_ast, visit
from graphql.language.visitor import REMOVE
from strawberry import Schema

from server.execution.saved import SavedQuery
from server.sql.conditions import Kind
from server.tables.table import PRECISION, ROWS, Table, TableColumn, Tables, ValueKind, Variable, table_of

FOLDER = Path(__file__).parent / "tables"

_DAY = "day"
_TYPES = {
    "string": "VARCHAR",
    "enum": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
}


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column: its name, its kind, and its description in the graph."""

    name: str
    kind: ValueKind
    description: str

    @property
    def type(self) -> str:
        """Return the type in DuckDB."""
        return duck_type(self.kind)


@dataclass(frozen=True)
class SqlSource:
    """One way to read a table. `keys` are the variables of its document, by the columns that have their values.

    `optional` are fields of a row that may cost further calls. They are read if the statement uses their columns.
    """

    table: Table
    saved: SavedQuery
    schema: Schema = field(repr=False)
    keys: Mapping[str, Variable]
    optional: frozenset[str] = frozenset()
    _narrow: dict[frozenset[str], Table] = field(default_factory=dict, repr=False)

    @property
    def required(self) -> list[str]:
        """Return the columns whose values a statement must name."""
        return [name for name, variable in self.keys.items() if variable.required]

    def chooses(self, name: str) -> bool:
        """Return whether not all rows are read without the value of a key."""
        return self.keys[name].required or self.keys[name].default is not None

    def reading(self, columns: Iterable[str]) -> Table:
        """Return the table without the optional fields that are not needed for the columns."""
        wanted = {name.lower() for name in columns}
        used = {one.path[0] for one in self.table.columns if one.name.lower() in wanted}
        left_out = self.optional - used
        if not left_out:
            return self.table
        if left_out not in self._narrow:
            text = print_ast(visit(parse(self.saved.text), _Leaving(left_out)))
            found = table_of(replace(self.saved, text=text), self.schema)
            assert found is not None
            self._narrow[left_out] = found
        return self._narrow[left_out]


@dataclass(frozen=True)
class SqlTable:
    """A table: its columns, the column by which days are chosen, and the ways to read it, the narrowest first.

    Rows may lie `ahead` of now. If `of_part`, no row has the column: it has the day for which the row was read.
    """

    schema: str
    name: str
    description: str
    columns: Mapping[str, SqlColumn]
    sources: Sequence[SqlSource]
    time: SqlColumn | None = None
    ahead: bool = False
    of_part: bool = False

    @property
    def shown(self) -> str:
        """Return the name as a statement writes it."""
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Return the columns that restrict what is read."""
        found: dict[str, Kind] = {name.lower(): "key" for source in self.sources for name in source.keys}
        if self.time is not None:
            found[self.time.name.lower()] = "moment" if self.time.kind.name == "timestamp" else "day"
        return found


def sql_tables(tables: Tables, schema: Schema, folder: Path = FOLDER) -> list[SqlTable]:
    """Return all tables. Raises BrokenQuery."""
    own: dict[str, list[tuple[SqlSource, str | None]]] = {}
    for path in sorted(folder.glob("*.graphql"), key=lambda path: (path.name.split(".")[0], "user" not in path.name)):
        source, day = _read(path, schema)
        own.setdefault(source.saved.name, []).append((source, day))
    found = [_table("main", [source for source, _ in ways], ways[0][1]) for ways in own.values()]
    for table in tables.values():
        keys = _keys(table)
        if keys is not None:
            found.append(_table("saved", [SqlSource(table, table.saved, schema, keys)], None))
    return [table for table in found if table is not None]


def _read(path: Path, schema: Schema) -> tuple[SqlSource, str | None]:
    """Return the way that a file describes, and the description of its column `day`, if it has one."""
    notes: dict[str, str] = {}
    comment: list[str] = []
    lines = path.read_text("utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            break
        words = line.lstrip("# ")
        name, _, rest = words.partition(": ")
        if name in ("variables", "optional", "day"):
            notes[name] = f"{notes.get(name, '')} {rest}".strip()
        else:
            comment.append(words)
    text = "\n".join(line for line in lines if not line.startswith("#"))
    variables = orjson.loads(notes.get("variables", "{}"))
    saved = SavedQuery(path.name.split(".")[0], " ".join(comment), text, variables, path)
    table = table_of(saved, schema)
    assert table is not None, path.name
    keys = {variable.name: variable for variable in table.variables}
    return SqlSource(table, saved, schema, keys, frozenset(notes.get("optional", "").split())), notes.get("day")


def _keys(table: Table) -> dict[str, Variable] | None:
    """Return the columns of the variables of a saved query; None if it has one that SQL cannot give."""
    found: dict[str, Variable] = {}
    for variable in table.variables:
        if variable.many or variable.kind.name not in ("string", "enum"):
            if variable.required:
                return None
            continue
        is_id = variable.graphql.rstrip("!") == "ID" and not variable.name.lower().endswith("id")
        found[f"{variable.name}_id" if is_id else variable.name] = variable
    return found


def _table(schema: str, sources: list[SqlSource], day: str | None) -> SqlTable | None:
    """Return the table of its ways; None if days are read that no column shows. `day` describes a column for them."""
    columns: dict[str, SqlColumn] = {}
    for source in sources:
        for column in source.table.columns:
            columns.setdefault(column.name.lower(), SqlColumn(column.name, column.kind, _told(column)))
        for name in source.keys:
            text = f"The value of the parameter {source.keys[name].name} that the row was read with."
            default = source.keys[name].default
            if default is not None:
                text += f" A statement that names none reads {default!r}."
            columns.setdefault(name.lower(), SqlColumn(name, ValueKind("string"), text))
    first = sources[0].table
    found = SqlTable(schema, first.name, first.description, columns, sources)
    if day is not None:
        columns[_DAY] = SqlColumn(_DAY, ValueKind("date"), day)
        return replace(found, time=columns[_DAY], ahead=True, of_part=True)
    if not first.timed:
        return found
    last = len(first.spine)
    time = next((one for one in first.columns if one.level == last and one.during), None)
    if time is None:
        return None
    return replace(found, time=columns[time.name.lower()], ahead=time.during == "any")


def _told(column: TableColumn) -> str:
    return " ".join(column.description.split())


def duck_type(kind: ValueKind) -> str:
    """Return the type of a column in DuckDB."""
    if kind.of is not None:
        return f"{duck_type(kind.of)}[]"
    return f"DECIMAL({PRECISION},{kind.scale})" if kind.name == "decimal" else _TYPES[kind.name]


class _Leaving(Visitor):
    """Leave fields out of the rows of a document."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names
        self._inside = 0

    def enter_field(self, node: FieldNode, *_: object) -> VisitorAction:
        if self._inside == 1 and (node.alias or node.name).value in self._names:
            return REMOVE
        self._inside += bool(self._inside) or any(one.name.value == ROWS for one in node.directives or ())
        return None

    def leave_field(self, node: FieldNode, *_: object) -> None:
        self._inside -= bool(self._inside)
