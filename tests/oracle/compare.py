"""Compare an answer with the expected one: exactly, except for texts that are opaque to clients."""

from collections.abc import Collection, Iterator
from typing import Any

from tests.oracle.evaluator import ANY, MARK, Opaque


def differences(expected: Any, got: Any, opaque: Opaque, bags: Collection[str] = (), path: str = "") -> Iterator[str]:
    """Return the differences, one per line, and learn opaque texts on the way. The `bags` may have any order."""
    if path in bags and isinstance(expected, list) and isinstance(got, list):
        got = _paired(expected, got)
    if isinstance(expected, str) and expected.startswith(MARK):
        if not isinstance(got, str) or not got:
            yield f"{path}: expected an opaque text, got {got!r}"
        elif complaint := opaque.learn(got, expected):
            yield f"{path}: {complaint}"
    elif isinstance(expected, dict) and isinstance(got, dict):
        if list(expected) != list(got):
            yield f"{path}: expected the members {list(expected)}, got {list(got)}"
        for name in expected.keys() & got.keys():
            yield from differences(expected[name], got[name], opaque, bags, f"{path}.{name}".lstrip("."))
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield f"{path}: expected {len(expected)} items, got {len(got)}"
        for place, (one, other) in enumerate(zip(expected, got, strict=False)):
            yield from differences(one, other, opaque, bags, f"{path}.{place}".lstrip("."))
    elif type(expected) is not type(got) or expected != got:
        yield f"{path}: expected {expected!r}, got {got!r}"


def _paired(expected: list[Any], got: list[Any]) -> list[Any]:
    """Return the items in the order of the expected items that they equal, and then the others."""
    left, found = list(got), []
    for each in expected:
        same = (one for one in left if next(differences(each, one, Opaque()), None) is None)
        found.append(next(same, None))
        if found[-1] is not None:
            left.remove(found[-1])
    return [left.pop(0) if each is None and left else each for each in found] + left


def wrong_errors(expected: list[tuple[str, str]], got: list[tuple[str, str]]) -> Iterator[str]:
    """Return the wrong errors: a path without its error, an error without a reason, another code."""
    wanted, found = dict(expected), dict(got)
    for path in sorted(wanted.keys() | found.keys()):
        if path not in found:
            yield f"{path}: expected the error {wanted[path]}"
        elif path not in wanted:
            yield f"{path}: an error that was not expected: {found[path]}"
        elif wanted[path] not in (ANY, found[path]):
            yield f"{path}: expected the error {wanted[path]}, got {found[path]}"
