"""Admission: a limited number of operations run, a limited number wait, and the next one is refused.

The refusal comes before the body is read, so it costs only its few bytes. A waiting request holds no body either. One
caller that fills the waiting room does not keep other callers out of it.
"""

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.error_response import send_error
from server.http.request_error import RequestError
from upstream.resilience.queue import QUEUE_CALLER
from upstream.resilience.waiting_room import WaitingRoom

MOST_RUNNING = 200
MOST_WAITING = 800
# Probes are always answered: a busy server is not dead. Its figures say how busy it is.
_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
_LONGEST = 30
# The mark of a part of a batch in its scope. It runs in the place of the batch.
PART = "part_of_batch"
# The admission that a request has its place from, in its scope.
HELD = "admission"


@dataclass(slots=True)
class AdmissionCounts:
    """The requests that run and wait now, how many may, and how many were refused."""

    running: int = 0
    waiting: int = 0
    refused: int = 0
    most_running: int = MOST_RUNNING
    most_waiting: int = MOST_WAITING


class Admission:
    """Pure ASGI middleware. It keeps `counts` up to date."""

    def __init__(
        self,
        app: ASGIApp,
        running: int = MOST_RUNNING,
        waiting: int = MOST_WAITING,
        counts: AdmissionCounts | None = None,
    ) -> None:
        self._app = app
        self._most_running = running
        self._line: deque[asyncio.Future[None]] = deque()
        self._room = WaitingRoom(waiting)
        self._counts = counts if counts is not None else AdmissionCounts()
        self._counts.most_running, self._counts.most_waiting = running, waiting
        self._seconds = 0.0  # duration of a request, a moving average

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _ALWAYS or PART in scope:
            await self._app(scope, receive, send)
            return
        counts = self._counts
        if counts.running < self._most_running:
            counts.running += 1
        elif self._room.full(QUEUE_CALLER.get().name):
            await self._refuse(scope, receive, send)
            return
        else:
            await self._turn(QUEUE_CALLER.get().name)
        began = time.monotonic()
        scope[HELD] = self
        try:
            await self._app(scope, receive, send)
        finally:
            if scope[HELD] is self:
                self._seconds += (time.monotonic() - began - self._seconds) / 20
                if self._line:
                    self._hand_on()
                else:
                    counts.running -= 1

    def leave(self, scope: Scope) -> None:
        """Give back the place of a request that goes on as a stream. Streams have limits of their own."""
        if scope[HELD] is self:
            scope[HELD] = None
            self._hand_on()

    async def _turn(self, caller: str) -> None:
        """Wait for the place of a request that ends."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self._room.enter(caller)
        self._counts.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._hand_on()  # it got the place at the moment it was cancelled
            raise
        finally:
            self._counts.waiting -= 1
            self._room.leave(caller)

    def _hand_on(self) -> None:
        """Give the place of a request to the one that waits longest; it is free only if none waits."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._counts.running -= 1

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._counts.refused += 1
        # The time until the requests that wait now have run.
        wait = min(max(math.ceil(len(self._room) * self._seconds / self._most_running), 1), _LONGEST)
        message = f"The server has more to do than it can: try again in {wait} s."
        # The body is not read, so the connection cannot be used again.
        headers = {"Retry-After": str(wait), "Connection": "close"}
        await send_error(RequestError(503, "OVERLOADED", message, headers), scope, receive, send)
