"""The ways in which a credential may travel."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth.credentials import WrongCredential, credential


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([(b"accept", b"*/*")], None),
        ([(b"authorization", b"Bearer abc")], "abc"),
        ([(b"authorization", b"bearer  abc")], "abc"),
        ([(b"authorization", basic("anybody:abc"))], "abc"),
        ([(b"authorization", basic(":a:b"))], "a:b"),
        ([(b"authorization", b"basic" + basic("x:abc")[5:])], "abc"),
        ([(b"x-api-key", b"abc")], "abc"),
    ],
)
def test_what_is_read(headers: list[tuple[bytes, bytes]], found: str | None) -> None:
    assert credential(headers) == found


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ([(b"authorization", b"Bearer")], "empty"),
        ([(b"authorization", b"abc")], "Authorization takes Bearer"),
        ([(b"authorization", b"Digest abc")], "Authorization takes Bearer"),
        ([(b"authorization", b"Basic abc")], "Basic credential cannot be read"),
        ([(b"authorization", b"Basic " + base64.b64encode(b"abc"))], "Basic credential cannot be read"),
        ([(b"authorization", b"Basic " + base64.b64encode(b"a:\xff"))], "Basic credential cannot be read"),
        ([(b"authorization", basic("a:"))], "empty"),
        ([(b"x-api-key", b"")], "empty"),
        ([(b"x-api-key", b"a b")], "empty, or holds signs"),
        ([(b"x-api-key", b"a"), (b"authorization", b"Bearer a")], "one credential"),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")], "one credential"),
    ],
)
def test_what_is_refused(headers: list[tuple[bytes, bytes]], says: str) -> None:
    with pytest.raises(WrongCredential, match=says):
        credential(headers)


@given(st.sampled_from([b"authorization", b"x-api-key"]), st.binary(max_size=40))
def test_whatever_comes_is_read_or_refused(name: bytes, value: bytes) -> None:
    try:
        found = credential([(name, value)])
    except WrongCredential:
        return
    assert found
    assert found.isascii()
