"""The place of an export, or of files that servers share: a folder, or an object store that fsspec knows.

No bucket is ever created. A file appears as a whole or not at all. Paths are relative to the place.
"""

import hashlib
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

# A file that is being written. A process that was killed leaves it, and a later run removes it after this time.
UNFINISHED = "_"
ABANDONED_SECONDS = 86_400.0
EXTRAS = {"s3": "s3fs", "s3a": "s3fs"}
READ_ONLY = ("http", "https")


class WrongDestination(ValueError):
    """The address of an export cannot be used. The text says why in one line."""


class DestinationFailed(Exception):
    """The destination cannot be read or written. The text says why in one line."""


class Destination:
    """Read and write files below one address. Raises WrongDestination for an address that cannot be used.

    `options` go to the file system of fsspec. `tries` is how often that of S3 sends a request that gets no answer.
    """

    def __init__(self, out: str, options: Mapping[str, Any] = MappingProxyType({}), tries: int | None = None) -> None:
        scheme = out.partition("://")[0].lower() if "://" in out else ""
        if scheme == "memory":
            raise WrongDestination(
                "memory:// keeps nothing when the command ends: give a folder, or an address such as s3://bucket/folder"
            )
        if scheme in READ_ONLY:
            raise WrongDestination(f"{scheme}:// can only be read: give a folder, or an address such as s3://bucket/x")
        try:
            self._fs, root = fsspec.core.url_to_fs(out, **options)
        except ImportError as error:
            if scheme in EXTRAS:
                needed = f"{EXTRAS[scheme]}, which is not installed: pip install 'gamehub-graph[s3]'"
                raise WrongDestination(f"{scheme}:// needs {needed}") from None
            raise WrongDestination(f"{scheme}:// cannot be used: {_line(error)}") from None
        except ValueError as error:
            raise WrongDestination(f"there is no destination {scheme}://: {_line(error)}") from None
        if tries is not None and hasattr(self._fs, "retries"):
            self._fs.retries = tries
        self.local = isinstance(self._fs, LocalFileSystem)
        # Workers of a cluster have other current folders.
        self._root = os.path.abspath(os.path.expanduser(root)) if self.local else root.rstrip("/")
        self.address = self._root if self.local else out.rstrip("/")

    def names(self, folder: str) -> dict[str, int]:
        """Return the files below a folder with their sizes; none if there is no such folder."""
        root = self._path(folder)
        with self._reported("read"):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(root, detail=True)
            except FileNotFoundError:
                if self.local:
                    return {}
                raise
        start = len(root) + 1
        return {path[start:]: int(about.get("size") or 0) for path, about in found.items() if len(path) >= start}

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None if there is none."""
        with self._reported("read"):
            try:
                content: bytes = self._fs.cat_file(self._path(path))
            except FileNotFoundError:
                return None
        return content

    def read_all(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of files. A file that is gone is missing."""
        if self.local or not paths:
            found = ((path, self.read(path)) for path in paths)
            return {path: content for path, content in found if content is not None}
        by_place = {self._path(path): path for path in paths}
        with self._reported("read"):
            contents = self._fs.cat(list(by_place), on_error="return")
        for content in contents.values():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                with self._reported("read"):
                    raise content
        return {by_place[place]: content for place, content in contents.items() if isinstance(content, bytes)}

    def fetch(self, path: str, file: Path) -> bool:
        """Copy a file of the destination into a local file. Return False if there is none."""
        with self._reported("read"):
            try:
                self._fs.get_file(self._path(path), str(file))
            except FileNotFoundError:
                return False
        return True

    def sha256(self, path: str) -> str | None:
        """Return the SHA-256 of a file; None if there is none."""
        with self._reported("read"):
            try:
                with self._fs.open(self._path(path), "rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Write a file. A file of this name is replaced."""
        with self._reported("written"):
            if self.local:
                with self.unfinished(path.rpartition("/")[0]) as file:
                    file.write_bytes(content)
                    self._move(file, path)
            else:
                self._fs.pipe_file(self._path(path), content)

    def create(self, path: str, content: bytes) -> bool:
        """Write a file if there is none of this name. Return whether it was written."""
        place = self._path(path)
        with self._reported("written"):
            try:
                if self.local:
                    os.makedirs(os.path.dirname(place), exist_ok=True)
                    with open(place, "xb") as file:
                        file.write(content)
                else:
                    self._fs.pipe_file(place, content, mode="create")
            except FileExistsError:
                return False
        return True

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with self._reported("written"), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(path))

    @contextmanager
    def unfinished(self, folder: str) -> Iterator[Path]:
        """Yield a local file to write into, for `publish`. It is gone after the block, also after an error.

        For a local destination it is in this folder of it, because a file can only be moved within one file system.
        """
        name = f"{UNFINISHED}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"
        if self.local:
            place = Path(self._path(folder))
            with self._reported("written"):
                place.mkdir(parents=True, exist_ok=True)
        else:
            place = Path(tempfile.gettempdir())
        file = place / name
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    def publish(self, file: Path, path: str) -> None:
        """Put an unfinished file to its place. A file of this name is replaced."""
        with self._reported("written"):
            if self.local:
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
                self._move(file, path)
            else:
                self._fs.put_file(str(file), self._path(path))

    def clean(self, folder: str) -> None:
        """Remove unfinished files that killed processes left in a local folder."""
        if not self.local:
            return
        with suppress(OSError):
            for file in Path(self._path(folder)).glob(f"{UNFINISHED}*"):
                host, pid, _ = file.name.removeprefix(UNFINISHED).rsplit("-", 2)
                if time.time() - file.stat().st_mtime > ABANDONED_SECONDS or gone(host, int(pid)):
                    file.unlink(missing_ok=True)

    def _move(self, file: Path, path: str) -> None:
        place = self._path(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.replace(file, place)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """Turn any error of the file system into one line."""
        try:
            yield
        except DestinationFailed:
            raise
        except Exception as error:
            if self.local and not isinstance(error, OSError):
                raise
            raise DestinationFailed(f"{self.address} cannot be {what}: {_reason(error)}") from error


def gone(host: str, pid: int) -> bool:
    """Return whether a process is known to have ended: only processes of this machine can be known."""
    if host != socket.gethostname() or sys.platform == "win32":  # there, a signal to ask does not exist
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    text = _line(error)
    if kind in ("NoCredentialsError", "PartialCredentialsError"):
        return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, FileNotFoundError) and "bucket" in text.lower():
        return "there is no such bucket. Check its name; an export creates none"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return text or kind


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
