"""The command line, run as a person or a script runs it: what it prints, its exit codes, and what it leaves behind."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.settings.settings import NAMES
from tests.programs import COMMAND, Fresh, Piped, run
from tests.server.auth.echo import issuing
from tests.stand import Sandbox
from tests.upstream.redis_server import RedisServer

COMMANDS = ("serve", "query", "schema", "check", "cache", "errors", "sign")
LOGS = """query ($user: ID!) { user(id: $user) { id username gameLogs(during: {frame: TODAY}) { totalCount } } }"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(users=60, days=30) as sandbox:
        yield sandbox


@dataclass
class Workspace:
    """A folder to run in, and the settings that hold there."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    fresh: bool = False  # whether each command has an interpreter of its own

    def run(self, *arguments: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
        ran = run(*arguments, folder=self.folder, environment=self.environment | settings, fresh=self.fresh)
        assert ran.returncode == code, (ran.stdout, ran.stderr)
        assert "Traceback" not in ran.stderr
        return ran

    def line(self, *arguments: str, code: int, **settings: str) -> str:
        """The one line on stderr that says why it failed."""
        ran = self.run(*arguments, code=code, **settings)
        assert ran.stdout == ""
        assert ran.stderr.count("\n") == 1
        return ran.stderr.strip()


@pytest.fixture
def fresh(workspace: Workspace) -> Workspace:
    return replace(workspace, fresh=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    return Workspace(tmp_path, environment | {"ERROR_JOURNAL": str(tmp_path / "errors.sqlite"), "COLUMNS": "200"})


def both(sandbox: Sandbox) -> dict[str, Any]:
    """The settings that point at a sandbox as at any upstream."""
    return {
        "GAMEHUB_URL": sandbox.gamehub_url,
        "GAMEHUB_TOKEN": sandbox.gamehub_token,
        "GAMELOG_URL": sandbox.gamelog_url,
        "GAMELOG_AGENT_CODE": sandbox.agent_code,
        "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
    }


@dataclass
class Served:
    """A running `serve`: its process, where it listens, and the lines it printed before it did."""

    process: Fresh | Piped
    address: str
    lines: list[str]
    log: Path

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer: dict[str, Any] = httpx.post(f"{self.address}/graphql", json=body, trust_env=False, timeout=30).json()
        return answer


@contextmanager
def serving(workspace: Workspace, **settings: str) -> Iterator[Served]:
    log = workspace.folder / "serve.log"
    with log.open("w") as stderr:
        start = Fresh if workspace.fresh else partial(Piped, "gamehub-graph")
        environment = workspace.environment | settings
        process = start("serve", "--port", "0", folder=workspace.folder, environment=environment, stderr=stderr)
    try:
        assert process.stdout is not None
        lines = []
        address = None
        while address is None:
            line = process.stdout.readline()
            assert line, log.read_text()
            lines.append(line)
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
        yield Served(process, address[0], lines, log)
    finally:
        process.kill()
        process.close()


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_help_is_for_people(workspace: Workspace, fresh: Workspace) -> None:
    assert "Exit codes" in fresh.run("--help").stdout
    for command in COMMANDS:
        assert "Exit code" in workspace.run(command, "--help").stdout
    assert "--users" in fresh.run("sandbox", "--help").stdout
    workspace.run("serve", "--no-such-option", code=2)
    workspace.run("no-such-command", code=2)


def test_serve_with_the_sandbox_and_a_gentle_end(fresh: Workspace) -> None:
    with serving(fresh) as served:
        assert [line for line in served.lines if "sandbox" in line] == served.lines[:1]
        (sandbox,) = children(served.process.pid)
        assert httpx.get(f"{served.address}/healthz", trust_env=False).json() == {"alive": True}
        ready = httpx.get(f"{served.address}/readyz", trust_env=False)
        assert (ready.status_code, ready.json()) == (200, {"ready": True})
        assert "<title" in httpx.get(served.address, trust_env=False).text
        saved = httpx.get(f"{served.address}/explorer/queries.json", trust_env=False).json()
        assert "GroupWalk" in [one["name"] for one in saved]
        assert served.ask("{ groups { totalCount } }")["data"]["groups"]["totalCount"] > 1
        served.process.terminate()
        assert served.process.wait(15) == 0
        assert gone(sandbox)
    assert "Traceback" not in served.log.read_text()


def test_ctrl_c_is_a_gentle_end_as_well(workspace: Workspace) -> None:
    with serving(workspace) as served:
        (sandbox,) = children(served.process.pid)
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(15) == 0
        assert gone(sandbox)
    assert "Traceback" not in served.log.read_text()


def test_no_sandbox_is_left_behind_by_a_killed_server(workspace: Workspace) -> None:
    with serving(workspace) as served:
        (sandbox,) = children(served.process.pid)
        served.process.kill()
        assert gone(sandbox)


def test_a_sandbox_that_dies_is_told_of(workspace: Workspace) -> None:
    with serving(workspace) as served:
        (sandbox,) = children(served.process.pid)
        os.kill(sandbox, signal.SIGKILL)
        assert gone(sandbox)
        (error,) = served.ask("{ groups { totalCount } }")["errors"]
        assert error["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
        ready = httpx.get(f"{served.address}/readyz", trust_env=False)
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert "the sandbox has ended (exit code -9)" in served.log.read_text()


def test_a_port_in_use_is_one_clear_line(fresh: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} is in use" in fresh.line("serve", "--port", port, code=1)


def test_a_wrong_setting_is_one_clear_line(workspace: Workspace) -> None:
    for command in ("serve", "check", "errors"):
        assert "GAMEHUB_TIMEZONE is 'Mars'" in workspace.line(command, code=2, GAMEHUB_TIMEZONE="Mars")
    (workspace.folder / ".env").write_text("GAMEHUB_URL=https://example.com\n")
    assert "GAMEHUB_TOKEN or GAMEHUB_TOKEN_FILE is not set" in workspace.line("serve", code=2)


def test_programs_can_read_why_a_server_does_not_start(fresh: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = fresh.run("serve", "--port", port, code=1, LOG_FORMAT="json")
    wrong = fresh.run("serve", code=2, LOG_FORMAT="json", MAX_DEPTH="0", MAX_FIELDS="0")
    assert (failed.stdout, wrong.stdout) == ("", "")
    lines = [json.loads(line) for line in (failed.stderr + wrong.stderr).splitlines()]
    assert {line["event"] for line in lines} == {"server.refused"}
    assert [line["why"].partition(" ")[0] for line in lines] == ["port", "MAX_DEPTH", "MAX_FIELDS"]


def test_no_command_sends_a_token_without_encryption(workspace: Workspace) -> None:
    remote = {"GAMEHUB_URL": "http://bingo.invalid/api", "GAMEHUB_TOKEN": "s3cret"}
    for command in ("serve", "check"):
        output = workspace.line(command, code=2, **remote)
        assert "GAMEHUB_URL begins with http://" in output
        assert "ALLOW_PLAIN_HTTP=yes" in output
        assert "s3cret" not in output
    # Allowed, it is called.
    output = workspace.run("check", **remote, ALLOW_PLAIN_HTTP="yes", code=1).stdout
    assert "The system did not answer" in output


def test_one_system_alone(workspace: Workspace, sandbox: Sandbox) -> None:
    settings = {name: value for name, value in both(sandbox).items() if name.startswith("GAMEHUB")}
    with serving(workspace, **settings) as served:
        assert "sandbox" not in "".join(served.lines)
        assert children(served.process.pid) == []
        user = served.ask("{ users { nodes { id } } }")["data"]["users"]["nodes"][0]["id"]
        answer = served.ask(LOGS, user=user)
        ready = httpx.get(f"{served.address}/readyz", trust_env=False)
    assert answer["data"]["user"]["username"]
    assert answer["data"]["user"]["gameLogs"] is None
    assert answer["errors"][0]["path"] == ["user", "gameLogs"]
    assert answer["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    assert "GAMELOG_URL" in answer["errors"][0]["message"]
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert "GAMELOG_URL" in ready.json()["notes"][0]


def test_a_new_token_needs_no_restart(workspace: Workspace, sandbox: Sandbox) -> None:
    token = workspace.folder / "token"
    token.write_text(sandbox.gamehub_token)
    settings = both(sandbox) | {"GAMEHUB_TOKEN": "", "GAMEHUB_TOKEN_FILE": str(token)}
    settings["CACHE_URL"] = "off"  # an earlier answer must not replace the refusal
    try:
        with serving(workspace, **settings) as served:
            assert "errors" not in served.ask("{ groups { totalCount } }")
            sandbox.add_token("another-token")
            sandbox.revoke_token(sandbox.gamehub_token)
            token.write_text("another-token")
            assert "errors" not in served.ask("{ groups { totalCount } }")
            sandbox.revoke_token("another-token")
            (error,) = served.ask("{ groups { totalCount } }")["errors"]
            assert error["extensions"]["code"] == "UPSTREAM_UNAUTHENTICATED"
    finally:
        sandbox.heal()
    for secret in (sandbox.gamehub_token, "another-token", sandbox.agent_token):
        assert secret not in served.log.read_text()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("")])
def test_a_token_file_that_is_spoilt_before_the_first_call_keeps_its_token(
    spoil: Callable[[Path], object], workspace: Workspace, sandbox: Sandbox
) -> None:
    token, agents = workspace.folder / "token", workspace.folder / "agent"
    token.write_text(sandbox.gamehub_token)
    agents.write_text(sandbox.agent_token)
    settings = both(sandbox)
    del settings["GAMEHUB_TOKEN"], settings["GAMELOG_AGENT_TOKEN"]
    files = {"GAMEHUB_TOKEN_FILE": str(token), "GAMELOG_AGENT_TOKEN_FILE": str(agents)}
    with serving(workspace, **settings, **files) as served:
        spoil(token)
        spoil(agents)
        answer = served.ask("{ groups(first: 1) { nodes { id } } gameLogs(first: 1) { nodes { id } } }")
    assert "errors" not in answer


def test_a_new_address_needs_no_restart(workspace: Workspace, sandbox: Sandbox) -> None:
    env = workspace.folder / ".env"
    lines = {**both(sandbox), "GAMEHUB_URL": "http://127.0.0.1:9"}
    env.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    with serving(workspace) as served:
        assert "errors" in served.ask("{ groups { totalCount } }")
        env.write_text("".join(f"{name}={value}\n" for name, value in both(sandbox).items()))
        assert "errors" not in served.ask("{ groups { totalCount } }")


def test_query(workspace: Workspace, sandbox: Sandbox) -> None:
    settings = both(sandbox)
    listed = workspace.run("query", **settings).stdout
    assert "GroupWalk" in listed
    answer = json.loads(workspace.run("query", "Groups", **settings).stdout)
    group = answer["data"]["groups"]["nodes"][-1]["id"]
    ran = workspace.run("query", "Users", "--var", f"group={group}", **settings)
    assert ran.stderr == ""
    assert json.loads(ran.stdout)["data"]
    ran = workspace.run(
        "query", "GroupTransactions", "--var", f"group={group}", "--var", "during.frame=YESTERDAY", **settings
    )  # fmt: skip
    assert json.loads(ran.stdout)["data"]
    assert "example" in workspace.run("query", "Users", **settings).stderr

    file = workspace.folder / "mine.graphql"
    file.write_text("query A { groups { totalCount } } query B($id: ID!) { group(id: $id) { id } }")
    ran = workspace.run("query", "mine.graphql", "--operation", "B", "--var", f"id={group}", **settings)
    assert json.loads(ran.stdout) == {"data": {"group": {"id": group}}}


def test_query_tells_failures_apart(workspace: Workspace, sandbox: Sandbox) -> None:
    settings = both(sandbox)
    assert "did you mean GroupWalk?" in workspace.line("query", "GroupWalks", code=2, **settings)
    assert "no variable 'grupo'; it has: group" in workspace.line(
        "query", "Users", "--var", "grupo=1", code=2, **settings
    )
    file = workspace.folder / "mine.graphql"
    file.write_text("query ($id: ID!) { group(id: $id) { id } }")
    assert "the operation needs id" in workspace.line("query", str(file), code=2, **settings)
    ran = workspace.run("query", str(file), "--var", "id=none", code=1, **settings)
    assert json.loads(ran.stdout)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    file.write_text("{ none }")
    ran = workspace.run("query", str(file), code=1, **settings)
    assert json.loads(ran.stdout)["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_query_starts_the_sandbox_when_nothing_is_set(fresh: Workspace) -> None:
    ran = fresh.run("query", "Groups")
    assert "sandbox" in ran.stderr
    assert json.loads(ran.stdout)["data"]["groups"]["nodes"]


def test_schema(fresh: Workspace) -> None:
    printed = fresh.run("schema").stdout
    assert printed == (Path(__file__).parents[3] / "schema/schema.graphql").read_text("utf-8")


def test_check(fresh: Workspace, workspace: Workspace, sandbox: Sandbox) -> None:
    settings = both(sandbox)
    lines = fresh.run("check", **settings).stdout.splitlines()
    assert [re.sub(r"\d+", "N", line) for line in lines] == [
        "GameHub: answers (N ms)",
        "Game History: answers (N ms)",
    ]
    text = workspace.run(
        "check", **settings | {"GAMEHUB_TOKEN": "wrong", "GAMELOG_AGENT_TOKEN": "wrong"}, code=1
    ).stdout
    assert text.count("The token was refused") == 2
    assert "wrong" not in text
    text = workspace.run("check", **settings | {"GAMEHUB_URL": "http://127.0.0.1:9"}, code=1).stdout
    assert text.count("The system did not answer") == 1
    del settings["GAMELOG_URL"], settings["GAMELOG_AGENT_CODE"], settings["GAMELOG_AGENT_TOKEN"]
    text = workspace.run("check", **settings, code=1).stdout
    assert "Game History: Game History is not configured: set GAMELOG_URL" in text


@pytest.mark.parametrize(
    ("command", "password"), [("check", "hunter2Base64/abc="), ("check", "P@ss/word"), ("serve", "hunter2Base64/abc=")]
)
def test_no_password_of_a_redis_is_shown(command: str, password: str, workspace: Workspace) -> None:
    address = f"redis://:{password}@localhost:6379/0"
    line = workspace.line(command, CACHE_URL=address, code=2)
    assert line.startswith("gamehub-graph: CACHE_URL holds a")
    assert "%2F" in line
    assert password not in line
    assert "hunter2" not in line


def test_check_asks_redis_and_the_token_issuer(workspace: Workspace, sandbox: Sandbox, tmp_path: Path) -> None:
    settings = both(sandbox)
    with RedisServer(tmp_path) as redis, issuing() as issuer:
        tokens: dict[str, Any] = {"JWT_JWKS_URL": issuer.url, "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
        lines = workspace.run("check", **settings, **tokens, CACHE_URL=redis.url).stdout.splitlines()
        assert [re.sub(r"\d+", "N", line) for line in lines[2:]] == [
            "Redis: answers (N ms)",
            "Token issuer: answers (N ms)",
        ]
        redis.stop()
        redis.start("--requirepass", "hunter2/abc")
        port = redis.url.partition("127.0.0.1:")[2]
        file = tmp_path / "address"
        file.write_text(f"redis://:hunter2%2Fabc@127.0.0.1:{port}")
        assert "Redis: answers" in workspace.run("check", **settings, CACHE_URL_FILE=str(file)).stdout
        file.write_text(f"redis://:another@127.0.0.1:{port}")
        output = workspace.run("check", **settings, CACHE_URL_FILE=str(file), code=1)
        assert "Redis: Redis does not answer: " in output.stdout
        assert "another" not in output.stdout + output.stderr
    output = workspace.run("check", **settings, **tokens, CACHE_URL=redis.url, code=1)
    redis_line, issuer_line = output.stdout.splitlines()[2:]
    assert redis_line.startswith("Redis: Redis does not answer: ")
    assert "Look at CACHE_URL" in redis_line
    assert issuer_line.startswith("Token issuer: ")
    assert "Look at JWT_JWKS_URL" in issuer_line


def test_check_asks_every_agent(workspace: Workspace, sandbox: Sandbox) -> None:
    agents = workspace.folder / "agents.json"
    agents.write_text(json.dumps({"382": {"agent_code": "nobody", "agent_token": "none"}}))
    lines = workspace.run("check", **both(sandbox), GAMELOG_AGENTS_FILE=str(agents), code=1).stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["GameHub", "Game History", "Game History, agent nobody"]
    assert "answers" in lines[1]
    assert "answers" not in lines[2]


def test_errors(fresh: Workspace, workspace: Workspace, sandbox: Sandbox) -> None:
    assert fresh.run("errors").stdout == "No failed calls.\n"
    settings = both(sandbox) | {"GAMEHUB_TOKEN": "a-wrong-token"}
    workspace.run("query", "Groups", **settings, code=1)
    listed = workspace.run("errors").stdout
    assert "UPSTREAM_UNAUTHENTICATED" in listed
    assert "UPSTREAM_UNAUTHENTICATED" in workspace.run("errors", "--since", "1h").stdout
    assert workspace.run("errors", "--since", "2999-01-01").stdout == "No failed calls since then.\n"
    assert "is no time" in workspace.line("errors", "--since", "soon", code=2)

    table, lines = workspace.folder / "errors.csv", workspace.folder / "errors.jsonl"
    assert workspace.run("errors", "--export", str(table)).stdout.startswith("1 failed calls written to ")
    workspace.run("errors", "--export", str(lines))
    with table.open(newline="") as file:
        (row,) = csv.DictReader(file)
    entry = json.loads(lines.read_text())
    assert row["code"] == entry["code"] == "UPSTREAM_UNAUTHENTICATED"
    assert row["report"] == entry["report"] == "R8"
    assert "a-wrong-token" not in listed + table.read_text() + lines.read_text()
    assert "cannot be written" in workspace.line("errors", "--export", "/no/such/folder/x.csv", code=1)


def test_the_sandbox_command_is_the_sandbox(workspace: Workspace) -> None:
    options = ["--port", "0", "--announce", "--stop-with-stdin", "--users", "5", "--days", "1"]
    ran = workspace.run("sandbox", *options, "--database", str(workspace.folder / "world.sqlite"))
    assert set(json.loads(ran.stdout)) >= {"gamehub_url", "gamelog_url"}


@pytest.mark.alone
def test_it_starts_fast(fresh: Workspace) -> None:
    began = time.monotonic()
    fresh.run("--help")
    assert time.monotonic() - began < 3


def test_the_command_is_installed() -> None:
    assert shutil.which("gamehub-graph", path=str(COMMAND.parent))


def test_the_version(workspace: Workspace) -> None:
    assert workspace.run("--version").stdout == f"gamehub-graph {version('gamehub-graph')}\n"


def test_listings_as_json(workspace: Workspace, sandbox: Sandbox) -> None:
    workspace.environment["KEYS_FILE"] = str(workspace.folder / "keys.sqlite")

    def listed(*arguments: str, code: int = 0, **settings: str) -> Any:
        return json.loads(workspace.run(*arguments, "--json", code=code, **{**both(sandbox), **settings}).stdout)

    queries = {one["name"]: one for one in listed("query")}
    assert queries["Rooms"]["comment"].startswith("The rooms that had games")
    assert queries["Rooms"]["variables"] == {"during": {"frame": "TODAY"}}
    assert {"id": "Rooms", "operations": ["Rooms"], "file": "saved query"} in listed("documents", "list")
    explained = listed("explain", "Rooms", "--run")
    assert (explained["explain"]["calls"], [call["report"] for call in explained["trace"]]) == (1, ["R2"])
    fine = {"ok": True, "problem": None, "advice": None}
    checked = listed("check")
    assert [one | {"seconds": 0} for one in checked] == [
        {"system": name, "seconds": 0, **fine} for name in ("GameHub", "Game History")
    ]
    assert listed("errors") == []
    broken, other = listed("check", code=1, GAMEHUB_TOKEN="wrong-token")
    assert (broken["ok"], other["ok"]) == (False, True)
    assert broken["advice"].startswith("The token was refused")
    (failure,) = listed("errors")
    assert (failure["code"], failure["report"]) == ("UPSTREAM_UNAUTHENTICATED", "R10")
    assert "payload" not in failure
    assert listed("keys", "list") == []
    workspace.run("keys", "create", "bi", "--groups", "383,382", "--expires", "1d", "--rate-calls", "7")
    (key,) = listed("keys", "list")
    assert {name: key[name] for name in ("name", "groups", "permissions", "callsPerMinute", "state")} == {
        "name": "bi", "groups": [382, 383], "permissions": ["explore"], "callsPerMinute": 7, "state": "lives",
    }  # fmt: skip


def test_a_running_server_is_asked(workspace: Workspace, sandbox: Sandbox) -> None:
    workspace.environment["KEYS_FILE"] = str(workspace.folder / "keys.sqlite")
    key = workspace.run("keys", "create", "some", "--groups", "382").stdout.strip()
    with serving(workspace, **both(sandbox), AUTH="required") as served:
        asked = ("query", "Groups", "--server", served.address)
        refused = workspace.run(*asked, code=1)
        assert json.loads(refused.stdout)["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        answer = json.loads(workspace.run(*asked, GAMEHUB_GRAPH_KEY=key).stdout)
        assert [node["id"] for node in answer["data"]["groups"]["nodes"]] == ["382"]
        explained = json.loads(
            workspace.run(
                "explain", "Rooms", "--run", "--json", "--server", f"{served.address}/", GAMEHUB_GRAPH_KEY=key
            ).stdout
        )
        assert (explained["explain"]["calls"], [call["report"] for call in explained["trace"]]) == (1, ["R2"])
        table = workspace.run("explain", "Rooms", "--server", served.address, GAMEHUB_GRAPH_KEY=key).stdout
        assert table.splitlines()[1].split()[0] == "R2"
    line = workspace.line("query", "Groups", "--server", served.address, code=1)
    assert line.startswith(f"gamehub-graph: {served.address} does not answer: ")
    line = workspace.line("query", "Groups", "--server", sandbox.gamehub_url, code=1)
    assert line.endswith(", and not as a GraphQL server: is the address right?")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["query", "Gro"], ["GroupLedger", "GroupTransactions", "GroupWalk", "GroupWalkInGroup", "Groups"]),
        (["explain", "Roo"], ["Rooms"]),
        (["export", "GroupW"], []),  # not a table
        (["exp"], ["explain", "export"]),
    ],
)
def test_names_are_completed(workspace: Workspace, words: list[str], found: list[str]) -> None:
    text = " ".join(["gamehub-graph", *words])
    completing: dict[str, Any] = {
        "_GAMEHUB_GRAPH_COMPLETE": "complete_bash", "COMP_WORDS": text, "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    assert sorted(workspace.run(**completing).stdout.split()) == found
