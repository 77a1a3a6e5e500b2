"""Documents are parsed and validated once, and no more are kept than the bounds allow."""

from graphql import OperationType

from server.execution import documents
from server.execution.documents import Documents
from tests.server import toy_schema


def test_a_document_is_prepared_once() -> None:
    store = Documents(toy_schema.schema)
    assert store.prepare("{ must }") is store.prepare("{ must }")
    assert len(store) == 1


def test_operations_are_found_by_name() -> None:
    document = documents.prepare(toy_schema.schema, 'query A { must } mutation B { paint(colour: "red") }')
    found = document.operation("B")
    assert found is not None
    assert found.operation is OperationType.MUTATION
    assert document.operation("C") is None
    assert document.operation(None) is None


def test_broken_documents_say_why() -> None:
    codes = {
        "{": "GRAPHQL_PARSE_FAILED",
        "{ none }": "GRAPHQL_VALIDATION_FAILED",
        "{ a " * 500: "QUERY_TOO_COMPLEX",
    }
    for text, code in codes.items():
        error = documents.prepare(toy_schema.schema, text).errors[0]
        assert error["extensions"]["code"] == code


def test_what_is_kept_is_bounded() -> None:
    store = Documents(toy_schema.schema, most=3, most_characters=100)
    for number in range(5):
        store.prepare(f"{{ double(number: {number}) }}")
    assert len(store) == 3
    store.prepare("{ must }" + " " * 90)
    assert len(store) == 1
    store.prepare("{ must }" + " " * documents.LONGEST_CACHED)
    assert len(store) == 1
