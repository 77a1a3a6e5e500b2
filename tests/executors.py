"""Executors of the graph that share documents and programs: the tests validate and compile each text once."""

from collections.abc import Callable
from typing import Any

from engine.engine import Engine
from schema.graph import schema
from server.execution.documents import Documents, PreparedOperation
from server.execution.execution import Executor
from server.execution.operation import Operation

DOCUMENTS = Documents(schema)
ENGINE = Engine(schema, past=(PreparedOperation,))


def executor_of(context: Callable[[Operation], Any], *, compiled: bool = True) -> Executor:
    """Return an executor that runs operations in this context."""
    executor = Executor(schema, context, compiled=compiled)
    executor.documents = DOCUMENTS
    if compiled:
        executor.engine = ENGINE
    return executor
