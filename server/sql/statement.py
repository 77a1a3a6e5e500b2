"""Check a statement: one SELECT over known tables, without files, settings or functions that give rows.

The statement that runs is written from the tree that was checked, so both have the same meaning. Each mention of a
table has a name of its own in it, because each may need other days.
"""

import datetime
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn
from zoneinfo import ZoneInfo

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import TokenType

from server.http.request_error import RequestError
from server.sql.constants import with_clock
from server.sql.table import SqlTable
from server.sql.windows import Scan, Windows

# It warns of statements that it does not know. They are refused here.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

LONGEST = 20_000
MOST_TOKENS = 5_000
DEEPEST = 64
MOST_SCANS = 24
SCAN = "__scan_"

CATALOG = frozenset({"tables", "columns", "schemata"})
CATALOG_FUNCTIONS = frozenset({"duckdb_tables", "duckdb_columns"})

_SELECT = frozenset(
    {"with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "qualify", "windows", "order",
     "limit", "offset"}
)  # fmt: skip
_TABLE = frozenset({"this", "alias", "db"})
_SUBQUERY = frozenset({"this", "alias", "limit", "offset", "order", "with_"})
_SET = frozenset({"this", "expression", "distinct", "by_name", "with_", "order", "limit", "offset"})
_REFUSED: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.Placeholder, "parameters such as ? and $1"),
    (exp.Parameter, "parameters"),
    (exp.SessionParameter, "session parameters"),
    (exp.DDL, "statements that change something"),
    (exp.DML, "statements that change something"),
    (exp.Command, "commands"),
    (exp.Pivot, "PIVOT"),
    (exp.Lateral, "LATERAL"),
    (exp.TableSample, "samples of a table"),
    (exp.ReadCSV, "files"),
    (exp.ReadParquet, "files"),
)
# Functions that look at files, settings or the process. DuckDB is locked down as well.
_FUNCTIONS = re.compile(
    r"(read_|write_|copy_|parquet_|sniff_|duckdb_|pragma_|pg_|query|glob$|getenv$|getvariable$|current_setting$"
    r"|force_checkpoint|checkpoint|nextval$|currval$|sleep|enable_|disable_|which_secret|json_execute)"
)

Find = Callable[[str, str], SqlTable | None]


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """A checked statement: its text for DuckDB, its scans with their tables, and whether it reads the catalogue."""

    text: str
    scans: tuple[tuple[Scan, SqlTable], ...]
    catalog: bool


def invalid(message: str) -> RequestError:
    """Return the error for a statement that does not run here."""
    return RequestError(400, "SQL_INVALID", message)


def read(text: str, tables: Iterable[SqlTable], now: datetime.datetime, zone: ZoneInfo) -> SqlStatement:
    """Return the checked statement, with what it needs of each table. Raises RequestError."""
    try:
        checked = _Checked(text, tables)
        checked.tree = with_clock(checked.tree, now, zone)
        return checked.statement(zone)
    except RecursionError:
        raise invalid("The statement is nested too deeply.") from None
    except (ArithmeticError, ValueError):
        raise invalid("A number of the statement is too large.") from None


class _Checked:
    def __init__(self, text: str, tables: Iterable[SqlTable]) -> None:
        self.tree = _parsed(text)
        self.tables: Mapping[tuple[str, str], SqlTable] = {
            (table.schema, table.name.lower()): table for table in tables
        }
        self.scans: dict[int, Scan] = {}
        self.found: list[tuple[Scan, SqlTable]] = []
        self.catalog = False

    def statement(self, zone: ZoneInfo) -> SqlStatement:
        for node in self.tree.walk():
            _check(node)
        self._name(self.tree, frozenset())
        Windows(self.scans, zone).read(self.tree)
        for scan, _ in self.found:
            if not scan.read:
                scan.note({})
        try:
            text = self.tree.sql("duckdb", normalize_functions=False, unsupported_level=ErrorLevel.RAISE)
        except SqlglotError as error:
            raise invalid(f"The statement cannot be run: {error}.") from None
        return SqlStatement(text, tuple(self.found), self.catalog)

    def _name(self, node: exp.Expr, scope: frozenset[str]) -> None:
        """Give each table its own name. A common table expression hides a table of the same name."""
        clause = node.args.get("with_")
        if clause is not None:
            for common in clause.expressions:
                if clause.args.get("recursive"):
                    scope |= {common.alias.lower()}
                self._name(common.this, scope)
                scope |= {common.alias.lower()}
        if isinstance(node, exp.Table):
            self._table(node, scope)
        for key, value in node.args.items():
            if key != "with_":
                for child in value if isinstance(value, list) else (value,):
                    if isinstance(child, exp.Expr):
                        self._name(child, scope)

    def _table(self, node: exp.Table, scope: frozenset[str]) -> None:
        if not isinstance(node.this, exp.Identifier):  # a function of the catalogue: `_check` looked at it
            self.catalog = True
            return
        name, schema = node.name, node.db.lower()
        if not schema and name.lower() in scope:
            return
        if schema == "information_schema" and name.lower() in CATALOG:
            self.catalog = True
            return
        table = self._known(schema, name)
        if len(self.found) >= MOST_SCANS:
            raise invalid(f"The statement reads more than {MOST_SCANS} tables.")
        scan = Scan(f"{SCAN}{len(self.found)}", tuple(one.lower() for one in table.columns), table.kinds)
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
        node.set("db", None)
        node.set("this", exp.to_identifier(scan.name))
        self.scans[id(node)] = scan
        self.found.append((scan, table))

    def _known(self, schema: str, name: str) -> SqlTable:
        for one in (schema,) if schema else ("main", "saved"):
            table = self.tables.get((one, name.lower()))
            if table is not None:
                return table
        there = ", ".join(table.shown for table in self.tables.values())
        shown = f"{schema}.{name}" if schema else name
        raise invalid(f"There is no table {shown[:80]!r}; there are {there}.")


def _parsed(text: str) -> exp.Expr:
    if len(text) > LONGEST:
        raise invalid(f"The statement has {len(text):,} characters; {LONGEST:,} are allowed.")
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
        _check_size(tokens)
        trees = [tree for tree in sqlglot.Dialect.get_or_raise("duckdb").parser().parse(tokens, text) if tree]
    except SqlglotError as error:
        raise invalid(_why(error)) from None
    if len(trees) != 1:
        raise invalid("Send one statement." if trees else "The statement is empty.")
    tree = trees[0]
    assert isinstance(tree, exp.Expr)
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        raise invalid("Only SELECT runs here, with WITH, UNION and subqueries. Tables: information_schema.columns.")
    return tree


def _check_size(tokens: Iterable[object]) -> None:
    depth = 0
    for number, token in enumerate(tokens, 1):
        kind = getattr(token, "token_type", None)
        depth += kind in _OPENING
        depth -= kind in _CLOSING
        if number > MOST_TOKENS:
            raise invalid(f"The statement has more than {MOST_TOKENS:,} words.")
        if depth > DEEPEST:
            raise invalid(f"The statement is nested more than {DEEPEST} levels deep.")


_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})


def _why(error: SqlglotError) -> str:
    details = getattr(error, "errors", None)
    if details:
        first = details[0]
        return f"The statement is not SQL: {first['description']} (line {first['line']}, column {first['col']})."
    return "The statement is not SQL: " + str(error).splitlines()[0][:200].rstrip(".") + "."


def _refuse(what: str) -> NoReturn:
    raise invalid(f"A statement cannot have {what} here.")


def _check(node: exp.Expr) -> None:
    """Refuse a node that does not run here. Raises RequestError."""
    for kind, what in _REFUSED:
        if isinstance(node, kind):
            _refuse(what)
    match node:
        case exp.Select():
            _only(node, _SELECT)
        case exp.SetOperation():
            _only(node, _SET)
        case exp.Subquery():
            _only(node, _SUBQUERY)
            if not isinstance(node.this, exp.Query) or isinstance(node.this, exp.Table):
                _refuse("joins in parentheses")
        case exp.From() | exp.Join():
            _check_source(node)
        case exp.Identifier() if node.name.lower().startswith(SCAN):
            _refuse(f"names that begin with {SCAN}")
        case exp.Column() if node.args.get("db"):
            node.set("db", None)
            node.set("catalog", None)
        case exp.Func():
            name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
            if _FUNCTIONS.match(name) and not (name in CATALOG_FUNCTIONS and isinstance(node.parent, exp.Table)):
                _refuse(f"the function {name[:60]}")


def _check_source(node: exp.From | exp.Join) -> None:
    source = node.this
    if isinstance(node, exp.Join) and node.method not in ("", "NATURAL"):
        _refuse(f"{node.method} joins")
    if isinstance(source, exp.Table):
        function = source.this
        if isinstance(function, exp.Anonymous) and function.name.lower() in CATALOG_FUNCTIONS:
            if function.expressions:
                _refuse("arguments of a function of the catalogue")
        elif not isinstance(function, exp.Identifier):
            _refuse("functions in place of a table")
        _only(source, _TABLE)
    elif not isinstance(source, exp.Subquery | exp.Values):
        _refuse("functions in place of a table")


def _only(node: exp.Expr, allowed: frozenset[str]) -> None:
    for key, value in node.args.items():
        if value and key not in allowed:
            _refuse(f"{key.rstrip('_').replace('_', ' ').upper()} in this place")
