"""Give an operation its variables, as the commands that run a query need it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.cli.terminal import WRONG_USE, say, stop

if TYPE_CHECKING:
    from server.execution.operation import Operation
    from server.execution.saved import SavedQuery


def with_variables(chosen: "SavedQuery", given: Sequence[str], operation: str | None) -> "Operation":
    """Return the operation with the given variables, and with those of the saved query's example for the others.

    The variables of the example are named on stderr. A wrong variable ends the command.
    """
    from schema import graph
    from server.execution.variables import WrongVariable, prepare

    try:
        ready, borrowed = prepare(graph.schema, chosen, given, operation)
    except WrongVariable as error:
        stop(str(error), WRONG_USE)
    if borrowed:
        say("from the saved query's example: " + ", ".join(f"{key}={value}" for key, value in borrowed.items()))
    return ready
