"""Random numbers that are a function of a key, so that what they decide need not be stored."""

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def chance(*key: npt.ArrayLike) -> Hashes:
    """Return 64 random bits (splitmix64) for every combination that the parts of `key` broadcast to, in one or more
    dimensions.
    """
    bits: Hashes = np.zeros(1, dtype=np.uint64)
    for part in key:
        bits = (bits ^ np.atleast_1d(np.asarray(part)).astype(np.uint64)) + _STEP
        bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
        bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
        bits ^= bits >> np.uint64(31)
    return bits


def shuffled(bits: Hashes, numbers: npt.NDArray[np.uint64]) -> Hashes:
    """Return `numbers` (each below 128) in the order of `bits`, along the last axis, in the shape of `bits`."""
    keys = (bits & ~np.uint64(127)) | numbers
    keys.sort(axis=-1)
    return keys & np.uint64(127)


def fraction(bits: Hashes) -> npt.NDArray[np.float64]:
    """Return random bits as numbers from 0 (included) to 1 (not included)."""
    return (bits >> np.uint64(11)).astype(np.float64) / float(1 << 53)
