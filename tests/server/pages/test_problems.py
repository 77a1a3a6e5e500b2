"""Unknown addresses and refusals: pages with links for browsers, and for programs what they always got."""

from pathlib import Path

import httpx

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.pages.bundle import CONTENT_SECURITY_POLICY
from tests.server.serving import code_of, error_of
from tests.server.tables.conftest import lending

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_gets_a_page_and_a_program_what_it_always_got(tmp_path: Path) -> None:
    with lending(tmp_path) as library:
        for path, status, code, title, near in (
            ("/none", 404, "NOT_FOUND", "There is no such page", None),
            ("/none%3Cscript%3E", 404, "NOT_FOUND", "/none&lt;script&gt;", None),
            ("/tabels", 404, "NOT_FOUND", "Nothing is at the address /tabels", "/tables"),
            ("/tables/boks", 404, "NOT_FOUND", "There is no table &#x27;boks&#x27;.", "/tables/Books"),
            ("/tables/Boks.csv", 404, "NOT_FOUND", "There is no table", "/tables/Books"),
            ("/tables/zzzzzz", 404, "NOT_FOUND", "There is no table", None),
            ("/tables/Books.csv?x=1", 400, "BAD_USER_INPUT", "This cannot be shown", None),
            ("/mcp", 405, "METHOD_NOT_ALLOWED", "This address is not for browsers", None),
            ("/odata/None", 404, "NOT_FOUND", "There is no such page", "/odata"),
        ):
            program, page = library.client.get(path), library.client.get(path, headers=BROWSER)
            assert (program.status_code, code_of(program)) == (status, code), path
            assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
            assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
            assert page.headers.get("allow") == program.headers.get("allow")
            assert title in page.text, path
            assert ('id="near"' in page.text) is (near is not None), path
            assert near is None or f'<a href="{near}">' in page.text
        # A request of a script, and a method that is not GET.
        assert library.client.get("/none", headers={"Accept": "application/json"}).json()
        assert error_of(library.client.post("/none", headers=BROWSER))[0] == "NOT_FOUND"


def test_what_a_caller_may_not_see(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, key = file.create(Caller("anna", None, frozenset({"tables"})))
    authenticator = Authenticator(required=True, keys=Keys(file.path))
    with (
        lending(tmp_path / "spool", {"authenticator": authenticator}) as library,
        httpx.Client(base_url=library.address, trust_env=False, headers={**BROWSER, "X-Api-Key": key}) as client,
    ):
        hidden, unknown = client.get("/metrics"), client.get("/tabels")
        assert (hidden.status_code, unknown.status_code) == (403, 404)
        assert "This needs the permission metrics, which the caller does not have." in hidden.text
        assert '<a href="/tables">' in unknown.text
        assert code_of(client.get("/tabels", headers={"Accept": "*/*"})) == "FORBIDDEN"
        # The browser asks again for a password that it keeps.
        wrong = client.get("/tables", headers={"X-Api-Key": key[:-1] + "?"})
        assert (wrong.status_code, len(wrong.headers.get_list("www-authenticate"))) == (401, 2)
        # A link that is over says so, and leads to no login.
        link = client.get("/tables/Books.csv?_expires=1&_key=a&_signature=b", headers={"X-Api-Key": ""})
        assert (link.status_code, "This server signs no links" in link.text) == (401, True)
        assert "www-authenticate" not in link.headers
