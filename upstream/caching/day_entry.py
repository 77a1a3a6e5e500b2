"""Pack the rows of one day into bytes that msgspec decodes fast, with a head that describes them."""

import datetime
import hashlib
import struct
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from upstream.reports.order import Claim, RowOrder, Share
from upstream.reports.rows import Row
from upstream.values.days import microseconds

# Raise this number if a value changes its meaning but its column keeps its name and type.
FORMAT = 3
# requested_at, fresh until (microseconds), fetch, order, proven, number of rows, length of the places, fingerprint,
# version
_HEAD = struct.Struct(">qq8sBBII16s12s")
_VERSION_BYTES = 12
NO_PRINT = bytes(16)
HEAD = _HEAD.size
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_PLACES = msgspec.msgpack.Decoder(list[int])


def _refuse_bad_value(value: object) -> None:
    raise OverflowError("a bad value")  # a day that holds one is read again


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_refuse_bad_value)


class UnreadableEntry(Exception):
    """Say that bytes are not an entry of these rows."""


@dataclass(frozen=True, slots=True)
class DayEntry:
    """Hold the head of an entry: when its rows were read, until when they are trusted, and in which order they stand.

    `print` is the fingerprint of the day when it was read or checked last; NO_PRINT if none was taken. `version` is a
    digest of the rows: an entry that was read again with the same rows in the same order keeps its version.
    """

    requested_at: int
    fresh_until: int
    fetch: bytes
    claim: Claim
    count: int
    value: bytes
    start: int
    print: bytes = NO_PRINT
    version: bytes = b""

    @property
    def since(self) -> datetime.datetime:
        """Return when its rows were requested."""
        return _EPOCH + datetime.timedelta(microseconds=self.requested_at)

    @property
    def until(self) -> datetime.datetime:
        """Return the moment until which its rows are trusted."""
        return _EPOCH + datetime.timedelta(microseconds=self.fresh_until)

    def share(self, row: type[Row]) -> Share:
        """Return the rows. Raise UnreadableEntry."""
        body = memoryview(self.value)
        try:
            places = _PLACES.decode(body[HEAD : self.start]) if self.start > HEAD else None
            rows = _decoder(row).decode(body[self.start :])
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnreadableEntry(str(error)) from None
        if len(rows) != self.count or (places is not None and len(places) != self.count):
            raise UnreadableEntry("the number of rows is not what it should be")
        return Share(rows, self.claim, self.fetch, places)


def renewed(entry: DayEntry, until: datetime.datetime, print: bytes) -> DayEntry:
    """Return the entry trusted until a later moment, with the present fingerprint of its day."""
    head = _HEAD.pack(
        entry.requested_at,
        microseconds(until),
        entry.fetch,
        entry.claim.order,
        entry.claim.proven,
        entry.count,
        entry.start - HEAD,
        print,
        entry.version,
    )
    return unpack(head + entry.value[HEAD:])


def fingerprint(rows: Iterable[Row]) -> bytes:
    """Return the digest of some rows: the same for the same values, and never NO_PRINT."""
    return hashlib.blake2b(_ENCODER.encode(list(rows)), digest_size=16).digest()


def same_rows(one: bytes, other: bytes, row: type[Row]) -> bool:
    """Return whether two entries hold the same rows, in any order. Raise UnreadableEntry."""
    first, second = unpack(one), unpack(other)
    if first.count != second.count:
        return False
    if one[first.start :] == other[second.start :]:
        return True
    return sorted(map(_ENCODER.encode, first.share(row).rows)) == sorted(map(_ENCODER.encode, second.share(row).rows))


def pack(share: Share, requested_at: datetime.datetime, fresh_for: float, print: bytes = NO_PRINT) -> bytes:
    """Return the entry of a share. Raise OverflowError for an id that msgpack cannot hold (2^64 and above)."""
    since = microseconds(requested_at)
    places = _ENCODER.encode(share.places) if share.places is not None else b""
    rows = _ENCODER.encode(share.rows)
    head = _HEAD.pack(
        since,
        since + round(fresh_for * 1_000_000),
        share.fetch,
        share.claim.order,
        share.claim.proven,
        len(share.rows),
        len(places),
        print,
        hashlib.blake2b(rows, digest_size=_VERSION_BYTES).digest(),
    )
    return b"".join((head, places, rows))


def unpack(value: bytes) -> DayEntry:
    """Return the entry. At least its first HEAD bytes must be there. Raise UnreadableEntry."""
    try:
        requested_at, fresh_until, fetch, order, proven, count, places, print, version = _HEAD.unpack_from(value)
        claim = Claim(RowOrder(order), bool(proven))
    except (struct.error, ValueError) as error:
        raise UnreadableEntry(str(error)) from None
    return DayEntry(requested_at, fresh_until, fetch, claim, count, value, HEAD + places, print, version)


def read_since(moment: int, value: bytes) -> bool:
    """Return whether the rows of an entry were read at this moment, in microseconds, or later."""
    return len(value) >= HEAD and bool(_HEAD.unpack_from(value)[0] >= moment)


@lru_cache(maxsize=64)
def form(row: type[Row]) -> str:
    """Return a short name for the form of these rows. It changes when one of their structs changes."""
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
