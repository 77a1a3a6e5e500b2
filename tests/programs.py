"""`gamehub-graph` and `python -m sandbox` as processes of their own, which start at once (see `tests/template.py`)."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

import orjson

COMMAND = Path(sys.executable).with_name("gamehub-graph")


@cache
def template() -> socket.socket:
    """Start the process that the programs are copies of. It ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.template", str(theirs.fileno())],
            cwd=Path(__file__).parent.parent,
            # A copy of a process with threads can stop for ever.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours


class Program:
    """A running program. Its methods are those of `subprocess.Popen`."""

    def __init__(
        self, program: str, *arguments: str, folder: Path, environment: dict[str, str], files: tuple[int, int, int]
    ) -> None:
        self.arguments = [program, *arguments]
        self.returncode: int | None = None
        self._report, theirs = socket.socketpair()
        with theirs:
            request = {"program": program, "arguments": arguments, "folder": str(folder), "environment": environment}
            socket.send_fds(template(), [orjson.dumps(request)], [*files, theirs.fileno()])
        self._lines = self._report.makefile("rb", buffering=0)
        self.pid = int(self._lines.readline())

    def poll(self) -> int | None:
        """Return the exit code, or None as long as it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code as soon as it has one. Raises TimeoutExpired."""
        if self.returncode is None:
            self._report.settimeout(None if timeout is None else max(timeout, 0.0001))
            try:
                line = self._report.recv(64)
            except TimeoutError as error:
                raise subprocess.TimeoutExpired(self.arguments, timeout or 0) from error
            self.returncode = int(line)
            self._lines.close()
            self._report.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Piped(Program):
    """A program whose output a test reads, and whose input it closes."""

    def __init__(
        self,
        program: str,
        *arguments: str,
        folder: Path,
        environment: dict[str, str],
        stderr: IO[str] | None = None,
    ) -> None:
        given, written = os.pipe()
        printed, output = os.pipe()
        self.stdin = os.fdopen(written, "wb")
        self.stdout = os.fdopen(printed, "r")
        files = (given, output, 2 if stderr is None else stderr.fileno())
        try:
            super().__init__(program, *arguments, folder=folder, environment=environment, files=files)
        finally:
            os.close(given)
            os.close(output)

    def close(self, timeout: float | None = None) -> None:
        """Close its input and output, and wait until it has ended. Raises TimeoutExpired."""
        self.stdin.close()
        try:
            self.wait(timeout)
        finally:
            self.stdout.close()


class Fresh(subprocess.Popen[str]):
    """`gamehub-graph` in an interpreter of its own, for tests of what is imported and of the start itself."""

    def __init__(
        self, *arguments: str, folder: Path, environment: dict[str, str], stderr: IO[str] | None = None
    ) -> None:
        super().__init__(
            [COMMAND, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        )

    def close(self, timeout: float | None = None) -> None:
        """Read its output to the end, and wait until it has ended. Raises TimeoutExpired."""
        self.communicate(timeout=timeout)


def run(
    *arguments: str,
    folder: Path,
    environment: dict[str, str],
    given: str = "",
    timeout: float = 120,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `gamehub-graph` to its end, in an interpreter of its own if it is `fresh`. Raises TimeoutExpired."""
    if fresh:
        words = [str(COMMAND), *arguments]
        return subprocess.run(
            words, cwd=folder, env=environment, input=given, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(given.encode())
        stdin.seek(0)
        files = (stdin.fileno(), stdout.fileno(), stderr.fileno())
        process = Program("gamehub-graph", *arguments, folder=folder, environment=environment, files=files)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        printed = []
        for file in (stdout, stderr):
            file.seek(0)
            printed.append(file.read().decode())
        return subprocess.CompletedProcess(process.arguments, code, *printed)
