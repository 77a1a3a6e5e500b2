"""Connect to a Redis of any kind, and say when it does not answer.

All parts of a server that share something with other servers use one connection. So they learn together that Redis is
down, and that it is there again.
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import structlog
from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterError, RedisError, ResponseError, TryAgainError

from upstream.durations import Durations
from upstream.redis.address import RedisAddress, RedisKind, parse
from upstream.redis.clock import ClockComparison
from upstream.redis.patient import patient
from upstream.redis.round_trips import Command, RoundTrips
from upstream.transport.secure import PLAIN, Secure
from upstream.transport.watched import Watched

_log = structlog.get_logger("upstream.redis")
_T = TypeVar("_T")
# The answer of a Sentinel, or the reason why it has none, in the text of the client.
_SAID_OF_SENTINEL = re.compile(r"\)> - (.+?)(?=, <redis|$)")
_FAILURES = (TimeoutError, RedisError, OSError)
# A command may connect and ask a Sentinel first, each within the timeout of a connection.
_STEPS = 3
# Each command that runs has a connection. Others wait: a busy server must not take its own limit for an outage.
_AT_ONCE = 32


class RedisDown(ConnectionError):
    """Redis did not carry out a command. The text says why, without a secret."""


class RedisConnection:
    """The connection of one process to a Redis or Valkey: one server, a Sentinel's master, or a Cluster.

    A command has `timeout` seconds. After a failure Redis is not used for `pause` seconds, so that no client waits for
    a Redis that does not answer. One line in the log reports the failure, and one the recovery. `secure` are the files
    of TLS; new connections use them as they are then.
    """

    def __init__(self, address: str, secure: Secure = PLAIN, *, timeout: float = 1.0, pause: float = 1.0) -> None:
        """Raise ValueError for a wrong address. This does not connect yet."""
        self.address = parse(address)
        self.client, self._others = _client(self.address, secure, timeout)
        self._pause = pause
        self._limit = _STEPS * timeout
        self._rest_until = 0.0
        self._reason: str | None = None
        # How long commands took that Redis answered, and how many it did not answer.
        self.commands = Durations()
        self.failures = 0
        self.clock = ClockComparison()
        self._refused: set[str] = set()
        self.closed = False  # until the next command
        self._running: set[asyncio.Task[Any]] = set()  # also commands whose callers have left
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._round_trips = RoundTrips(self._execute)

    @property
    def is_cluster(self) -> bool:
        """Return whether the keys are spread over the nodes of a Cluster. Keys with equal `{…}` are on one node."""
        return self.address.kind is RedisKind.CLUSTER

    @property
    def down(self) -> bool:
        """Return whether the last command failed."""
        return self._reason is not None

    @property
    def resting(self) -> bool:
        """Return whether Redis is not used at the moment, because it did not answer a moment ago."""
        return time.monotonic() < self._rest_until

    def notes(self) -> list[str]:
        """Return what is wrong, for people; nothing if Redis answers and the clocks agree."""
        found = []
        if self._reason is not None:
            found.append(f"Redis does not answer, so this server reads, counts and polls for itself ({self._reason})")
        if self.clock.wrong is not None:
            found.append(f"{self.clock.wrong}, so the servers share rows too rarely, and may keep forgotten days")
        return found

    async def attempt(self, send: Callable[[Any], Awaitable[_T]]) -> _T | None:
        """Return what Redis answers, or None if it is down. `send` gets the client."""
        try:
            return await self.run(send)
        except RedisDown:
            return None

    async def run(self, send: Callable[[Any], Awaitable[_T]]) -> _T:
        """Return what Redis answers. Raises RedisDown, at once if Redis did not answer a moment ago."""
        self._refuse_at_rest()
        return await self._apart(self._in_place(send))

    async def insist(self, send: Callable[[Any], Awaitable[_T]]) -> _T:
        """Return what Redis answers, even if it takes long, and even if it did not answer a moment ago.

        Raises RedisDown.
        """
        try:
            return await self._apart(self._carry_out(send, None))
        except RedisDown as error:
            raise RedisDown(f"Redis does not answer: {error}") from None

    async def look(self) -> None:
        """Notice that Redis is there again, if it was down. Compare the clocks once in a while."""
        if (self.down or self.clock.due) and not self.resting:
            await self.attempt(self._compare_clocks)

    def refused(self, error: Exception) -> str:
        """Note in the log, once for each reason, that Redis answers but refuses a command. Return the reason."""
        reason, kind = self._words(error), str(error).partition(" ")[0]
        if kind not in self._refused:
            self._refused.add(kind)
            _log.warning("redis.refused", reason=type(error).__name__, message=reason)
        return reason

    async def get_many(self, names: Sequence[bytes]) -> list[Any]:
        """Return the values of many names, in one round trip to each server. Raises RedisDown."""
        if not self.is_cluster:
            (values,) = await self.pipeline([("MGET", *names)])
            if isinstance(values, Exception):
                raise RedisDown(self.refused(values))
            return list(values)
        # One command for the names of each slot, which is cheaper than one for each name.
        slots: dict[int, list[int]] = {}
        for place, name in enumerate(names):
            slots.setdefault(self.client.keyslot(name), []).append(place)
        found: list[Any] = [None] * len(names)
        answers = await self.pipeline([("MGET", *(names[place] for place in places)) for places in slots.values()])
        for places, values in zip(slots.values(), answers, strict=True):
            if isinstance(values, Exception):
                raise RedisDown(self.refused(values))
            for place, value in zip(places, values, strict=True):
                found[place] = value
        return found

    async def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the answers to many commands of one slot each, in one round trip to each server. Raises RedisDown.

        A command that Redis refuses has its error as the answer. Commands of other callers may go in the same round
        trip.
        """
        self._refuse_at_rest()
        return await self._round_trips.answers(commands)

    async def _execute(self, commands: list[Command]) -> list[Any]:
        """Return the answers to commands, in one round trip to each server. Raises RedisDown."""

        async def execute(client: Any) -> list[Any]:
            async with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
            # In a Cluster a server may be gone, and the others answer.
            for answer in answers:
                if isinstance(answer, _FAILURES) and not _is_refusal(answer):
                    raise answer
            return answers

        return await self._in_place(execute)

    async def _compare_clocks(self, client: Any) -> None:
        options = {"target_nodes": RedisCluster.RANDOM} if self.is_cluster else {}
        before, began = time.time(), time.monotonic()
        seconds, microseconds = await client.time(**options)
        self.clock.note(before, seconds + microseconds / 1e6, time.monotonic() - began)

    async def info(self, client: Any) -> list[Mapping[str, Any]]:
        """Return what each server says about itself."""
        if not self.is_cluster:
            return [await client.info()]
        found = await client.info(target_nodes=RedisCluster.PRIMARIES)
        return [each for each in found.values() if isinstance(each, Mapping)] or [found]

    async def wrong(self, name: str) -> str | None:
        """Return what keeps Redis from keeping values under names like this, in words; None if nothing does."""
        try:
            await self.insist(lambda client: client.set(name, b"", px=1000))
        except RedisDown as error:
            return str(error)
        return None

    async def clock_wrong(self) -> str | None:
        """Compare the clocks now, if Redis answers. Return in words that they differed when last compared, or None."""
        await self.attempt(self._compare_clocks)
        return self.clock.wrong

    async def aclose(self) -> None:
        """Let go of the connections, after the commands whose callers have left."""
        self.closed = True
        await self._round_trips.ended()
        if self._running:
            await asyncio.wait(self._running)
        for each in (self.client, *self._others):
            with contextlib.suppress(*_FAILURES):
                await each.aclose()
        await asyncio.sleep(0)  # a transport ends in the next turn of the event loop

    def _refuse_at_rest(self) -> None:
        if self.resting:
            raise RedisDown(self._reason or "Redis did not answer a moment ago")

    async def _in_place(self, send: Callable[[Any], Awaitable[_T]]) -> _T:
        """Carry out a command as soon as there is a place for it. The time until then does not count."""
        async with self._places:
            self._refuse_at_rest()
            return await self._carry_out(send, self._limit)

    async def _carry_out(self, send: Callable[[Any], Awaitable[_T]], limit: float | None) -> _T:
        began = time.monotonic()
        self.closed = False
        try:
            async with asyncio.timeout(limit):
                answer = await send(self.client)
        except _FAILURES as error:
            if _is_refusal(error):
                raise RedisDown(self.refused(error)) from None
            self.failures += 1
            self._rest_until = time.monotonic() + self._pause
            reason = self._words(error)
            if self._reason is None:
                _log.warning("redis.down", reason=type(error).__name__, message=reason)
            self._reason = reason
            raise RedisDown(reason) from None
        self.commands.note(time.monotonic() - began)
        if self._reason is not None:
            self._reason = None
            _log.info("redis.up")
        return answer

    async def _apart(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of work in a task of its own: a cancelled client does not cut a connection in an answer."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._forget_task)
        return await asyncio.shield(task)

    def _forget_task(self, done: asyncio.Task[Any]) -> None:
        self._running.discard(done)
        if not done.cancelled():
            done.exception()  # it was raised for the caller, if there still is one

    def _words(self, error: BaseException) -> str:
        text = str(error)
        if isinstance(error, MasterNotFoundError):
            text = self._without_master(text)
        return self.address.without_secrets(f"{type(error).__name__}: {text}".rstrip(": "))

    def _without_master(self, text: str) -> str:
        """Return in words that no Sentinel names the master. `text` has the clients, and what each Sentinel said."""
        nodes = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.address.nodes)
        answers = _SAID_OF_SENTINEL.findall(text)
        if len(answers) < len(self.address.nodes):
            answers.append("it is not known, or it is down")
        return f"the Sentinels {nodes} name no master of {self.address.master!r} ({', '.join(dict.fromkeys(answers))})"


def _is_refusal(error: BaseException) -> bool:
    """Return whether Redis works, but does not carry out this command."""
    return isinstance(error, ResponseError) and not isinstance(error, ClusterError | AskError | TryAgainError)


class _TlsConnection(SSLConnection):
    """A connection whose files of TLS may change. The client itself reads them once for each connection."""

    def __init__(self, *, context: Callable[[], ssl.SSLContext], **options: Any) -> None:
        super().__init__(**options)
        self._context = context

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**Connection._connection_arguments(self), "ssl": self._context()}


class _SentinelTlsConnection(SentinelManagedConnection, _TlsConnection):
    """The same to the master that a Sentinel names."""


def _client(address: RedisAddress, secure: Secure, timeout: float) -> tuple[Any, list[Any]]:
    """Return the client of an address, and what else is to be closed. All clients have the same commands."""
    # A retry would cost a client more time than the cache can save. A Cluster needs one to find its new master.
    tries = 1 if address.kind is RedisKind.CLUSTER else 0
    common: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), tries),
    }
    own: dict[str, Any] = {"connection_class": patient(address.options.get("connection_class", Connection))}
    if address.tls:
        own = {"connection_class": patient(_TlsConnection), "context": _context(secure, address.check_hostname)}
    options = {**common, **address.options, "decode_responses": False}
    if address.kind is RedisKind.SINGLE:
        return Redis.from_pool(ConnectionPool(**{**options, **own})), []
    if address.kind is RedisKind.CLUSTER:
        return _cluster(address, options, own), []
    manager = Sentinel([], **options)  # type: ignore[no-untyped-call]
    manager.sentinels = [
        Redis.from_pool(
            ConnectionPool(
                host=host, port=port, **{**common, **address.sentinel_options, "decode_responses": True, **own}
            )
        )
        for host, port in address.nodes
    ]
    own["connection_class"] = patient(_SentinelTlsConnection if address.tls else SentinelManagedConnection)
    return manager.master_for(address.master, **own), [manager]


def _cluster(address: RedisAddress, options: dict[str, Any], own: dict[str, Any]) -> RedisCluster:
    options = {name: value for name, value in options.items() if name != "db"}
    try:
        found = RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in address.nodes], **options)
    except TypeError:
        raise ValueError("has an option that the client of a Cluster does not know") from None
    # The client of a Cluster has no parameter for the class of its connections.
    found.connection_kwargs.update(own)
    for node in found.nodes_manager.startup_nodes.values():
        node.connection_class = own["connection_class"]
        node.connection_kwargs.update(own)
        del node.connection_kwargs["connection_class"]
    return found


def _context(secure: Secure, check_hostname: bool) -> Callable[[], ssl.SSLContext]:
    """Return the function that gives the context of TLS for a new connection. Raises ValueError for a wrong file."""

    def read(_: object = None) -> ssl.SSLContext:
        found = secure.context()
        found.check_hostname = check_hostname
        return found

    if secure.files:
        watched = Watched(secure.files[0], read, others=secure.files[1:])
        return lambda: watched.value
    context = read()
    return lambda: context
