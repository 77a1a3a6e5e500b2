"""Writes the answers of the saved queries anew: `make answers`. Read the difference before you commit it."""

import asyncio

from tests.graph import Graph
from tests.queries.answers import Answer, saved
from tests.stand import Sandbox


async def record() -> None:
    """Ask every saved query of the world that the tests use, and write down what it answers."""
    with Sandbox() as sandbox:
        async with Graph(sandbox) as graph:
            for name, text in saved().items():
                answer = Answer.read(name)
                asked = await graph.ask(text, **answer.variables)
                assert not asked.errors, (name, asked.errors)
                Answer(name, answer.variables, asked.reports, asked.data).write()


if __name__ == "__main__":
    asyncio.run(record())
