"""Ranges of a file: what counts as one, and that an invalid set is ignored (RFC 9110, section 14)."""

import pytest

from tests.server.tables.conftest import Library

BOOKS = "Books.csv"
MANY = "9" * 5000


@pytest.mark.parametrize(
    "header",
    [
        f"bytes={MANY}", "rows=0-1", "bytes=5-1", "bytes=0-1,5-1", "bytes=", "bytes=-", "bytes=1-2,a", "bytes=1-2,-",
        "bytes=+1-2", "bytes=1_0-20", "bytes=-1-2", "bytes", "=", "bytes = 0-1", f"bytes={MANY}-1",
        "bytes=" + ",".join(["0-0"] * 101),
    ],
)  # fmt: skip
def test_an_invalid_range_is_ignored(open_library: Library, header: str) -> None:
    whole = open_library.get(BOOKS)
    answer = open_library.get(BOOKS, range=header)
    assert (answer.status_code, answer.content) == (200, whole.content)
    assert open_library.client.head(f"/tables/{BOOKS}", headers={"range": header}).status_code == 200


def test_an_ignored_range_leaves_the_answer_compressed(open_library: Library) -> None:
    answer = open_library.get(BOOKS, range="rows=0-1", accept_encoding="gzip")
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        (f"bytes=4-{MANY}", 4, None),
        (f"bytes=-{MANY}", 0, None),
        ("bytes=" + "0" * 5000 + "1-2", 1, 3),
        ("BYTES=1-2", 1, 3),
        ("bytes=1-2, ,3-4", 1, 5),
        (f"bytes={MANY}-, 0-1", 0, 2),
    ],
)
def test_a_range_of_any_length(open_library: Library, header: str, first: int, last: int | None) -> None:
    whole = open_library.get(BOOKS).content
    answer = open_library.get(BOOKS, range=header)
    assert (answer.status_code, answer.content) == (206, whole[first:last])


@pytest.mark.parametrize("header", [f"bytes={MANY}-", f"bytes={MANY}-{MANY}9", "bytes=-0", f"bytes={MANY}-,-0"])
def test_a_range_beyond_the_file(open_library: Library, header: str) -> None:
    size = len(open_library.get(BOOKS).content)
    answer = open_library.get(BOOKS, range=header)
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
