"""The upstream of the benchmark: both systems from bodies in memory, as cheap as can be, with a count of the calls.

    python -m peers.replay PORT < recorded.json

A body is made at its first request, and stored. `GET /calls` returns the calls since the last such request.
"""

import asyncio
import datetime
import json
import sys
from collections import Counter
from typing import cast
from urllib.parse import parse_qs, urlsplit

import uvloop

from peers.world import GAMEHUB_PATH, Bodies, Recorded


class Replay:
    """Which body answers which request."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: dict[bytes, tuple[str, bytes]] = {}
        self.calls: Counter[str] = Counter()

    def answer(self, target: bytes, body: bytes) -> bytes:
        """The answer to a request, whole. The same request is not looked into twice."""
        key = target + b"\n" + body
        known = self._known.get(key)
        if known is None:
            if target == b"/calls":
                counted, self.calls = self.calls, Counter()
                return response(json.dumps(counted).encode())
            name, found = self._find(target.decode(), body)
            known = self._known[key] = (name, response(found))
        self.calls[known[0]] += 1
        return known[1]

    def _find(self, target: str, body: bytes) -> tuple[str, bytes]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path.rstrip("/") == GAMEHUB_PATH.rstrip("/"):
            parameters = {name: values[0] for name, values in query.items()}
            match parameters["report_type"]:
                case "api_groups_report":
                    return "R8", self._bodies.group(self._bodies.world(int(parameters["id"])))
                case "api_users_report":
                    return "R9", self._bodies.users(self._bodies.world(int(parameters["fkgroup"])))
                case "api_retail_movements":
                    world = self._bodies.world(int(parameters["group_id"]))
                    bounds = {parameters["timestamp_range_from"], parameters["timestamp_range_to"]}
                    if parameters["timestamp"] == "range" and bounds == {world.day.isoformat()}:
                        return "R5", self._bodies.movements(world)
        else:
            log_request = json.loads(body)
            day = _day(log_request["start"], log_request["end"])
            if "user_code" not in log_request and day is not None:
                page, size = int(log_request["page"]), int(log_request["perPage"])
                return "G1", self._bodies.logs(self._bodies.world_of(day), page, size)
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
                self._transport.write(self._replay.answer(target, data[end + 4 : end + 4 + length]))
            except (LookupError, ValueError) as error:
                sys.stderr.write(f"replay: {error!r}\n")
                self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            self._buffer = data = data[end + 4 + length :]


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
