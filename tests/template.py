"""A process that has imported the project. Each program of a test is a copy of it, which starts at once.

A copy is a process of its own, with its own arguments, environment, folder, input and output. It does what the console
script does, without the second of imports. It exists for the tests alone, see `tests/programs.py`.
"""

import gc
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any, NoReturn

import orjson

LARGEST = 1 << 20
FILES = 4


def imports() -> None:
    """Import what the programs import, without what threads start in."""
    import server.app
    import server.cli.command
    import server.serve
    import server.services  # noqa: F401


def become(program: str, words: list[str], environment: dict[str, str]) -> NoReturn:
    """Replace a program as `os.execve` does: `gamehub-graph serve` becomes the server."""
    assert words[-2:] == ["-m", "server.serve"], (program, words)
    from server import serve

    os.environ.clear()
    os.environ.update(environment)
    gc.disable()
    serve.main()
    sys.exit()


def perform(request: dict[str, Any]) -> None:
    """Be the program that a test asks for."""
    os.execve = become  # type: ignore[assignment]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    time.tzset()
    sys.argv = [request["program"], *request["arguments"]]
    if request["program"] == "sandbox":
        import typer

        from sandbox.__main__ import main

        typer.run(main)
    else:
        from server.cli.command import main as command

        command()


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Copy this process for each request, and tell the test how each copy ends. Returns the request in a copy."""
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd != requests.fileno():
                    pid, report = running.pop(key.fd)
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    report.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                    report.close()
                    continue
                content, files, _, _ = socket.recv_fds(requests, LARGEST, FILES)
                if not content:
                    return None
                pid = os.fork()
                if pid == 0:
                    for number, file in enumerate(files[:3]):
                        os.dup2(file, number)
                    for file in (*files, *running):
                        os.close(file)
                    for _, report in running.values():
                        report.close()
                    requests.close()
                    request: dict[str, Any] = orjson.loads(content)
                    return request
                for file in files[:3]:
                    os.close(file)
                report = socket.socket(fileno=files[3])
                report.sendall(b"%d\n" % pid)
                ended = os.pidfd_open(pid)
                running[ended] = (pid, report)
                selector.register(ended, selectors.EVENT_READ)


if __name__ == "__main__":
    # Ctrl-C ends the tests, which then close the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    imports()
    gc.collect()
    gc.freeze()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        perform(asked)
