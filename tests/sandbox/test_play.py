import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cards import deal
from sandbox.draw import calls, draw
from sandbox.play import play

LINES_75 = [
    *([5 * row + column for column in range(5)] for row in range(5)),
    *([5 * row + column for row in range(5)] for column in range(5)),
    [0, 6, 12, 18, 24],
    [4, 8, 12, 16, 20],
]


def by_hand(balls: int, card: list[int], drawn: list[int]) -> list[int]:
    """Return the calls that complete one line, two lines and the card, found ball by ball."""
    cells: list[int | None] = [*card] if balls == 90 else [*card[:12], None, *card[12:]]
    lines = [range(start, start + 5) for start in (0, 5, 10)] if balls == 90 else LINES_75
    found: list[int] = []
    seen: set[int | None] = {None}
    wanted = [1, 2, len(lines)]
    for call, ball in enumerate(drawn, 1):
        seen.add(ball)
        complete = sum(all(cells[cell] in seen for cell in line) for line in lines)
        while len(found) < 3 and complete >= wanted[len(found)]:
            found.append(call)
    return found


@given(st.sampled_from([75, 90]), st.integers(0, 2**31), st.integers(0, 2**40))
def test_cards_complete_when_they_do_by_hand(balls: int, seed: int, strip: int) -> None:
    cards = deal(balls, seed, np.array([strip]), np.array([6]))
    drawn = draw(balls, seed, np.array([strip + 1]))
    done = play(balls, cards, np.repeat(calls(drawn), 6, axis=0))
    assert done.tolist() == [by_hand(balls, card, drawn[0].tolist()) for card in cards.tolist()]
