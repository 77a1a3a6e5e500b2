"""The compiled form of an operation: forms of a query by hand, each answered as graphql-core answers it."""

from typing import Any

import pytest
from graphql import parse, specified_rules, validate

from engine.engine import Engine
from schema.mapping.node import encode
from server.execution.documents import PreparedOperation
from tests.engine import bingo, library
from tests.engine.comparison import Compared, compare, operation

LIBRARY = [
    "{ __typename kind: __typename author { __typename } must { kind: __typename } }",
    "{ a: author { n: name name } b: author { name } books { a: title b: title pages } }",
    "{ ...A } fragment A on Query { books { ...B } author { ...N } } fragment B on Book { title ...N }"
    " fragment N on Named { id name loud }",
    "{ nameds { __typename id ... on Book { title near { title } } ... on Author { age ... on Named { name } } } }",
    "{ works { __typename ... on Named { id } ... on Map { area scale } ... on Book { name lines } }"
    " work { ... { __typename } } }",
    "{ books { author { name } author { age best { title } } } books { author { best { pages } } title } }",
    "{ author { ... on Author @skip(if: true) { name } ... @include(if: false) { age } id } }",
    "{ author @include(if: true) @skip(if: true) { name } map { scale @skip(if: false) } }",
    "{ author @skip(if: true) { name } }",
    "{ lines shelves { title lines } racks { title number } }",
    "{ shelf { items { title } maybe { pages } first { name } total __typename } people { items { name } total } }",
    "{ entries { __typename number id title t: title shelf loans loansId lent code spine } }",
    "{ entries(first: 12) { number mustShelf } }",
    "{ entries { number note length } racks { length } }",
    "{ entries { number more(first: 3) { total entries { number title } } } }",
    "{ entries { title more { t: total pairs { place entry { shelf __typename } } about { number } __typename } } }",
    "{ entries { next { number } more { entries { note } } next { next { title more { total } } } } }",
    "{ entries { more { entries { mustShelf more { total entries { lent more { about { number } } } } } } } }",
    "{ books { tint weight sequel { tint weight sequel { title } } near(near: 2, of: POETRY) { title } secret echo } }",
    "{ count(within: {}) b: count(within: {low: 3, high: null, marks: []}, others: [{high: 1}],"
    " genres: [ESSAYS, NOVEL]) }",
    '{ book(which: {title: "x"}) { title } b: book(which: {number: 3}, of: ESSAYS) { genre price mark code extra } }',
    "{ must { friends(first: -1) { name } rival { rival { rival { name } } } works { __typename }"
    " books { owner { id } } } }",
]
VARIABLES: list[tuple[str, dict[str, Any]]] = [
    ("query($n: Int! = 2, $g: Genre) { books { near(near: $n, of: $g) { title } } }", {}),
    ("query($n: Int! = 2, $g: Genre) { books { near(near: $n, of: $g) { title } } }", {"n": 1, "g": "ESSAYS"}),
    ("query($r: Range!) { count(within: $r) }", {"r": {"low": 5}}),
    ("query($h: Int, $g: [Genre!]) { count(within: {high: $h}, genres: $g) }", {}),
    ("query($h: Int, $g: [Genre!]) { count(within: {high: $h}, genres: $g) }", {"h": None, "g": "POETRY"}),
    ("query($r: Range!) { count(within: $r) }", {"r": {"low": "five"}}),
    ("query($r: Range!) { count(within: $r) }", {}),
    ("query($w: Which) { book(which: $w) { title } }", {"w": {"title": "a", "number": 1}}),
    ("query($w: Which) { book(which: $w) { title } }", {"w": {"number": 1}}),
    ("query($t: Int = 1) { author { loud(times: $t) } must { id } }", {"t": None}),
    ("query($a: Boolean!, $b: Boolean!) { author @skip(if: $a) @include(if: $b) { name } must { id } }",
     {"a": False, "b": True}),
    ("query($a: Boolean!, $b: Boolean!) { author @skip(if: $a) @include(if: $b) { name } must { id } }",
     {"a": True, "b": True}),
    ("query($a: Boolean = true) { author { name @include(if: $a) id } must { id } }", {"a": None}),
    ("query($a: Boolean = true) { entries { title @include(if: $a) } must { id } }", {"a": None}),
    ("query($a: Boolean = true) { books { near { title @include(if: $a) } }"
     " works { ... on Named @skip(if: $a) { id } } }",
     {"a": None}),
]  # fmt: skip


# graphql-core leaves its own coroutines behind where a null removes a list.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine '(Executor|GraphQLCore|PermissionExt):RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine object (Executor|GraphQLCore|PermissionExt)"),
]


async def compared(engine: Engine, text: str, variables: dict[str, Any] | None = None, world: Any = None) -> Compared:
    document = parse(text)
    assert validate(engine._schema._schema, document, specified_rules) == []
    return await compare(engine, engine._schema, document, variables or {}, world or (lambda: library.World(1)))


@pytest.mark.parametrize("text", LIBRARY)
async def test_a_question_of_the_library(text: str) -> None:
    engine = Engine(library.schema)
    for seed in range(30):
        await _compared(engine, text, {}, seed)


@pytest.mark.parametrize(("text", "variables"), VARIABLES)
async def test_variables(text: str, variables: dict[str, Any]) -> None:
    engine = Engine(library.schema)
    for seed in range(12):
        await _compared(engine, text, variables, seed)


async def _compared(engine: Engine, text: str, variables: dict[str, Any], seed: int) -> None:
    worlds: list[library.World] = []

    def world() -> library.World:
        worlds.append(library.World(seed, (0, 10, 40)[seed % 3]))
        return worlds[-1]

    try:
        await compared(engine, text, variables, world)
    finally:
        for each in worlds:
            each.dropped()


ITEMS = "{ nodes { __typename id } edges { cursor node { id } } pageInfo { hasNextPage endCursor } totalCount }"
GRAPH = [
    f"{{ users {ITEMS} groups(first: 1) {ITEMS} games {ITEMS} gameLogs {ITEMS} financialMovements {{ totalCount }} }}",
    "{ users(first: 2) { nodes { username group { name } transactions { nodes { id amount type timestamp ticketId"
    " group { name } game { id } } } gameLogs { nodes { id type } } } } }",
    '{ group(id: "1") { name users { nodes { transactions(first: 2) { edges { cursor node { amount } } } } } } }',
    '{ user(id: "1") { ...U transactions { ...T } } } fragment U on User { id username externalId nodeId }'
    " fragment T on TransactionConnection { totalCount nodes { currency baseAmount user { ...U } } }",
    '{ _entities(representations: [{__typename: "User", id: "1"}, {__typename: "Group", id: "2"},'
    ' {__typename: "Nothing", id: "3"}, {__typename: "Game", id: "9"}]) { __typename ... on User { username }'
    " ... on Group { name } ... on Game { id startsAt } } }",
    *(
        f'{{ node(nodeId: "{encode(*place)}") {{ __typename nodeId ... on User {{ username }} ... on Game {{ status }}'
        " ... on Room { name } ... on Group { name } } }"
        for place in (("User", 1), ("Group", 2), ("Room", 1), ("Game", 3), ("Nothing", 1))
    ),
    '{ _service { sdl } node(nodeId: "x") { nodeId } }',
    "{ rooms { id name games { nodes { id prizes { name } } } } progressiveJackpots { __typename } }",
]


@pytest.mark.parametrize("text", GRAPH)
async def test_a_question_of_the_graph(text: str) -> None:
    engine = Engine(bingo.schema, past=(PreparedOperation,))
    for seed in range(12):
        await compared(engine, text, {}, lambda seed=seed: bingo.session(seed))


async def test_the_code_can_be_printed() -> None:
    """Leaves are read in one comprehension. Levels that were never reached have no code yet."""
    engine = Engine(library.schema)
    document = parse("{ people { total items { id } } }")
    program = engine.program(document, operation(document), _variables())
    assert program.code.startswith("# operation: Query\nasync def select(execution, sources, paths):\n")
    assert "people" in program.code
    assert "source.total" not in program.code
    await engine.run(document, operation(document), {}, library.World(3))
    assert program.code == engine.program(document, operation(document), _variables()).code
    assert "answers = [{" in program.code
    assert "if (v0 := source.total).__class__ is int" in program.code.replace("(v1 := ", "(v0 := ")
    compile(program.code, "<printed>", "exec")


async def test_levels_with_relations_stay_rows() -> None:
    """The rows of a level are written at once. Then each relation is found for all of them."""
    engine = Engine(library.schema)
    document = parse("{ entries { title more { total entries { number } } } }")
    result = await engine.run(document, operation(document), {}, library.World(3))
    assert result is not None
    assert result.errors == []
    code = engine.program(document, operation(document), _variables()).code
    assert [line for line in code.splitlines() if line.startswith("#")] == [
        "# operation: Query",
        "# operation.entries: Entry on rows",
        "# operation.entries: Entry on rows, what follows",
        "# operation.entries.more: EntryPage on rows",
    ]


async def test_rows_are_read_by_their_expressions() -> None:
    """No object is made for a row that keeps its promises."""
    made: list[Any] = []

    class Watched(library.Entries):
        def object(self, row: Any) -> Any:
            made.append(row)
            return super().object(row)

    entry = library.Entry(1, "Emma", "A", None, True, "x", None)
    engine = Engine(library.schema)
    found = await _entries(engine, "{ entries { number title shelf loans lent code } }", Watched([entry, entry]))
    assert found.data["entries"][1] == {
        "number": 1, "title": "Emma", "shelf": "A", "loans": None, "lent": True, "code": "x",
    }  # fmt: skip
    assert made == []


async def test_rows_fall_back_to_objects_when_one_breaks_its_word() -> None:
    """The objects of all rows are made, and the error concerns only the one value."""
    rows = [library.Entry(number, "Emma", None, 1, True, "x", None) for number in (1, 2**31, 3)]
    found = await _entries(Engine(library.schema), "{ entries { number } }", library.Entries(rows))
    assert found.data == {"entries": None}
    (error,) = found.errors
    assert error.path == ["entries", 1, "number"]
    assert error.message == "Int cannot represent non 32-bit signed integer value: 2147483648"


async def _entries(engine: Engine, text: str, rows: Any) -> Any:
    document = parse(text)
    world = library.World(1)
    world.catalogue = lambda key, count: rows  # type: ignore[method-assign]
    found = await engine.run(document, operation(document), {}, world)
    assert found is not None
    return found


def _variables() -> Any:
    from graphql.execution.values import get_variable_values

    return get_variable_values(library.schema._schema, (), {})
