"""Read the operation of a client from a request, or refuse the request."""

import pytest

from server.execution.operation import Operation
from server.http.operation_reader import from_body, from_query_string
from server.http.request_error import RequestError

JSON = "application/json"


def test_a_body() -> None:
    body = b'{"query": "query A {a}", "operationName": "A", "variables": {"x": 1}, "extensions": {"y": 2}, "id": 3}'
    assert from_body(body, JSON) == Operation("query A {a}", "A", {"x": 1}, {"y": 2})
    assert from_body(b'{"query": "{a}", "operationName": null, "variables": null}', JSON) == Operation("{a}")
    assert from_body(b'{"query": "{a}", "operationName": ""}', JSON) == Operation("{a}")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "says"),
    [
        (b"{}", None, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json"),
        (b"{}", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE", "application/json"),
        (b"{}", "application/json; charset=latin-1", 415, "UNSUPPORTED_MEDIA_TYPE", "UTF-8"),
        (b"", JSON, 400, "BAD_REQUEST", "not JSON"),
        (b'{"query": "{a}",}', JSON, 400, "BAD_REQUEST", "not JSON"),
        (b'{"query": "\xff"}', JSON, 400, "BAD_REQUEST", "not JSON"),
        (b'{"query": NaN}', JSON, 400, "BAD_REQUEST", "not JSON"),
        (b"[" * 100_000, JSON, 400, "BAD_REQUEST", "not JSON"),
        (b'"query"', JSON, 422, "BAD_REQUEST", "must be a JSON object"),
        (b'[{"query": "{a}"}]', JSON, 422, "BATCHING_NOT_SUPPORTED", "one operation a request"),
        (b"{}", JSON, 422, "BAD_REQUEST", "no query"),
        (b'{"query": "  "}', JSON, 422, "BAD_REQUEST", "no query"),
        (b'{"query": 1}', JSON, 422, "BAD_REQUEST", "query must be a string"),
        (b'{"query": "{a}", "variables": []}', JSON, 422, "BAD_REQUEST", "variables must be an object"),
        (b'{"query": "{a}", "variables": ""}', JSON, 422, "BAD_REQUEST", "variables must be an object"),
        (b'{"query": "{a}", "operationName": 0}', JSON, 422, "BAD_REQUEST", "operationName must be a string"),
        (b'{"query": "{a}", "extensions": false}', JSON, 422, "BAD_REQUEST", "extensions must be an object"),
    ],
)
def test_a_refused_body(body: bytes, content_type: str | None, status: int, code: str, says: str) -> None:
    with pytest.raises(RequestError) as refused:
        from_body(body, content_type)
    assert refused.value.status == status
    assert refused.value.errors[0]["extensions"] == {"code": code}
    assert says in refused.value.errors[0]["message"]


def test_an_address() -> None:
    text = b"query=%7Ba%7D&operationName=A&variables=%7B%22x%22%3A1%7D&extensions=&other=1"
    assert from_query_string(text) == Operation("{a}", "A", {"x": 1}, {})


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        (b"", 422, "no query"),
        (b"query=", 422, "no query"),
        (b"query=%7Ba%7D&variables=%7B", 400, "variables is not JSON"),
        (b"query=%7Ba%7D&variables=%5B%5D", 422, "variables must be an object"),
        (b"query=%7Ba%7D&query=%7Bb%7D", 400, "query is given twice"),
        (b"query=%FF", 400, "not in UTF-8"),
        (b"query=\xff", 400, "not in UTF-8"),
        (b"&".join([b"a=1"] * 101), 400, "too many"),
    ],
)
def test_a_refused_address(text: bytes, status: int, says: str) -> None:
    with pytest.raises(RequestError) as refused:
        from_query_string(text)
    assert refused.value.status == status
    assert says in refused.value.errors[0]["message"]
