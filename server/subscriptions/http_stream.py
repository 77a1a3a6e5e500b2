"""An HTTP response that goes on: answers as they come, and beats in between, until one side ends it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from starlette.types import Receive, Scope, Send

from server.http.admission import HELD
from server.subscriptions.ending import SubscriptionEnded
from server.subscriptions.framing import Framing

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"vary", b"Accept"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the answers back
)


async def disconnected(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def leave_admission(scope: Scope) -> None:
    """Give back the place of this request among the operations: a stream has limits of its own."""
    if (held := scope.get(HELD)) is not None:
        held.leave(scope)


async def send_stream(
    answers: AsyncGenerator[bytes], framing: Framing, beat_seconds: float, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send the answers, each as soon as it is there. Return when they or the client have ended."""
    leave_admission(scope)
    headers = [(b"content-type", framing.content_type.encode()), *HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": framing.start, "more_body": True})
    gone = asyncio.ensure_future(disconnected(receive))
    following: asyncio.Future[bytes] | None = None
    more = True
    try:
        while more:
            if following is None:
                following = asyncio.ensure_future(anext(answers))
            await asyncio.wait((following, gone), timeout=beat_seconds, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return
            part = framing.beat
            if following.done():
                part, more = _part(following, framing)
                following = None
            await send({"type": "http.response.body", "body": part, "more_body": more})
    finally:
        waiting: list[asyncio.Future[Any]] = [gone] if following is None else [gone, following]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await answers.aclose()


def _part(answer: "asyncio.Future[bytes]", framing: Framing) -> tuple[bytes, bool]:
    """Return the part with an answer, or the last part, and whether more parts follow."""
    try:
        return framing.next(answer.result()), True
    except StopAsyncIteration:
        return framing.end(None), False
    except SubscriptionEnded as ending:
        return framing.end(ending), False
