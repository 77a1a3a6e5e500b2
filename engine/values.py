"""Complete values by their type: leaves, lists, objects, and abstract types."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from types import NoneType
from typing import Any, NamedTuple

from graphql import (
    GraphQLAbstractType,
    GraphQLError,
    GraphQLID,
    GraphQLLeafType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    Undefined,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    located_error,
)
from graphql.pyutils import Path, inspect, is_iterable
from strawberry.execution.is_awaitable import optimized_is_awaitable as isawaitable
from strawberry.types.cast import get_strawberry_type_cast

from engine.batch_hint import RowList
from engine.execution import TURN, Execution, Field, FieldFailed, Writer, close_all, settled, turns
from engine.paths import ItemPaths, Paths, SomePaths

SelectFunction = Callable[[Execution, Sequence[Any], Paths], Awaitable[list[Any]]]
ProjectFunction = Callable[[list[Any]], list[Any]]
FollowFunction = Callable[[Execution, RowList, Paths, list[dict[str, Any]]], Awaitable[list[Any]]]
Select = Callable[[GraphQLObjectType], SelectFunction]


class OnRows(NamedTuple):
    """The functions that answer a selection from rows, and the number of leaves that they write for a row.

    `project` writes what the rows contain: as JSON if `written`, or else as objects. `follow` then fills the fields
    that need other rows, if there are any.
    """

    project: ProjectFunction
    leaves: int
    follow: FollowFunction | None = None
    written: bool = False

    def write(self, rows: list[Any], writer: Writer | None) -> list[Any]:
        """Return the answers of rows. The writer is that of the execution, which the functions were made for."""
        parts = self.project(rows)
        return writer.texts(parts) if writer is not None and self.written else parts


SelectOnRows = Callable[[GraphQLObjectType, RowList, bool], OnRows | None]


# The number of leaves that an item of a list counts for before anything of it is written.
_LEAVES = 4
# The attribute of a select function that says whether all its fields are leaves.
FLAT = "flat"
# The classes whose values need no completion.
_NOTHING = frozenset({NoneType, FieldFailed})
_TEXTS = _NOTHING | {str}
# The number of rows of several lists that are projected at once.
_TOGETHER = 2_000


class Completer:
    """Completes the values of one type. `required` says whether the type is non-null."""

    __slots__ = ("required",)
    waits = True

    def __init__(self, required: bool) -> None:
        self.required = required

    async def complete_values(
        self, execution: Execution, field: Field, values: Sequence[Any], paths: Paths
    ) -> list[Any]:
        """Return the completed form of each value: a part of the answer, None, or `FieldFailed`."""
        raw = _raw(values) if len(values) <= TURN else await turns(values, _raw)
        completed = await self.complete_nullable_values(execution, field, raw, paths)
        if self.required and None in completed:
            message = f"Cannot return null for non-nullable field {field.parent}.{field.name}."
            completed = [FieldFailed(TypeError(message)) if part is None else part for part in completed]
        return completed

    async def complete_rows(self, execution: Execution, field: Field, rows: RowList, paths: Paths) -> list[Any]:
        """Do the same for values that are rows so far."""
        return await self.complete_values(execution, field, list(rows), paths)

    @abstractmethod
    async def complete_nullable_values(
        self, execution: Execution, field: Field, values: Sequence[Any], paths: Paths
    ) -> list[Any]:
        """Do the same for the nullable type."""


def _raw(values: Sequence[Any]) -> list[Any]:
    return [
        FieldFailed(value) if isinstance(value, Exception) else None if value is Undefined else value
        for value in values
    ]


class Leaf(Completer):
    """A scalar or an enum."""

    __slots__ = ("_as_they_are", "type")
    waits = False

    def __init__(self, required: bool, type: GraphQLLeafType) -> None:
        super().__init__(required)
        self.type = type
        self._as_they_are = _TEXTS if type in (GraphQLString, GraphQLID) else _NOTHING

    async def complete_nullable_values(
        self, execution: Execution, field: Field, values: Sequence[Any], paths: Paths
    ) -> list[Any]:
        return (
            self._complete_leaf_values(values)
            if len(values) <= TURN
            else await turns(values, self._complete_leaf_values)
        )

    def _complete_leaf_values(self, values: Sequence[Any]) -> list[Any]:
        as_they_are = self._as_they_are
        return [value if value.__class__ in as_they_are else self._complete_leaf_value(value) for value in values]

    def _complete_leaf_value(self, value: Any) -> Any:
        try:
            part = self.type.coerce_output_value(value)
        except Exception as error:
            return FieldFailed(error)
        if part is None or part is Undefined:
            return FieldFailed(
                TypeError(
                    f"Expected `{inspect(self.type)}.coerce_output_value({inspect(value)})` to return non-nullable"
                    f" value, returned: {inspect(part)}"
                )
            )
        return part


class ListOf(Completer):
    """A list of another type. The items of all lists of a level are completed together."""

    __slots__ = ("item",)

    def __init__(self, required: bool, item: Completer) -> None:
        super().__init__(required)
        self.item = item

    async def complete_nullable_values(
        self, execution: Execution, field: Field, values: Sequence[Any], paths: Paths
    ) -> list[Any]:
        found: list[Any] = list(values)
        items: list[Any] = []
        below = ItemPaths()
        spans: list[tuple[int, int]] = []
        projected = await self._projected(execution, values)
        if len(projected) < len(values) == 1 and isinstance(values[0], RowList) and isinstance(self.item, Objects):
            below.add(paths, 0, len(values[0]))
            parts = await self.item.complete_rows(execution, field, values[0], below)
            return [self._complete_list_value(execution, field, parts, below, 0, len(parts))]
        for place, value in enumerate(values):
            if value is None or value.__class__ is FieldFailed:
                continue
            if place in projected:
                found[place] = projected[place]
                continue
            try:
                members = await _members(value, field)
            except Exception as error:
                found[place] = FieldFailed(error)
                continue
            spans.append((place, len(items)))
            items += members
            below.add(paths, place, len(members))
            found[place] = len(members)
            await execution.breathe(_LEAVES * len(members))
        if spans:
            parts = await self.item.complete_values(execution, field, await settled(items), below)
            for place, start in spans:
                found[place] = self._complete_list_value(execution, field, parts, below, start, start + found[place])
            if execution.fixed.writer is not None and isinstance(self.item, Objects) and self.item.flat:
                await self._written(execution, execution.fixed.writer, found, [place for place, _ in spans])
        return found

    async def _written(self, execution: Execution, writer: Writer, found: list[Any], places: Sequence[int]) -> None:
        """Write finished lists of objects that have only leaves, so that a long answer is not written all at once."""
        for place in places:
            part = found[place]
            if part.__class__ is not list:
                continue
            try:
                found[place] = writer.objects(part)
            except Exception as error:
                found[place] = FieldFailed(error)
            await execution.breathe(_LEAVES * len(part))

    async def _projected(self, execution: Execution, values: Sequence[Any]) -> dict[int, Any]:
        """Return, by their places, the answers of the lists whose rows alone contain all that is selected."""
        found: dict[int, Any] = {}
        if not isinstance(self.item, Objects):
            return found
        places = [place for place, value in enumerate(values) if isinstance(value, RowList)]
        writer, begin = execution.fixed.writer, 0
        while begin < len(places):
            first, count, end = values[places[begin]], 0, begin
            while end < len(places) and count < _TOGETHER and values[places[end]].shape == first.shape:
                count += len(values[places[end]])
                end += 1
            together = places[begin:end]
            parts, leaves = self.item.project([values[place] for place in together], writer)
            for place, part in zip(together, parts, strict=True):
                if part is not None:
                    try:
                        found[place] = part if writer is None else writer.objects(part)
                    except Exception as error:
                        found[place] = FieldFailed(error)
            await execution.breathe(leaves)
            begin = end
        return found

    def _complete_list_value(
        self, execution: Execution, field: Field, parts: list[Any], paths: Paths, start: int, stop: int
    ) -> Any:
        items = parts[start:stop]
        for index, part in enumerate(items):
            if part.__class__ is FieldFailed:
                path = paths[start + index]
                error = located_error(part.error, field.nodes, path.as_list())
                if self.item.required:
                    return FieldFailed(error)
                execution.add_error(error, path)
                items[index] = None
        return items


async def _members(value: Any, field: Field) -> list[Any]:
    if not isinstance(value, AsyncIterable) and not is_iterable(value):
        raise GraphQLError(f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'.")
    members: list[Any] = []
    try:
        if isinstance(value, AsyncIterable):
            async for item in value:
                members.append(item)  # noqa: PERF401 - what came before a failure has to be known
        else:
            members.extend(value)
    except Exception:
        close_all(members)
        raise
    return members


class Objects(Completer):
    """Objects of one type. The selection set is executed for all objects of a level together."""

    __slots__ = ("_on_rows", "_programs", "_select", "_selected", "type")

    def __init__(self, required: bool, type: GraphQLObjectType, select: Select, on_rows: SelectOnRows) -> None:
        super().__init__(required)
        self.type = type
        self._select = select
        self._selected: SelectFunction | None = None
        self._on_rows = on_rows
        self._programs: dict[tuple[Hashable, bool], OnRows | None] = {}

    @property
    def flat(self) -> bool:
        """Return whether the selected fields are all leaves. This is known after the first selection."""
        return self._selected is not None and self._selected.__dict__.get(FLAT, False)

    async def complete_nullable_values(
        self, execution: Execution, field: Field, values: Sequence[Any], paths: Paths
    ) -> list[Any]:
        if self.type.is_type_of:
            values = await _check_types(execution, field, self.type, values, paths)
        if self._selected is None:
            try:
                self._selected = self._select(self.type)
            except GraphQLError as error:  # @skip or @include with a variable that is null
                return [
                    value if value is None or value.__class__ is FieldFailed else FieldFailed(error) for value in values
                ]
        places = [
            place for place, value in enumerate(values) if value is not None and value.__class__ is not FieldFailed
        ]
        if len(places) == len(values):
            return await self._selected(execution, values, paths)
        found = list(values)
        parts = await self._selected(execution, [values[place] for place in places], SomePaths(paths, places))
        for place, part in zip(places, parts, strict=True):
            found[place] = part
        return found

    async def complete_rows(self, execution: Execution, field: Field, rows: RowList, paths: Paths) -> list[Any]:
        writer = execution.fixed.writer
        program = self._program(rows, writer is not None)
        if program is None:
            return await self.complete_values(execution, field, list(rows), paths)
        answers: list[Any] = []
        weights = rows.weights()
        try:
            for begin, end in _turns(weights):
                answers += program.write(rows.rows[begin:end], writer)
                await execution.breathe(program.leaves * sum(weights[begin:end]))
        except GraphQLError as error:  # the answer is too large
            return [FieldFailed(error) for _ in weights]
        except Exception:  # a value breaks the promise of its row: its object raises the error
            return await self.complete_values(execution, field, list(rows), paths)
        return answers if program.follow is None else await program.follow(execution, rows, paths, answers)

    def project(self, lists: Sequence[RowList], writer: Writer | None) -> tuple[Sequence[list[Any] | None], int]:
        """Return the answers of lists of rows that have the same shape, and the number of their leaves.

        None instead of a list's answer means that its rows alone do not contain all that is selected.
        """
        nothing = [None] * len(lists)
        found = self._program(lists[0], writer is not None)
        if found is None or found.follow is not None:
            return nothing, 0
        try:
            rows = [row for each in lists for row in each.rows] if len(lists) > 1 else lists[0].rows
            parts = found.write(rows, writer)
        except Exception:  # a value breaks the promise of its row: the object raises its error
            if len(lists) == 1:
                return nothing, 0
            alone = [self.project([each], writer) for each in lists]
            return [part for (part,), _ in alone], sum(count for _, count in alone)
        if len(lists) == 1:
            return [parts], found.leaves * len(parts)
        ends = list(accumulate(len(each.rows) for each in lists))
        return [parts[begin:end] for begin, end in zip([0, *ends], ends, strict=False)], found.leaves * len(parts)

    def _program(self, rows: RowList, written: bool) -> OnRows | None:
        """Return the functions that answer the selection from rows of this shape; None if the objects are needed."""
        place = (rows.shape, written)
        if place not in self._programs:
            try:
                self._programs[place] = self._on_rows(self.type, rows, written)
            except GraphQLError:  # the objects raise it
                return None
        return self._programs[place]


def _turns(weights: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where parts of a level begin and end. Each has about the weight that is written in one turn."""
    begin = weight = 0
    for place, more in enumerate(weights):
        if weight and weight + more > TURN:
            yield begin, place
            begin, weight = place, 0
        weight += more
    if weights:
        yield begin, len(weights)


class Several(Completer):
    """Objects of an interface or a union. The objects of each type are completed together."""

    __slots__ = ("_completers", "_make", "type")

    def __init__(self, required: bool, type: GraphQLAbstractType, make: Callable[[GraphQLObjectType], Objects]) -> None:
        super().__init__(required)
        self.type = type
        self._make = make
        self._completers: dict[str, Objects] = {}

    async def complete_nullable_values(
        self, execution: Execution, field: Field, values: Sequence[Any], paths: Paths
    ) -> list[Any]:
        found = list(values)
        places = [
            place for place, value in enumerate(values) if value is not None and value.__class__ is not FieldFailed
        ]
        if not places:
            return found
        resolve = self.type.resolve_type
        assert resolve is not None
        names: list[Any] = []
        for place in places:
            try:
                names.append(resolve(values[place], execution.resolve_info(field, _of_field(paths[place])), self.type))
            except Exception as error:
                names.append(FieldFailed(error))
        by_type: dict[str, list[int]] = {}
        for place, name in zip(places, await settled(names), strict=True):
            wrong = name if name.__class__ is FieldFailed else self._type_error(execution, field, name, values[place])
            if wrong is not None:
                found[place] = wrong
            else:
                by_type.setdefault(name, []).append(place)

        async def complete_type(name: str, theirs: list[int]) -> None:
            if name not in self._completers:
                self._completers[name] = self._make(execution.fixed.schema._schema.type_map[name])  # type: ignore[arg-type]
            parts = await self._completers[name].complete_nullable_values(
                execution, field, [values[place] for place in theirs], SomePaths(paths, theirs)
            )
            for place, part in zip(theirs, parts, strict=True):
                found[place] = part

        await execution.together(*(complete_type(name, theirs) for name, theirs in by_type.items()))
        return found

    def _type_error(self, execution: Execution, field: Field, name: Any, value: Any) -> FieldFailed | None:
        schema = execution.fixed.schema._schema
        where = f"Abstract type '{self.type}' must resolve to an Object type at runtime for field"
        where = f"{where} '{field.parent}.{field.name}'"
        if name is None:
            message = (
                f"{where}. Either the '{self.type}' type should provide a 'resolve_type' function or each possible type"
                " should provide an 'is_type_of' function."
            )
        elif not isinstance(name, str):
            message = (
                f"{where} with value {inspect(value)}, received '{inspect(name)}', which is not a valid Object type"
                " name."
            )
        elif (kind := schema.get_type(name)) is None:
            message = (
                f"Abstract type '{self.type}' was resolved to a type '{name}' that does not exist inside the schema."
            )
        elif not is_object_type(kind):
            message = f"Abstract type '{self.type}' was resolved to a non-object type '{name}'."
        elif not schema.is_sub_type(self.type, kind):
            message = f"Runtime Object type '{kind}' is not a possible type for '{self.type}'."
        else:
            return None
        return FieldFailed(GraphQLError(message, field.nodes))


async def _check_types(
    execution: Execution, field: Field, type: GraphQLObjectType, values: Sequence[Any], paths: Paths
) -> list[Any]:
    """Return the values. A value that is not of the type is replaced by its failure."""
    is_type_of = type.is_type_of
    assert is_type_of is not None
    found = list(values)
    strawberrys: Any = type.extensions.get("strawberry-definition")
    # Strawberry accepts an object of exactly this class, unless the object is cast to another type.
    certain = strawberrys.origin if strawberrys is not None and not strawberrys.is_type_of else FieldFailed
    for place, value in enumerate(values):
        if place % TURN == TURN - 1:
            await asyncio.sleep(0)
        if value is None or value.__class__ is FieldFailed:
            continue
        if value.__class__ is certain and get_strawberry_type_cast(value) is None:
            continue
        try:
            fits: Any = is_type_of(value, execution.resolve_info(field, _of_field(paths[place])))
            if isawaitable(fits):
                fits = await fits
        except Exception as error:
            found[place] = FieldFailed(error)
            continue
        if not fits:
            message = f"Expected value of type '{type}' but got: {inspect(value)}."
            found[place] = FieldFailed(GraphQLError(message, field.nodes))
    return found


def _of_field(path: Path) -> Path:
    """Return the path of the field that contains a list's item: type resolvers see the path of the field."""
    while isinstance(path.key, int):
        assert path.prev is not None
        path = path.prev
    return path


def completer(type: GraphQLOutputType, select: Select, on_rows: SelectOnRows) -> Completer:
    """Return the completer of a type."""
    required = is_non_null_type(type)
    inner: Any = type.of_type if isinstance(type, GraphQLNonNull) else type
    if is_list_type(inner):
        return ListOf(required, completer(inner.of_type, select, on_rows))
    if is_leaf_type(inner):
        return _leaf(required, inner)
    if is_abstract_type(inner):
        return Several(required, inner, lambda kind: Objects(False, kind, select, on_rows))
    return Objects(required, inner, select, on_rows)


@lru_cache(maxsize=1024)
def _leaf(required: bool, type: GraphQLLeafType) -> Leaf:
    """Return the completer of a leaf type. All fields of the type share it."""
    return Leaf(required, type)
