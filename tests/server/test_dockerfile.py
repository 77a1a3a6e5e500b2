"""The Dockerfile's steps, replayed in a small Debian in place of the base image.

No container engine is needed: COPY and RUN are carried out in order, each stage in a root of its own (chroot). Then the
command is started as the image's user in the last one, which is read-only, and asked whether it is alive.

The archives of the lock are downloaded outside, by a pip that reads an index three times faster than Debian's. Inside,
the same steps take them from a folder.
"""

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson
import pytest

from tests.debian_root import copied, debian_root, passed_on
from tests.deploy.programs import hadolint
from tests.packages import wheels

ROOT = Path(__file__).parent.parent.parent
STATE = "var/lib/gamehub-graph"
USER = "10001:10001"
LOCK = ROOT / "requirements-image.lock"
# This machine's Debian is that of the root, so its Python needs the same archives.
PYTHON = "/usr/bin/python3"
ARCHIVES = "/archives"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Run a program as the image's user. The root is read-only, but for the volume and /tmp.
CONTAINED = f"""
set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount --bind "$1" "$0/{STATE}"
mount -t tmpfs tmpfs "$0/tmp"
mount --bind /dev "$0/dev"
mount -t proc proc "$0/proc"
root=$0
shift
exec chroot --userspec={USER} "$root" "$@"
"""

Steps = list[tuple[str, str]]


def parse(text: str) -> Steps:
    """Return the instructions of a Dockerfile, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


@dataclass
class Stage:
    """A stage as it is replayed: its root, where it stands in it, and its environment."""

    root: Path
    folder: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """Return a text with the values of its variables."""
        values = {**self.arguments, **self.environment}
        return re.sub(r"\$\{?([A-Z_]+)\}?", lambda found: values.get(found[1], ""), text)

    def path(self, text: str) -> Path:
        """Return where a path of the image is here."""
        return self.root / os.path.normpath(os.path.join(self.folder, self.fill(text))).lstrip("/")

    def run(self, command: str) -> None:
        """Run a command as root in this stage."""
        environment = {"PATH": PATH, "HOME": "/root", **passed_on(os.environ), **self.environment}
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ARCHIVES}
        subprocess.run(
            ["chroot", str(self.root), "sh", "-c", f"cd {self.folder} && {command}"],
            env=environment | self.arguments,
            check=True,
        )


def allowed(name: str) -> bool:
    """Return whether `.dockerignore`, which lists exceptions to "nothing", lets a top-level name into the build."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return f"!{name}" in lines


def replay(steps: Steps, base: Path) -> tuple[Stage, list[str], list[str]]:
    """Carry out the steps. Return the last stage, its command and its health check."""
    stages: dict[str, Stage] = {}
    command: list[str] = []
    health: list[str] = []
    stage = Stage(base)
    for word, rest in steps:
        if word == "FROM":
            name = rest.split(" AS ")[1] if " AS " in rest else "last"
            stage = stages[name] = Stage(base / name)
            copied(debian_root(), stage.root)
            copied(wheels(LOCK, PYTHON), stage.root / ARCHIVES.lstrip("/"))
        elif word == "ARG":
            name, _, default = rest.partition("=")
            stage.arguments[name] = default
        elif word == "ENV":
            stage.environment |= {
                name: stage.fill(value.replace("$PATH", PATH)) for name, value in re.findall(r"(\w+)=(\S+)", rest)
            }
        elif word == "WORKDIR":
            stage.folder = stage.fill(rest)
            stage.path(".").mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            options = [part for part in rest.split() if part.startswith("--")]
            *sources, target = [part for part in rest.split() if not part.startswith("--")]
            origin = next((stages[option.removeprefix("--from=")] for option in options if "--from" in option), None)
            owner = next((option.removeprefix("--chown=") for option in options if "--chown" in option), None)
            for source in sources:
                copy(origin, source, stage, target)
            if owner is not None:
                subprocess.run(["chown", "--recursive", owner, stage.path(target)], check=True)
        elif word == "RUN":
            stage.run(rest)
        elif word == "HEALTHCHECK":
            health = json.loads(rest.partition("CMD ")[2])
        elif word == "CMD":
            command = json.loads(rest)
        else:
            assert word in ("USER", "VOLUME", "EXPOSE", "LABEL"), word
    return stage, command, health


def copy(origin: Stage | None, source: str, stage: Stage, target: str) -> None:
    """COPY: from the checkout what `.dockerignore` lets through, or from an earlier stage."""
    place = stage.path(target)
    if origin is not None:
        shutil.copytree(origin.path(source), place, symlinks=True)
        return
    assert allowed(source), f"{source} is kept out by .dockerignore"
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite*", ".env*"))
    else:
        shutil.copy(ROOT / source, place)


def contained(stage: Stage, state: Path, command: list[str]) -> list[str]:
    """Return the command that runs a program in a stage as the image's user does."""
    there = ["env", "--chdir", f"/{STATE}", *command]
    return ["unshare", "--mount", "sh", "-c", CONTAINED, str(stage.root), str(state), *there]


@pytest.fixture(scope="module")
def steps() -> Steps:
    return parse((ROOT / "Dockerfile").read_text())


def test_the_image_is_small_and_safe(steps: Steps) -> None:
    last = steps[max(i for i, (word, _) in enumerate(steps) if word == "FROM") :]
    assert sum(word == "FROM" for word, _ in steps) == 2
    # A tag may stand for another image tomorrow, a digest may not.
    (base,) = {rest.split()[0] for word, rest in steps if word == "FROM"}
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", base)
    assert any(word == "USER" and rest.split(":")[0] not in ("root", "0") for word, rest in last)
    assert any(
        word == "RUN" and "--require-hashes" in rest and "requirements-image.lock" in rest for word, rest in steps
    )
    assert last[-1] == ("CMD", '["gamehub-graph", "serve"]')


def test_hadolint_has_no_complaint() -> None:
    looked = subprocess.run(
        [hadolint(), "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (looked.returncode, looked.stdout) == (0, "")


@pytest.mark.long
def test_the_steps_make_a_server_that_lives(steps: Steps, tmp_path: Path) -> None:
    stage, command, health = replay(steps, tmp_path)
    bill = orjson.loads((stage.root / "opt/gamehub-graph/sbom.cdx.json").read_bytes())
    listed = {part["name"].lower(): part["version"] for part in bill["components"]}
    installed = {
        path.name.removesuffix(".dist-info").lower()
        for path in (stage.root / "opt/gamehub-graph/lib").rglob("*.dist-info")
    }
    assert {name.partition("-")[0] for name in installed} >= {"gamehub_graph", "redis", "duckdb", "mcp", "s3fs"}
    tools = {"pytest", "mypy", "ruff", "playwright", "hypothesis", "hatchling", "pip", "cyclonedx_bom"}
    assert not {name.partition("-")[0] for name in installed} & tools
    assert len(listed) == len(installed) - 1  # the application itself is what the bill is about

    state = tmp_path / "state"
    shutil.copytree(stage.root / STATE, state)
    subprocess.run(["chown", USER, state], check=True)
    environment = stage.environment | {"HOST": "127.0.0.1", "PORT": "0", "ROOT_PATH": "/graph"}
    # Upstreams that do not exist: the image needs none to live.
    environment |= {"GAMEHUB_URL": "http://127.0.0.1:9", "GAMEHUB_TOKEN": "t"}
    process = subprocess.Popen(
        contained(stage, state, command), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        assert httpx.get(f"{address}/healthz").json() == {"alive": True}
        assert "<title" in httpx.get(f"{address}/graph").text
        assert len(httpx.get(f"{address}/explorer/queries.json").json()) >= 12
        assert set(process_users(process.pid)) == {10001}
        environment["PORT"] = address.rpartition(":")[2]
        asked = contained(stage, state, health)
        subprocess.run(asked, env=environment, check=True)
        written = contained(stage, state, ["sh", "-c", f"touch /{STATE}/a /tmp/a && ! touch /opt/a 2>/dev/null"])
        subprocess.run(written, env=environment, check=True)
        began = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10
    finally:
        process.kill()
        process.communicate()
    assert subprocess.run(asked, env=environment, capture_output=True).returncode == 1


def process_users(pid: int) -> list[int]:
    """Return the user ids of a process: real, effective, saved, and of the file system."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Uid:"))
    return [int(part) for part in line.split()[1:]]
