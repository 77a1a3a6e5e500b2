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


Errors = list[tuple[str, str]]


def without_failed(
    expected: Any, wanted: Errors, got: Any, errors: Errors, bags: Collection[str] = ()
) -> tuple[Any, Errors]:
    """Return what is expected if some upstream calls failed: null where the answer has null with an upstream error.

    Nothing else may differ: what is there is right, and nothing is missing without an error. Only an entity that is
    looked up late may be there, instead of null, without any of its fields. The `bags` with errors are not compared.
    """
    failed = [(tuple(path.split(".")), code) for path, code in errors if code.startswith("UPSTREAM_")]
    paths = [path for path, _ in failed]
    kept = []
    for path, code in wanted:
        null = _null(got, tuple(path.split(".")))
        if null is None or not any(each[: len(null)] == null for each in paths):
            kept.append((path, code))
    found = [(".".join(path), code) for path, code in failed if _null(got, path) is not None]
    return _cut(expected, got, (), paths, bags), sorted(kept + found)


def _null(data: Any, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the part of a path that leads to null, or None if no part does."""
    for length, name in enumerate(path):
        if data is None:
            return path[:length]
        data = data[int(name)] if isinstance(data, list) else data.get(name) if isinstance(data, dict) else data
    return path if data is None else None


def _cut(expected: Any, got: Any, path: tuple[str, ...], failed: list[tuple[str, ...]], bags: Collection[str]) -> Any:
    below = [each for each in failed if each[: len(path)] == path]
    if below and (got is None or ".".join(path) in bags):
        return got
    if expected is None and isinstance(got, dict) and got and not any(got.values()):
        return got if all(any(each[: len(path) + 1] == (*path, name) for each in below) for name in got) else None
    if isinstance(expected, dict) and isinstance(got, dict):
        return {name: _cut(value, got.get(name), (*path, name), below, bags) for name, value in expected.items()}
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = zip(expected, got, strict=True)
        return [_cut(one, other, (*path, str(place)), below, bags) for place, (one, other) in enumerate(pairs)]
    return expected
