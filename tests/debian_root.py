"""A small Debian as a folder, with Python and pip: what the steps of the Dockerfile find in their base image.

`python -m tests.debian_root` makes it before the tests. mmdebstrap does what debootstrap does, by way of apt. It only
unpacks the packages: to run their scripts would take six times as long, and Python needs none of them.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.packages import prepared
from tests.requirements import require

PACKAGES = ("base-files", "base-passwd", "coreutils", "dash", "libc-bin", "python3", "python3-pip", "python-is-python3")
USR_MERGE = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
# Variables of the environment about the network, its certificates, and the places of packages for pip.
PASSED = ("PIP_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "LANG")
FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")


def debian_root() -> Path:
    """Return the folder. Nobody writes into it: `copied` gives a stage a root of its own."""
    program = require("mmdebstrap")
    (mirror, suite) = _mirror()

    def make(into: Path) -> None:
        command = [
            program, "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}", USR_MERGE, "--skip=cleanup/apt",
            '--aptopt=Acquire::Check-Valid-Until "false"', suite, str(into / "root"), mirror,
        ]  # fmt: skip
        shutil.rmtree(into / "root", ignore_errors=True)
        made = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
        assert made.returncode == 0, made.stderr[-2000:]
        for file in map(Path, FILES):
            if file.exists():
                place = into / "root" / file.relative_to("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                shutil.copy(file, place)

    return prepared("debian", repr((PACKAGES, suite, FILES)).encode(), make) / "root"


def copied(root: Path, to: Path) -> None:
    """Give a stage a root of its own. Its files are links: steps write new files and change none."""
    subprocess.run(["cp", "--archive", "--link", str(root), str(to)], check=True)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what programs inside need to reach the network as those outside do. Folders of packages stay outside."""
    return {name: value for name, value in environment.items() if name.startswith(PASSED) and name != "PIP_FIND_LINKS"}


def _mirror() -> tuple[str, str]:
    """Return the mirror and the suite of this machine's own Debian."""
    lines = Path("/etc/os-release").read_text().splitlines()
    (suite,) = (line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME="))
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return next(line.split()[0] for line in listed if line.endswith(f" {suite}")), suite


if __name__ == "__main__":
    sys.stdout.write(f"{debian_root().parent.name}\n")
