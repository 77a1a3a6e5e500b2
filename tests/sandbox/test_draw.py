import numpy as np
import pytest

from sandbox.draw import calls, draw


@pytest.mark.parametrize("balls", [75, 90])
def test_every_ball_is_drawn_once_and_calls_tell_when(balls: int) -> None:
    drawn = draw(balls, 7, np.arange(50))
    called = calls(drawn)
    for game in range(50):
        assert sorted(drawn[game].tolist()) == list(range(1, balls + 1))
        assert [int(called[game, ball]) for ball in drawn[game]] == list(range(1, balls + 1))
    assert len({drawn[game].tobytes() for game in range(50)}) == 50
