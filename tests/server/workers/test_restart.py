"""Workers on a unix socket that are replaced, and a server that stops, while clients are in the middle of something."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from server.listening.graph_server import STREAMS_SECONDS
from tests.programs import Piped, run
from tests.server.subscriptions.moving import MovingSandbox
from tests.server.subscriptions.socket_client import SocketClient, opened
from tests.server.subscriptions.stream_reader import EVENTS, events

GROUP, QUIET_GROUP = 382, 386
ADDED = "subscription ($group: ID!, $after: ID) { transactionAdded(groupId: $group, after: $after) { id nodeId } }"
USERS = "query ($group: ID!) { group(id: $group) { users(first: 5) { nodes { id } } } }"
TABLE, FORMS = "GroupTransactions", ("csv", "ndjson")
HOST = "http://localhost"
READ: dict[str, Any] = {
    "params": {"group": str(GROUP), "period": "yesterday"},
    "headers": {"Accept-Encoding": "identity"},
}
SECONDS = 60.0  # only so that a broken test ends


@dataclass
class Server:
    """A server on a unix socket."""

    path: Path
    process: Piped
    log: Path
    settings: dict[str, str]

    def client(self) -> httpx.AsyncClient:
        """Return a client of the server."""
        transport = httpx.AsyncHTTPTransport(verify=False, uds=str(self.path))  # no TLS, so no certificates to read
        return httpx.AsyncClient(transport=transport, base_url=HOST, timeout=SECONDS)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[SocketClient]:
        """Yield a WebSocket on which the client has introduced itself."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.path))
        client.setblocking(False)
        async with opened(HOST, client) as found:
            await found.init()
            yield found

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log about an event."""
        lines = map(orjson.loads, self.log.read_text().splitlines())
        return [line for line in lines if line["event"] == name]

    async def wait_for(self, name: str, count: int) -> None:
        """Wait until an event has happened so often."""
        await until(lambda: len(self.events(name)) >= count)

    def wait_for_start(self) -> None:
        """Wait until it answers requests."""
        end = time.monotonic() + SECONDS
        while not self.events("server.started"):
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    @property
    def files(self) -> Path:
        """The folder for the files of tables."""
        return self.path.parent / "files"

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers that live."""
        ended = {line["pid"] for line in self.events("worker.ended")}
        return [line["pid"] for line in self.events("worker.ready") if line["pid"] not in ended]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingSandbox]:
    with MovingSandbox(tmp_path_factory.mktemp("world")) as sandbox:
        sandbox.stand_still()
        sandbox.book(GROUP, *range(1, 4000), days_ago=1)  # so that no buffer takes in a whole table
        yield sandbox


@pytest.fixture(scope="module")
def server(moving: MovingSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("workers")
    with started(moving, folder, WORKERS="2", TABLES_SPOOL_DIR=str(folder / "files")) as server:
        yield server


@contextmanager
def started(moving: MovingSandbox, folder: Path, **more: str) -> Iterator[Server]:
    """Yield a server on a unix socket."""
    folder.mkdir(exist_ok=True)
    path, log = folder / "graph.sock", folder / "log"
    settings = {
        **os.environ,
        **moving.settings(AUTH="open", LOG_FORMAT="json", LOG_LEVEL="info", TMPDIR=str(folder), **more),
        "ERROR_JOURNAL": str(folder / "errors.sqlite"),
        "KEYS_FILE": str(folder / "keys.sqlite"),
    }
    with log.open("w") as stderr:
        words = ("serve", "--unix-socket", str(path))
        process = Piped("gamehub-graph", *words, folder=folder, environment=settings, stderr=stderr)
        try:
            server = Server(path, process, log, settings)
            server.wait_for_start()
            yield server
        finally:
            process.terminate()
            process.close(SECONDS)


def sockets_of(pid: int) -> int:
    """Return the number of open sockets of a process."""
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(file.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def test_both_workers_answer(server: Server) -> None:
    before = {pid: sockets_of(pid) for pid in server.workers}
    assert len(before) == 2
    clients = []
    try:
        for _ in range(20):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(SECONDS)
            client.connect(str(server.path))
            clients.append(client)
            client.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        taken = [sockets_of(pid) - count for pid, count in before.items()]
    finally:
        for client in clients:
            client.close()
    assert sum(taken) == 20
    assert min(taken) >= 8


class Subscriber:
    """A client of `transactionAdded`, over a transport: it notes what it receives, and from where it can go on."""

    def __init__(self, group: int) -> None:
        self.group = group
        self.seen: list[str] = []
        self.after: str | None = None
        self.joined = asyncio.Event()
        self.code: str | int | None = None

    def take(self, payload: Any) -> None:
        """Take an answer, or the errors with which the server ends a subscription."""
        if (problems := payload.get("errors")) is not None:
            self.code, self.after = problems[0]["extensions"]["code"], problems[0]["extensions"]["after"]
            return
        added = payload["data"]["transactionAdded"]
        self.seen.append(added["id"])
        self.after = added["nodeId"]

    @property
    def payload(self) -> dict[str, Any]:
        """Return the operation that begins or goes on."""
        return {"query": ADDED, "variables": {"group": self.group, "after": self.after}}

    async def over_events(self, server: Server, last: int | None = None) -> None:
        """Receive until the server ends the stream, or until so many transactions are there."""
        async with server.client() as client:
            headers = {"Accept": EVENTS}
            async with client.stream("POST", "/graphql", json=self.payload, headers=headers) as answer:
                self.joined.set()
                text = ""
                async for piece in answer.aiter_text():
                    *whole, text = (text + piece).split("\n\n")
                    for name, payload in events(iter([f"{one}\n\n" for one in whole])):
                        assert name in ("beat", "next")  # no `complete`, so that clients subscribe again
                        if name == "next":
                            self.take(payload)
                    if len(self.seen) == last:
                        return

    async def over_socket(self, server: Server, last: int | None = None) -> None:
        """The same over a WebSocket."""
        async with server.socket() as client:
            await client.send("subscribe", "a", self.payload)
            self.joined.set()
            with suppress(ConnectionClosed):
                while len(self.seen) != last:
                    message = await client.receive()
                    if message["type"] in ("next", "ping"):
                        self.take(message["payload"])
            if len(self.seen) != last:
                assert await client.closed() == (1012, "This server stops. Subscribe again.")


async def subscribed(server: Server, moving: MovingSandbox) -> dict[Subscriber, "asyncio.Task[None]"]:
    """Subscribe over each transport: with a first transaction, and without any."""
    found = {}
    moving.reset()
    for group in (GROUP, QUIET_GROUP):
        for way in (Subscriber.over_events, Subscriber.over_socket):
            subscriber = Subscriber(group)
            found[subscriber] = asyncio.create_task(way(subscriber, server))
            await subscriber.joined.wait()
    # All rows that are booked from now on are new for each of them. Both workers poll.
    for group in (GROUP, QUIET_GROUP):
        await until(lambda group=group: polls_of(moving, group) >= 10)  # type: ignore[misc]
    return found


def polls_of(moving: MovingSandbox, group: int) -> int:
    """Return how often a group was polled since `reset`."""
    calls = [call for call in moving.calls() if call["report"] == "api_retail_movements"]
    return sum(call["params"]["group_id"] == str(group) for call in calls)


async def until(check: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(SECONDS):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def book_first(moving: MovingSandbox, subscribers: Collection[Subscriber]) -> dict[int, list[str]]:
    """Book a transaction that some clients receive before the end, and return those of each group."""
    expected: dict[int, list[str]] = {GROUP: moving.book(GROUP, 100), QUIET_GROUP: []}
    await until(lambda: [one.seen for one in subscribers] == [expected[one.group] for one in subscribers])
    return expected


async def all_seen(subscribers: Collection[Subscriber], expected: Mapping[int, list[str]], server: Server) -> None:
    """Let clients go on, and check that each receives each transaction once."""
    going_on = []
    for number, one in enumerate(subscribers):
        assert one.code == "SERVER_DRAINING"
        way = (Subscriber.over_events, Subscriber.over_socket)[number % 2]
        if len(one.seen) < len(expected[one.group]):
            going_on.append(way(one, server, len(expected[one.group])))
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*going_on)
    assert [one.seen for one in subscribers] == [expected[one.group] for one in subscribers]


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[list[str]]:
    """Send requests without a pause, on new connections and on one that is kept. Yield what went wrong.

    That the server has gone is not wrong: then there are no more requests.
    """
    wrong: list[str] = []
    answers = 0

    async def ask(*, keeps: bool) -> None:
        nonlocal answers
        client = server.client()
        try:
            while True:
                if not keeps:
                    await client.aclose()
                    client = server.client()
                answer = await client.post("/graphql", json={"query": "{ __typename }"})
                assert answer.json() == {"data": {"__typename": "Query"}}
                answers += 1
                await asyncio.sleep(0.05)
        except httpx.ConnectError:
            pass
        except (httpx.TransportError, AssertionError) as error:
            wrong.append(repr(error))
        finally:
            await client.aclose()

    tasks = [asyncio.create_task(ask(keeps=keeps)) for keeps in (True, False)]
    try:
        yield wrong
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert answers > 1


@asynccontextmanager
async def begun(server: Server, form: str) -> AsyncIterator[tuple[bytes, AsyncIterator[bytes]]]:
    """Yield the beginning of a table, and what follows it when the client reads on."""
    async with server.client() as client, client.stream("GET", f"/tables/{TABLE}.{form}", **READ) as answer:
        pieces = answer.aiter_raw(1000)
        yield await anext(pieces), pieces


async def rest_of(pieces: AsyncIterator[bytes]) -> bytes:
    """Return what is left of an answer."""
    return b"".join([piece async for piece in pieces])


async def test_a_restart_of_the_workers_loses_nothing(server: Server, moving: MovingSandbox, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(server.client())
        whole = {form: (await client.get(f"/tables/{TABLE}.{form}", **READ)).content for form in FORMS}
        subscribers = await subscribed(server, moving)
        expected = await book_first(moving, subscribers)
        parts = {form: await stack.enter_async_context(begun(server, form)) for form in FORMS}
        moving.fault("slow", "api_users_report", value=1)
        query = asyncio.create_task(client.post("/graphql", json={"query": USERS, "variables": {"group": GROUP}}))
        words = ("export", TABLE, "--var", f"group={QUIET_GROUP}", "--during", "yesterday", "--out", "lake")
        export = asyncio.create_task(
            asyncio.to_thread(run, *words, folder=tmp_path, environment=server.settings, timeout=SECONDS)
        )
        await moving.polled(1, "api_users_report")
        wrong = await stack.enter_async_context(asking(server))
        os.kill(server.process.pid, signal.SIGHUP)
        await server.wait_for("worker.ready", 3)
        for group in (GROUP, QUIET_GROUP):
            expected[group] += moving.book(group, 200, 300)
        assert (await query).json()["data"]["group"]["users"]["nodes"]
        moving.heal()
        assert server.events("server.restarted") == []
        for form, (first, pieces) in parts.items():
            assert first + await rest_of(pieces) == whole[form]
        await asyncio.gather(*subscribers.values())
        await server.wait_for("server.restarted", 1)
        assert (await client.get("/readyz")).json() == {"ready": True}
        assert wrong == []
        done = await export
        assert done.returncode == 0, done.stderr
        await all_seen(list(subscribers), expected, server)


async def test_a_download_that_a_server_cuts_goes_on_at_another_one(
    server: Server, moving: MovingSandbox, tmp_path: Path
) -> None:
    """A client that reads longer than STOP_SECONDS continues with a range."""
    got = b""
    with started(moving, tmp_path, TABLES_SPOOL_DIR=str(server.files), STOP_SECONDS="1") as other:
        async with other.client() as client, client.stream("GET", f"/tables/{TABLE}.csv", **READ) as answer:
            pieces = answer.aiter_raw(1000)
            got += await anext(pieces)
            other.process.terminate()
            assert await asyncio.to_thread(other.process.wait, SECONDS) == 0
            with suppress(httpx.RemoteProtocolError):
                async for piece in pieces:
                    got += piece
    async with server.client() as client:
        whole = (await client.get(f"/tables/{TABLE}.csv", **READ)).content
        headers = {"Range": f"bytes={len(got)}-", "If-Range": answer.headers["etag"]}
        rest = await client.get(f"/tables/{TABLE}.csv", params=READ["params"], headers=headers)
    assert rest.status_code == 206
    assert got + rest.content == whole
    assert len(rest.content) > 1000


async def test_the_end_of_a_server_says_from_where_clients_can_go_on(
    server: Server, moving: MovingSandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # The name of a unix socket has 107 bytes at most.
    with started(moving, tmp_path_factory.mktemp("end"), WORKERS="2") as ending:
        subscribers = await subscribed(ending, moving)
        expected = await book_first(moving, subscribers)
        async with (
            asking(ending) as wrong,
            begun(ending, "csv") as (first, pieces),
            ending.client() as client,
            ending.socket() as queries,
        ):
            # Longer than clients of subscriptions have to learn that the server stops.
            moving.fault("slow", "api_users_report", value=STREAMS_SECONDS + 1)
            query = asyncio.create_task(client.post("/graphql", json={"query": USERS, "variables": {"group": GROUP}}))
            await queries.subscribe("q", USERS, group=QUIET_GROUP)
            await moving.polled(2, "api_users_report")
            ending.process.terminate()
            await asyncio.gather(*subscribers.values())
            assert (await query).json()["data"]["group"]["users"]["nodes"]
            assert (await queries.data("q"))["group"]["users"]["nodes"]
            assert await queries.receive() == {"id": "q", "type": "complete"}
            assert await queries.closed() == (1012, "This server stops. Subscribe again.")
            table = first + await rest_of(pieces)
            assert await asyncio.to_thread(ending.process.wait, SECONDS) == 0
        moving.heal()
    assert wrong == []
    assert not ending.path.exists()
    for group in (GROUP, QUIET_GROUP):
        expected[group] += moving.book(group, 200, 300)
    await all_seen(list(subscribers), expected, server)
    async with server.client() as client:
        assert (await client.get(f"/tables/{TABLE}.csv", **READ)).content == table
