"""Packages of npm and PyPI that only a test needs: installed once for each lock file, outside the tracked files.

A test installs what it needs. `python -m tests.packages` installs all of them before the tests, two at a time.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from tests.requirements import require

ROOT = Path(__file__).parent.parent
# pytest keeps the files of its cache here.
CACHE = ROOT / ".pytest_cache" / "d"
HASHED = ("--require-hashes", "-r")


def node_packages(folder: Path) -> Path:
    """Return a folder with the `node_modules` of a `package-lock.json`."""

    def install(into: Path) -> None:
        for file in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(folder / file, into)
        _run(require("npm"), "ci", "--ignore-scripts", cwd=into)

    return _installed(folder / "package-lock.json", install)


def python_packages(lock: Path) -> Path:
    """Return a virtual environment with the packages of a lock file."""

    def install(into: Path) -> None:
        _run(sys.executable, "-m", "venv", "--without-pip", into)
        _run(*_pip(into), "--python", into / "bin" / "python", "install", "--no-compile", *HASHED, lock)

    return _installed(lock, install)


def wheels(lock: Path, python: str = sys.executable) -> Path:
    """Return a folder with the archives of a lock file for a Python. They are not installed."""

    def download(into: Path) -> None:
        pip = (*_pip(into), "--python", python)
        _run(*pip, "download", "--no-deps", "--only-binary", ":all:", "--dest", into, *HASHED, lock)

    return _installed(lock, download)


def _pip(into: Path) -> tuple[str | Path, ...]:
    """Return the command of pip. Debian's own Python has pip in virtual environments only."""
    python: str | Path = sys.executable
    if find_spec("pip") is None:
        _run(sys.executable, "-m", "venv", into / "pip")
        python = into / "pip" / "bin" / "python"
    return (python, "-m", "pip", "--quiet", "--disable-pip-version-check")


def _installed(lock: Path, install: Callable[[Path], None]) -> Path:
    return prepared(lock.parent.name, lock.read_bytes(), install)


def prepared(name: str, facts: bytes, prepare: Callable[[Path], None]) -> Path:
    """Return a folder outside the tracked files, which is prepared once for the same facts."""
    folder = CACHE / f"{name}-{hashlib.sha256(facts).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    # One worker installs, and the others wait.
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not done.exists():
            prepare(folder)
            done.touch()
    return folder


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr


def _locks(name: str) -> list[Path]:
    """Return the lock files of tests and examples, the largest first."""
    found = (lock for room in ("tests", "examples") for lock in (ROOT / room).rglob(name))
    ours = (lock for lock in found if "node_modules" not in lock.parts)
    return sorted(ours, key=lambda lock: lock.stat().st_size, reverse=True)


if __name__ == "__main__":
    with ThreadPoolExecutor(2) as workers:
        node = workers.map(node_packages, [lock.parent for lock in _locks("package-lock.json")])
        python = workers.map(python_packages, _locks("requirements.lock"))
        archives = workers.map(wheels, _locks("wheels.lock"))
        for folder in (*node, *python, *archives):
            sys.stdout.write(f"{folder.name}\n")
