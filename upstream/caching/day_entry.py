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

from upstream.caching.days import microseconds
from upstream.reports.order import Claim, RowOrder, Share
from upstream.reports.rows import Row

# To be raised when a value means something else than before though its column's name and type stay.
FORMAT = 2
# asked, fresh until (microseconds), fetch, order, proven, number of rows, length of the places, fingerprint
_HEAD = struct.Struct(">qq8sBBII16s")
NO_PRINT = bytes(16)
HEAD = _HEAD.size
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_PLACES = msgspec.msgpack.Decoder(list[int])


def _unkept(value: object) -> None:
    raise OverflowError("a bad value")  # a day that holds one is read again


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_unkept)


class UnreadableEntry(Exception):
    """Bytes that are no parcel of these rows."""


@dataclass(frozen=True, slots=True)
class DayEntry:
    """The head of a parcel: when its rows were read, until when they are trusted, and the order they were listed in.

    `print` is the fingerprint that its day had when it was read or checked last; NO_PRINT if none was taken.
    """

    asked: int
    fresh_until: int
    fetch: bytes
    claim: Claim
    count: int
    value: bytes
    start: int
    print: bytes = NO_PRINT

    @property
    def since(self) -> datetime.datetime:
        """When its rows were asked for."""
        return _EPOCH + datetime.timedelta(microseconds=self.asked)

    @property
    def until(self) -> datetime.datetime:
        """Return the moment until which its rows are trusted."""
        return _EPOCH + datetime.timedelta(microseconds=self.fresh_until)

    def share(self, row: type[Row]) -> Share:
        """The rows. Raises Unreadable."""
        body = memoryview(self.value)
        try:
            places = _PLACES.decode(body[HEAD : self.start]) if self.start > HEAD else None
            rows = _decoder(row).decode(body[self.start :])
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnreadableEntry(str(error)) from None
        if len(rows) != self.count or (places is not None and len(places) != self.count):
            raise UnreadableEntry("the number of rows is not what it should be")
        return Share(rows, self.claim, self.fetch, places)


def renewed(kept: DayEntry, until: datetime.datetime, print: bytes) -> DayEntry:
    """Return the parcel trusted until a later moment, with the fingerprint that its day has now."""
    head = _HEAD.pack(
        kept.asked,
        microseconds(until),
        kept.fetch,
        kept.claim.order,
        kept.claim.proven,
        kept.count,
        kept.start - HEAD,
        print,
    )
    return unpack(head + kept.value[HEAD:])


def fingerprint(rows: Iterable[Row]) -> bytes:
    """Return the digest of some rows: the same for the same values, and never NO_PRINT."""
    return hashlib.blake2b(_ENCODER.encode(list(rows)), digest_size=16).digest()


def same_rows(one: bytes, other: bytes, row: type[Row]) -> bool:
    """Return whether two parcels hold the same rows, in whatever order. Raises Unreadable."""
    first, second = unpack(one), unpack(other)
    if first.count != second.count:
        return False
    if one[first.start :] == other[second.start :]:
        return True
    return sorted(map(_ENCODER.encode, first.share(row).rows)) == sorted(map(_ENCODER.encode, second.share(row).rows))


def pack(share: Share, asked: datetime.datetime, fresh_for: float, print: bytes = NO_PRINT) -> bytes:
    """Return the parcel of a share. Raises OverflowError for an id that msgpack cannot hold (2^64 and above)."""
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
        print,
    )
    return b"".join((head, places, _ENCODER.encode(share.rows)))


def unpack(value: bytes) -> DayEntry:
    """The parcel, of which at least the first HEAD bytes are there. Raises Unreadable."""
    try:
        asked, fresh_until, fetch, order, proven, count, places, print = _HEAD.unpack_from(value)
        claim = Claim(RowOrder(order), bool(proven))
    except (struct.error, ValueError) as error:
        raise UnreadableEntry(str(error)) from None
    return DayEntry(asked, fresh_until, fetch, claim, count, value, HEAD + places, print)


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
