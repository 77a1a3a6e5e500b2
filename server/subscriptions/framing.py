"""The forms in which an HTTP response carries the answers of a subscription."""

from typing import Protocol

from server.http.negotiation import EVENT_STREAM, MULTIPART
from server.http.writing import encode
from server.subscriptions.ending import SubscriptionEnded


class Framing(Protocol):
    """The parts of a stream. An ending of None means that there are no more events."""

    content_type: str
    start: bytes
    beat: bytes

    def next(self, body: bytes) -> bytes:
        """Return the part with an answer."""
        ...

    def end(self, ending: SubscriptionEnded | None) -> bytes:
        """Return the last part."""
        ...


class EventFrames:
    """Server-Sent Events, in the distinct connections mode of graphql-sse: one stream for each operation."""

    content_type = f"{EVENT_STREAM}; charset=utf-8"
    start = beat = b":\n\n"

    def next(self, body: bytes) -> bytes:
        """Return the event with an answer."""
        return b"event: next\ndata: " + body + b"\n\n"

    def end(self, ending: SubscriptionEnded | None) -> bytes:
        """Return the last events. A client that should subscribe again sees the connection end without `complete`."""
        last = b"" if ending is None else self.next(encode({"errors": ending.errors}))
        return last if ending is not None and ending.again else last + b"event: complete\ndata:\n\n"


class MultipartFrames:
    """The multipart protocol of Apollo for subscriptions."""

    content_type = f'{MULTIPART};boundary="-";subscriptionSpec=1.0'
    start = b"\r\n---"
    beat = b"\r\nContent-Type: application/json\r\n\r\n{}\r\n---"

    def next(self, body: bytes) -> bytes:
        """Return the part with an answer."""
        return b'\r\nContent-Type: application/json\r\n\r\n{"payload":' + body + b"}\r\n---"

    def end(self, ending: SubscriptionEnded | None) -> bytes:
        """Return the last part. Errors that end the stream stand beside the payload."""
        if ending is None:
            return b"--\r\n"
        errors = encode({"payload": None, "errors": ending.errors})
        return b"\r\nContent-Type: application/json\r\n\r\n" + errors + b"\r\n-----\r\n"


FRAMINGS: dict[str, type[Framing]] = {EVENT_STREAM: EventFrames, MULTIPART: MultipartFrames}
