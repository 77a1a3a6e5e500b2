"""Compare the engine with graphql-core: the points on which both must agree, and the points that each may decide.

The data must be the same JSON, including the order of keys. The errors must be the same, with one exception: where a
null removes its parents, graphql-core reports the failure that it met first, and perhaps others before it. Therefore it
runs once more with failures that remove nothing but their own place. This shows every failure, and how far each would
reach. Then exactly one failure must be reported for each place that is null because of a place below it. This failure
must reach up to exactly this place, and nothing below it may be reported. Everywhere else only one choice is possible,
so the errors are those of graphql-core.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, execute, is_non_null_type, located_error
from graphql.execution import Executor
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable

from engine.engine import Engine

ErrorKey = tuple[tuple[str | int, ...], str, str, str, str]


@dataclass(frozen=True)
class Compared:
    """The result of a comparison: the engine's data and errors, both contexts, and whether it was refused without
    running.
    """

    data: Any
    errors: list[GraphQLError]
    ours: Any
    theirs: Any
    refused: bool

    @property
    def wiped(self) -> bool:
        """Return whether a failure removed more than its own place."""
        return not self.refused and any(_at(self.data, error_key(error)[0]) is not None for error in self.errors)


def error_key(error: GraphQLError) -> ErrorKey:
    """Return all that a client can see of an error, and the kind of exception behind it."""
    return (
        tuple(error.path or ()),
        str([(place.line, place.column) for place in error.locations or ()]),
        error.message,
        json.dumps(error.extensions, sort_keys=True, default=repr),
        type(error.original_error).__name__,
    )


def operation(document: DocumentNode) -> OperationDefinitionNode:
    """Return the only operation of a document."""
    (found,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return found


async def compare(
    engine: Engine,
    schema: Schema,
    document: DocumentNode,
    variables: dict[str, Any],
    context: Callable[[], Any],
) -> Compared:
    """Run an operation both ways, each with its own context, and assert that they agree.

    The engine runs it once more and writes parts of the answer as JSON, as it does for a server.
    """
    ours, theirs = context(), context()
    result = await engine.run(document, operation(document), variables, ours)
    assert result is not None, engine.counts
    in_parts = await engine.run(document, operation(document), variables, context(), writer=Parts())
    assert in_parts is not None
    engine.counts["compiled"] -= in_parts.ran
    assert written(in_parts.data) == written(result.data), "data in parts differ"
    assert list(map(error_key, in_parts.errors)) == list(map(error_key, result.errors)), "errors differ"
    data, errors = await core(schema, document, variables, theirs)
    assert written(result.data) == written(data), "data differ"
    compared = Compared(result.data, result.errors, ours, theirs, not result.ran)
    mine, others = Counter(map(error_key, result.errors)), Counter(map(error_key, errors))
    if compared.refused:
        assert mine == others
    elif mine != others or compared.wiped:
        await _possible(schema, document, variables, context(), mine, others)
    return compared


async def core(
    schema: Schema,
    document: DocumentNode,
    variables: dict[str, Any],
    context: Any,
    executor: type[Executor[Any]] | None = None,
) -> tuple[Any, list[GraphQLError]]:
    """Return graphql-core's result of an operation."""
    found: Any = execute(
        schema._schema, document, variable_values=variables, context_value=context, executor_class=executor,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
    )  # fmt: skip
    if optimized_is_awaitable(found):
        found = await found
    return found.data, list(found.errors or ())


def written(data: Any) -> str:
    """Return data as the JSON that a client receives."""
    return json.dumps(data, ensure_ascii=False, default=lambda part: json.loads(part.text))


class Part:
    """A part of an answer that is JSON already."""

    def __init__(self, text: str | bytes) -> None:
        self.text = text


class Parts:
    """Writes each part of an answer that can be written."""

    def objects(self, objects: list[Any]) -> Part:
        """Return a list of objects as JSON."""
        return Part(json.dumps(objects))

    def texts(self, texts: list[bytes]) -> list[Part]:
        """Return parts whose JSON is given."""
        return list(map(Part, texts))


async def _possible(
    schema: Schema, document: DocumentNode, variables: dict[str, Any], context: Any, mine: Counter[ErrorKey],
    others: Counter[ErrorKey],
) -> None:  # fmt: skip
    required: dict[tuple[str | int, ...], bool] = {}
    failures: Counter[ErrorKey] = Counter()

    class Thorough(Executor[Any]):
        """graphql-core, except that a failure is null in its own place only, whatever the type there."""

        def complete_value(self, return_type: Any, details: Any, info: Any, path: Any, *rest: Any) -> Any:
            required.setdefault(tuple(path.as_list()), is_non_null_type(return_type))
            return super().complete_value(return_type, details, info, path, *rest)

        def handle_field_error(self, raw_error: Exception, return_type: Any, details: Any, path: Any) -> None:
            place = tuple(path.as_list())
            required.setdefault(place, is_non_null_type(return_type))
            error = located_error(raw_error, [detail.node for detail in details], path.as_list())
            failures[error_key(error)] += 1

    await core(schema, document, variables, context, Thorough)

    def reach(failure: ErrorKey) -> tuple[str | int, ...]:
        """Return the place that is null because of a failure: the first nullable place above it."""
        place = failure[0]
        while place and required[place]:
            place = place[:-1]
        return place

    reached = {failure: reach(failure) for failure in failures}
    nulls = set(reached.values())
    # The failures below a null place are not reported.
    topmost = {place for place in nulls if not any(place[:length] in nulls for length in range(len(place)))}
    assert not others - failures, f"graphql-core alone tells of {others - failures}"
    assert not mine - failures, f"nothing failed as told: {mine - failures}, but {failures}"
    assert Counter(reached[failure] for failure in mine.elements()) == Counter(topmost), "not one failure a null"
    assert topmost <= {reached[failure] for failure in others}


def _at(data: Any, path: tuple[str | int, ...]) -> object | None:
    """Return None where a path of the data leads to a null, or something else where it does not go that far."""
    for step in path:
        if data is None:
            return path
        data = data[step]
    return data
