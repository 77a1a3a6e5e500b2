"""Read the header `Range` (RFC 9110, section 14). An invalid set of ranges is ignored."""

import re

MOST_RANGES = 100
# A file has fewer bytes than this number has. Longer numbers mean the same as this one.
_MOST_DIGITS = 18
_SET = re.compile(r"bytes=(.*)", re.ASCII | re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"(\d*)-(\d*)", re.ASCII)

Ranges = list[tuple[int | None, int | None]]


def read(header: str | None) -> Ranges | None:
    """Return the first and last byte of each range; None if there is no valid set of byte ranges.

    A range without a first byte means that number of last bytes.
    """
    match = _SET.fullmatch(header.strip()) if header else None
    parts = [part.strip(" \t") for part in match[1].split(",")] if match else []
    found: Ranges = []
    for part in filter(None, parts):
        numbers = _RANGE.fullmatch(part)
        if numbers is None or part == "-" or len(found) == MOST_RANGES:
            return None
        first, last = (_number(text) for text in numbers.groups())
        if first is not None and last is not None and last < first:
            return None
        found.append((first, last))
    return found or None


def written(ranges: Ranges, size: int) -> str | None:
    """Return a header with the ranges that exist in a file of this size; None if there are none."""
    found = []
    for first, last in ranges:
        if first is None:
            assert last is not None
            first, last = max(size - last, 0), size - 1
        last = size - 1 if last is None else min(last, size - 1)
        if first <= last:
            found.append(f"{first}-{last}")
    return f"bytes={','.join(found)}" if found else None


def _number(text: str) -> int | None:
    if not text:
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
