"""Start the sandbox as a process of its own. It replaces both upstreams and speaks HTTP as they do."""

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from pydantic import SecretStr

from server.settings.settings import Settings

GRACE_SECONDS = 5


class SandboxFailed(Exception):
    """The sandbox did not start."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The line that the sandbox prints when it is ready: its addresses and tokens."""

    gamehub_url: str
    gamehub_token: str = field(repr=False)
    gamelog_url: str
    agent_code: str
    agent_token: str = field(repr=False)
    timezone: str
    log_timezone: str

    @classmethod
    def read(cls, line: bytes) -> "Announcement":
        content: dict[str, Any] = orjson.loads(line)
        return cls(**{name: content[name] for name in cls.__slots__})

    def point(self, settings: Settings) -> Settings:
        """Return the same settings with the sandbox as the upstreams."""
        return settings.model_copy(
            update={
                "gamehub_url": self.gamehub_url,
                "gamehub_token": SecretStr(self.gamehub_token),
                "gamehub_timezone": self.timezone,
                "gamelog_url": self.gamelog_url,
                "gamelog_agent_code": self.agent_code,
                "gamelog_agent_token": SecretStr(self.agent_token),
                "gamelog_timezone": self.log_timezone,
            }
        )


def pointed(settings: Settings, other: Settings) -> Settings:
    """Return settings with the upstreams of other settings."""
    names = ("url", "token", "timezone"), ("url", "agent_code", "agent_token", "timezone")
    update = {
        name: getattr(other, name)
        for system, parts in zip(("gamehub", "gamelog"), names, strict=True)
        for name in (f"{system}_{part}" for part in parts)
    }
    return settings.model_copy(update=update)


class SandboxProcess:
    """The running sandbox. It stops when its stdin ends, so it never outlives this process, however this one ends.

    It has a process group of its own: Ctrl-C in a terminal reaches this process, whose last requests may need it.
    """

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "sandbox", "--port", "0", "--announce", "--stop-with-stdin", *options]
        self._stopping = False
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)

    @classmethod
    def of(cls, settings: Settings) -> "SandboxProcess":
        """Start the sandbox in the time zones of the settings."""
        options = []
        for name, option in (("gamehub_timezone", "--timezone"), ("gamelog_timezone", "--log-timezone")):
            if name in settings.model_fields_set:
                options += [option, getattr(settings, name)]
        return cls(*options)

    @property
    def pid(self) -> int:
        return self._process.pid

    def announcement(self) -> Announcement:
        """Wait until the sandbox listens; at first it builds its world for seconds. Raises SandboxFailed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SandboxFailed(f"the sandbox did not start: it ended with exit code {self._process.wait()}")
        try:
            return Announcement.read(line)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise SandboxFailed("the sandbox did not start: its first line is not its announcement") from None

    def watch(self, died: Callable[[int], None]) -> None:
        """Call `died` with the exit code, in a thread of its own, if the sandbox ends before it is stopped."""

        def wait() -> None:
            code = self._process.wait()
            if not self._stopping:
                died(code)

        threading.Thread(target=wait, name="sandbox watch", daemon=True).start()

    def stop(self) -> None:
        """End the sandbox. A second call does nothing."""
        self._stopping = True
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
