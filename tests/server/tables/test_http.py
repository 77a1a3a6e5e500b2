"""HTTP of tables (RFC 9110): HEAD, ranges, and conditions, over all formats."""

import email
import socket
from email.message import Message
from urllib.parse import urlsplit

import httpx
import pytest

from tests.server.tables.conftest import Library

LOANS = "Loans.{}?since=2026-03-04&until=2026-03-07"
FILES = ("csv", "parquet", "xlsx")
STREAMS = ("ndjson", "json", "arrow")
TOTALS = tuple(f"{form}&by=id&sum=price" for form in (*FILES, *STREAMS))


def path_of(form: str) -> str:
    """Return the address of a format, or of a format and more parameters."""
    name, _, more = form.partition("&")
    return LOANS.format(name) + (f"&{more}" if more else "")


def head(library: Library, path: str, **headers: str) -> Message:
    """Return the headers of a HEAD as they stand on the wire: the client would add and drop some."""
    parts = urlsplit(library.address)
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.sendall(
            f"HEAD /tables/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\r\n".encode()
        )
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    status, _, rest = received.partition(b"\r\n")
    assert status.startswith(b"HTTP/1.1 200"), received
    fields, _, body = rest.partition(b"\r\n\r\n")
    assert body == b""
    return email.message_from_bytes(fields)


@pytest.mark.parametrize("form", STREAMS)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_head_of_a_stream_has_no_length(open_library: Library, form: str, encoding: str) -> None:
    found = head(open_library, path_of(form), accept_encoding=encoding)
    assert "content-length" not in found
    whole = open_library.get(path_of(form), accept_encoding=encoding)
    for name in ("content-type", "vary", "cache-control", "content-encoding"):
        assert found[name] == whole.headers.get(name)
    assert "accept-ranges" not in found
    assert open_library.get(path_of(form), range="bytes=0-1").content == open_library.get(path_of(form)).content


@pytest.mark.parametrize("form", [*FILES, *TOTALS])
def test_head_of_a_file_has_its_length_and_ignores_ranges(open_library: Library, form: str) -> None:
    whole = open_library.get(path_of(form))
    for headers in ({}, {"range": "bytes=0-1"}, {"range": "bytes=99999999-"}):
        found = head(open_library, path_of(form), accept_encoding="identity", **headers)
        assert int(found["content-length"]) == len(whole.content)
        assert "content-range" not in found
        for name in ("etag", "last-modified", "accept-ranges", "content-type"):
            assert found[name] == whole.headers[name]


@pytest.mark.parametrize("form", [*FILES, *TOTALS])
def test_several_ranges_are_parts_of_one_answer(open_library: Library, form: str) -> None:
    whole = open_library.get(path_of(form))
    size = len(whole.content)
    answer = open_library.get(path_of(form), range=f"bytes=0-3,10-12,{size + 9}-,-2")
    assert answer.status_code == 206
    assert int(answer.headers["content-length"]) == len(answer.content)
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/byteranges; boundary=")
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + answer.content)
    parts = [part for part in message.walk() if not part.is_multipart()]
    spans = [(0, 4), (10, 13), (size - 2, size)]
    assert [part["content-range"] for part in parts] == [f"bytes {a}-{b - 1}/{size}" for a, b in spans]
    assert {part["content-type"] for part in parts} == {whole.headers["content-type"]}
    for first, last in spans:
        assert b"\r\n\r\n" + whole.content[first:last] + b"\r\n--" in answer.content


@pytest.mark.parametrize("form", [*FILES, *TOTALS])
def test_ranges_and_their_conditions(open_library: Library, form: str) -> None:
    path = path_of(form)
    whole = open_library.get(path)
    tag, modified = whole.headers["etag"], whole.headers["last-modified"]

    def part(condition: str) -> httpx.Response:
        return open_library.get(path, range="bytes=1-2", if_range=condition)

    for condition in (tag, modified):
        assert (part(condition).status_code, part(condition).content) == (206, whole.content[1:3])
        assert part(condition).headers["content-range"] == f"bytes 1-2/{len(whole.content)}"
    for condition in (f"W/{tag}", '"other"', tag.strip('"'), "Sun, 15 Mar 2026 12:00:01 GMT", "yesterday"):
        assert (part(condition).status_code, part(condition).content) == (200, whole.content)
    assert open_library.get(path, if_range='"other"').status_code == 200  # without a range it says nothing
    beyond = open_library.get(path, range="bytes=99999999-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")
    assert open_library.get(path, range="bytes=99999999-", if_range='"other"').status_code == 200
    assert open_library.get(path, range="lines=1-2").content == whole.content
    # A condition is met or not before a range is looked at.
    assert open_library.get(path, range="bytes=1-2", if_none_match=tag).status_code == 304
    assert open_library.get(path, range="bytes=1-2", if_match='"other"').status_code == 412


@pytest.mark.parametrize("form", [*FILES, *TOTALS])
def test_conditions(open_library: Library, form: str) -> None:
    path = path_of(form)
    whole = open_library.get(path)
    tag, modified = whole.headers["etag"], whole.headers["last-modified"]
    before, after = "Sun, 15 Mar 2026 11:59:59 GMT", "Sun, 15 Mar 2026 12:00:01 GMT"
    assert modified == "Sun, 15 Mar 2026 12:00:00 GMT"
    for headers, status in (
        ({"if_modified_since": modified}, 304),
        ({"if_modified_since": after}, 304),
        ({"if_modified_since": before}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_modified_since": modified, "if_none_match": '"other"'}, 200),
        ({"if_modified_since": before, "if_none_match": tag}, 304),
        ({"if_none_match": f"W/{tag}"}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_match": tag}, 200),
        ({"if_match": f"W/{tag}"}, 412),
        ({"if_match": '"other"', "if_none_match": tag}, 412),
        ({"if_unmodified_since": before}, 412),
        ({"if_unmodified_since": modified}, 200),
        ({"if_unmodified_since": before, "if_match": tag}, 200),
    ):
        answer = open_library.get(path, **headers)
        assert (answer.status_code, headers) == (status, headers)
        if status == 304:
            assert (answer.content, answer.headers["etag"]) == (b"", tag)
            assert "content-length" not in answer.headers
