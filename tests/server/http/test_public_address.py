"""The server below a path, behind a real nginx: every address that it writes leads to it, whatever the proxy does."""

import html
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from server.http.public_address import checked_prefix, placed
from tests.nginx import Nginx, free_ports
from tests.served import served
from tests.server.browsing import Visit, visiting
from tests.stand import Sandbox

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
JSON = "application/json"
PREFIX = "/graph"
# Addresses in pages and in JSON, and what scripts and style sheets import from their own place.
IN_PAGES = re.compile(r'\b(?:href|src|action)="([^"]*)"')
IN_FILES = re.compile(
    r"""(?:from|import\(|import|url\(|new URL\()\s*["'`]?(\.{0,2}/?[\w./-]+\.(?:js|css|woff2|ttf|svg))["'`)]"""
)
# Where a GET is no answer.
NOT_READ = re.compile(r"/logout$|/odata/\w+\(|/\$batch$")

WAYS = """
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
  upstream plain {{ server {plain}; keepalive 8; }}
  upstream rooted {{ server {rooted}; keepalive 8; }}
  # No prefix.
  server {{
    listen 127.0.0.1:{0};
    location / {{ proxy_set_header Host $http_host; proxy_pass http://plain; }}
  }}
  # ROOT_PATH, and nginx removes it from the path.
  server {{
    listen 127.0.0.1:{1};
    location = /graph {{ return 302 /graph/; }}
    location /graph/ {{ proxy_set_header Host $http_host; proxy_pass http://rooted/; }}
  }}
  # ROOT_PATH, and nginx leaves it in the path.
  server {{
    listen 127.0.0.1:{2};
    location /graph {{ proxy_set_header Host $http_host; proxy_pass http://rooted; }}
  }}
  # The prefix in a header. The name of the upstream is the Host, as it is by default.
  server {{
    listen 127.0.0.1:{3};
    location /graph/ {{
      proxy_set_header X-Forwarded-Prefix /graph;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_pass http://plain/;
    }}
  }}
"""
NAMES = ("no prefix", "ROOT_PATH, stripped", "ROOT_PATH, passed", "X-Forwarded-Prefix")


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The public address of the server, by the way on which nginx publishes it."""
    folder = tmp_path_factory.mktemp("ways")
    ports = free_ports(len(NAMES))
    with Sandbox(now=None, users=60, days=10) as sandbox:
        settings = {
            "GAMEHUB_URL": sandbox.gamehub_url,
            "GAMEHUB_TOKEN": sandbox.gamehub_token,
            "GAMELOG_URL": sandbox.gamelog_url,
            "GAMELOG_AGENT_CODE": sandbox.agent_code,
            "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
            "SIGNING_SECRET": "s" * 32,
        }
        with served(folder, **settings) as plain, served(folder, **settings, ROOT_PATH=PREFIX) as rooted:
            servers = {"plain": plain.removeprefix("http://"), "rooted": urlsplit(rooted).netloc}
            with Nginx(folder, WAYS.format(*ports, **servers), *ports):
                bases = [f"http://127.0.0.1:{port}{PREFIX if place else ''}" for place, port in enumerate(ports)]
                yield dict(zip(NAMES, bases, strict=True))


@dataclass
class Walk:
    """A walk over all addresses that the server writes, from its front page and from the roots of its services."""

    client: httpx.Client
    base: str
    seen: set[str] = field(default_factory=set)
    waiting: deque[tuple[str, str, str]] = field(default_factory=deque)  # address, what to accept, where it stood
    answers: dict[str, int] = field(default_factory=dict)
    needy: set[str] = field(default_factory=set)  # tables with a required parameter

    def begin(self) -> None:
        """Walk to the end."""
        for path, accept in (("/", HTML), ("/nothing", HTML), ("/login", HTML), ("/tables", JSON), ("/odata", JSON)):
            self.add(self.base + path, accept, "the test")
        while self.waiting:
            self.read(*self.waiting.popleft())

    def add(self, address: str, accept: str, where: str) -> None:
        """Note an address that stands in an answer. It leads to this server, below its prefix."""
        address = address.partition("#")[0]
        assert address == self.base or address.startswith(f"{self.base}/"), f"{address} in {where}"
        if f"{accept} {address}" not in self.seen and not NOT_READ.search(urlsplit(address).path):
            self.seen.add(f"{accept} {address}")
            self.waiting.append((address, accept, where))

    def read(self, address: str, accept: str, where: str) -> None:
        """Read an address, and note the addresses in its answer."""
        answer = self.client.get(address, headers={"Accept": accept}, follow_redirects=False)
        self.answers[f"{accept} {address.removeprefix(self.base)}"] = answer.status_code
        if location := answer.headers.get("location"):
            self.add(urljoin(address, location), accept, f"Location of {address}")
            return
        kind = answer.headers["content-type"]
        if "html" in kind:
            for found in IN_PAGES.findall(answer.text):
                self.add(urljoin(address, html.unescape(found)), HTML, address)
        elif "javascript" in kind or "css" in kind:
            for found in IN_FILES.findall(answer.text):
                self.add(urljoin(address, found), HTML, address)
        elif "json" in kind:
            self.in_json(orjson.loads(answer.content), address, address)

    def in_json(self, content: Any, root: str, address: str) -> None:
        """Note the addresses in JSON. Those of OData may be relative to its context."""
        if isinstance(content, list):
            for one in content:
                self.in_json(one, root, address)
        elif isinstance(content, dict):
            root = content.get("@odata.context", root)
            for name, value in content.items():
                if name == "required" and isinstance(value, list):
                    self.needy |= {content["name"]} if value else set()
                elif name == "formats":
                    for form, path in value.items():
                        assert urljoin(address, path) == f"{self.base}/tables/{content['name']}.{form}"
                elif name in ("url", "@odata.context", "@odata.nextLink", "schema"):
                    self.add(urljoin(root, value), JSON, address)
                else:
                    self.in_json(value, root, address)


@pytest.mark.parametrize("way", NAMES)
def test_every_address_leads_to_the_server(ways: dict[str, str], way: str) -> None:
    base = ways[way]
    with httpx.Client(trust_env=False, timeout=60, headers={"Accept-Encoding": "identity"}) as client:
        walk = Walk(client, base)
        walk.begin()
        wrong = {address: status for address, status in walk.answers.items() if status not in (200, 303)}
        needy = {f"{JSON} /odata/{name}": 400 for name in walk.needy}  # they need a parameter
        assert wrong == {f"{HTML} /nothing": 404, **needy}
        assert needy
        assert walk.answers.keys() >= {
            f"{HTML} /explorer",
            f"{HTML} /sql",
            f"{JSON} /odata/$metadata",
            f"{JSON} /odata/Groups",
        }
        assert sum(".js" in address for address in walk.answers) > 30


@pytest.mark.parametrize("way", NAMES)
def test_later_pages_and_batches_of_odata(ways: dict[str, str], way: str) -> None:
    base = ways[way]
    with httpx.Client(trust_env=False, timeout=60) as client:
        first = client.get(f"{base}/odata/Groups", headers={"Prefer": "odata.maxpagesize=2"}).json()
        assert first["@odata.context"] == f"{base}/odata/$metadata#Groups"
        assert first["@odata.nextLink"].startswith(f"{base}/odata/Groups?")
        second = client.get(first["@odata.nextLink"])
        assert second.status_code == 200
        assert second.json()["value"] != first["value"]
        key = first["value"][0]["_key"] if "_key" in first["value"][0] else next(iter(first["value"][0].values()))
        path = urlsplit(f"{base}/odata/Groups/$count").path
        urls = (f"{base}/odata/Groups/$count", path, "Groups/$count", f"Groups('{key}')")
        parts = [{"id": str(place), "method": "GET", "url": url} for place, url in enumerate(urls)]
        answers = client.post(f"{base}/odata/$batch", json={"requests": parts}).json()["responses"]
        assert [one["status"] for one in answers] == [200] * 4
        assert answers[3]["body"]["@odata.context"] == f"{base}/odata/$metadata#Groups/$entity"


@pytest.mark.parametrize("way", NAMES)
def test_addresses_of_tables_are_public(ways: dict[str, str], way: str) -> None:
    base = ways[way]
    root = urlsplit(base).path
    with httpx.Client(trust_env=False, timeout=60, follow_redirects=True) as client:
        described = client.get(f"{base}/tables/Groups/schema").json()
        assert described["schema"] == f"{root}/tables/Groups/schema"
        assert described["formats"]["csv"] == f"{root}/tables/Groups.csv"
        assert client.get(urljoin(base, described["formats"]["csv"])).text.startswith("id,")
        # With a slash at its end, and below the prefix without one.
        assert client.get(f"{base}/tables/").json()["tables"]
        assert "<title>" in client.get(base, headers={"Accept": HTML}).text


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, ways: dict[str, str]) -> AsyncIterator[Visit]:
    base = ways["ROOT_PATH, stripped"]
    async with visiting(browser, base.removesuffix(PREFIX)) as visit:
        yield visit


async def test_the_pages_work_below_a_path(ways: dict[str, str], visit: Visit) -> None:
    base, page = ways["ROOT_PATH, stripped"], visit.page
    await page.goto(f"{base}/explorer?saved=Groups")
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator("section.result-window")).to_contain_text('"groups"')
    links = await page.locator("header.frame nav a").evaluate_all("all => all.map(one => one.pathname)")
    assert links == [f"{PREFIX}{path}" for path in ("/", "/explorer", "/tables", "/sql", "/odata", "/explorer")]
    assert page.url == f"{base}/explorer"
    await page.goto(f"{base}/")
    await expect(page.locator("#NetPerGroup .cost")).to_contain_text("upstream call")
    await page.locator("header.frame nav a", has_text="Tables").click()
    await page.get_by_role("link", name="Groups", exact=True).click()
    await expect(page.locator("#rows, table").first).to_be_visible()
    assert page.url == f"{base}/tables/Groups"
    await page.locator("header.frame nav a", has_text="SQL").click()
    await expect(page.locator("aside")).to_contain_text("groups")


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("/graph", "/graph"),
        (" /graph/ ", "/graph"),
        ("/a/b.c-d_e~f", "/a/b.c-d_e~f"),
        ("/", ""),
        ("", None),
        ("graph", None),
        ("//evil.example", None),
        ("/\\evil.example", None),
        ("/a//b", None),
        ("/a/../b", None),
        ("/.", None),
        ("/a b", None),
        ("/a\r\nSet-Cookie: a=b", None),
        ('/"><script>', None),
        ("/a?b", None),
        ("/a#b", None),
        ("/%2f%2fevil.example", None),
        ("/é", None),
        ("/" + "a" * 200, None),
    ],
)
def test_what_is_a_prefix(text: str, prefix: str | None) -> None:
    assert checked_prefix(text) == prefix


def test_only_addresses_of_the_server_get_the_prefix() -> None:
    page = '<html lang="en"><a href="/b">/c</a><form action="/d"><img src="//other.example/e">'
    there = '<html data-prefix="/a" lang="en"><a href="/a/b">/c</a><form action="/a/d"><img src="//other.example/e">'
    assert placed(page, "/a") == there
    assert placed(page, "") == page
