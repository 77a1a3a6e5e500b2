"""A small disk that can be filled: a file system of its own where this user may mount one, else a limit of the process.

A limit on the size of files (RLIMIT_FSIZE) is the next best: the system then refuses every write, too.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.programs import Fresh, Piped

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Disk:
    """A folder on a small disk. `mounted` is whether the disk is a file system of its own."""

    folder: Path
    mounted: bool

    @contextmanager
    def filled(self, process: Fresh | Piped) -> Iterator[None]:
        """Leave a process no room on the disk for as long as a `with` block lasts."""
        if not self.mounted:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            try:
                yield
            finally:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            for size in (MEBIBYTE, 4096, 1):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        try:
            yield
        finally:
            ballast.unlink()

    @contextmanager
    def limiting(self) -> Iterator[None]:
        """Leave the processes that this one starts no room, where the disk is no file system of its own."""
        if self.mounted:
            yield
            return
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(folder: Path, size: int = 4 * MEBIBYTE) -> Iterator[Disk]:
    """A disk of so many bytes in a folder."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    possible = os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = possible and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield Disk(folder, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
