"""A large answer is written in pieces, which together are what is written in one go."""

import asyncio
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.nodes import AnswerTooLarge
from server.http import writing
from server.http.writing import encode, in_turns

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
# Whole numbers of any size and texts with halves of surrogate pairs: what orjson refuses is written, too.
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(), inner, max_size=9), max_leaves=60
)


def nested(lists: int, items: int, text: int) -> dict[str, Any]:
    """An answer of lists within lists."""
    inner = [{"id": str(number), "name": None, "text": "x" * text} for number in range(items)]
    return {"data": {"groups": [{"users": {"nodes": [dict(each) for each in inner]}} for _ in range(lists)]}}


class Turns:
    """Counts the turns that others have while something is awaited."""

    count = 0

    async def during(self, work: Any) -> Any:
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.sleep(0)
            self.count += 1
        return task.result()


@given(VALUES, st.integers(1, 40))
def test_the_pieces_together_are_the_answer(value: Any, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "PIECE", piece)
        patch.setattr(writing, "_BYTES", piece)
        written = b"".join(asyncio.run(in_turns(value, None)))
    assert read(written) == read(encode(value))


def read(text: bytes) -> Any:
    """Return the values that a client reads: whole numbers beyond 64 bits included."""
    return json.loads(text)


def test_a_list_that_is_written_already_stands_as_it_is() -> None:
    text = ["x" * 100] * 20_000
    long = orjson.Fragment(orjson.dumps(text))
    for other in (1, 2**70):  # the second one takes the slower way
        answer = {"data": {"a": long, "b": [long, other, long], "c": orjson.Fragment(b"[]")}}
        expected = {"data": {"a": text, "b": [text, other, text], "c": []}}
        assert read(encode(answer)) == read(b"".join(asyncio.run(in_turns(answer, None)))) == expected


async def test_an_answer_of_64_mib_is_written_in_many_turns() -> None:
    answer, turns = nested(240, 1000, 260), Turns()
    pieces = await turns.during(in_turns(answer, None))
    assert sum(map(len, pieces)) > 64 << 20

    assert max(map(len, pieces)) < 1 << 20
    assert turns.count > 64
    assert b"".join(pieces) == encode(answer)


async def test_bytes_are_counted_while_they_are_written() -> None:
    answer, turns = nested(240, 1000, 260), Turns()
    with pytest.raises(AnswerTooLarge, match="longer than 1 MiB"):
        await turns.during(in_turns(answer, 1 << 20))
    # It ends with the first bytes beyond the limit, not with the last of the answer.
    assert turns.count < 20
    assert b"".join(await in_turns(answer, 128 << 20)) == encode(answer)
