"""The engine beside graphql-core: what both have to agree on, and what is left to either.

Data has to be the same JSON, key order included. Errors have to be the same, with one exception: where a null took its
parents with it, graphql-core tells of whichever failure it came upon first, and of others that it met before. So it is
run once more with no failure taking anything with it, which brings to light each failure that there is, and how far
each would reach. Then exactly one failure has to be told of each place that is null because of one below it, it must be
one that reaches up to this very place, and nothing may be told of what lies below. Everywhere else the choice is of
one, so that the errors are those of graphql-core.
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

Told = tuple[tuple[str | int, ...], str, str, str, str]


@dataclass(frozen=True)
class Compared:
    """What a comparison saw: the engine's data and errors, both contexts, and whether it was refused unrun."""

    data: Any
    errors: list[GraphQLError]
    ours: Any
    theirs: Any
    refused: bool

    @property
    def wiped(self) -> bool:
        """Whether a failure took more than its own place with it."""
        return not self.refused and any(_at(self.data, told(error)[0]) is not None for error in self.errors)


def told(error: GraphQLError) -> Told:
    """All that a client may see of an error, and what kind of exception was behind it."""
    return (
        tuple(error.path or ()),
        str([(place.line, place.column) for place in error.locations or ()]),
        error.message,
        json.dumps(error.extensions, sort_keys=True, default=repr),
        type(error.original_error).__name__,
    )


def operation(document: DocumentNode) -> OperationDefinitionNode:
    """The only operation of a document."""
    (found,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return found


async def compare(
    engine: Engine,
    schema: Schema,
    document: DocumentNode,
    variables: dict[str, Any],
    context: Callable[[], Any],
) -> Compared:
    """Run an operation both ways, each in a context of its own, and assert that they agree."""
    ours, theirs = context(), context()
    result = await engine.run(document, operation(document), variables, ours)
    assert result is not None, engine.counts
    data, errors = await core(schema, document, variables, theirs)
    assert written(result.data) == written(data), "data differ"
    compared = Compared(result.data, result.errors, ours, theirs, not result.ran)
    mine, others = Counter(map(told, result.errors)), Counter(map(told, errors))
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
    """What graphql-core makes of an operation."""
    found: Any = execute(
        schema._schema, document, variable_values=variables, context_value=context, executor_class=executor,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
    )  # fmt: skip
    if optimized_is_awaitable(found):
        found = await found
    return found.data, list(found.errors or ())


def written(data: Any) -> str:
    """Data as the JSON that a client gets."""
    return json.dumps(data, ensure_ascii=False)


async def _possible(
    schema: Schema, document: DocumentNode, variables: dict[str, Any], context: Any, mine: Counter[Told],
    others: Counter[Told],
) -> None:  # fmt: skip
    required: dict[tuple[str | int, ...], bool] = {}
    failures: Counter[Told] = Counter()

    class Thorough(Executor[Any]):
        """graphql-core, but that a failure is null in its own place alone, whatever the type there."""

        def complete_value(self, return_type: Any, details: Any, info: Any, path: Any, *rest: Any) -> Any:
            required.setdefault(tuple(path.as_list()), is_non_null_type(return_type))
            return super().complete_value(return_type, details, info, path, *rest)

        def handle_field_error(self, raw_error: Exception, return_type: Any, details: Any, path: Any) -> None:
            place = tuple(path.as_list())
            required.setdefault(place, is_non_null_type(return_type))
            error = located_error(raw_error, [detail.node for detail in details], path.as_list())
            failures[told(error)] += 1

    await core(schema, document, variables, context, Thorough)

    def reach(failure: Told) -> tuple[str | int, ...]:
        """The place that is null for a failure: the first above it that may be."""
        place = failure[0]
        while place and required[place]:
            place = place[:-1]
        return place

    reached = {failure: reach(failure) for failure in failures}
    nulls = set(reached.values())
    # What lies below a place that is null is nobody's any more.
    topmost = {place for place in nulls if not any(place[:length] in nulls for length in range(len(place)))}
    assert not others - failures, f"graphql-core alone tells of {others - failures}"
    assert not mine - failures, f"nothing failed as told: {mine - failures}, but {failures}"
    assert Counter(reached[failure] for failure in mine.elements()) == Counter(topmost), "not one failure a null"
    assert topmost <= {reached[failure] for failure in others}


def _at(data: Any, path: tuple[str | int, ...]) -> object | None:
    """None where a path of the data leads to a null, or something where it does not come that far."""
    for step in path:
        if data is None:
            return path
        data = data[step]
    return data
