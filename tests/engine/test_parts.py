"""The parts of an operation with `@defer`, merged, are exactly the plain answer, and need the same upstream calls."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    InlineFragmentNode,
    NameNode,
    SelectionSetNode,
    Visitor,
    parse,
    print_ast,
    specified_rules,
    validate,
    visit,
)

from engine.divide import Divider, without_incremental
from engine.engine import Engine
from engine.parts import Part, PartCutter
from resolvers.caller import EVERYONE, Caller
from resolvers.session import Session
from schema.graph import with_incremental_delivery
from server.execution.documents import PreparedOperation
from tests.engine import bingo
from tests.engine.comparison import error_key, operation, written
from tests.engine.test_equality import generated
from upstream.reports.request import BadParameter

SCHEMA = with_incremental_delivery(bingo.schema)
ENGINE = Engine(SCHEMA, past=(PreparedOperation,))
DIVIDER = Divider(SCHEMA._schema)

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


class Deferring(Visitor):
    """Put some of the selections of a document into deferred fragments, also into nested ones."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
        chance, kept, deferred = self.chance, [], []
        for selection in node.selections:
            which = chance.randrange(5)
            if which < 4:
                kept.append(selection)
            if which > 2:
                deferred.append(selection)
        if not deferred:
            return None
        defer = DirectiveNode(name=NameNode(value="defer"))
        inner = SelectionSetNode(selections=tuple(deferred))
        fragment = InlineFragmentNode(directives=(defer,), selection_set=inner)
        return SelectionSetNode(selections=(*kept, fragment))


class Counted(bingo.World):
    """A world that counts its calls. Some reports take longer than others."""

    def __init__(self, seed: int, rate: int) -> None:
        super().__init__(seed, rate)
        self.calls: Counter[Any] = Counter()

    async def fetch(self, call: Any) -> Any:
        self.calls[call.key] += 1
        for _ in range(random.Random(f"{self.seed}{call.report.code}").choice((0, 5, 20))):
            await asyncio.sleep(0)
        return await super().fetch(call)


def session(number: int) -> tuple[Session, Counter[Any]]:
    world = Counted(number, (0, 4, 15)[number % 3])
    caller = Caller("restricted", frozenset({1, 2})) if number % 4 == 0 else EVERYONE
    return bingo.FirstWaySession(world, bingo.UTC, now=bingo.NOW, caller=caller), world.calls


def merged(parts: Sequence[Part]) -> Any:
    """Return the answer that a client puts together from its parts."""
    data = parts[0].data
    for part in parts[1:]:
        assert part.pending is not None
        here = data
        for key in part.pending.place:
            here = here[key]
        merge(here, part.data)
    return data


def merge(into: Any, part: Any) -> None:
    """Merge a part into the answer before it, as clients do."""
    if isinstance(part, dict):
        for key, value in part.items():
            if isinstance(into.get(key), dict | list):
                merge(into[key], value)
            else:
                assert into.setdefault(key, value) == value
    else:
        assert len(into) == len(part)
        for before, value in zip(into, part, strict=True):
            if isinstance(value, dict | list):
                merge(before, value)


async def in_parts(divided: Any, variables: dict[str, Any], context: Any) -> tuple[list[Part], list[Any]]:
    """Return the parts of the answer, and its errors."""
    run = await ENGINE.run_divided(divided, variables, context)
    assert run is not None
    try:
        cutter, parts = PartCutter(divided.shape, run.data), []
        shown: dict[int, dict[str, Any]] = {}
        while True:
            errors = [shown.setdefault(id(error), {"path": error.path, "error": error}) for error in run.errors]
            parts += await cutter.cut(errors)
            if not cutter.pending:
                return parts, [error["error"] for part in parts for error in part.errors]
            await run.progress()
    finally:
        await run.close()
        context.close()


def ordered(data: Any) -> str:
    """Return data as JSON, with its keys in order: parts may be merged in any order."""
    return json.dumps(json.loads(written(data)), sort_keys=True)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_merged_parts_are_the_plain_answer(runner: asyncio.Runner) -> None:
    seen: Counter[str] = Counter()

    async def compare(document: DocumentNode, variables: dict[str, Any], number: int) -> None:
        divided = DIVIDER.divide(document, None, variables)
        if divided is None:
            seen["not divided"] += 1
            return
        whole = without_incremental(document)
        plain, calls = session(number)
        expected = await ENGINE.run(whole, operation(whole), variables, plain)
        plain.close()
        assert expected is not None
        context, calls_in_parts = session(number)
        parts, errors = await in_parts(divided, variables, context)
        seen["divided"] += 1
        if any(_at(expected.data, error.path) or _is_fault(error) for error in expected.errors):
            seen["wiped"] += 1  # a part that fails leaves the object of the part before it
            return
        assert ordered(merged(parts)) == ordered(expected.data)
        assert Counter(map(error_key, errors)) == Counter(map(error_key, expected.errors))
        assert calls_in_parts == calls, "other upstream calls"
        seen["later"] += any(part.pending is not None for part in parts)
        seen["failed"] += bool(errors)

    def check(text: str, variables: dict[str, Any], number: int) -> None:
        deferring = Deferring(random.Random(number))
        document = parse(print_ast(visit(parse(text), deferring)))
        if number % 20 == 0:
            assert validate(SCHEMA._schema, document, specified_rules) == [], print_ast(document)
        try:
            runner.run(compare(document, variables, number))
        except BaseException as error:
            error.add_note(print_ast(document))
            raise

    count = generated(bingo.schema, 0.06, check, bingo.plausible, **bingo.SCALARS)
    assert seen["divided"] > count / 2, seen
    assert min(seen["later"], seen["failed"]) > count / 10, seen


def _is_fault(error: GraphQLError) -> bool:
    """Return whether a column could not be planned at all. The plain answer then has nothing of its object."""
    return isinstance(error.original_error, BadParameter)


def _at(data: Any, path: Any) -> Any:
    """Return something if a null stands above the end of a path."""
    for depth, key in enumerate(path or ()):
        if data is None:
            return path[:depth]
        data = data[key]
    return None
