"""Cut the answer of a divided operation into its parts, as soon as the fields of each part are there."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.divide import TYPE_KEY, DeferredPart, PartShape
from engine.execution import LATE, FieldFailed

Place = tuple[str | int, ...]
# An error as clients see it.
ClientError = dict[str, Any]
# So many objects are cut in one turn of the event loop.
_TURN = 2_000
_NOTHING = object()


class Pending(NamedTuple):
    """A part that is still to come: its number in the answer, its label, the place of its object, and the object."""

    number: int
    label: str | None
    place: Place
    value: dict[str, Any]
    shape: PartShape


class Part(NamedTuple):
    """A part of an answer: `pending` is None for the first part. `announced` are the parts that this part leads to.

    If a field that must not be null failed, the part has no data, but this `failure`.
    """

    pending: Pending | None
    data: Any
    errors: list[ClientError]
    announced: list[Pending]
    failure: Exception | None = None


class _NotReady(Exception):
    """A field of the part is not there yet."""


class PartCutter:
    """Cuts one answer. An error goes with the part that has the null of its place."""

    def __init__(self, shape: PartShape, data: Any) -> None:
        self._first: PartShape | None = shape
        self._data = data
        self._numbers = 0
        self._errors: dict[Place, list[ClientError]] = {}
        self._above: set[Place] = set()
        self._given: dict[int, ClientError] = {}  # the errors of the parts that were cut
        self.pending: list[Pending] = []

    async def cut(self, errors: Sequence[ClientError]) -> list[Part]:
        """Return the parts that are complete now, each after the part that leads to it.

        `errors` are those of the execution until now.
        """
        self._errors, self._above = {}, set()
        for error in errors:
            if id(error) not in self._given:
                place = self._place_of(error)
                self._errors.setdefault(place, []).append(error)
                self._above |= {place[:depth] for depth in range(len(place) + 1)}
        found: list[Part] = []
        waiting: Sequence[Pending] = self.pending
        if self._first is not None:
            part = self._part(None, self._first, self._data, ())
            if part is None:
                return []
            self._first = None
            found.append(part)
            waiting = part.announced
        self.pending = []
        done = 0
        while waiting:
            further: list[Pending] = []
            for pending in waiting:
                part = self._part(pending, pending.shape, pending.value, pending.place)
                if part is None:
                    self.pending.append(pending)
                    continue
                found.append(part)
                further += part.announced
                done += 1
                if done % _TURN == 0:
                    await asyncio.sleep(0)
            waiting = further
        return found

    def _part(self, pending: Pending | None, shape: PartShape, value: Any, place: Place) -> Part | None:
        cut = _PartCut(self._errors, self._above)
        try:
            data = cut.value(shape, value, place)
        except _NotReady:
            return None
        except _PartFailed as failed:
            return Part(pending, None, [], [], failed.error)
        announced = []
        for deferred, at, below in cut.deferred:
            self._numbers += 1
            announced.append(Pending(self._numbers, deferred.label, at, below, deferred.shape))
        errors = [error for null in dict.fromkeys(cut.nulls) for error in self._errors.pop(null, ())]
        self._given |= {id(error): error for error in errors}
        return Part(pending, data, errors, announced)

    def _place_of(self, error: ClientError) -> Place:
        value = self._data
        path = tuple(error.get("path") or ())
        for depth, key in enumerate(path):
            if value is None or value is LATE:
                return path[:depth]
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return path
        return path


class _PartFailed(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _PartCut(msgspec.Struct, eq=False):
    """One cut: the nulls that have errors, and the deferred parts that begin in it.

    `errors` are all errors by their places, `above` are these places and those above them.
    """

    errors: Mapping[Place, list[ClientError]]
    above: Collection[Place]
    nulls: list[Place] = msgspec.field(default_factory=list)
    deferred: list[tuple[DeferredPart, Place, dict[str, Any]]] = msgspec.field(default_factory=list)

    def value(self, shape: PartShape | None, value: Any, place: Place) -> Any:
        """Return what a part has of a value."""
        if value is None or shape is None or shape.whole:
            if value is LATE:
                raise _NotReady
            if value.__class__ is FieldFailed:
                raise _PartFailed(value.error)
            if place in self.above:
                self.nulls += [null for null in self.errors if null[: len(place)] == place]
            return value
        if value.__class__ is list:
            return [self.value(shape, item, (*place, number)) for number, item in enumerate(value)]
        if value.__class__ is not dict:
            if value is LATE:
                raise _NotReady
            assert value.__class__ is FieldFailed
            raise _PartFailed(value.error)
        name = value.get(TYPE_KEY)
        cut = {}
        for key, (types, below) in shape.fields.items():
            if types is not None and name is not None and name not in types:
                continue
            found = value.get(key, _NOTHING)
            if found is not _NOTHING:
                cut[key] = self.value(below, found, (*place, key))
        for deferred in shape.deferred:
            if deferred.types is None or name is None or name in deferred.types:
                self.deferred.append((deferred, place, value))
        return cut
