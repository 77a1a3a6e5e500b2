"""Every story happens as its file says: the same upstream calls, in any order, and the same answer."""

from itertools import zip_longest

import pytest

from tests.stand import Sandbox
from tests.stories.story import FOLDER, Story, names


@pytest.mark.parametrize("name", names())
async def test_it_goes_as_told(name: str, sandbox: Sandbox) -> None:
    story = Story.read(name)
    real = await story.play(sandbox)
    for written, happened in zip_longest(story.steps, real.steps):
        assert happened.calls == written.calls
        assert happened.answer == written.answer


@pytest.mark.parametrize("name", names())
def test_it_is_written_as_the_recorder_would(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text()
    story = Story.read(name)
    assert story.title
    assert story.prose, "say what the story shows"
    assert str(story) == text, "python -m tests.stories.record writes it so"


def test_there_are_enough_of_them() -> None:
    assert len(names()) >= 45


def test_together_they_use_every_report_of_both_systems() -> None:
    codes = {call.split()[0] for name in names() for step in Story.read(name).steps for call in step.calls}
    assert codes == {*(f"R{number}" for number in range(1, 12)), "G1"}
