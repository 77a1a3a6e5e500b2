"""The predicted calls are the real calls: for the saved queries, and for many generated queries."""

import sys
from collections import Counter
from typing import Any

import pytest

from resolvers.prediction.predict import foresee
from resolvers.prediction.predicted_plan import PredictedPlan
from resolvers.prices import Prices
from resolvers.rules.join import Join
from resolvers.session import Session
from schema.graph import schema
from server.execution.execution import Executor
from server.execution.operation import Operation
from tests.effort import tries
from tests.graph import Graph
from tests.queries.answers import Answer, saved
from tests.resolvers.questions import Questions

# These questions select every field and give every argument that 600 of them do.
QUESTIONS, SEED = tries(40), 2


class Memory:
    """The knowledge of one server: figures and the comparison, shared by the operations of a test."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.prices = Prices()
        self.join = Join()
        self._executor = Executor(schema, lambda operation: self._context)

    def session(self) -> Session:
        return Session(self.graph.upstream, self.graph.zone, now=self.graph.now, prices=self.prices, join=self.join)

    async def plan(self, query: str, **variables: Any) -> PredictedPlan:
        async def run(session: Session) -> None:
            await self._run(query, variables, session)

        return await foresee(self.session(), run)

    async def calls(self, query: str, **variables: Any) -> Counter[str]:
        """Those that the sandbox has answered, by report."""
        self.graph.sandbox.reset()
        await self._run(query, variables, self.session())
        return Counter(call["report"] for call in self.graph.sandbox.calls())

    async def _run(self, query: str, variables: dict[str, Any], session: Session) -> None:
        self._context = session  # it is taken before anything is awaited
        outcome = await self._executor.run(Operation(query, variables=variables))
        assert outcome.ran, outcome.errors


def reports(plan: PredictedPlan) -> Counter[str]:
    """The calls of a plan, by report."""
    counts: Counter[str] = Counter()
    for part in plan.parts:
        counts[part.type] += part.calls
    return counts


@pytest.fixture
def memory(graph: Graph) -> Memory:
    return Memory(graph)


@pytest.mark.parametrize("name", saved())
async def test_a_saved_query_that_was_asked_before_is_predicted_to_the_call(name: str, memory: Memory) -> None:
    answer = Answer.read(name)
    await memory.calls(saved()[name], **answer.variables)
    plan = await memory.plan(saved()[name], **answer.variables)
    assert not plan.depends
    assert reports(plan) == await memory.calls(saved()[name], **answer.variables)


@pytest.mark.parametrize("name", saved())
async def test_one_that_was_never_asked_lies_in_the_range_that_it_tells(name: str, memory: Memory) -> None:
    answer = Answer.read(name)
    plan = await memory.plan(saved()[name], **answer.variables)
    made = (await memory.calls(saved()[name], **answer.variables)).total()
    assert plan.fewest <= made <= plan.most


async def test_of_many_queries_nearly_all_are_predicted_to_the_call(
    memory: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await memory.graph.data(
        "{ groups(first: 1000) { nodes { id } } users(first: 1000) { nodes { id } } rooms { id }"
        " games(first: 40) { nodes { id } } }"
    )
    ids = {kind: [one["id"] for one in world[place]["nodes"]] for kind, place in CONNECTIONS.items()}
    ids["Room"] = [room["id"] for room in world["rooms"]]
    questions = Questions(schema._schema, ids, seed=SEED)
    unasked, in_range, differ = 0, 0, []
    for _ in range(QUESTIONS):
        query = questions.draw()
        plan = await memory.plan(query)
        made = await memory.calls(query)
        unasked += reports(plan) == made
        in_range += plan.fewest <= made.total() <= plan.most
        # The second time, the rows of its calls are known.
        plan = await memory.plan(query)
        made = await memory.calls(query)
        if reports(plan) != made:
            differ.append((query, reports(plan) - made, made - reports(plan)))
    with capsys.disabled():
        sys.stdout.write(
            f"\nof {QUESTIONS} queries {QUESTIONS - len(differ)} are predicted to the call once they were asked, "
            f"{unasked} before ({in_range} within the range)\n"
        )
        for query, more, fewer in differ:
            sys.stdout.write(f"  predicted {dict(more)} instead of {dict(fewer)}: {query[:200]}\n")
    assert len(differ) <= QUESTIONS * 0.05
    assert in_range >= QUESTIONS * 0.9


CONNECTIONS = {"Group": "groups", "User": "users", "Game": "games"}


async def test_a_prediction_calls_nobody_and_learns_nothing(memory: Memory) -> None:
    walk = saved()["GroupWalkInGroup"]
    variables = Answer.read("GroupWalkInGroup").variables
    memory.graph.sandbox.reset()
    first = await memory.plan(walk, **variables)
    assert memory.graph.sandbox.calls() == []
    assert (memory.prices.taken, memory.join.settled(memory.graph.now.date())) == ({}, None)
    again = await memory.plan(walk, **variables)
    assert again.to_dict() == first.to_dict()


async def test_the_comparison_is_predicted_while_it_is_open(memory: Memory) -> None:
    walk, variables = saved()["GroupWalkInGroup"], Answer.read("GroupWalkInGroup").variables
    plan = await memory.plan(walk, **variables)
    assert reports(plan) == await memory.calls(walk, **variables)
    assert reports(plan)["transaction_report"] == 3
    # Today's outcome is known from now on.
    assert "transaction_report" not in reports(await memory.plan(walk, **variables))


async def test_what_depends_on_rows_that_nobody_has_seen_is_a_range(memory: Memory) -> None:
    query = '{ group(id: "382") { users { nodes { transactions { nodes { currency } } } } } }'
    plan = await memory.plan(query)
    assert plan.depends
    assert plan.fewest < plan.calls < plan.most
    made = await memory.calls(query)
    assert plan.fewest <= made.total() <= plan.most
    known = await memory.plan(query)
    assert (known.depends, known.calls) == (False, made.total())


async def test_alike_calls_are_told_as_one_with_their_keys_counted(memory: Memory) -> None:
    query = '{ group(id: "382") { users { nodes { transactions { nodes { currency } } } } } }'
    await memory.calls(query)
    (_, users, transactions) = (await memory.plan(query)).to_dict()["plan"]
    assert (users["report"], users["calls"], users["parameters"]) == ("R9", 1, {"fkgroup": 382})
    assert transactions["report"] == "R7"
    assert (transactions["calls"], transactions["parameters"]) == (50, {"user_id": {"distinct": 50}})
    assert transactions["fields"] == ["User.transactions"]


async def test_an_entity_that_the_upstream_does_not_know_is_known_to_be_unknown(memory: Memory) -> None:
    query = '{ game(id: "1") { duration tickets { id } room { gamesOnSale { id } } } }'
    made = await memory.calls(query)
    assert reports(await memory.plan(query)) == made
