"""Write the calls and answers of stories again: `python -m tests.stories.record [NAME...]`. Review the changes."""

import asyncio
import sys

from tests.stand import Sandbox
from tests.stories.story import FOLDER, Story, names


async def record(chosen: list[str]) -> None:
    """Run the stories in the world that the tests use, and write what happens."""
    with Sandbox() as sandbox:
        for name in chosen:
            sandbox.heal()
            story = await Story.read(name).play(sandbox)
            (FOLDER / f"{name}.md").write_text(str(story))


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:] or names()))
