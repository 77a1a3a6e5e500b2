"""The load generator over raw keep-alive sockets: clients that ask again as soon as they have an answer, or requests
that arrive at given times, however long the answers take.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

Label = TypeVar("Label")


class WrongAnswer(Exception):
    """A server answered other than it did at first."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request, whole, and the length of the answer's body, once that is known."""

    request: bytes
    length: int | None = None


def request(host: str, port: int, path: str, body: bytes, headers: str = "") -> bytes:
    """A POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\naccept: application/json\r\n"
    )
    return f"{head}{headers}content-length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection with one request at a time under way."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._needed: int | None = None  # bytes from the start of the body, where its length is written
        self._body_at = 0
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # which that of uvloop is not by name

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(WrongAnswer(f"the connection was closed: {error!r}"))

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for its whole answer, which `body` then returns."""
        self._pieces, self._held, self._needed, self._body_at = [], 0, None, 0
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._done

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if not self._body_at:
            if len(self._pieces) > 1:
                self._pieces = [b"".join(self._pieces)]
            head = self._pieces[0]
            end = head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._body_at = end + 4
            fields = head[:end].lower()
            at = fields.find(b"\r\ncontent-length:")
            self._needed = int(fields[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else None
        if self._needed is not None:
            ended = self._held >= self._body_at + self._needed
        else:
            ended = (
                self._pieces[-1][-5:] if len(self._pieces[-1]) > 4 else b"".join(self._pieces[-5:])[-5:]
            ) == b"0\r\n\r\n"
        if ended and self._done is not None and not self._done.done():
            self._done.set_result(None)

    @property
    def length(self) -> int:
        """The bytes of the last body, as they came."""
        return self._held - self._body_at

    @property
    def ok(self) -> bool:
        """Whether the last answer's status was 200."""
        return self._pieces[0].startswith(b"HTTP/1.1 200")

    @property
    def body(self) -> bytes:
        """The last body."""
        whole = b"".join(self._pieces)[self._body_at :]
        if self._needed is not None:
            return whole
        found = bytearray()
        while whole:
            size, _, rest = whole.partition(b"\r\n")
            length = int(size.split(b";")[0], 16)
            found += rest[:length]
            whole = rest[length + 2 :]
            if length == 0:
                break
        return bytes(found)

    def close(self) -> None:
        self._transport.close()


async def connect(host: str, port: int) -> Client:
    """A connection."""
    _, client = await asyncio.get_running_loop().create_connection(Client, host, port)
    return client


@dataclass(frozen=True, slots=True)
class Load:
    """What a load came to: the seconds that each answer took, and all of them together."""

    seconds: list[float]
    elapsed: float


async def press(host: str, port: int, questions: Sequence[Question], seconds: float, at_least: int) -> Load:
    """A client for each question, for so long and at least so many answers each. Raises WrongAnswer."""
    clients = [await connect(host, port) for _ in questions]
    took: list[float] = []
    clock = time.perf_counter
    began = clock()
    until = began + seconds

    async def work(client: Client, question: Question) -> None:
        number = 0
        while number < at_least or clock() < until:
            sent = clock()
            await client.ask(question.request)
            took.append(clock() - sent)
            number += 1
            # A chunked answer may be cut into other chunks each time; a written length does not vary.
            wrong = question.length is not None and client._needed is not None and client.length != question.length
            if wrong or not client.ok:
                raise WrongAnswer(f"{client.length} bytes instead of {question.length}: {client.body[:300]!r}")

    try:
        await asyncio.gather(*(work(client, question) for client, question in zip(clients, questions, strict=True)))
    finally:
        for client in clients:
            client.close()
    return Load(took, clock() - began)


@dataclass(frozen=True, slots=True)
class Arrival(Generic[Label]):
    """A request that arrives so many seconds after the start."""

    at: float
    request: bytes
    label: Label


@dataclass(frozen=True, slots=True)
class Answered(Generic[Label]):
    """An arrival's answer: the seconds since it arrived, infinite if none came, and the monotonic time."""

    label: Label
    seconds: float
    at: float


async def arrive(host: str, port: int, arrivals: Sequence[Arrival[Label]], patience: float) -> list[Answered[Label]]:
    """Send requests at their times, each over a free connection, and wait so long after the last one.

    The seconds of an answer begin when its request should have been sent. Raises WrongAnswer.
    """
    idle: list[Client] = []
    answers: list[Answered[Label]] = []
    began = time.monotonic()

    async def work(arrival: Arrival[Label]) -> None:
        await asyncio.sleep(began + arrival.at - time.monotonic())
        client = idle.pop() if idle else await connect(host, port)
        try:
            await client.ask(arrival.request)
        except asyncio.CancelledError:
            client.close()
            answers.append(Answered(arrival.label, float("inf"), float("inf")))
            raise
        at = time.monotonic()
        if not client.ok or b'"errors"' in client.body[:200] + client.body[-200:]:
            raise WrongAnswer(f"{client.body[:300]!r}")
        answers.append(Answered(arrival.label, at - began - arrival.at, at))
        idle.append(client)

    tasks = [asyncio.create_task(work(arrival)) for arrival in arrivals]
    done, late = await asyncio.wait(tasks, timeout=max(arrival.at for arrival in arrivals) + patience)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for client in idle:
        client.close()
    for task in done:
        task.result()
    return answers
