"""The grammar of `Forwarded`, and which of its elements counts."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.http.forwarded import address_in, counting, elements_of

TRUSTED = {"10.0.0.1", "10.0.0.2"}
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("for=192.0.2.1", [{"for": "192.0.2.1"}]),
        ("For=192.0.2.1:80;by=203.0.113.43", [{"for": "192.0.2.1", "by": "203.0.113.43"}]),
        ('for="[2001:DB8::1]:47011"', [{"for": "2001:DB8::1"}]),
        ('for="_gazonk:_port";proto=http', [{"for": "_gazonk", "proto": "http"}]),
        ("for=unknown , , host=a", [{"for": "unknown"}, {"host": "a"}]),
        ('host="a,b;c\\"d"', [{"host": 'a,b;c"d'}]),
        (";;proto=https;", [{"proto": "https"}]),
        ("", []),
        ("for", []),
        ("for=", []),
        ('for="192.0.2.1', []),
        ('for="192.0.2.1"x', []),
        ("for=192.0.2.1;for=192.0.2.2", []),
        ("for=192.0.2.999", []),
        ('for="[192.0.2.1"', []),
        ("for=2001:db8::1", []),
        ("for=example.com", []),
        ("for = 192.0.2.1", []),
    ],
)
def test_elements(text: str, elements: list[dict[str, str]]) -> None:
    assert elements_of(text) == elements


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    for element in elements_of(text):
        assert element
        address = address_in(element)
        assert address is None or ipaddress.ip_address(address)


@given(st.lists(st.fixed_dictionaries({"for": st.ip_addresses().map(str), "host": VALUES}), min_size=1, max_size=4))
def test_every_value_can_be_quoted(elements: list[dict[str, str]]) -> None:
    nodes = [f"[{one['for']}]" if ":" in one["for"] else one["for"] for one in elements]
    text = ", ".join(f'for="{node}";host={quoted(one["host"])}' for node, one in zip(nodes, elements, strict=True))
    assert elements_of(text) == elements


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("for=192.0.2.9, for=192.0.2.1", "192.0.2.1"),
        ("for=192.0.2.9, for=192.0.2.1, for=10.0.0.2, for=10.0.0.1", "192.0.2.1"),
        ("for=10.0.0.2, for=10.0.0.1", "10.0.0.2"),
        ("for=192.0.2.1, for=unknown", None),
        ("for=192.0.2.1, proto=https", None),
        ("", None),
    ],
)
def test_the_client_is_the_last_that_is_no_trusted_proxy(text: str, client: str | None) -> None:
    assert address_in(counting(elements_of(text), TRUSTED.__contains__)) == client
