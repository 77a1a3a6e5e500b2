"""An operation runs, compiled or not; its costs beside the rows have limits."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from schema.graph import schema
from server.execution.execution import MOST_PLANS, Executor
from server.execution.limits import Limits
from server.execution.operation import Operation
from server.execution.request_options import RequestOptions
from tests.server import toy_schema
from upstream.resilience.queue import QUEUE_CALLER, QueueCaller

FEW = Limits(field_errors=10)


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
    """An operation that is not compiled says so; a text without an operation has no code."""
    executor = Executor(schema, lambda operation: None)
    assert executor.code(Operation("{ __typename }")).startswith("# operation: Query\n")
    assert executor.code(Operation("{ __schema { __typename } }")) == "# not compiled: introspection"
    assert executor.code(Operation("{")) == ""
    assert Executor(schema, lambda operation: None, compiled=False).code(Operation("{ __typename }")) == ""


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("count", [10, 11, 30])
async def test_errors_beyond_the_bound_are_counted(count: int, compiled: bool) -> None:
    executor = Executor(
        toy_schema.schema, lambda operation: toy_schema.SlowFieldCounts(), limits=FEW, compiled=compiled
    )
    query = "{" + " ".join(f"a{n}: room {{ name locked }}" for n in range(count)) + "}"
    outcome = await executor.run(Operation(query))
    assert outcome.data == {f"a{n}": {"name": "hall", "locked": None} for n in range(count)}
    codes = [problem["extensions"]["code"] for problem in outcome.errors]
    assert codes[:10] == ["LOCKED"] * 10
    assert codes[10:] == ["TOO_MANY_ERRORS"] * (count > 10)
    if count > 10:
        assert outcome.errors[-1]["message"].startswith(f"{count - 10} more errors are left out")


class Plan:
    """A plan of nothing."""

    calls = rows = 0

    def to_dict(self) -> dict[str, Any]:
        return {"calls": 0}


async def test_few_plans_are_made_at_a_time_and_callers_take_turns() -> None:
    now, most, order = 0, 0, list[str]()

    async def foresee(context: Any, rehearse: Any) -> Plan:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await rehearse(context)
        await asyncio.sleep(0.01)
        now -= 1
        return Plan()

    executor = Executor(toy_schema.schema, lambda operation: toy_schema.SlowFieldCounts(), foresee=foresee)

    async def explain(name: str) -> None:
        QUEUE_CALLER.set(QueueCaller(name))
        outcome = await executor.run(Operation("{ price }", options=RequestOptions(explain=True)))
        assert outcome.extensions == {"explain": {"calls": 0}}
        order.append(name)

    await asyncio.gather(*(explain(name) for name in ["heavy"] * 8 + ["light"]))
    assert most == MOST_PLANS
    assert order.index("light") <= 2 * MOST_PLANS
