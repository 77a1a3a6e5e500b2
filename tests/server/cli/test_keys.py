"""Keys, links and refusals as an operator and a visitor meet them: real commands, a real server and browser."""

import json
import os
import re
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect
from typer.testing import CliRunner

from server.auth.keys import LOOK_SECONDS
from server.cli.command import app
from server.settings.settings import NAMES
from tests.programs import Piped, run
from tests.server.auth.echo import issuing
from tests.server.browsing import visitor
from tests.stand import Sandbox
from tests.upstream.redis_server import RedisServer

SECRET = "0123456789abcdef0123456789abcdef"
GROUPS = {"query": "{ groups(first: 1) { nodes { id } } }"}


@dataclass
class Workspace:
    """A folder to run in, and the settings that hold there."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **settings: str) -> dict[str, str]:
        bare = {name: value for name, value in os.environ.items() if name not in NAMES}
        return bare | {
            "ERROR_JOURNAL": str(self.folder / "errors.sqlite"),
            "KEYS_FILE": str(self.folder / "keys.sqlite"),
            **self.settings,
            **settings,
        }

    def run(self, *arguments: str, code: int = 0, **settings: str) -> str:
        ran = run(*arguments, folder=self.folder, environment=self.environment(**settings))
        assert ran.returncode == code, (ran.stdout, ran.stderr)
        assert "Traceback" not in ran.stderr
        return ran.stdout.strip() if code == 0 else ran.stderr.strip()

    @contextmanager
    def served(self, *arguments: str, **settings: str) -> Iterator[tuple[str, Path]]:
        log = self.folder / "serve.log"
        with log.open("w") as stderr:
            process = Piped(
                "gamehub-graph", "serve", "--port", "0", *arguments,
                folder=self.folder, environment=self.environment(**settings), stderr=stderr,
            )  # fmt: skip
        try:
            for line in iter(process.stdout.readline, ""):
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield found[0], log
                    break
            else:
                raise AssertionError(log.read_text())
        finally:
            process.terminate()
            process.close(timeout=30)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(users=60, days=30) as sandbox:
        yield sandbox


@pytest.fixture
def workspace(tmp_path: Path, sandbox: Sandbox) -> Workspace:
    return Workspace(
        tmp_path,
        {
            "GAMEHUB_URL": sandbox.gamehub_url,
            "GAMEHUB_TOKEN": sandbox.gamehub_token,
            "GAMELOG_URL": sandbox.gamelog_url,
            "GAMELOG_AGENT_CODE": sandbox.agent_code,
            "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
        },
    )


def test_keys(workspace: Workspace) -> None:
    # The settings of other things may be incomplete or wrong.
    assert workspace.run("keys", "list", GAMEHUB_TOKEN="", PORT="none") == "No keys."
    first = workspace.run("keys", "create", "power-bi", "--groups", "383,382", "--permissions", "explore,tables")
    second = workspace.run(
        "keys",
        "create",
        "anna",
        "--groups",
        "all",
        "--permissions",
        "admin",
        "--expires",
        "90d",
        "--rate-requests",
        "5",
    )
    assert re.fullmatch(r"ghk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", first)
    head, one, two = workspace.run("keys", "list").splitlines()
    assert head.split() == [
        "id",
        "name",
        "ends",
        "in",
        "groups",
        "permissions",
        "limits",
        "created",
        "expires",
        "state",
    ]
    assert one.split()[:6] == [first.split("_")[1], "power-bi", first[-4:], "382,383", "explore,tables", "-"]
    assert one.split()[-2:] == ["-", "lives"]
    assert two.split()[1:6] == ["anna", second[-4:], "all", "admin", "requests=5"]
    assert workspace.run("keys", "revoke", "power-bi") == f"revoked: {first.split('_')[1]} of power-bi"
    listed = workspace.run("keys", "list")
    assert [line.split()[-1] for line in listed.splitlines()[1:]] == ["revoked", "lives"]
    assert first not in listed


def test_the_old_name_of_permissions(workspace: Workspace) -> None:
    arguments = ["keys", "create", "bi", "--groups", "382", "--powers", "tables"]
    ran = CliRunner(env=dict.fromkeys(NAMES) | workspace.environment()).invoke(app, arguments)
    assert ran.exit_code == 0
    assert "--powers is the old name of --permissions; use the new one" in ran.stderr
    assert workspace.run("keys", "list").splitlines()[1].split()[4] == "tables"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["keys", "create", "a", "--groups", "x"], 2, "--groups is 'x'; allowed are ids of groups"),
        (["keys", "create", "a", "--groups", "*"], 2, "--groups is '*'"),
        (
            ["keys", "create", "a", "--groups", "1", "--permissions", "root"],
            2,
            "allowed are explore, tables, metrics, admin",
        ),
        (["keys", "create", "a", "--groups", "1", "--expires", "soon"], 2, "--expires is 'soon'"),
        (["keys", "create", "open", "--groups", "1"], 1, "'open' is no name for a key"),
        (["keys", "revoke", "nobody"], 1, "there is no key 'nobody'"),
        (["sign", "/tables/A.csv", "--key", "nobody"], 1, "SIGNING_SECRET is not set"),
    ],
)
def test_what_cannot_be_done(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(workspace.folder)
    ran = CliRunner(env=dict.fromkeys(NAMES) | workspace.environment()).invoke(app, arguments)
    assert ran.exit_code == code
    assert (ran.stdout, ran.stderr.count("\n")) == ("", 1)
    assert ran.stderr.startswith("gamehub-graph: ")
    assert says in ran.stderr


def test_groups_must_be_said(workspace: Workspace) -> None:
    """All groups are never the default."""
    assert "--groups" in workspace.run("keys", "create", "a", code=2)


def test_an_open_house_on_a_network_is_said_twice(workspace: Workspace) -> None:
    line = workspace.run("serve", "--host", "0.0.0.0", "--port", "0", code=2, AUTH="open")
    assert line.count("\n") == 0
    assert "AUTH=open on 0.0.0.0 would let everybody" in line
    with workspace.served("--host", "0.0.0.0", "--allow-open", AUTH="open") as (origin, _):
        assert httpx.post(f"{origin}/graphql", json=GROUPS, trust_env=False).status_code == 200


def test_a_server_on_a_network_asks_who_is_there(workspace: Workspace, sandbox: Sandbox) -> None:
    with (
        workspace.served("--host", "0.0.0.0", SIGNING_SECRET=SECRET, RATE_REQUESTS="50", LOG_LEVEL="debug") as (
            origin,
            log,
        ),
        httpx.Client(base_url=origin, trust_env=False, timeout=30) as client,
    ):
        assert client.post("/graphql", json=GROUPS).status_code == 401
        assert client.get("/healthz").json() == {"alive": True}
        key = workspace.run("keys", "create", "bi", "--groups", "all", "--permissions", "explore,tables")
        admin = workspace.run("keys", "create", "root", "--groups", "all", "--permissions", "admin")

        # Upstreams that fail leave the server ready.
        sandbox.fault("reset")
        try:
            for headers in ({}, {"X-Api-Key": key}, {"X-Api-Key": admin}):
                ready = client.get("/readyz", headers=headers)
                assert (ready.status_code, ready.json()) == (200, {"ready": True})
        finally:
            sandbox.heal()

        for credential in ({"auth": ("bi", key)}, {"headers": {"Authorization": f"Bearer {key}"}}):
            answer = client.post("/graphql", json=GROUPS, **credential)
            assert answer.status_code == 200
            assert answer.json()["data"]["groups"]["nodes"]
        assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("50", "48")
        assert client.post("/graphql", json=GROUPS, headers={"X-Api-Key": admin}).status_code == 403

        table = f"{client.base_url}/tables/Groups.csv?limit=1"
        link = workspace.run("sign", table, "--key", "bi", SIGNING_SECRET=SECRET)
        assert client.get(link).status_code == 200
        assert client.get(link.replace("limit=1", "limit=2")).status_code == 401
        short = workspace.run("sign", "/tables/Groups.csv", "--key", "bi", SIGNING_SECRET=SECRET, PORT="8123")
        assert short.startswith("http://127.0.0.1:8123/tables/Groups.csv?_expires=")
        made = client.post("/tables/Groups.csv/link?first=1", headers={"X-Api-Key": key}).json()["link"]
        assert client.get(made).status_code != 401
        workspace.run("keys", "revoke", "bi")
        time.sleep(LOOK_SECONDS)
        assert client.post("/graphql", json=GROUPS, headers={"X-Api-Key": key}).status_code == 401
        assert client.get(link).status_code == client.get(made).status_code == 401

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    callers = [line.get("caller") for line in lines if line.get("path") == "/graphql"]
    assert callers == [None, "bi", "bi", "root", None]
    for secret in (key, admin, key[-20:], SECRET, "_signature"):
        assert secret not in log.read_text()


def test_a_token_and_its_upstream_calls(workspace: Workspace, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis, issuing() as issuer:
        settings = {
            "AUTH": "required",
            "JWT_JWKS_URL": issuer.url,
            "JWT_ISSUER": "https://issuer.example",
            "JWT_AUDIENCE": "graph",
            "JWT_POWERS_CLAIM": "roles",
            "RATE_CALLS": "2",
            "CACHE_URL": redis.url,
            "CACHE_OPEN_SECONDS": "0",
        }
        with workspace.served(**settings) as (origin, _):

            def ask(token: str) -> tuple[int, str | None]:
                headers = {"Authorization": f"Bearer {token}"}
                answer = httpx.post(f"{origin}/graphql", json=GROUPS, headers=headers, trust_env=False, timeout=30)
                return answer.status_code, answer.headers.get("ratelimit-remaining")

            anna = issuer.token("first", groups="*", roles=["explore"])
            assert [ask(anna) for _ in range(4)] == [(200, "2"), (200, "1"), (429, "0"), (429, "0")]
            assert ask(issuer.token("first", groups="*", sub="bert", roles=["explore"])) == (200, "2")
            assert ask(issuer.token("first", groups="*", sub="carl", powers=["explore"]))[0] == 403
            assert ask(issuer.token("first", groups="*", roles=["explore"], aud="another"))[0] == 401


def test_a_heavy_caller_does_not_starve_the_rest(workspace: Workspace, sandbox: Sandbox) -> None:
    """GameHub answers one call at a time, and slowly; twelve calls of one caller wait when the other asks."""
    heavy = workspace.run("keys", "create", "heavy", "--groups", "all")
    light = workspace.run("keys", "create", "light", "--groups", "all")
    settings = {"AUTH": "required", "GAMEHUB_CONCURRENCY": "1", "CACHE_URL": "off"}
    with workspace.served(**settings) as (origin, _):

        def ask(key: str, user: int) -> None:
            query = f'{{ user(id: "{user}") {{ transactions(first: 1) {{ totalCount }} }} }}'
            httpx.post(
                f"{origin}/graphql", json={"query": query}, headers={"X-Api-Key": key}, trust_env=False, timeout=60
            )

        everybody = httpx.post(
            f"{origin}/graphql",
            json={"query": "{ users(first: 13) { nodes { id } } }"},
            headers={"X-Api-Key": light},
            trust_env=False,
            timeout=30,
        )
        users = [int(node["id"]) for node in everybody.json()["data"]["users"]["nodes"]]
        sandbox.fault("slow", value=0.1)
        sandbox.reset()
        try:
            threads = [threading.Thread(target=ask, args=(heavy, user)) for user in users[:12]]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            ask(light, users[12])
            for thread in threads:
                thread.join()
            users_read = [
                call["params"].get("user_id") for call in sandbox.calls() if call["report"] == "transaction_report"
            ]
        finally:
            sandbox.heal()
    assert len(users_read) == 13
    assert users_read.index(str(users[12])) < 8


async def test_the_page_in_a_browser(browser: Browser, workspace: Workspace) -> None:
    """A stranger gets the login page. A browser that sends Basic gets the page, and all that it loads and asks."""
    key = workspace.run("keys", "create", "anna", "--groups", "all", "--permissions", "explore")
    with workspace.served(AUTH="required") as (origin, _):
        async with visitor(browser) as context:
            outside = await context.new_page()
            await outside.goto(origin)
            assert outside.url == f"{origin}/login?to=/"
        basic = b64encode(f"anna:{key}".encode()).decode()
        async with visitor(browser, extra_http_headers={"Authorization": f"Basic {basic}"}) as context:
            page = await context.new_page()
            refused: list[str] = []
            page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
            await page.goto(f"{origin}/explorer")
            await page.get_by_role("button", name="Execute query").click()
            await expect(page.get_by_label("Result Window")).to_contain_text('"dailyMovements"')
            assert refused == []


def test_keys_of_several_hosts(tmp_path: Path, workspace: Workspace) -> None:
    """Two servers with folders of their own share keys, the sessions of browsers, and links, through Redis."""
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as redis:
        shared = {
            **workspace.settings,
            "KEYS_STORE": "redis",
            "CACHE_URL": redis.url,
            "AUTH": "required",
            "SIGNING_SECRET": SECRET,
        }
        hosts = [Workspace(tmp_path / name, shared) for name in ("one", "two")]
        for host in hosts:
            host.folder.mkdir()
        with hosts[0].served() as (one, log), hosts[1].served() as (two, _):

            def statuses(key: str) -> list[int]:
                headers = {"X-Api-Key": key}
                return [
                    httpx.post(
                        f"{origin}/graphql", json=GROUPS, headers=headers, trust_env=False, timeout=30
                    ).status_code
                    for origin in (one, two)
                ]

            strange = f"ghk_00000000_{'x' * 43}"
            assert statuses(strange) == [503, 503]  # it is unknown which keys there are
            key = hosts[0].run("keys", "create", "bi", "--groups", "all", "--permissions", "explore,tables")
            assert (statuses(key), statuses(strange)) == ([200, 200], [401, 401])
            assert "there is a key named bi" in hosts[1].run("keys", "create", "bi", "--groups", "382", code=1)

            form = {"key": key, "to": "/"}
            own = {"Origin": one, "Sec-Fetch-Site": "same-origin"}
            cookie = httpx.post(f"{one}/login", data=form, headers=own, trust_env=False, timeout=30).cookies
            cookies = {"Cookie": "; ".join(f"{name}={text}" for name, text in cookie.items())}
            fetched = {**cookies, "Sec-Fetch-Site": "same-origin"}
            answer = httpx.post(f"{two}/graphql", json=GROUPS, headers=fetched, trust_env=False, timeout=30)
            assert answer.status_code == 200
            link = hosts[1].run("sign", f"{one}/tables/Groups.csv?limit=1", "--key", "bi")
            links = [link, link.replace(one, two)]
            assert [httpx.get(each, trust_env=False, timeout=30).status_code for each in links] == [200, 200]

            # A Redis that lost everything gets the keys back.
            other = hosts[1].run("keys", "create", "other", "--groups", "382")
            hosts[1].run("keys", "revoke", "other")
            hosts[0].run("keys", "backup", "backup.sqlite")
            redis.stop()
            assert statuses(key) == [200, 200]
            redis.start()
            end = time.monotonic() + 30
            while hosts[0].run("keys", "list") == "No keys.":
                assert time.monotonic() < end
            assert (statuses(key), statuses(other)) == ([200, 200], [401, 401])
            said = hosts[0].run("keys", "restore", "backup.sqlite")
            assert said == "2 keys read from backup.sqlite; 0 of them are new or newly revoked"

            hosts[1].run("keys", "revoke", "bi")
            while statuses(key) != [401, 401]:
                assert time.monotonic() < end
            assert [httpx.get(each, trust_env=False, timeout=30).status_code for each in links] == [401, 401]
            for text in (key, other):
                assert text not in log.read_text()

        # A file takes the keys over.
        workspace.run("keys", "restore", str(hosts[0].folder / "backup.sqlite"))
        listed = json.loads(workspace.run("keys", "list", "--json"))
        assert [(each["name"], each["state"]) for each in listed] == [("bi", "lives"), ("other", "revoked")]
    assert "does not exist" in workspace.run("keys", "restore", "nowhere.sqlite", code=1)
    assert "CACHE_URL is no Redis, though KEYS_STORE=redis" in workspace.run("keys", "list", code=2, KEYS_STORE="redis")
