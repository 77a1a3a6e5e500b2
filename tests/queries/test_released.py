"""An operation that has ended is released at once: nothing of it waits for the garbage collector.

A full collection is rare in a server (`server/garbage.py`). Until then, each operation would stay in memory. This holds
for compiled operations; graphql-core, which runs the few others, has cycles of its own.
"""

import gc
from collections.abc import Iterator

import pytest

from resolvers.caller import Caller
from resolvers.loader import Batch, Loader
from resolvers.session import Session
from resolvers.trace import Step
from server.execution.operation import Operation
from tests.graph import Graph
from tests.queries.answers import Answer, saved
from upstream.call import Call


@pytest.fixture
def collected() -> Iterator[None]:
    """Turn the collector off, after it has collected all garbage."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def left() -> dict[str, int]:
    """Return how many objects of operations are in memory."""
    kinds = (Session, Loader, Batch, Step, Call)
    found = [type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds)]
    return {kind.__name__: found.count(kind.__name__) for kind in kinds}


@pytest.mark.parametrize("groups", [None, frozenset({382})], ids=["open", "restricted"])
@pytest.mark.parametrize("name", saved())
async def test_nothing_is_left_of_an_operation(
    name: str, groups: frozenset[int] | None, graph: Graph, collected: None
) -> None:
    graph.session = {"caller": Caller("someone", groups, frozenset())}
    counts = []
    for _ in range(3):
        session = graph.new_session()
        executor = graph.executor(session)
        executor._leave = Session.close
        outcome = await executor.run(Operation(saved()[name], variables=Answer.read(name).variables))
        assert outcome.data is not None
        del session, executor, outcome
        counts.append(left())
    # Some things stay on purpose, such as the costs of calls. They are there after the first operation.
    assert counts[0]["Session"] == 0
    assert counts[2] == counts[1]
