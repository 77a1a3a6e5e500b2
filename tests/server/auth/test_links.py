"""Signed links: to one table, for a while, and ended by any change and by the end of their key."""

import string
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key_file import KeyFile
from server.auth.keys import LOOK_SECONDS, Keys
from server.auth.links import EXPIRES, KEY, SIGNATURE, InvalidLink, address, check, is_link, link
from tests.server.auth.echo import echo
from tests.server.serving import code_of, serving

SECRET = "a secret of more than thirty-two letters"
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ID = "0123abcd"

NAMES = st.text(max_size=6).filter(lambda name: name not in (EXPIRES, KEY, SIGNATURE))
QUERIES = st.lists(st.tuples(NAMES, st.text(max_size=6)), max_size=4)
TABLES = st.builds("/tables/{}.{}".format, *[st.text(string.ascii_letters + "_ é%", min_size=1, max_size=6)] * 2)


@given(TABLES, QUERIES)
def test_a_link_is_good_until_it_expires(path: str, pairs: list[tuple[str, str]]) -> None:
    made = link(SECRET, path, urlencode(pairs).encode(), ID, HOUR, NOW)
    _, read, query = address(made)
    assert read == path
    assert is_link(query)
    key, rest = check(SECRET, read, query, NOW + HOUR - timedelta(seconds=1))
    assert key == ID
    assert parse_qsl(rest.decode(), keep_blank_values=True) == pairs
    with pytest.raises(InvalidLink, match="it has expired"):
        check(SECRET, read, query, NOW + HOUR)


@given(TABLES, QUERIES, st.randoms())
def test_the_order_of_the_parameters_does_not_matter(path: str, pairs: list[tuple[str, str]], random: object) -> None:
    made = link(SECRET, path, urlencode(pairs).encode(), ID, HOUR, NOW)
    found = parse_qsl(address(made)[2].decode(), keep_blank_values=True)
    found.sort(key=lambda pair: pair[0], reverse=True)  # stable: two values of one name keep their order
    assert check(SECRET, path, urlencode(found).encode(), NOW)[0] == ID


def meaning(path: str, query: bytes) -> object:
    """Return the meaning of an address for a server: two addresses of one meaning are equal."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return path, sorted(pairs, key=lambda pair: pair[0])


@settings(max_examples=300)
@given(TABLES, QUERIES, st.data())
def test_any_change_ends_a_link(path: str, pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    whole = link(SECRET, path, urlencode(pairs).encode(), ID, HOUR, NOW)
    place = data.draw(st.integers(0, len(whole)))
    kind = data.draw(st.sampled_from(["replace", "remove", "insert", "cut"]))
    other = data.draw(st.sampled_from(string.ascii_letters + string.digits + "&=%+;/._-"))
    changed = {
        "replace": whole[:place] + other + whole[place + 1 :],
        "remove": whole[:place] + whole[place + 1 :],
        "insert": whole[:place] + other + whole[place:],
        "cut": whole[:place],
    }[kind]
    before, after = address(whole)[1:], address(changed)[1:]
    if meaning(*before) == meaning(*after):
        return
    with pytest.raises(InvalidLink):
        check(SECRET, *after, NOW)


@given(st.binary(max_size=200))
def test_whatever_comes_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidLink):
        check(SECRET, "/tables/A.csv", query, NOW)


@pytest.mark.parametrize(
    ("typed", "server", "path"),
    [
        ("/tables/A.csv?a=1", "", "/tables/A.csv"),
        ("https://graph.example/tables/A.csv?a=1#b", "https://graph.example", "/tables/A.csv"),
        ("https://graph.example:8443/graph/tables/A.csv?a=1", "https://graph.example:8443/graph", "/tables/A.csv"),
        ("/graph/tables/A.csv?a=1", "", "/tables/A.csv"),
        ("https://graph.example/other?a=1", "", "https://graph.example/other"),
    ],
)
def test_a_typed_address_may_have_a_server(typed: str, server: str, path: str) -> None:
    assert address(typed) == (server, path, b"a=1")


def test_each_part_is_signed() -> None:
    _, path, query = address(link(SECRET, "/tables/A.csv", b"group=382&a=1&a=2", ID, HOUR, NOW))
    assert check(SECRET, path, query, NOW) == (ID, b"group=382&a=1&a=2")
    pairs = parse_qsl(query.decode())
    for changed in (
        [*pairs, ("group", "383")],
        [("a", "3"), *pairs],
        [pairs[0], pairs[2], pairs[1], *pairs[3:]],
        [*pairs, (KEY, ID)],
        *([pair for pair in pairs if pair is not left_out] for left_out in pairs),
        *([(name, value + "0" if name == each else value) for name, value in pairs] for each in (EXPIRES, KEY)),
    ):
        with pytest.raises(InvalidLink):
            check(SECRET, path, urlencode(changed).encode(), NOW)
    for other in ("/tables/B.csv", "/tables/A.json", "/tables/A.csv/", "/odata/A.csv", "/graphql"):
        with pytest.raises(InvalidLink):
            check(SECRET, other, query, NOW)
    with pytest.raises(InvalidLink):
        check(SECRET + "x", path, query, NOW)


@pytest.mark.parametrize(
    ("path", "query", "lifetime", "why"),
    [
        ("/graphql", b"", HOUR, "only a table"),
        ("/tables", b"", HOUR, "only a table"),
        ("/tables/A", b"", HOUR, "only a table"),
        ("/tables/A.csv/link", b"", HOUR, "only a table"),
        ("/tables/A.csv", b"_key=1", HOUR, "the link's own"),
        ("/tables/A.csv", b"", timedelta(days=7, seconds=1), "at most 7 days"),
        ("/tables/A.csv", b"", timedelta(), "at most 7 days"),
    ],
)
def test_what_gets_no_link(path: str, query: bytes, lifetime: timedelta, why: str) -> None:
    with pytest.raises(InvalidLink, match=why):
        link(SECRET, path, query, ID, lifetime, NOW)


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.sqlite")


@pytest.fixture
def client(file: KeyFile) -> Iterator[httpx.Client]:
    callers = Authenticator(required=True, keys=Keys(file.path), signing_secret=lambda: SECRET)
    with serving(echo(callers)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        yield client


def test_over_http(file: KeyFile, client: httpx.Client) -> None:
    _, text = file.create(Caller("bi", frozenset({382}), frozenset({"explore", "tables", "admin"})))
    key = {"X-Api-Key": text}
    made = client.post("/tables/A.csv/link?group=382&name=caf%C3%A9&_lifetime=2h", headers=key)
    assert made.status_code == 200
    body = made.json()
    left = datetime.fromisoformat(body["expires"]).timestamp() - time.time()
    assert 7190 < left <= 7200
    answer = client.get(body["link"])
    assert answer.json() == {
        "name": "bi",
        "asker": "bi",
        "groups": [382],
        "permissions": ["tables"],
        "query": "group=382&name=caf%C3%A9",
    }
    assert client.head(body["link"]).status_code == 200
    query = body["link"].partition("?")[2]
    for path in ("/tables/B.csv", "/graphql", "/odata/A.csv", "/tables/A.csv/link"):
        refused = client.get(f"{path}?{query}")
        assert (refused.status_code, code_of(refused)) == (401, "UNAUTHENTICATED")
    assert client.post(body["link"]).status_code == 401
    assert client.get(body["link"].replace("382", "383")).status_code == 401
    assert client.get(body["link"]).status_code == 200
    file.revoke("bi")
    time.sleep(LOOK_SECONDS)
    refused = client.get(body["link"])
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (
        401,
        "The link is not accepted: the key it was made for is revoked or expired.",
    )


def test_who_gets_no_link(file: KeyFile, client: httpx.Client) -> None:
    _, text = file.create(Caller("bi", None, frozenset({"explore"})))
    refused = client.post("/tables/A.csv/link", headers={"X-Api-Key": text})
    assert refused.status_code == 403
    assert refused.json()["errors"][0] == {
        "message": "This needs the permission tables, which the caller does not have.",
        "extensions": {"code": "FORBIDDEN"},
    }
    _, text = file.create(Caller("tables", None, frozenset({"tables"})))
    for lifetime in ("soon", "8d", ""):
        wrong = client.post(f"/tables/A.csv/link?_lifetime={lifetime}", headers={"X-Api-Key": text})
        assert (wrong.status_code, wrong.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert client.post("/tables/A/link", headers={"X-Api-Key": text}).status_code == 400


def test_without_a_secret_or_a_key(file: KeyFile) -> None:
    with serving(echo(Authenticator(keys=Keys(file.path)))) as origin:
        made = httpx.post(f"{origin}/tables/A.csv/link", trust_env=False)
        assert (made.status_code, made.json()["errors"][0]["extensions"]["code"]) == (409, "LINKS_OFF")
        good = link(SECRET, "/tables/A.csv", b"", ID, HOUR, datetime.now(UTC))
        assert httpx.get(origin + good, trust_env=False).status_code == 401
        empty = link("", "/tables/A.csv", b"", ID, HOUR, datetime.now(UTC))
        assert httpx.get(origin + empty, trust_env=False).status_code == 401
    with serving(echo(Authenticator(keys=Keys(file.path), signing_secret=lambda: SECRET))) as origin:
        made = httpx.post(f"{origin}/tables/A.csv/link", trust_env=False)
        assert (made.status_code, made.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
