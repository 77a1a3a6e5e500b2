"""A parcel: the rows of one day as bytes, which decode at msgspec's speed, and what has to be known of them."""

import datetime
import hashlib
import struct
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from upstream.days import microseconds
from upstream.order import Claim, Order, Share
from upstream.rows import Row

# To be raised when a value means something else than before though its column's name and type stay.
FORMAT = 1
# asked, fresh until (microseconds), fetch, order, proven, number of rows, length of the places
_HEAD = struct.Struct(">qq8sBBII")
HEAD = _HEAD.size
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_PLACES = msgspec.msgpack.Decoder(list[int])


def _unkept(value: object) -> None:
    raise OverflowError("a bad value")  # a day that holds one is read again


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_unkept)


class Unreadable(Exception):
    """Bytes that are no parcel of these rows."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a parcel says of itself: when its rows were asked for and until when they are fresh, who listed them."""

    asked: int
    fresh_until: int
    fetch: bytes
    claim: Claim
    count: int
    value: bytes
    start: int

    @property
    def since(self) -> datetime.datetime:
        """When its rows were asked for."""
        return _EPOCH + datetime.timedelta(microseconds=self.asked)

    def share(self, row: type[Row]) -> Share:
        """The rows. Raises Unreadable."""
        body = memoryview(self.value)
        try:
            places = _PLACES.decode(body[HEAD : self.start]) if self.start > HEAD else None
            rows = _decoder(row).decode(body[self.start :])
        except (msgspec.MsgspecError, ValueError) as error:
            raise Unreadable(str(error)) from None
        if len(rows) != self.count or (places is not None and len(places) != self.count):
            raise Unreadable("the number of rows is not what it should be")
        return Share(rows, self.claim, self.fetch, places)


def pack(share: Share, asked: datetime.datetime, fresh_for: float) -> bytes:
    """The parcel of a share. Raises OverflowError for an id that msgpack cannot hold (2^64 and above)."""
    since = microseconds(asked)
    places = _ENCODER.encode(share.places) if share.places is not None else b""
    head = _HEAD.pack(
        since,
        since + round(fresh_for * 1_000_000),
        share.fetch,
        share.claim.order,
        share.claim.proven,
        len(share.rows),
        len(places),
    )
    return b"".join((head, places, _ENCODER.encode(share.rows)))


def unpack(value: bytes) -> Parcel:
    """The parcel, of which at least the first HEAD bytes are there. Raises Unreadable."""
    try:
        asked, fresh_until, fetch, order, proven, count, places = _HEAD.unpack_from(value)
        claim = Claim(Order(order), bool(proven))
    except (struct.error, ValueError) as error:
        raise Unreadable(str(error)) from None
    return Parcel(asked, fresh_until, fetch, claim, count, value, HEAD + places)


@lru_cache(maxsize=64)
def form(row: type[Row]) -> str:
    """A short name of how these rows are written: another as soon as a struct of theirs changes."""
    described = "\n".join(f"{name}: {fields}" for name, fields in sorted(_described(row, {}).items()))
    return hashlib.sha256(f"{FORMAT}\n{described}".encode()).hexdigest()[:10]


@lru_cache(maxsize=64)
def _decoder(row: Any) -> Any:
    return msgspec.msgpack.Decoder(list[row])


def _described(row: type[Row], seen: dict[str, str]) -> dict[str, str]:
    hints = typing.get_type_hints(row, include_extras=True)
    seen[row.__qualname__] = ", ".join(
        f"{field.encode_name}={hints[field.name]!r}{'' if field.required else '?'}"
        for field in msgspec.structs.fields(row)
    )
    for hint in hints.values():
        for inner in _structs(hint):
            if inner.__qualname__ not in seen:
                _described(inner, seen)
    return seen


def _structs(hint: Any) -> Iterable[type[Row]]:
    if isinstance(hint, type) and issubclass(hint, Row):
        yield hint
    for part in typing.get_args(hint):
        yield from _structs(part)
