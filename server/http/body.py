"""Read the body of a request, up to a number of bytes."""

from starlette.types import Receive

from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders
from server.http.watch import ClientGone


async def whole_body(headers: RequestHeaders, receive: Receive, most: int) -> bytes:
    """Return the body. Raises RequestError if it is longer than `most` bytes, and ClientGone."""
    length = headers.get("content-length", "")
    if length.isdigit() and (len(length) > 18 or int(length) > most):
        raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message["body"] if "body" in message else b""  # noqa: SIM401 - `get` takes longer
        size += len(part)
        if size > most:
            raise _too_large(most)
        more = "more_body" in message and message["more_body"]
        if not more and not parts:
            return part
        parts.append(part)
        if not more:
            return b"".join(parts)


def _too_large(most: int) -> RequestError:
    message = f"The request's body is larger than {most} bytes."
    # The rest of the body is not read, so the connection cannot be used again.
    return RequestError(413, "PAYLOAD_TOO_LARGE", message, {"Connection": "close"})
