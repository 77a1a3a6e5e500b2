"""The few messages of Flight SQL that the server reads and writes, in the wire format of protobuf.

Only fields of bytes, texts and truths occur. Numbers of fields are those of `FlightSql.proto` of Apache Arrow.
"""

from collections.abc import Iterator, Mapping

Value = bytes | bool
_PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class MalformedMessage(ValueError):
    """Bytes are not a message."""


def fields(data: bytes) -> dict[int, list[bytes | int]]:
    """Return the fields of a message by their numbers. Raises MalformedMessage."""
    found: dict[int, list[bytes | int]] = {}
    for number, value in _read(data):
        found.setdefault(number, []).append(value)
    return found


def text(found: Mapping[int, list[bytes | int]], number: int) -> str | None:
    """Return a text of a message; None if it is not there. Raises MalformedMessage."""
    values = found.get(number)
    if not values:
        return None
    value = values[-1]
    if not isinstance(value, bytes):
        raise MalformedMessage(f"field {number} is no text")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedMessage(f"field {number} is not in UTF-8") from None


def numbers(found: Mapping[int, list[bytes | int]], number: int) -> set[int]:
    """Return the numbers of a repeated field, packed or not. Raises MalformedMessage."""
    values: set[int] = set()
    for value in found.get(number, ()):
        if isinstance(value, int):
            values.add(value)
            continue
        at = 0
        while at < len(value):
            one, at = _number(value, at)
            values.add(one)
    return values


def opened(data: bytes) -> tuple[str, bytes]:
    """Return the name of the message inside an `Any`, and its bytes. Raises MalformedMessage."""
    found = fields(data)
    kind = text(found, 1) or ""
    content = found.get(2, [b""])[-1]
    if not kind.startswith(_PREFIX) or not isinstance(content, bytes):
        raise MalformedMessage("this is no message of Flight SQL")
    return kind.removeprefix(_PREFIX), content


def inner(data: bytes, number: int) -> bytes:
    """Return the message in a field of a message; an empty one if it is not there. Raises MalformedMessage."""
    value = fields(data).get(number, [b""])[-1]
    if not isinstance(value, bytes):
        raise MalformedMessage(f"field {number} is no message")
    return value


def closed(name: str, **values: bytes) -> bytes:
    """Return a message in an `Any`. The keywords are `f1`, `f2` and so on, for the numbers of its fields."""
    return named(name, message({int(key[1:]): value for key, value in values.items()}))


def named(name: str, content: bytes) -> bytes:
    """Return the bytes of a message in an `Any`."""
    return message({1: (_PREFIX + name).encode(), 2: content})


def message(values: Mapping[int, bytes]) -> bytes:
    """Return a message with fields of bytes."""
    return b"".join(
        _varint(number << 3 | _LENGTH) + _varint(len(value)) + value for number, value in values.items() if value
    )


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _read(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _number(data, at)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _number(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise MalformedMessage("a field has an unknown form")
        if at + size > len(data):
            raise MalformedMessage("a field ends behind its message")
        yield number, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise MalformedMessage("a number has no end")
