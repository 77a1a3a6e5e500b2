"""Bind values to their keys with a seal, in a store that other programs can write.

A sealed value begins with two digests, each of the key and of a part of the value: one of the whole value, one of its
beginning, so that the beginning can be read alone. A value that is under another key, cut or altered does not fit its
seal. A seal is not a signature: a program that can write to the store and knows this module can make one.
"""

import hashlib

_DIGEST = 16
_BEGINNING = 64
SIZE = 2 * _DIGEST


def seal(name: bytes, value: bytes) -> bytes:
    """Return the sealed value of a key."""
    return b"".join((_digest(name, value), _digest(name, value[:_BEGINNING]), value))


def opened(name: bytes, found: bytes) -> bytes | None:
    """Return the value of a sealed one; None if the seal does not fit."""
    if len(found) < SIZE or found[:_DIGEST] != _digest(name, memoryview(found)[SIZE:]):
        return None
    return found[SIZE:]


def needed(length: int) -> int:
    """Return how many bytes of a sealed value have to be read for the first `length` bytes of the value."""
    return SIZE + max(length, _BEGINNING)


def beginning(name: bytes, found: bytes) -> bytes | None:
    """Return the beginning of a value from that of a sealed one; None if the seal does not fit."""
    if len(found) < SIZE or found[_DIGEST:SIZE] != _digest(name, found[SIZE : SIZE + _BEGINNING]):
        return None
    return found[SIZE:]


def _digest(name: bytes, value: bytes | memoryview) -> bytes:
    found = hashlib.blake2b(len(name).to_bytes(4), digest_size=_DIGEST)
    found.update(name)
    found.update(value)
    return found.digest()
