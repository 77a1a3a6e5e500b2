"""The response with the result of a statement.

A statement holds its place, its process and its memory until its client has read the result. So it waits only for a
limited time for a client that reads slowly, or not at all.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from server.http.request_error import RequestError
from server.sql.answers import SqlResult
from server.sql.results import SqlFormat
from server.tables.formats import FormatWriter
from server.tables.writing import StreamBuffer


class SqlResponse(StreamingResponse):
    """The response with a result. In all, it waits `seconds` for its client to read."""

    def __init__(self, result: SqlResult, form: SqlFormat, headers: Mapping[str, str], seconds: float) -> None:
        """Begin the result. Raises RequestError if the format cannot hold it."""
        buffer = StreamBuffer()
        self._parts = _written(result, form, form.open(result.columns, result.schema, buffer), buffer)
        self._seconds = self._left = seconds
        super().__init__(self._parts, headers=headers, media_type=form.media_type)

    async def stream_response(self, send: Send) -> None:
        """Send the result. Raises RequestError if it fails: the connection is cut, so that it is not taken as whole."""
        loop = asyncio.get_running_loop()

        async def send_patiently(message: Message) -> None:
            began = loop.time()
            try:
                async with asyncio.timeout(self._left):
                    await send(message)
            except TimeoutError:
                raise _too_slow(self._seconds) from None
            self._left -= loop.time() - began

        try:
            await super().stream_response(send_patiently)
        finally:
            await self._parts.aclose()


def _too_slow(seconds: float) -> RequestError:
    message = (
        f"The client did not read the result fast enough: the statement waited {seconds:g} s (SQL_SECONDS) for it."
    )
    return RequestError(400, "SQL_LIMIT", message)


async def _written(
    result: SqlResult, form: SqlFormat, writer: FormatWriter, buffer: StreamBuffer
) -> AsyncGenerator[bytes]:
    """Yield the result in a format. If it fails, it ends without its end, and NDJSON says why."""
    try:
        if chunk := buffer.take():
            yield chunk
        async for batch in result.batches:
            await asyncio.to_thread(writer.write, batch)
            if chunk := buffer.take():
                yield chunk
        await asyncio.to_thread(writer.close)
        if chunk := buffer.take():
            yield chunk
    except RequestError as failure:
        if form.name == "ndjson":
            yield orjson.dumps({"error": failure.errors[0]}) + b"\n"
        raise
    finally:
        await result.batches.aclose()
