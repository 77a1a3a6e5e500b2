"""Packages of npm and PyPI that only a test needs: installed once for each lock file, outside the tracked files."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.requirements import require

# pytest keeps the files of its cache here.
CACHE = Path(__file__).parent.parent / ".pytest_cache" / "d"


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
        _run(sys.executable, "-m", "venv", into)
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock)
        _run(into / "bin" / "python", *pip)

    return _installed(lock, install)


def _installed(lock: Path, install: Callable[[Path], None]) -> Path:
    name = f"{lock.parent.name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    # One worker installs, and the others wait.
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not done.exists():
            install(folder)
            done.touch()
    return folder


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
