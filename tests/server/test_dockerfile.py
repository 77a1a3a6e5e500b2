"""The Dockerfile's steps, replayed in an empty folder with the Python of the tests in place of the base image.

No container engine is needed: COPY and RUN are carried out in order, each stage in a folder of its own, and then the
command is started and asked whether it is alive.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent

Steps = list[tuple[str, str]]


def parse(text: str) -> Steps:
    """The instructions of a Dockerfile, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


@dataclass
class Stage:
    """A stage as it is replayed: its folder, where it stands, and its environment."""

    root: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        values = {**self.arguments, **self.environment}
        return re.sub(r"\$\{?([A-Z_]+)\}?", lambda found: values.get(found[1], ""), text)

    def path(self, text: str) -> Path:
        """Where a path of the image lies here: build arguments point into the temporary folder already."""
        filled = Path(self.fill(text))
        if filled.is_absolute() and self.root.parent not in filled.parents:
            return self.root / filled.relative_to("/")
        return self.folder / filled


def allowed(name: str) -> bool:
    """Return whether `.dockerignore`, which lists exceptions to "nothing", lets a top-level name into the build."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return f"!{name}" in lines


def replay(steps: Steps, base: Path, arguments: dict[str, str]) -> tuple[Stage, list[str], list[str]]:
    """Carry out the steps; the last stage, its command and its health check."""
    stages: dict[str, Stage] = {}
    command: list[str] = []
    health: list[str] = []
    stage = Stage(base, base)
    # The base image brings Python and pip. The environment of the tests has both.
    python = Path(sys.executable).parent
    for word, rest in steps:
        if word == "FROM":
            name = rest.split(" AS ")[1] if " AS " in rest else "last"
            root = base / name
            root.mkdir()
            home = {"PATH": f"{python}:{os.environ['PATH']}", "HOME": str(root)}
            stage = stages[name] = Stage(root, root, home)
        elif word == "ARG":
            name, _, default = rest.partition("=")
            stage.arguments[name] = arguments.get(name, default)
        elif word == "ENV":
            stage.environment |= {name: stage.fill(value) for name, value in re.findall(r"(\w+)=(\S+)", rest)}
        elif word == "WORKDIR":
            stage.folder = stage.path(rest)
            stage.folder.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            options = [part for part in rest.split() if part.startswith("--")]
            *sources, target = [part for part in rest.split() if not part.startswith("--")]
            origin = next((stages[option.removeprefix("--from=")] for option in options if "--from" in option), None)
            for source in sources:
                copy(origin, source, stage, target)
        elif word == "RUN":
            subprocess.run(["sh", "-c", rest], cwd=stage.folder, env=stage.environment | stage.arguments, check=True)
        elif word == "HEALTHCHECK":
            health = json.loads(rest.partition("CMD ")[2])
        elif word == "CMD":
            command = json.loads(rest)
        else:
            assert word in ("USER", "VOLUME", "EXPOSE"), word
    return stage, command, health


def copy(origin: Stage | None, source: str, stage: Stage, target: str) -> None:
    """COPY: from the checkout what `.dockerignore` lets through, or from an earlier stage."""
    if origin is not None:
        found, place = origin.path(source), stage.path(target)
        assert found.exists(), found
        if found != place:
            shutil.copytree(found, place)
        return
    assert allowed(source), f"{source} is kept out by .dockerignore"
    place = stage.path(target)
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite*", ".env*"))
    else:
        shutil.copy(ROOT / source, place)


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


def test_the_steps_make_a_server_that_lives(steps: Steps, tmp_path: Path) -> None:
    arguments = {"APP": str(tmp_path / "opt"), "STATE": str(tmp_path / "state")}
    stage, command, health = replay(steps, tmp_path, arguments)
    installed = {path.name.partition("-")[0] for path in (tmp_path / "opt/lib").rglob("*.dist-info")}
    assert "gamehub_graph" in installed
    assert not installed & {"pytest", "mypy", "ruff", "playwright", "hypothesis", "hatchling"}
    environment = stage.environment | {"HOST": "127.0.0.1", "PORT": "0", "LOG_FORMAT": "auto"}
    # Upstreams that do not exist: the image needs none to live and to be ready.
    environment |= {"GAMEHUB_URL": "http://127.0.0.1:9", "GAMEHUB_TOKEN": "t"}
    process = subprocess.Popen(command, cwd=stage.folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        assert httpx.get(f"{address}/healthz").json() == {"alive": True}
        assert httpx.get(f"{address}/readyz").status_code == 200
        assert "<title" in httpx.get(address).text
        assert len(httpx.get(f"{address}/explorer/queries.json").json()) >= 12
        environment["PORT"] = address.rpartition(":")[2]
        subprocess.run(health, env=environment, check=True)
        began = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10
    finally:
        process.kill()
        process.communicate()
    assert subprocess.run(health, env=environment, capture_output=True).returncode != 0
