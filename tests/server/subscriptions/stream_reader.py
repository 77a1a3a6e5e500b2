"""Read the streams of subscriptions: Server-Sent Events, and the parts of a multipart response."""

import json
from collections.abc import Iterator
from typing import Any

EVENTS = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="-";subscriptionSpec=1.0'
APOLLO = f"{MULTIPART},application/graphql-response+json,application/json;q=0.9"


def events(pieces: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Yield the events of a stream: their names and data. Comments are called `beat`."""
    text = ""
    for piece in pieces:
        text += piece
        while "\n\n" in text:
            event, _, text = text.partition("\n\n")
            lines = dict(line.partition(":")[::2] for line in event.split("\n"))
            if "" in lines:
                yield "beat", None
            else:
                data = lines["data"].strip()
                yield lines["event"].strip(), json.loads(data) if data else None


def parts(pieces: Iterator[str]) -> Iterator[Any]:
    """Yield the JSON of the parts of a multipart stream. Boundaries frame them exactly."""
    text = ""
    for piece in pieces:
        text += piece
        if text.startswith("\r\n---"):
            text = text.removeprefix("\r\n---")
        while "\r\n---" in text:
            part, _, text = text.partition("\r\n---")
            head, _, body = part.removeprefix("\r\n").partition("\r\n\r\n")
            assert head == "Content-Type: application/json"
            yield json.loads(body)
        if text == "--\r\n":
            return
