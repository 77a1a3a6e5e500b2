"""What is not compiled runs all the same, and the log says why."""

import pytest
from structlog.testing import capture_logs

from schema.graph import schema
from server.execution import Executor
from server.operation import Operation


@pytest.mark.parametrize(
    ("text", "reasons"), [("{ __schema { __typename } }", ["introspection"]), ("{ __typename }", [])]
)
async def test_what_is_not_compiled_is_logged(text: str, reasons: list[str]) -> None:
    executor = Executor(schema, lambda operation: None)
    with capture_logs() as lines:
        outcome = await executor.run(Operation(text))
    assert outcome.errors == []
    assert [(line["event"], line["reason"], line["log_level"]) for line in lines] == [
        ("operation.not_compiled", reason, "info") for reason in reasons
    ]
    assert executor.engine is not None
    assert executor.engine.counts == (dict.fromkeys(reasons, 1) or {"compiled": 1})


async def test_the_code_of_an_operation() -> None:
    """What is not compiled says so, and what is no operation has none."""
    executor = Executor(schema, lambda operation: None)
    assert executor.code(Operation("{ __typename }")).startswith("# operation: Query\n")
    assert executor.code(Operation("{ __schema { __typename } }")) == "# not compiled: introspection"
    assert executor.code(Operation("{")) == ""
    assert Executor(schema, lambda operation: None, compiled=False).code(Operation("{ __typename }")) == ""
