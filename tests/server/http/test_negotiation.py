"""Which media type an answer has."""

import pytest

from server.http.negotiation import JSON, RESPONSE_JSON, answer_type, is_json, wants_page

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("APPLICATION/JSON; charset=UTF-8", JSON),
        ("application/graphql-response+json", RESPONSE_JSON),
        ("application/graphql-response+json, application/json", JSON),
        ("application/graphql-response+json, application/json;q=0.9", RESPONSE_JSON),
        ("application/json;q=0.5, application/graphql-response+json;q=0.8", RESPONSE_JSON),
        ("application/json;q=0, */*", RESPONSE_JSON),
        ("application/graphql-response+json, */*;q=0.1", RESPONSE_JSON),
        (BROWSER, JSON),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json; charset=iso-8859-1", None),
        ("application/json;q=much", None),
        (";;,,", None),
    ],
)
def test_answer_type(accept: str | None, answer: str | None) -> None:
    assert answer_type(accept) == answer


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("text/html", True),
        (None, False),
        ("*/*", False),
        (JSON, False),
        (f"{JSON}, text/html;q=0.5", False),
    ],
)
def test_wants_page(accept: str | None, page: bool) -> None:
    assert wants_page(accept) is page


@pytest.mark.parametrize(
    ("content_type", "readable"),
    [
        ("application/json", True),
        ('Application/JSON; Charset="UTF-8"', True),
        ("application/json; charset=utf-16", False),
        ("text/plain", False),
        ("application/graphql", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
    ],
)
def test_is_json(content_type: str, readable: bool) -> None:
    assert is_json(content_type) is readable
