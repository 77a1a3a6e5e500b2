"""Write answers as JSON: a small one at once, a large one in pieces, each in its own turn of the event loop."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from resolvers.nodes import AnswerTooLarge

# The weight that is written in one turn of the event loop: some milliseconds of work. A value has the weight 1, and a
# long text has more.
PIECE = 10_000
_CHARACTERS = 64  # this many characters of a text weigh as much as a value
# How long a piece is at least, so that a small part of an answer is no piece of its own.
_BYTES = 256 * 1024
# Parts in one turn: to find each of them out takes up to a piece's work.
_PARTS = 4
_HASH = 32  # letters of an entity tag


class AnswerBytes(msgspec.Struct):
    """The JSON of an answer, in pieces, with their size and the entity tags by media type."""

    pieces: list[bytes]
    size: int
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    async def tag(self, media_type: str) -> str:
        """Return the entity tag. It is computed once; other tasks run between the pieces."""
        found = self.tags.get(media_type)
        if found is None:
            hashed = hashlib.sha256(media_type.encode())
            for place, piece in enumerate(self.pieces):
                if place:
                    await asyncio.sleep(0)
                hashed.update(piece)
            found = self.tags[media_type] = f'"{hashed.hexdigest()[:_HASH]}"'
        return found


def encode(answer: Any, *, indent: bool = False) -> bytes:
    """Return an answer as JSON. Scalars are texts, numbers or booleans; any other value is written as its text.

    A part of the answer that is JSON already is an `orjson.Fragment`.
    """
    try:
        return orjson.dumps(answer, default=str, option=orjson.OPT_INDENT_2 if indent else None)
    except TypeError:  # an integer beyond 64 bits, or half a surrogate pair: the slower library writes them
        return json.dumps(answer, default=_unwritten, indent=2 if indent else None).encode()


async def in_turns(answer: Any, most: int | None) -> list[bytes]:
    """Return the pieces of an answer as JSON. Other tasks run after every few parts.

    Raises AnswerTooLarge as soon as more than `most` bytes are written.
    """
    pieces: list[bytes] = []
    waiting: list[bytes] = []
    size = done = 0
    for count, part in enumerate(_parts(answer), 1):
        waiting.append(part)
        size += len(part)
        if most is not None and size > most:
            raise too_long(most)
        if size - done >= _BYTES:
            pieces.append(b"".join(waiting))
            waiting.clear()
            done = size
        if count % _PARTS == 0:
            await asyncio.sleep(0)
    return [*pieces, b"".join(waiting)] if waiting else pieces


def too_long(most: int) -> AnswerTooLarge:
    """Return the error for an answer with too many bytes."""
    return AnswerTooLarge(f"The answer is longer than {most >> 20} MiB, and may not be longer.")


def _parts(value: Any) -> Iterator[bytes]:
    """Yield the JSON of a value in parts. Each has at most about the weight of a piece."""
    if not isinstance(value, dict | list) or _weight(value) <= PIECE:
        yield encode(value)
    elif isinstance(value, dict):
        before = b"{"
        for key, each in value.items():
            yield before + encode(key) + b":"
            yield from _parts(each)
            before = b","
        yield b"}"
    else:
        before = b"["
        for together in _groups(value):
            yield before
            if len(together) == 1:
                yield from _parts(together[0])
            else:
                yield encode(together)[1:-1]
            before = b","
        yield b"]"


def _groups(items: list[Any]) -> Iterator[list[Any]]:
    """Yield groups of neighbouring items of a list, each with about the weight of a piece."""
    begin = weight = 0
    for place, item in enumerate(items):
        more = _weight(item) + 1
        if weight and weight + more > PIECE:
            yield items[begin:place]
            begin, weight = place, 0
        weight += more
    yield items[begin:]


def _weight(value: Any) -> int:
    """Return the weight of a value, or more than a piece for a heavy one."""
    weight, waiting = 0, [value]
    while waiting and weight <= PIECE:
        each = waiting.pop()
        kind = each.__class__
        if kind is str:
            weight += len(each) // _CHARACTERS
        elif kind is dict or kind is list:
            weight += len(each)
            if weight <= PIECE:
                waiting += each.values() if kind is dict else each
        elif kind is orjson.Fragment:
            weight += len(orjson.dumps(each)) // _CHARACTERS
    return weight


def _unwritten(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value)) if isinstance(value, orjson.Fragment) else str(value)
