"""Every answer has the headers that keep a browser from doing more with it than reading it."""

import httpx
import pytest

from server.http.security_headers import HEADERS
from server.pages import bundle, explorer
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

EXPLORER = explorer.CONTENT_SECURITY_POLICY
POLICIES = {"/": bundle.CONTENT_SECURITY_POLICY, "/explorer": EXPLORER, "/?query={must}": EXPLORER}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/explorer", 200),
        ("/?query={must}", 200),
        ("/graphql?query={must}", 200),
        ("/graphql", 400),
        ("/healthz", 200),
        ("/none", 404),
    ],
)  # fmt: skip
def test_every_answer_has_them(path: str, status: int) -> None:
    with serving(application(toy_schema.schema, lambda operation: None)) as address:
        answer = httpx.get(address + path, trust_env=False)
    assert answer.status_code == status
    for name, value in HEADERS.items():
        expected = POLICIES.get(path, value.decode()) if name == b"content-security-policy" else value.decode()
        assert answer.headers.get_list(name.decode()) == [expected]
    assert "server" not in answer.headers
