"""The upstream of the benchmark: both systems from bodies in memory, as cheap as can be, with a count of the calls.

    python -m peers.replay PORT < recorded.json

A body is made at its first request, and stored. `GET /work` returns the calls and bytes since the last such request.
`GET /pace?latency=0.05&slots=16` lets each answer take so many seconds, and so many requests be answered at a time; the
others wait in the order of their arrival.
"""

import asyncio
import datetime
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

import uvloop

from peers.world import GAMEHUB_PATH, SIZES, Bodies, Recorded, World


class Served(NamedTuple):
    """An answer of the upstream: its report, the world that it is about, its bytes, and the monotonic time."""

    report: str
    world: int
    size: int
    at: float


class Slots:
    """The pace of the upstream: each answer takes its time in one of the slots. Without a latency there is no limit."""

    def __init__(self, latency: float = 0.0, slots: int = 0) -> None:
        self._latency = latency
        self._free = slots
        self._waiting: deque[Callable[[], None]] = deque()

    def run(self, answer: Callable[[], None]) -> None:
        """Answer when a slot was free for as long as an answer takes."""
        if not self._latency:
            answer()
        elif self._free:
            self._free -= 1
            self._start(answer)
        else:
            self._waiting.append(answer)

    def _start(self, answer: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._latency, self._end, answer)

    def _end(self, answer: Callable[[], None]) -> None:
        answer()
        if self._waiting:
            self._start(self._waiting.popleft())
        else:
            self._free += 1


class Replay:
    """Which body answers which request, and when."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: dict[bytes, tuple[str, int, bytes]] = {}
        self._served: list[Served] = []
        self._slots = Slots()

    def ask(self, target: bytes, body: bytes, answer: Callable[[bytes], None]) -> None:
        """Answer a request at the pace of the upstream. The same request is not looked into twice."""
        if target.startswith(b"/work"):
            served, self._served = self._served, []
            answer(response(json.dumps(served).encode()))
            return
        if target.startswith(b"/pace"):
            query = parse_qs(urlsplit(target.decode()).query)
            self._slots = Slots(float(query["latency"][0]), int(query["slots"][0]))
            answer(response(b"{}"))
            return
        key = target + b"\n" + body
        if key not in self._known:
            report, world, found = self._find(target.decode(), body)
            self._known[key] = (report, world.number, response(found))
        self._slots.run(partial(self._answer, key, answer))

    def _answer(self, key: bytes, answer: Callable[[bytes], None]) -> None:
        report, world, body = self._known[key]
        self._served.append(Served(report, world, len(body), time.monotonic()))
        answer(body)

    def _find(self, target: str, body: bytes) -> tuple[str, World, bytes]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path.rstrip("/") == GAMEHUB_PATH.rstrip("/"):
            parameters = {name: values[0] for name, values in query.items()}
            match parameters["report_type"]:
                case "api_groups_report":
                    world = self._bodies.world(int(parameters["id"]))
                    return "R8", world, self._bodies.group(world)
                case "api_users_report":
                    # Without a group: which users there are, for a caller who may not see all. Only one world has any.
                    world = self._bodies.world(int(parameters.get("fkgroup", World(SIZES[0], 0).group)))
                    return "R9", world, self._bodies.users(world)
                case "api_retail_movements":
                    world = self._bodies.world(int(parameters["group_id"]))
                    bounds = {parameters["timestamp_range_from"], parameters["timestamp_range_to"]}
                    if parameters["timestamp"] == "range" and bounds == {world.day.isoformat()}:
                        return "R5", world, self._bodies.movements(world)
        else:
            log_request = json.loads(body)
            day = _day(log_request["start"], log_request["end"])
            if "user_code" not in log_request and day is not None:
                page, size = int(log_request["page"]), int(log_request["perPage"])
                world = self._bodies.world_of(day)
                return "G1", world, self._bodies.logs(world, page, size)
        raise LookupError(f"the benchmark has no answer to {target} {body!r}")


_DAY = datetime.timedelta(hours=23, minutes=59, seconds=59)


def _day(start: str, end: str) -> str | None:
    """Return the one day that the bounds of a log mean: exact ones, or a second wider at each end (C26)."""
    first, last = datetime.datetime.fromisoformat(start), datetime.datetime.fromisoformat(end)
    for wider in (0, 1):
        second = datetime.timedelta(seconds=wider)
        day = (first + second).date()
        if first + second == datetime.datetime.combine(day, datetime.time()) and last - second == first + second + _DAY:
            return day.isoformat()
    return None


def response(body: bytes) -> bytes:
    """A body with the headers that the sandbox sends."""
    head = "HTTP/1.1 200 OK\r\ndate: Sat, 14 Mar 2026 12:00:00 GMT\r\nserver: uvicorn\r\n"
    return f"{head}content-length: {len(body)}\r\ncontent-type: application/json\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # which that of uvloop is not by name

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data if self._buffer else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            length = _length(data[:end])
            if len(data) < end + 4 + length:
                break
            target = data[: data.index(b"\r\n")].split(b" ", 2)[1]
            try:
                self._replay.ask(target, data[end + 4 : end + 4 + length], self._answer)
            except (LookupError, ValueError) as error:
                sys.stderr.write(f"replay: {error!r} {target!r}\n")
                self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            self._buffer = data = data[end + 4 + length :]

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    return int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def main(port: int) -> None:
    replay = Replay(Bodies(Recorded(**json.load(sys.stdin))))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(replay), "127.0.0.1", port, backlog=1024)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
