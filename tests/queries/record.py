"""Record the answers of the saved queries: `make answers`. Read the difference before you commit it.

A recorded answer keeps its variables. A new query is recorded with the variables of its own `# variables:` comment. To
record a query with other variables, edit them in its answer file, or delete the file.
"""

import asyncio
import sys

from tests.graph import Graph
from tests.queries.answers import Answer, empty_lists, has_rows, saved
from tests.stand import Sandbox


async def record() -> int:
    """Run every saved query on the world of the tests and write its answer. Return the number of refused answers."""
    refused = 0
    with Sandbox() as sandbox:
        async with Graph(sandbox) as graph:
            for name, text in saved().items():
                answer = Answer.read(name)
                variables = answer.variables if answer.data is not None else await graph.example(name)
                outcome = await graph.ask(text, **variables)
                if outcome.errors:
                    problem = f"it has errors: {outcome.errors}"
                elif not has_rows(outcome.data):
                    problem = "it has no rows, so it proves nothing"
                else:
                    Answer(name, variables, outcome.reports, outcome.data).write()
                    for path in empty_lists(outcome.data):
                        print(f"{name}: {path} is empty everywhere. Other variables would prove more.")  # noqa: T201
                    continue
                refused += 1
                print(  # noqa: T201
                    f"{name}: the answer is not recorded: {problem}. The variables were {variables}; change them in "
                    f"the `# variables:` comment of queries/{name}.graphql or in tests/queries/answers/{name}.json.",
                    file=sys.stderr,
                )
    return refused


if __name__ == "__main__":
    sys.exit(min(asyncio.run(record()), 1))
