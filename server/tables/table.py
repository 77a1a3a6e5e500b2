"""Tables: every saved query with a list marked `@rows` is one, with columns and a document that reads the rows.

This module reads no rows and does not import pyarrow, so the server can check all tables at its start.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    print_ast,
    type_from_ast,
    value_from_ast_untyped,
    visit,
)
from strawberry import Schema

from schema.mapping.columns import DECIMALS, SELECTED_BY
from server.execution.saved import BrokenQuery, SavedQuery, document_of
from server.http.request_error import RequestError

if TYPE_CHECKING:  # the types of columns belong to pyarrow, which only a request for a table imports
    import pyarrow as pa


NodeT = TypeVar("NodeT", bound=Node)

ROWS = "rows"
DURING = "during"
PERIOD = "Period"
# The fields of a connection and its edges other than the items. A table has all pages, so it must not select them.
PLUMBING = frozenset({"nodes", "edges", "node"})
OF_PAGES = frozenset({"totalCount", "pageInfo", "cursor"})
PAGING = frozenset({"first", "after"})
# The field with the currency of the amounts of an object. Only amounts called baseX are in its `baseCurrency`.
CURRENCY = "currency"

SCALARS = {
    "ID": "string",
    "String": "string",
    "Int": "int64",
    "Float": "float64",
    "Boolean": "bool",
    "Decimal": "decimal",
    "DateTime": "timestamp",
    "Date": "date",
}
# Typed decimals have 38 digits: DuckDB reads wider ones as floats, and polars refuses them. 10 of them are after the
# point, unless the field in the schema declares another number (`decimals` in `schema/mapping/columns.py`).
PRECISION = 38
SCALE = 10
# Parameters of every table, so no variable may have these names.
RESERVED = frozenset({"since", "until", "period", "limit"})


@dataclass(frozen=True, slots=True)
class ValueKind:
    """The kind of a column or a variable: `name` is a value of `SCALARS`, or enum (with its values), or list (of).

    `scale` is the number of decimals of a decimal in typed formats. The field in the schema declares it.
    """

    name: str
    values: tuple[str, ...] = ()
    of: "ValueKind | None" = None
    scale: int = SCALE


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: the place of its values and their type.

    `level` counts the lists above it: 0 is the operation, the last level is the row. `path` leads from an item of this
    level to the value, by the keys of the answer. `graphql` is the type in the schema. `during` is set for the field by
    which the period selects rows: "past" if no row is in the future, else "any".

    `currency` is set for an amount: the name of the column with its currency. A dot and the name of a field mean that
    the query does not select the field. It is empty if the graph does not name the currency.
    """

    name: str
    kind: ValueKind
    nullable: bool
    description: str
    path: tuple[str, ...]
    level: int
    graphql: str
    during: str = ""
    currency: str = ""

    @property
    def type(self) -> "pa.DataType":
        """Return the type in Arrow."""
        from server.tables.arrow import data_type  # imports pyarrow: see the docstring of this module

        return data_type(self.kind)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the document. It is a parameter in the address of the table."""

    name: str
    kind: ValueKind
    required: bool
    default: Any
    graphql: str

    @property
    def many(self) -> bool:
        """Return whether it may be given several times."""
        return self.kind.name == "list"


@dataclass(frozen=True)
class Table:
    """A saved query as a table. `document` reads it, with all pages of the lists on the way to its rows.

    `spine` leads to the rows: the path from the operation to the first list, from its items to the next, and so on.
    `during` is the default window of the document, if the table is `timed`.
    """

    name: str
    description: str
    columns: tuple[TableColumn, ...]
    variables: tuple[Variable, ...]
    timed: bool
    during: Mapping[str, Any] | None
    spine: tuple[tuple[str, ...], ...]
    document: str
    saved: SavedQuery = field(repr=False)

    @property
    def time(self) -> TableColumn | None:
        """Return the time column: the field of the row by which the period selects rows."""
        last = len(self.spine)
        return next((one for one in self.columns if self.timed and one.level == last and one.during), None)

    @cached_property
    def schema(self) -> "pa.Schema":
        """Return the schema in Arrow. It is the same for every answer, also for an empty one."""
        from server.tables.arrow import arrow_schema  # imports pyarrow: see the docstring of this module

        return arrow_schema(self)

    @cached_property
    def read_schema(self) -> "pa.Schema":
        """Return the schema of the rows as they are read: decimals are texts."""
        from server.tables.arrow import read_schema  # imports pyarrow: see the docstring of this module

        return read_schema(self)


class Tables(Mapping[str, Table]):
    """The tables of the saved queries, by name. Raises BrokenQuery for a query that is not a valid table."""

    def __init__(self, saved: Sequence[SavedQuery], schema: Schema) -> None:
        found = (table_of(one, schema) for one in saved)
        self._tables = {table.name: table for table in found if table is not None}

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def find(self, name: str) -> Table:
        """Return the table of a name. Raises a RequestError that lists the tables."""
        if name not in self._tables:
            there = f"there are {', '.join(self)}" if self else "no saved query is one"
            raise RequestError(404, "NOT_FOUND", f"There is no table {name[:60]!r}; {there}.")
        return self._tables[name]


def table_of(saved: SavedQuery, schema: Schema) -> Table | None:
    """Return the table of a saved query; None if it marks no rows. Raises BrokenQuery."""
    if f"@{ROWS}" not in saved.text:
        return None
    document = document_of(saved.text, schema)
    operation = document.operation(saved.name)
    if operation is None or document.tree is None:
        return None  # `saved.check` says why
    fragments = {
        node.name.value: node for node in document.tree.definitions if isinstance(node, FragmentDefinitionNode)
    }
    return _QueryReader(saved, schema._schema, fragments).table(operation)


class _QueryReader:
    """Read one operation: its columns in the order of the document, and the document that reads them."""

    def __init__(
        self, saved: SavedQuery, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]
    ) -> None:
        self.saved = saved
        self.schema = schema
        self.fragments = fragments
        self.columns: dict[str, TableColumn] = {}
        # The fields of each object that are columns, and the field with the currency of each amount.
        self.fields: dict[tuple[int, tuple[str, ...]], dict[str, str]] = {}
        self.currencies: dict[str, str] = {}
        self.spine: list[tuple[str, ...]] = []
        self.rows = 0

    def table(self, operation: OperationDefinitionNode) -> Table | None:
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        if not self._marks(operation.selection_set):
            return None  # the word is in a comment
        selection, _ = self._read(operation.selection_set, root, _ColumnPlace())
        if self.rows > 1:
            raise self._broken(f"@{ROWS} stands on {self.rows} fields; a table's rows are the items of one list")
        used = _variables_in(selection)
        definitions = [node for node in operation.variable_definitions or () if node.variable.name.value in used]
        text = print_ast(_changed(operation, selection_set=selection, variable_definitions=tuple(definitions)))
        period = next((node for node in definitions if node.variable.name.value == DURING), None)
        timed = period is not None and get_named_type(self._type(period)) is self.schema.get_type(PERIOD)
        return Table(
            name=self.saved.name,
            description=self.saved.comment,
            columns=tuple(replace(column, currency=self._currency(column)) for column in self.columns.values()),
            variables=tuple(self._variable(node) for node in definitions if not (timed and node is period)),
            timed=timed,
            during=_default(period) if timed and period is not None else None,
            spine=tuple(self.spine),
            document=text,
            saved=self.saved,
        )

    def _marks(self, selection: SelectionSetNode | None) -> bool:
        return any(
            _marked(node) or self._marks(_below(node, self.fragments))
            for node in (selection.selections if selection else ())
        )

    def _read(self, selection: SelectionSetNode, kind: Any, place: "_ColumnPlace") -> tuple[SelectionSetNode, int]:
        """Return the selection for the document of the table. Note its columns and the way to the rows."""
        nodes: list[SelectionNode] = []
        for node in self._flat(selection):
            read = self._field(node, kind, place)
            if read is not None:
                nodes.append(read)
        return SelectionSetNode(selections=tuple(nodes)), len(nodes)

    def _flat(self, selection: SelectionSetNode) -> Iterator[FieldNode]:
        """Yield the fields of a selection, including those of its fragments."""
        for node in selection.selections:
            for directive in node.directives or ():
                if directive.name.value in ("skip", "include"):
                    raise self._broken(f"@{directive.name.value}: a table has the same columns at all times")
            if isinstance(node, FieldNode):
                yield node
                continue
            below = _below(node, self.fragments)
            assert below is not None
            yield from self._flat(below)

    def _field(self, node: FieldNode, parent: Any, place: "_ColumnPlace") -> FieldNode | None:
        name, key = node.name.value, (node.alias or node.name).value
        if name.startswith("__"):
            return None
        definition: GraphQLField = parent.fields[name]
        kind: Any = get_nullable_type(definition.type)
        named: Any = get_named_type(kind)
        on_spine = _marked(node) or self._marks(node.selection_set)
        if name in OF_PAGES and place.paged:
            return None
        directives = tuple(directive for directive in node.directives or () if directive.name.value != ROWS)
        if isinstance(named, GraphQLScalarType | GraphQLEnumType):
            if _marked(node):
                raise self._broken(f"@{ROWS} stands on {name}, whose items are not objects")
            self._column(node, definition, place, parent)
            return _changed(node, directives=directives)
        if not isinstance(named, GraphQLObjectType):
            raise self._broken(f"{name} is a {named}, which can be of several types; select one that cannot")
        if is_list_type(kind) and not on_spine:
            raise self._broken(
                f"{name} is a list of objects inside a row; mark it with @{ROWS} instead, or leave it out"
            )
        if _marked(node) and not is_list_type(kind):
            inside = next((inner for inner in ("nodes", "edges") if inner in named.fields), None)
            hint = f": mark {inside} inside it" if inside else ""
            raise self._broken(f"@{ROWS} stands on {name}, which is no list{hint}")
        inner = place.below(
            key,
            plumbing=name in PLUMBING and place.connection,
            nullable=not is_non_null_type(definition.type),
            spine=on_spine,
        )
        inner = replace(
            inner,
            connection=_is_connection(named) or named.name.endswith("Edge"),
            paged=on_spine and (_is_connection(named) or named.name.endswith("Edge")),
        )
        if is_list_type(kind):
            if is_list_type(get_nullable_type(kind.of_type)):
                raise self._broken(f"{name} is a list of lists of objects")
            self.spine.append(inner.path)
            self.rows += _marked(node)
            # The columns of the row have short names. Columns above it are named by their whole path.
            names = () if _marked(node) else inner.names
            inner = replace(inner, level=place.level + 1, path=(), names=names, nullable=False)
        assert node.selection_set is not None
        selection, count = self._read(node.selection_set, named, inner)
        if not count:
            if on_spine:
                raise self._broken(f"{name} has no column")
            return None
        paging = PAGING if on_spine and _is_connection(named) else frozenset()
        arguments = tuple(argument for argument in node.arguments or () if argument.name.value not in paging)
        return _changed(node, selection_set=selection, arguments=arguments, directives=directives)

    def _column(self, node: FieldNode, definition: GraphQLField, place: "_ColumnPlace", parent: Any) -> None:
        key = (node.alias or node.name).value
        name = key if node.alias else "_".join((*place.names, key))
        path = (*place.path, key)
        declared = _declared(definition)
        column = TableColumn(
            name,
            self._kind(definition.type, f"the column {name}", declared.get(DECIMALS, SCALE)),
            place.nullable or not is_non_null_type(definition.type),
            definition.description or "",
            path,
            place.level,
            str(definition.type),
            # The time of an object below the row is the time of something else.
            "" if place.names else declared.get(SELECTED_BY, ""),
        )
        known = self.columns.get(name.lower())
        if known is not None and (known.level, known.path) != (column.level, column.path):
            raise self._broken(f"two columns are called {name}; give one of them an alias")
        self.columns[name.lower()] = column
        self.fields.setdefault((place.level, place.path), {})[node.name.value] = name
        if column.kind.name == "decimal":
            self.currencies[name] = _currency_of(node.name.value, parent)

    def _currency(self, column: TableColumn) -> str:
        """Return the column with the currency of an amount: beside it, or else of the nearest object around it."""
        wanted = self.currencies.get(column.name, "")
        level, path = column.level, column.path[:-1]
        found = self.fields[level, path].get(wanted)
        while found is None and wanted == CURRENCY and (path or level):
            # The object around this one, or the object with the list of this one.
            level, path = (level, path[:-1]) if path else (level - 1, self.spine[level - 1][:-1])
            found = self.fields.get((level, path), {}).get(CURRENCY)
        return found or (f".{wanted}" if wanted else "")

    def _kind(self, kind: Any, what: str, scale: int = SCALE) -> ValueKind:
        kind = get_nullable_type(kind)
        if is_list_type(kind):
            return ValueKind("list", of=self._kind(kind.of_type, what, scale))
        if isinstance(kind, GraphQLEnumType):
            return ValueKind("enum", tuple(kind.values))
        if kind.name not in SCALARS or isinstance(kind, GraphQLInputObjectType):
            raise self._broken(f"{what} is of the type {kind}, which a table cannot hold; it can {', '.join(SCALARS)}")
        return ValueKind(SCALARS[kind.name], scale=scale)

    def _variable(self, node: VariableDefinitionNode) -> Variable:
        name, kind = node.variable.name.value, self._type(node)
        if name in RESERVED:
            raise self._broken(f"${name}: every table has a parameter of that name; call the variable something else")
        default = _default(node)
        return Variable(
            name,
            self._kind(kind, f"the variable ${name}"),
            is_non_null_type(kind) and default is None,
            default,
            str(kind),
        )

    def _type(self, node: VariableDefinitionNode) -> Any:
        return type_from_ast(self.schema, node.type)

    def _broken(self, why: str) -> BrokenQuery:
        return BrokenQuery(f"queries/{self.saved.path.name}: no table can be made of it: {why}")


@dataclass(frozen=True, slots=True)
class _ColumnPlace:
    """The place of a selection: the names that lead there, and the part of them in the names of columns."""

    names: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    level: int = 0
    nullable: bool = False
    connection: bool = False
    paged: bool = False

    def below(self, key: str, *, plumbing: bool, nullable: bool, spine: bool) -> "_ColumnPlace":
        # A null object on the way to the rows has no rows, so it does not make its columns nullable.
        return replace(
            self,
            names=self.names if plumbing else (*self.names, key),
            path=(*self.path, key),
            nullable=self.nullable or (nullable and not spine),
        )


class _ColumnNames(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.found.add(node.name.value)


def _variables_in(selection: SelectionSetNode) -> set[str]:
    names = _ColumnNames()
    visit(selection, names)
    return names.found


def _default(node: VariableDefinitionNode) -> Any:
    return None if node.default_value is None else value_from_ast_untyped(node.default_value)


def _currency_of(amount: str, parent: GraphQLObjectType) -> str:
    """Return the field with the currency of an amount; an empty text if its object has none."""
    own = [name for name in parent.fields if name.endswith("Currency") and amount.startswith(name[: -len("Currency")])]
    return own[0] if own else CURRENCY if CURRENCY in parent.fields else ""


def _declared(definition: GraphQLField) -> Mapping[str, Any]:
    """Return the metadata of the definition of a field in the schema."""
    metadata: Mapping[str, Any] = getattr(definition.extensions.get("strawberry-definition"), "metadata", {})
    return metadata


def _marked(node: SelectionNode) -> bool:
    return any(directive.name.value == ROWS for directive in node.directives or ())


def _below(node: SelectionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> SelectionSetNode | None:
    if isinstance(node, FragmentSpreadNode):
        return fragments[node.name.value].selection_set
    assert isinstance(node, FieldNode | InlineFragmentNode)
    return node.selection_set


def _is_connection(kind: GraphQLObjectType) -> bool:
    return "pageInfo" in kind.fields and ("nodes" in kind.fields or "edges" in kind.fields)


def _changed(node: NodeT, **changed: Any) -> NodeT:
    """Return a copy of a node of a document with some changed parts."""
    return type(node)(**{**{key: getattr(node, key) for key in node.keys if key != "loc"}, **changed})
