"""A client of the protocol graphql-transport-ws, on the library websockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("graphql-transport-ws")
SECONDS = 30


class SocketClient:
    """One connection. Messages are dictionaries."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, type: str, id: str | None = None, payload: Any = None) -> None:
        """Send a message."""
        members = {"type": type, "id": id, "payload": payload}
        await self.connection.send(json.dumps({name: value for name, value in members.items() if value is not None}))

    async def receive(self) -> dict[str, Any]:
        """Return the next message. Raises ConnectionClosed."""
        async with asyncio.timeout(SECONDS):
            found: dict[str, Any] = json.loads(await self.connection.recv())
        return found

    async def init(self, payload: Any = None) -> None:
        """Introduce the client."""
        await self.send("connection_init", payload=payload)
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, id: str, query: str, **variables: Any) -> None:
        """Start an operation."""
        await self.send("subscribe", id, {"query": query, "variables": variables})

    async def data(self, id: str) -> Any:
        """Return the data of the next message, which belongs to this operation and has no errors."""
        message = await self.receive()
        assert message["id"] == id
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def closed(self) -> tuple[int, str]:
        """Return the code and the reason with which the server closes the connection, after what still comes."""
        async with asyncio.timeout(SECONDS):
            await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def opened(address: str, sock: socket.socket | None = None, **headers: str) -> AsyncIterator[SocketClient]:
    """Yield a connection to `/graphql`, before the client has introduced itself."""
    url = f"{address.replace('http', 'ws', 1)}/graphql"
    async with connect(
        url, subprotocols=[PROTOCOL], additional_headers=headers, proxy=None, sock=sock, ping_interval=None
    ) as connection:
        yield SocketClient(connection)


def narrow_socket(address: str) -> socket.socket:
    """Return a socket that is connected and buffers little of what the server sends."""
    host, port = address.removeprefix("http://").split(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    narrow.connect((host, int(port)))
    narrow.setblocking(False)
    return narrow


@asynccontextmanager
async def connected(address: str, payload: Any = None, **headers: str) -> AsyncIterator[SocketClient]:
    """Yield a connection on which the client has introduced itself."""
    async with opened(address, None, **headers) as client:
        await client.init(payload)
        yield client
