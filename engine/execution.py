"""The state of one execution (variables, context, errors), and the steps that resolve its fields."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
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
from graphql.execution.values import VariableValues
from graphql.pyutils import Path
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable as isawaitable
from strawberry.types.field import StrawberryField

from engine.arguments import Arguments
from engine.batch_hint import BatchHint, Growing, Many, Parallel, RowList
from engine.direct import Converter, Resolver
from engine.paths import FieldPaths, Paths, SomePaths

if TYPE_CHECKING:
    from engine.values import Completer

# After so many written leaves, other requests get a turn of the event loop. That is a few milliseconds of work.
BREATH = 20_000
# The number of objects that are read or written in one turn of the event loop.
TURN = 2_000
# The number of resolvers that are called in one turn of the event loop.
CALLS = 500


class Writer(Protocol):
    """Converts finished parts of an answer to the form in which they will be sent. Raises GraphQLError for too much."""

    def objects(self, objects: list[Any], /) -> Any:
        """Return a list of objects, written or as it is."""

    def texts(self, texts: list[bytes], /) -> list[Any]:
        """Return parts of the answer whose JSON is given."""


class Late:
    """Replace a field of an answer until its value is there."""


LATE = Late()


class FieldFailed:
    """Replace a value that failed. The nearest nullable field becomes null and reports the error."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class SlowValue:
    """Replace a value in an answer whose class is not the expected one, until its type completes the value."""

    __slots__ = ("field", "value")

    def __init__(self, field: "Field", value: Any) -> None:
        self.field = field
        self.value = value


@dataclasses.dataclass(slots=True, eq=False)
class Field:
    """A field of a selection set. `order` is its place there, `nodes` are all nodes that select it under this key.

    Nothing waits for the value of a `late` field.
    """

    order: int
    key: str
    name: str
    nodes: list[FieldNode]
    definition: GraphQLField
    parent: GraphQLObjectType
    strawberry: StrawberryField | None
    hint: BatchHint | None
    attribute: str | None
    resolver: Resolver
    converter: Converter | None
    completer: "Completer"
    late: bool = False
    arguments: Arguments | None = None
    many: Many | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        """Find the function that resolves the field for all objects of a level at once, if there is one."""
        self.many = None if self.hint is None or self.attribute is not None else self.hint.many

    @property
    def waits(self) -> bool:
        """Return whether something may have to be awaited for this field."""
        return self.completer.waits or self.hint is None or self.hint.read is None or self.hint.waits


class Fixed(msgspec.Struct, frozen=True):
    """The facts that stay the same during an execution."""

    schema: Schema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    variables: VariableValues
    context: Any
    root: Any
    writer: Writer | None = None


class Execution:
    """The state of one execution."""

    __slots__ = ("_arguments", "_leaves", "_shared", "errors", "fixed", "late", "slow_values")

    def __init__(self, fixed: Fixed) -> None:
        self.fixed = fixed
        self._shared: Parallel | None = None
        if hasattr(fixed.context, "parallel"):
            self._shared = fixed.context
            fixed.context.parallel = 0
        self.errors: list[tuple[GraphQLError, Path | None]] = []
        self.slow_values: list[SlowValue] = []
        self.late: set[asyncio.Task[None]] | None = None
        self._arguments: dict[int, dict[str, Any] | Exception] = {}
        self._leaves = 0

    def add_error(self, error: GraphQLError, path: Path | None) -> None:
        """Report the error of a place that becomes null. Drop the errors of the places below it."""
        if self.errors and _wiped(error, path):
            self.errors = [kept for kept in self.errors if not _within(kept[1], path)]
        self.errors.append((error, path))

    async def together(self, *waiting: Coroutine[Any, Any, None]) -> None:
        """Run several parts of a level at the same time. The context counts them, if it can."""
        shared = self._shared
        if shared is not None:
            shared.parallel += 1
        try:
            await asyncio.gather(*waiting)
        finally:
            if shared is not None:
                shared.parallel -= 1

    def execute_late(
        self,
        field: Field,
        sources: Sequence[Any],
        paths: Paths,
        answers: list[dict[str, Any]],
        failed: Mapping[int, tuple[int, FieldFailed]],
    ) -> None:
        """Begin to execute a field of all objects of a level. Its value in their answers is `LATE` until it is there.

        If it fails and must not be null, its failure stays in the answers.
        """
        for answer in answers:
            answer[field.key] = LATE
        if self._shared is not None:
            self._shared.parallel += 1
        if self.late is None:
            self.late = set()
        self.late.add(asyncio.create_task(self._execute_late(field, sources, paths, answers, dict(failed))))

    async def _execute_late(
        self,
        field: Field,
        sources: Sequence[Any],
        paths: Paths,
        answers: list[dict[str, Any]],
        failed: dict[int, tuple[int, FieldFailed]],
    ) -> None:
        before = set(failed)
        try:
            try:
                await _complete(sources)
            except Exception as error:
                here = FieldPaths(paths, field.key, field.parent.name)
                values = [FieldFailed(error) for _ in sources]
                for begin in range(0, len(values), TURN):
                    self.write_values(field, values, here, range(len(values)), answers, failed, begin)
            else:
                await self.execute_field(field, sources, paths, answers, failed)
        finally:
            if self._shared is not None:
                self._shared.parallel -= 1
        for place in failed.keys() - before:
            answers[place][field.key] = failed[place][1]

    async def cancel_late(self) -> None:
        """Cancel the fields that nobody waits for any more."""
        while self.late:
            tasks, self.late = self.late, None
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def breathe(self, leaves: int) -> None:
        """Count written leaves. After many of them, let other tasks run."""
        self._leaves += leaves
        if self._leaves >= BREATH:
            self._leaves = 0
            await asyncio.sleep(0)

    async def in_turns(self, read: Callable[[Sequence[Any]], list[Any]], sources: Sequence[Any]) -> list[Any]:
        """Read all objects of a level. Let other tasks run between large parts of them."""
        if len(sources) <= TURN:
            return read(sources)
        answers: list[Any] = []
        slow_values: list[SlowValue] = []
        try:
            for begin in range(0, len(sources), TURN):
                answers += read(sources[begin : begin + TURN])
                # Meanwhile other selection sets add slow values of their own.
                slow_values += self.slow_values
                self.slow_values.clear()
                await asyncio.sleep(0)
        finally:
            self.slow_values[:0] = slow_values
        return answers

    def slow_value(self, field: Field, value: Any) -> SlowValue:
        """Return a value that its type has to complete later."""
        slow = SlowValue(field, value)
        self.slow_values.append(slow)
        return slow

    def resolve_info(self, field: Field, path: Path) -> GraphQLResolveInfo[Any]:
        """Return the `info` of a resolver."""
        fixed = self.fixed
        return GraphQLResolveInfo(
            field.name, field.nodes, field.definition.type, field.parent, path, fixed.schema._schema, fixed.fragments,
            fixed.root, fixed.operation, fixed.variables, fixed.context, isawaitable, None, None,  # type: ignore[arg-type]
        )  # fmt: skip

    def coerce_argument_values(self, field: Field) -> dict[str, Any]:
        """Return the arguments of a field, which are the same for all objects of a level. Raise the error in them."""
        place = id(field)
        found = self._arguments.get(place)
        if found is None:
            try:
                if field.arguments is None:
                    field.arguments = Arguments(field.definition, field.nodes[0])
                found = field.arguments.coerce(self.fixed.variables)
            except Exception as error:
                found = error
            self._arguments[place] = found
        if isinstance(found, Exception):
            raise found
        return found

    def strawberry_info(self, field: Field, path: Path) -> Any:
        """Return the `info` of a Strawberry resolver."""
        assert field.strawberry is not None
        return self.fixed.schema.config.info_class(_raw_info=self.resolve_info(field, path), _field=field.strawberry)

    def _resolve_together(
        self, field: Field, many: Many, sources: Sequence[Any], paths: Paths
    ) -> Awaitable[Sequence[Any]]:
        """Return the values of a field, one for each object, from one call of its resolver."""
        assert field.converter is not None
        arguments = self.coerce_argument_values(field) if field.definition.args else {}
        info = self.strawberry_info(field, paths[0])
        return many(sources, info, **field.converter(arguments, info))

    async def _resolve_one_by_one(self, field: Field, sources: Sequence[Any], paths: Paths) -> Sequence[Any]:
        """Return the values of a field, one for each object. Each resolver is called once."""
        if not sources:
            return []
        try:
            arguments = self.coerce_argument_values(field) if field.definition.args else {}
        except Exception as error:
            return [FieldFailed(error) for _ in sources]
        if field.attribute is not None:
            values = []
            for begin in range(0, len(sources), TURN):
                if begin:
                    await asyncio.sleep(0)
                values += [_attribute(source, field.attribute) for source in sources[begin : begin + TURN]]
        elif field.hint is not None and field.hint.read is not None:
            read, info = field.hint.read, self.strawberry_info(field, paths[0])
            values = []
            for source in sources:
                if len(values) % CALLS == CALLS - 1:
                    await _turn(values)
                try:
                    values.append(read(source, info))
                except Exception as error:
                    values.append(FieldFailed(error))
            if not field.hint.waits:
                return values
        else:
            values = []
            for place, source in enumerate(sources):
                if len(values) % CALLS == CALLS - 1:
                    await _turn(values)
                values.append(_called(field.resolver, source, self.resolve_info(field, paths[place]), arguments))
        return await settled(values)

    async def execute_field(
        self,
        field: Field,
        sources: Sequence[Any],
        paths: Paths,
        answers: list[dict[str, Any]],
        failed: dict[int, tuple[int, FieldFailed]],
    ) -> None:
        """Resolve and complete a field of all objects of a level, and write its values into their answers."""
        places: Sequence[int] = range(len(sources))
        if failed:
            places = [place for place in places if place not in failed]
            sources, paths = [sources[place] for place in places], SomePaths(paths, places)
        here = FieldPaths(paths, field.key, field.parent.name)
        values: Sequence[Any]
        if field.many is None or not sources:
            values = await self._resolve_one_by_one(field, sources, here)
        else:
            try:
                values = await self._resolve_together(field, field.many, sources, here)
            except Exception as error:
                values = [FieldFailed(error) for _ in sources]
        if isinstance(values, RowList):
            completed = await field.completer.complete_rows(self, field, values, here)
        else:
            completed = await field.completer.complete_values(self, field, values, here)
        for begin in range(0, len(completed), TURN):
            if begin:
                await asyncio.sleep(0)
            self.write_values(field, completed, here, places, answers, failed, begin)

    def write_values(
        self,
        field: Field,
        values: Sequence[Any],
        paths: Paths,
        places: Sequence[int],
        answers: list[dict[str, Any]],
        failed: dict[int, tuple[int, FieldFailed]],
        begin: int = 0,
    ) -> None:
        """Write completed values into the answers, as many as one turn allows.

        A failed value becomes null, or makes its object fail.
        """
        key = field.key
        for index in range(begin, min(begin + TURN, len(values))):
            value, place = values[index], places[index]
            if value.__class__ is not FieldFailed:
                answers[place][key] = value
                continue
            answers[place][key] = None
            path = paths[index]
            error = located_error(value.error, field.nodes, path.as_list())
            if not field.completer.required:
                self.add_error(error, path)
            elif place not in failed or failed[place][0] > field.order:
                failed[place] = field.order, FieldFailed(error)

    async def complete_slow_values(
        self,
        fields: Mapping[str, Field],
        paths: Paths,
        answers: list[dict[str, Any]],
        failed: dict[int, tuple[int, FieldFailed]],
    ) -> None:
        """Complete the values whose class was not the expected one."""
        self.slow_values.clear()
        for key, field in fields.items():
            places = [place for place, answer in enumerate(answers) if answer[key].__class__ is SlowValue]
            if places:
                here = FieldPaths(SomePaths(paths, places), key, field.parent.name)
                values = await settled([answers[place][key].value for place in places])
                completed = await field.completer.complete_values(self, field, values, here)
                for begin in range(0, len(completed), TURN):
                    self.write_values(field, completed, here, places, answers, failed, begin)


async def _complete(sources: Sequence[Any]) -> None:
    """Wait until all that is selected of some objects is there. Rows contain it already."""
    if isinstance(sources, RowList):
        return
    growing: Sequence[Growing] = [source for source in sources if hasattr(source, "completing")]
    waiting = {task for source in growing for task in source.completing}
    if waiting:
        await asyncio.wait(waiting)
        for task in waiting:
            task.result()


async def turns(values: Sequence[Any], make: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
    """Convert many values in parts. Let other tasks run between the parts."""
    if len(values) <= TURN:
        return make(values)
    made: list[Any] = []
    for begin in range(0, len(values), TURN):
        if begin:
            await asyncio.sleep(0)
        made += make(values[begin : begin + TURN])
    return made


def read_one_by_one(
    execution: Execution, fields: Sequence[Field], keys: Mapping[str, Any], sources: Sequence[Any]
) -> list[Any]:
    """Read the objects of a level attribute by attribute, so that each failure concerns one value only."""
    # The values that were read before the failure are read again.
    close_all(slow.value for slow in execution.slow_values)
    execution.slow_values.clear()
    answers = []
    for source in sources:
        answer = dict(keys)
        for field in fields:
            assert field.attribute is not None
            answer[field.key] = execution.slow_value(field, _attribute(source, field.attribute))
        answers.append(answer)
    return answers


def finish_level(answers: list[dict[str, Any]], failed: Mapping[int, tuple[int, FieldFailed]]) -> list[Any]:
    """Return the answers of a level. A failed object is replaced by its failure."""
    if not failed:
        return answers
    return [failed[place][1] if place in failed else answer for place, answer in enumerate(answers)]


def close_all(values: Iterable[Any]) -> None:
    """Close the coroutines among values that will not be used, so that they never start."""
    for value in values:
        if asyncio.iscoroutine(value):
            value.close()
        elif isinstance(value, list | tuple):
            close_all(value)


async def settled(values: list[Any]) -> list[Any]:
    """Await the awaitable values, all at once. A failure replaces its value."""
    if len(values) <= TURN:
        waiting = [place for place, value in enumerate(values) if isawaitable(value)]
    else:
        try:
            waits = await turns(values, lambda some: [isawaitable(value) for value in some])
        except BaseException:
            close_all(values)
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
    """Let other tasks run between reads. If the execution is cancelled here, close the values that were read."""
    try:
        await asyncio.sleep(0)
    except BaseException:
        close_all(values)
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
    """Return whether the error came from below the path, so that the value at the path becomes null."""
    return len(error.path or ()) > (len(path.as_list()) if path is not None else 0)


def _within(path: Path | None, place: Path | None) -> bool:
    if place is None:
        return True
    while path is not None:
        if path == place:
            return True
        path = path.prev
    return False
