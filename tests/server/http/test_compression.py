"""Answers and pages in zstd, br and gzip, over real HTTP."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import brotli
import httpx
import pytest
import zstandard

from server.http.compression import INLINE, coding_of, compressed
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda packed: zstandard.ZstdDecompressor().decompress(packed),
    "br": brotli.decompress,
    "gzip": gzip.decompress,
}
LEAST = 500
LONG = "{ " + " ".join(f"a{number}: room {{ name }}" for number in range(45)) + " }"  # more than LEAST bytes
NOTHING: dict[str, str] = {}
NAMED = "query ($name: String!) { room(name: $name) { name } }"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    app = application(toy_schema.schema, lambda operation: None, compress_from=LEAST)
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        client.headers.pop("accept-encoding")
        yield client


def raw(
    client: httpx.Client,
    method: str,
    url: str,
    encoding: str | None,
    headers: dict[str, str] = NOTHING,
    **rest: Any,
) -> tuple[httpx.Response, bytes]:
    """The answer, and its bytes as they were sent."""
    headers = headers | ({} if encoding is None else {"accept-encoding": encoding})
    with client.stream(method, url, headers=headers, **rest) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("deflate, compress", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip;q=1.0, br;q=0.5, zstd;q=0.1", "gzip"),
        ("zstd;q=0, br;q=0, gzip", "gzip"),
        ("zstd;q=0, br;q=0, gzip;q=0", None),
        ("*", "zstd"),
        ("*;q=0", None),
        ("*;q=0, br", "br"),
        ("zstd;q=0, *", "br"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0", None),
        ("gzip;q=none", None),
        ("gzip;q=nan", None),
        ("gzip;q=2", None),
        ("br ; q=0.8 , gzip ; q=0.9", "gzip"),
        ("a, " * 1000 + "gzip", None),  # only the first codings are read
    ],
)
def test_the_coding_of_a_header(accept: str | None, coding: str | None) -> None:
    assert coding_of(accept) == coding


def test_a_client_may_send_the_header_in_parts(client: httpx.Client) -> None:
    with client.stream(
        "POST",
        "/graphql",
        json={"query": LONG},
        headers=[("accept-encoding", "deflate"), ("accept-encoding", "br")],
    ) as answer:
        assert answer.headers["content-encoding"] == "br"


@pytest.mark.parametrize("times", [300, INLINE])
@pytest.mark.parametrize("coding", UNPACK)
def test_a_long_answer_is_compressed(client: httpx.Client, coding: str, times: int) -> None:
    asked = {"query": NAMED, "variables": {"name": "hall " * times}}
    plain, whole = raw(client, "POST", "/graphql", None, json=asked)
    assert "content-encoding" not in plain.headers
    assert len(whole) > LEAST
    packed, content = raw(client, "POST", "/graphql", coding, json=asked)
    assert packed.status_code == 200
    assert packed.headers["content-encoding"] == coding
    assert int(packed.headers["content-length"]) == len(content) < len(whole) / 3
    assert UNPACK[coding](content) == whole
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["vary"]


def test_a_short_answer_and_one_with_errors_are_sent_as_they_are(client: httpx.Client) -> None:
    short, _ = raw(client, "POST", "/graphql", "gzip", json={"query": "{ price }"})
    assert "content-encoding" not in short.headers
    # Its message could repeat what the request says.
    wrong = LONG.replace("a0: room { name }", "room { name locked }")
    failed, content = raw(client, "POST", "/graphql", "gzip", json={"query": wrong})
    assert "content-encoding" not in failed.headers
    assert len(content) > LEAST
    assert json.loads(content)["errors"]


def test_each_coding_has_its_own_tag(client: httpx.Client) -> None:
    tags = {}
    for coding in (None, *UNPACK):
        answer, content = raw(client, "GET", "/graphql", coding, params={"query": LONG})
        tags[coding] = tag = answer.headers["etag"]
        again, nothing = raw(client, "GET", "/graphql", coding, params={"query": LONG}, headers={"if-none-match": tag})
        assert (again.status_code, nothing, again.headers["etag"]) == (304, b"", tag)
        assert "content-encoding" not in again.headers
        head, nothing = raw(client, "HEAD", "/graphql", coding, params={"query": LONG})
        assert (nothing, head.headers["etag"]) == (b"", tag)
        assert head.headers["content-length"] == str(len(content))
        assert head.headers.get("content-encoding") == coding
    assert len(set(tags.values())) == 4
    other, _ = raw(client, "GET", "/graphql", "br", params={"query": LONG}, headers={"if-none-match": tags["gzip"]})
    assert other.status_code == 200


def test_what_a_browser_sends_by_itself_reveals_nothing(client: httpx.Client) -> None:
    """A stored password goes along with requests of other sites, and older browsers do not say whose they are."""
    basic = {"authorization": "Basic eDp5"}
    for more, packed in (
        ({}, True),
        (basic, False),
        ({**basic, "sec-fetch-site": "same-origin"}, True),
        ({**basic, "sec-fetch-site": "cross-site", "graphql-preflight": "1"}, False),
        ({"authorization": "Bearer x"}, True),
    ):
        for path in ("/graphql", "/explorer/queries.json"):
            answer, _ = raw(client, "GET", path, "gzip", params={"query": LONG}, headers=more)
            if answer.status_code == 200 and int(answer.headers["content-length"]) > 100:
                assert (answer.headers.get("content-encoding") == "gzip") == packed, (path, more)


def test_pages_are_compressed(client: httpx.Client) -> None:
    browser = {"accept": "text/html"}
    plain, whole = raw(client, "GET", "/explorer", None, headers=browser)
    assert not plain.headers["etag"].startswith("W/") or "content-encoding" not in plain.headers
    for coding, unpack in UNPACK.items():
        page, content = raw(client, "GET", "/explorer", coding, headers=browser)
        assert page.headers["content-encoding"] == coding
        assert unpack(content) == whole
        # The same page in other bytes: a weak tag, which names both.
        assert page.headers["etag"] == f"W/{plain.headers['etag']}"
        assert page.headers["vary"] == "Accept, Accept-Encoding"
        for tag in (page.headers["etag"], plain.headers["etag"]):
            again, _ = raw(client, "GET", "/explorer", coding, headers={**browser, "if-none-match": tag})
            assert again.status_code == 304
    script = whole.decode().partition("/explorer/assets/")[2].partition('"')[0]
    sizes = set()
    for coding, unpack in UNPACK.items():
        file, content = raw(client, "GET", f"/explorer/assets/{script}", coding)
        assert (file.headers["content-encoding"], file.headers["vary"]) == (coding, "Accept-Encoding")
        sizes.add(unpack(content))
    assert len(sizes) == 1
    refused, content = raw(client, "GET", f"/explorer/assets/{script}", "gzip;q=0, identity")
    assert "content-encoding" not in refused.headers
    assert {content} == sizes


def test_none_is_compressed_without_the_setting() -> None:
    app = application(toy_schema.schema, lambda operation: None, compress_from=0)
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        for answer in (client.post("/graphql", json={"query": LONG}), client.get("/", headers={"accept": "text/html"})):
            assert answer.status_code == 200
            assert "content-encoding" not in answer.headers


async def test_a_long_body_is_compressed_in_a_thread() -> None:
    threads = []

    def pieces(count: int) -> Iterator[bytes]:
        threads.append(threading.current_thread())
        yield from [b"a" * 1000] * count

    for coding, unpack in UNPACK.items():
        for count in (2, 200):
            packed = await compressed(pieces(count), 1000 * count, coding)
            assert unpack(packed) == b"a" * 1000 * count
    own = threading.current_thread()
    assert [thread is own for thread in threads] == [True, False] * 3
