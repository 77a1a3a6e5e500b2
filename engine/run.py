"""One run of a compiled operation: its variables, its context, its errors; and how fields are resolved in it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    located_error,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Path
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable as isawaitable
from strawberry.types.field import StrawberryField

from engine.direct import Converter, Resolver
from engine.offer import BatchHint

if TYPE_CHECKING:
    from engine.values import Completer

# So many leaves may be written before other requests get a turn: a few milliseconds' work.
BREATH = 20_000
# Objects that are read, or given their values, in one turn.
TURN = 2_000
# Resolvers that are called in one turn.
CALLS = 500


class FieldFailed:
    """In a value's place: what was to stand here failed, and whoever may be null has to say so."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class SlowValue:
    """In an answer's place: a value that is not plainly of its type, to be completed with care."""

    __slots__ = ("field", "value")

    def __init__(self, field: "Field", value: Any) -> None:
        self.field = field
        self.value = value


@dataclass(slots=True, eq=False)
class Field:
    """A field of a selection: `order` is its place there, `nodes` are all that ask for it under this key."""

    order: int
    key: str
    name: str
    nodes: list[FieldNode]
    definition: GraphQLField
    parent: GraphQLObjectType
    strawberry: StrawberryField | None
    offer: BatchHint | None
    attribute: str | None
    resolver: Resolver
    converter: Converter | None
    completer: "Completer"

    @property
    def waits(self) -> bool:
        """Whether anything may have to be awaited for it."""
        return self.completer.waits or self.offer is None or self.offer.read is None or self.offer.waits


class Fixed(NamedTuple):
    """What stays the same throughout a run."""

    schema: Schema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    variables: VariableValues
    context: Any
    root: Any
    write: Callable[[list[Any]], Any] | None = None


class Execution:
    """The state of one run."""

    __slots__ = ("_arguments", "_leaves", "errors", "fixed", "holes")

    def __init__(self, fixed: Fixed) -> None:
        self.fixed = fixed
        self.errors: list[tuple[GraphQLError, Path | None]] = []
        self.holes: list[SlowValue] = []
        self._arguments: dict[int, dict[str, Any] | Exception] = {}
        self._leaves = 0

    def fail(self, error: GraphQLError, path: Path | None) -> None:
        """Note the error of a place that is null for it; what failed below that place has become nobody's."""
        if self.errors and _wiped(error, path):
            self.errors = [kept for kept in self.errors if not _within(kept[1], path)]
        self.errors.append((error, path))

    async def breathe(self, leaves: int) -> None:
        """Count leaves that were written, and let others have a turn when there were many."""
        self._leaves += leaves
        if self._leaves >= BREATH:
            self._leaves = 0
            await asyncio.sleep(0)

    async def in_turns(self, read: Callable[[Sequence[Any]], list[Any]], sources: Sequence[Any]) -> list[Any]:
        """Read all objects of a level, and let others have a turn between many of them."""
        if len(sources) <= TURN:
            return read(sources)
        answers: list[Any] = []
        holes: list[SlowValue] = []
        try:
            for begin in range(0, len(sources), TURN):
                answers += read(sources[begin : begin + TURN])
                # Other selections leave holes of their own in the meantime.
                holes += self.holes
                self.holes.clear()
                await asyncio.sleep(0)
        finally:
            self.holes[:0] = holes
        return answers

    def hole(self, field: Field, value: Any) -> SlowValue:
        """A place that is to be completed with care."""
        hole = SlowValue(field, value)
        self.holes.append(hole)
        return hole

    def info(self, field: Field, path: Path) -> GraphQLResolveInfo[Any]:
        """What a resolver is told."""
        fixed = self.fixed
        return GraphQLResolveInfo(
            field.name, field.nodes, field.definition.type, field.parent, path, fixed.schema._schema, fixed.fragments,
            fixed.root, fixed.operation, fixed.variables, fixed.context, isawaitable, None, None,  # type: ignore[arg-type]
        )  # fmt: skip

    def arguments(self, field: Field) -> dict[str, Any]:
        """The arguments of a field, the same for all objects of a level. Raises what is wrong with them."""
        found = self._arguments.get(id(field))
        if found is None:
            try:
                found = get_argument_values(field.definition, field.nodes[0], self.fixed.variables)
            except Exception as error:
                found = error
            self._arguments[id(field)] = found
        if isinstance(found, Exception):
            raise found
        return found

    def strawberry_info(self, field: Field, path: Path) -> Any:
        """What a Strawberry resolver is told."""
        assert field.strawberry is not None
        return self.fixed.schema.config.info_class(_raw_info=self.info(field, path), _field=field.strawberry)

    async def resolve(self, field: Field, sources: Sequence[Any], paths: Sequence[Path]) -> list[Any]:
        """The values of a field, one an object. Each resolver is called once."""
        if not sources:
            return []
        try:
            arguments = self.arguments(field) if field.definition.args else {}
        except Exception as error:
            return [FieldFailed(error) for _ in sources]
        if field.attribute is not None:
            values = []
            for begin in range(0, len(sources), TURN):
                if begin:
                    await asyncio.sleep(0)
                values += [_attribute(source, field.attribute) for source in sources[begin : begin + TURN]]
        elif field.offer is not None and field.offer.many is not None:
            return await self._many(field, field.offer.many, list(sources), paths[0], arguments)
        elif field.offer is not None and field.offer.read is not None:
            read, info = field.offer.read, self.strawberry_info(field, paths[0])
            values = []
            for source in sources:
                if len(values) % CALLS == CALLS - 1:
                    await _turn(values)
                try:
                    values.append(read(source, info))
                except Exception as error:
                    values.append(FieldFailed(error))
            if not field.offer.waits:
                return values
        else:
            values = []
            for source, path in zip(sources, paths, strict=True):
                if len(values) % CALLS == CALLS - 1:
                    await _turn(values)
                values.append(_called(field.resolver, source, self.info(field, path), arguments))
        return await settled(values)

    async def _many(
        self, field: Field, many: Callable[..., Any], sources: list[Any], path: Path, arguments: dict[str, Any]
    ) -> list[Any]:
        assert field.converter is not None
        info = self.strawberry_info(field, path)
        try:
            found = await many(sources, info, **field.converter(arguments, info))
        except Exception as error:
            return [FieldFailed(error) for _ in sources]
        return [FieldFailed(value) if isinstance(value, Exception) else value for value in found]

    async def field(
        self,
        field: Field,
        sources: Sequence[Any],
        paths: Sequence[Path | None],
        answers: list[dict[str, Any]],
        failed: dict[int, tuple[int, FieldFailed]],
    ) -> None:
        """Resolve and complete a field of all objects of a level, and write its values into their answers."""
        places = range(len(sources))
        if failed:
            places = [place for place in places if place not in failed]  # type: ignore[assignment]
            sources, paths = [sources[place] for place in places], [paths[place] for place in places]
        name = field.parent.name
        key = field.key
        if len(paths) <= TURN:
            here = [Path(path, key, name) for path in paths]
        else:
            here = await turns(paths, lambda some: [Path(path, key, name) for path in some])
        values = await self.resolve(field, sources, here)
        completed = await field.completer.complete(self, field, values, here)
        for begin in range(0, len(completed), TURN):
            if begin:
                await asyncio.sleep(0)
            some = slice(begin, begin + TURN)
            self.place(field, completed[some], here[some], places[some], answers, failed)

    def place(
        self,
        field: Field,
        values: Sequence[Any],
        paths: Sequence[Path],
        places: Sequence[int],
        answers: list[dict[str, Any]],
        failed: dict[int, tuple[int, FieldFailed]],
    ) -> None:
        """Write completed values into the answers; a failure becomes null here, or the object's own failure."""
        key = field.key
        for place, value, path in zip(places, values, paths, strict=True):
            if value.__class__ is not FieldFailed:
                answers[place][key] = value
                continue
            answers[place][key] = None
            error = located_error(value.error, field.nodes, path.as_list())
            if not field.completer.required:
                self.fail(error, path)
            elif place not in failed or failed[place][0] > field.order:
                failed[place] = field.order, FieldFailed(error)

    async def fill(
        self,
        fields: Mapping[str, Field],
        paths: Sequence[Path | None],
        answers: list[dict[str, Any]],
        failed: dict[int, tuple[int, FieldFailed]],
    ) -> None:
        """Complete the values that were not plainly of their type."""
        self.holes.clear()
        for key, field in fields.items():
            places = [place for place, answer in enumerate(answers) if answer[key].__class__ is SlowValue]
            if places:
                here = [Path(paths[place], key, field.parent.name) for place in places]
                values = await settled([answers[place][key].value for place in places])
                completed = await field.completer.complete(self, field, values, here)
                self.place(field, completed, here, places, answers, failed)


async def turns(values: Sequence[Any], make: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
    """Make something of each value, and let others have a turn between many of them."""
    if len(values) <= TURN:
        return make(values)
    made: list[Any] = []
    for begin in range(0, len(values), TURN):
        if begin:
            await asyncio.sleep(0)
        made += make(values[begin : begin + TURN])
    return made


def carefully(run: Execution, fields: Sequence[Field], keys: Mapping[str, Any], sources: Sequence[Any]) -> list[Any]:
    """The answers of objects of which one cannot be read: attribute by attribute, each failure for itself."""
    # What was read before the failure is read again.
    drop(hole.value for hole in run.holes)
    run.holes.clear()
    answers = []
    for source in sources:
        answer = dict(keys)
        for field in fields:
            assert field.attribute is not None
            answer[field.key] = run.hole(field, _attribute(source, field.attribute))
        answers.append(answer)
    return answers


def answered(answers: list[dict[str, Any]], failed: Mapping[int, tuple[int, FieldFailed]]) -> list[Any]:
    """The answers of a level, or what wiped them out."""
    if not failed:
        return answers
    return [failed[place][1] if place in failed else answer for place, answer in enumerate(answers)]


def drop(values: Iterable[Any]) -> None:
    """Values that nobody is going to look at: what is to be awaited among them never starts."""
    for value in values:
        if asyncio.iscoroutine(value):
            value.close()
        elif isinstance(value, list | tuple):
            drop(value)


async def settled(values: list[Any]) -> list[Any]:
    """Values with those awaited that are awaitable, all at once; a failure stands in its value's place."""
    if len(values) <= TURN:
        waiting = [place for place, value in enumerate(values) if isawaitable(value)]
    else:
        try:
            waits = await turns(values, lambda some: [isawaitable(value) for value in some])
        except BaseException:
            drop(values)
            raise
        waiting = [place for place, waits_ in enumerate(waits) if waits_]
    if not waiting:
        return values
    if len(waiting) == 1:
        (place,) = waiting
        try:
            values[place] = await values[place]
        except Exception as error:
            values[place] = FieldFailed(error)
        return values
    found = await asyncio.gather(*(values[place] for place in waiting), return_exceptions=True)
    for place, value in zip(waiting, found, strict=True):
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            raise value
        values[place] = FieldFailed(value) if isinstance(value, Exception) else value
    return values


async def _turn(values: list[Any]) -> None:
    """Let others have a turn while values are read. If the run ends there, none of them starts."""
    try:
        await asyncio.sleep(0)
    except BaseException:
        drop(values)
        raise


def _called(resolver: Callable[..., Any], source: Any, info: Any, arguments: dict[str, Any]) -> Any:
    try:
        return resolver(source, info, **arguments)
    except Exception as error:
        return FieldFailed(error)


def _attribute(source: Any, name: str) -> Any:
    try:
        return getattr(source, name)
    except Exception as error:
        return FieldFailed(error)


def _wiped(error: GraphQLError, path: Path | None) -> bool:
    """Whether the error came from further down, so that it takes all of the place with it."""
    return len(error.path or ()) > (len(path.as_list()) if path is not None else 0)


def _within(path: Path | None, place: Path | None) -> bool:
    if place is None:
        return True
    while path is not None:
        if path == place:
            return True
        path = path.prev
    return False
