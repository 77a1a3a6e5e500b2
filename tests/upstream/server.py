"""A small HTTP server. A test scripts every answer, and every fault of the wire."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that the server received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """Return the path, without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters of the query."""
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


@dataclass
class Reply:
    """An answer: its status, its body (JSON, or bytes as they are), and the fault of its sending."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: str | None = None
    zipped: bool = False
    delay: float = 0.0


Responder = Callable[[ReceivedRequest], Awaitable[Reply] | Reply]


class Server:
    """Answer every request with `reply`, and record it in `requests`."""

    def __init__(self) -> None:
        self.reply: Responder = lambda request: Reply({"error": False, "report": []})
        self.requests: list[ReceivedRequest] = []
        self.port = 0
        self.connections = 0
        self.open = 0
        self.most_at_once = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.port}/api/v1"

    def script(self, *replies: Reply | Responder) -> None:
        """Answer with these in turn. The last one is repeated."""
        waiting = list(replies)

        def reply(request: ReceivedRequest) -> Any:
            response = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return response(request) if callable(response) else response

        self.reply = reply

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while await self._exchange(reader, writer, number):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = ReceivedRequest(method, target, headers, body, number)
        self.requests.append(request)
        self.open += 1
        self.most_at_once = max(self.most_at_once, self.open)
        try:
            found = self.reply(request)
            response = found if isinstance(found, Reply) else await found
            await asyncio.sleep(response.delay)
            return await self._send(response, writer)
        finally:
            self.open -= 1

    async def _send(self, response: Reply, writer: asyncio.StreamWriter) -> bool:
        body = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
        headers = dict(response.headers)
        if response.zipped:
            body = gzip.compress(body)
            headers["content-encoding"] = "gzip"
        headers.setdefault("content-type", "application/json")
        if response.fault == "chunks_cut":
            headers["transfer-encoding"] = "chunked"
        else:
            headers["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {response.status} Told\r\n{lines}\r\n".encode()
        match response.fault:
            case None:
                writer.write(head + body)
                await writer.drain()
                return True
            case "cut":
                writer.write(head + body[: len(body) // 2])
                await writer.drain()
            case "chunks_cut":
                writer.write(head + b"5\r\n" + body[:5] + b"\r\n")
                await writer.drain()
            case "reset":
                _reset(writer)
            case "reset_in_body":
                writer.write(head + body[: len(body) // 2])
                await writer.drain()
                await asyncio.sleep(0.05)
                _reset(writer)
            case "close":
                pass
            case "garbage":
                writer.write(b"GOOD MORNING\r\n\r\n")
                await writer.drain()
            case "hang":
                await asyncio.sleep(60)
            case "stall":
                writer.write(head + body[: len(body) // 2])
                await writer.drain()
                await asyncio.sleep(60)
            case "trickle":
                writer.write(head)
                for index in range(len(body)):
                    writer.write(body[index : index + 1])
                    await writer.drain()
                    await asyncio.sleep(0.05)
        return False

    async def _stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Yield a server on a free loopback port."""
    server = Server()
    listener = await asyncio.start_server(server._connection, "127.0.0.1", 0, backlog=1024)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server._stop()
        await listener.wait_closed()
