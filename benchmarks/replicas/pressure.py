"""A load on a server in a process of its own: requests arrive at a steady rate, and every answer is compared.

    python -m benchmarks.replicas.pressure < plan.json > result.json

It reads a `Plan` and writes a `Result`. With a rate of 0, each connection asks again as soon as it has an answer.
"""

import asyncio
import itertools
import re
import resource
import sys
import time
from collections import Counter

import msgspec
import uvloop

NUMBER = re.compile(r"\d+\.\d+|R\d+")


IDLE_SECONDS = 5.0


class Question(msgspec.Struct):
    """A body to post to `/graphql`, and the body that answers it."""

    body: str
    answer: str


class Plan(msgspec.Struct):
    """Where to send how much: `rate` requests a second for `seconds`, over at most so many `connections`.

    A request that finds no free connection waits for one. The seconds of an answer count from the moment at which its
    request was due.
    """

    host: str
    port: int
    questions: list[Question]
    rate: float
    seconds: float
    connections: int
    keep_alive: bool = True


class Failure(msgspec.Struct):
    """A request without its answer: the seconds since the start, and why."""

    at: float
    why: str


class Result(msgspec.Struct):
    """The seconds that answers took, with the seconds since the start at which they came; failures; CPU seconds.

    `stale` counts right answers that say that they are stale.
    """

    began: float
    elapsed: float
    cpu: float
    times: list[tuple[float, float]]
    failures: list[Failure]
    wrong: list[str]
    stale: int = 0


class Lost(Exception):
    """A request got no whole answer."""


class Connection:
    """One connection over which requests go one after the other."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Return the status line and the body of the answer. Raises Lost."""
        now = time.monotonic()
        if now - self._used > IDLE_SECONDS:
            self.close()  # the other side may be about to close it
        self._used = now
        try:
            if self._pair is None:
                self._pair = await asyncio.open_connection(self._plan.host, self._plan.port)
            reader, writer = self._pair
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, _, fields = head.partition(b"\r\n")
            fields = fields.lower()
            body = await self._body(reader, fields)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error}") from None
        if b"connection: close" in fields or not self._plan.keep_alive:
            self.close()
        return status, body

    async def _body(self, reader: asyncio.StreamReader, fields: bytes) -> bytes:
        at = fields.find(b"content-length:")
        if at >= 0:
            return await reader.readexactly(int(fields[at + 15 :].split(b"\r\n", 1)[0]))
        found = bytearray()
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            found += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return bytes(found)

    def close(self) -> None:
        """Close the connection. The next request opens another one."""
        if self._pair is not None:
            self._pair[1].close()
            self._pair = None


async def press(plan: Plan) -> Result:
    """Carry out a plan."""
    requests = [
        (
            f"POST /graphql HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\n{'' if plan.keep_alive else 'Connection: close' + chr(13) + chr(10)}"
            f"Content-Length: {len(each.body.encode())}\r\n\r\n".encode()
            + each.body.encode(),
            each.answer.encode(),
        )
        for each in plan.questions
    ]
    connections = [Connection(plan) for _ in range(plan.connections)]
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()  # the one used last first: the others can be closed
    for each in connections:
        idle.put_nowait(each)
    result = Result(time.time(), 0.0, 0.0, [], [], [])
    began = time.monotonic()

    async def one(number: int, connection: Connection, due: float) -> None:
        request, truth = requests[number % len(requests)]
        try:
            status, body = await connection.ask(request)
        except Lost as error:
            result.failures.append(Failure(time.monotonic() - began, str(error)))
            return
        now = time.monotonic()
        if not status.startswith(b"HTTP/1.1 200"):
            result.failures.append(Failure(now - began, f"{status.decode()} {body[:200].decode(errors='replace')}"))
        elif body == truth:
            result.times.append((now - began, now - due))
        elif b'"stale"' in body and msgspec.json.decode(body)["data"] == msgspec.json.decode(truth)["data"]:
            result.times.append((now - began, now - due))
            result.stale += 1
        elif b'"errors"' in body:
            result.failures.append(Failure(now - began, body[:300].decode(errors="replace")))
        else:
            result.wrong.append(body[:300].decode(errors="replace"))

    async def steady(number: int, at: float) -> None:
        await asyncio.sleep(began + at - time.monotonic())
        connection = await idle.get()
        await one(number, connection, began + at)
        idle.put_nowait(connection)

    async def closed(connection: Connection, numbers: "itertools.count[int]") -> None:
        while time.monotonic() - began < plan.seconds:
            await one(next(numbers), connection, time.monotonic())

    if plan.rate:
        running: set[asyncio.Task[None]] = set()
        for number in range(int(plan.rate * plan.seconds)):
            at = number / plan.rate
            delay = began + at - time.monotonic()
            if delay > 0.001:
                await asyncio.sleep(delay)
            task = asyncio.create_task(steady(number, at))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
    else:
        numbers = itertools.count()
        await asyncio.gather(*(closed(connection, numbers) for connection in connections))
    for connection in connections:
        connection.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    result.elapsed = time.monotonic() - began
    result.cpu = used.ru_utime + used.ru_stime
    return result


def reasons(result: Result) -> dict[str, int]:
    """Return how often each failure came."""
    return dict(Counter(NUMBER.sub("…", each.why[:130]) for each in result.failures))


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(press(given))))
