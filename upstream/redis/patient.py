"""Connections that do not take a pause of this process for a silence of Redis.

When the machine halts a process, or the event loop stands still, the time of a command passes although Redis has
answered: the answer waits in the socket. The client of Redis would give up before it reads it.
"""

import asyncio
import math
from types import TracebackType
from typing import Any, Self, TypeVar

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import TimeoutError as SilentError

_C = TypeVar("_C", bound=AbstractConnection)
# At the end of its time, an answer that has arrived is read within so many seconds.
_GRACE_SECONDS = 0.05


class Patience:
    """Limit a block to some seconds, as `asyncio.timeout` does, without a pause of the event loop at their end.

    The block has a moment more, or as long as the pause was, but at most so many seconds again.
    """

    __slots__ = ("_due", "_loop", "_scope", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._scope = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        self._due = self._loop.time() + self._seconds
        self._timer = self._loop.call_at(self._due, self._end_soon)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._scope.__aexit__(kind, error, trace)

    def _end_soon(self) -> None:
        pause = min(self._loop.time() - self._due, self._seconds)
        self._timer = self._loop.call_later(max(pause, _GRACE_SECONDS), self._end)

    def _end(self) -> None:
        self._scope.reschedule(self._loop.time())


class PatientConnection(AbstractConnection):
    """A connection that measures the time of an answer, and of an attempt to connect, in this way."""

    def __init__(self, *, socket_timeout: float, socket_connect_timeout: float, **options: Any) -> None:
        super().__init__(**options, socket_timeout=None, socket_connect_timeout=None)
        self._answer_seconds = socket_timeout
        self._connect_seconds = socket_connect_timeout

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Connect. Raises TimeoutError of the client."""
        if self.is_connected:
            return
        try:
            async with Patience(self._connect_seconds):
                await super().connect_check_health(*args, **options)
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise SilentError("Timeout connecting to server") from None
        except asyncio.CancelledError:
            await self.disconnect(nowait=True)
            raise

    async def disconnect(self, nowait: bool = False, *args: Any, **options: Any) -> None:
        """Close the connection, after a failure (`nowait`) at once: a silent server would let a polite end wait."""
        writer = self._writer
        if writer is None or asyncio.current_task() is None:
            await super().disconnect(nowait, *args, **options)
            return
        if nowait:
            writer.transport.abort()
        try:
            async with asyncio.timeout(self._connect_seconds):
                await super().disconnect(nowait, *args, **options)
        except TimeoutError:
            writer.transport.abort()

    async def read_response(
        self,
        disable_decoding: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109  # that of the client
        **options: Any,
    ) -> Any:
        """Return an answer. Raises TimeoutError of the client, unless the caller itself set a time."""
        if timeout is not None:
            return await super().read_response(disable_decoding, timeout, **options)
        try:
            async with Patience(self._answer_seconds):
                return await super().read_response(disable_decoding, math.inf, **options)
        except TimeoutError:
            raise SilentError("Timeout reading from socket") from None


def patient(kind: type[_C]) -> type[_C]:
    """Return the patient form of a kind of connection."""
    return type(kind.__name__, (PatientConnection, kind), {})
