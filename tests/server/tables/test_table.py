"""Tables: the columns of a document, and what is said of one that cannot be a table."""

import pyarrow as pa
import pytest

from schema import graph
from server.execution.saved import BrokenQuery, SavedQuery, saved_queries
from server.http.request_error import RequestError
from server.tables.table import Table, Tables, table_of
from tests.server.tables import library
from tests.server.tables.conftest import saved

TABLES = Tables(saved_queries(), graph.schema)


def of(text: str) -> Table:
    table = table_of(saved(f"# It.\n{text}"), library.schema)
    assert table is not None
    return table


def test_columns_are_named_by_path_or_alias_in_the_documents_order() -> None:
    assert [column.name for column in TABLES["GroupTransactions"].columns] == [
        "group_id", "group_currency", "id", "timestamp", "type", "amount", "ticketId", "user_id", "user_username",
        "game_id",
    ]  # fmt: skip
    assert [column.name for column in TABLES["GroupLedger"].columns] == [
        "group_id", "userId", "username", "id", "timestamp", "type", "amount", "currency", "madeIn_id"
    ]  # fmt: skip
    books = of(library.BOOKS.partition("\n")[2])
    assert [column.name for column in books.columns[-2:]] == ["author_name", "byline_id"]


def test_columns_are_typed_from_the_schema() -> None:
    table = of(library.BOOKS.partition("\n")[2])
    assert table.schema.equals(
        pa.schema(
            [
                pa.field("id", pa.string(), False),
                pa.field("title", pa.string()),
                pa.field("price", pa.decimal128(38, 10)),
                pa.field("pages", pa.int64()),
                pa.field("lent", pa.bool_()),
                pa.field("cover", pa.dictionary(pa.int32(), pa.string())),
                pa.field("printed", pa.date32()),
                pa.field("readAt", pa.timestamp("us", "UTC")),
                pa.field("grades", pa.list_(pa.int64())),
                pa.field("author_name", pa.string()),
                pa.field("byline_id", pa.string()),
            ]
        )
    )


def test_the_document_of_a_table_has_no_pages_and_no_plumbing() -> None:
    document = TABLES["GroupTransactions"].document
    assert "transactions(during: $during) {" in document
    for word in ("first", "totalCount", "@rows"):
        assert word not in document


def test_variables_and_the_window_are_those_of_the_document() -> None:
    table = TABLES["DailyMovements"]
    assert (table.timed, table.during) == (True, {"frame": "THIS_MONTH"})
    assert [(one.name, one.required, one.graphql) for one in table.variables] == [("group", True, "ID!")]
    assert not TABLES["Users"].timed
    assert [(one.name, one.many, one.default) for one in of(library.BOOKS.partition("\n")[2]).variables] == [
        ("count", False, 13),
        ("price", False, "5.00"),
        ("ids", True, None),
    ]


def test_fragments_are_read_as_if_they_stood_there() -> None:
    spread = of("query A($x: Int) { books(count: $x) @rows { ...F ... on Book { pages } } } fragment F on Book { id }")
    assert [column.name for column in spread.columns] == ["id", "pages"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "query A($x: Int) { books(count: $x) @rows { id copies { id } } }",
            "copies is a list of objects inside a row",
        ),
        ("query A($x: Int) { books(count: $x) { id @rows } }", "@rows stands on id, whose items are not objects"),
        ("query A($x: ID!) { shelf(id: $x) @rows { id } }", "@rows stands on shelf, which is no list"),
        (
            "query A($x: Int) { books(count: $x) @rows { id ID: title } }",
            "two columns are called ID; give one",
        ),
        ("query A($x: Boolean!) { books @rows { id title @skip(if: $x) } }", "@skip: a table has the same columns"),
        ("query A($limit: Int) { books(count: $limit) @rows { id } }", "every table has a parameter of that name"),
        (
            "query A($x: Int) { books(count: $x) @rows { id } b: books @rows { z: id } }",
            "@rows stands on 2 fields",
        ),
        ("query A($x: Period) { loans(during: $x) @rows { id } }", "the variable $x is of the type Period"),
    ],
)
def test_a_document_that_is_no_table_is_one_clear_line(text: str, says: str) -> None:
    with pytest.raises(BrokenQuery) as broken:
        of(text)
    assert str(broken.value).startswith("queries/A.graphql: no table can be made of it: ")
    assert says in str(broken.value)


def test_a_query_without_rows_is_no_table() -> None:
    assert table_of(SavedQuery("A", "", "query A { books { id } } # @rows"), library.schema) is None
    with pytest.raises(RequestError, match="There is no table 'GroupWalk'; there are DailyMovements, "):
        TABLES.find("GroupWalk")
