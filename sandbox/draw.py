"""The order in which a game's balls are drawn. The game's id decides it."""

import numpy as np
import numpy.typing as npt

from sandbox.chance import Ints, chance, shuffled


def draw(balls: int, seed: int, games: Ints) -> npt.NDArray[np.uint8]:
    """Return all balls of each game in the order of their draw: shape (games, balls)."""
    bits = chance(seed, games[:, None], np.arange(1, balls + 1))
    return shuffled(bits, np.arange(1, balls + 1, dtype=np.uint64)).astype(np.uint8)


def calls(drawn: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the call, from 1, at which each ball is drawn: shape (games, balls + 1), indexed by the ball's number; 0
    for ball 0.
    """
    games, balls = drawn.shape
    numbers = np.zeros((games, balls + 1), dtype=np.uint8)
    np.put_along_axis(numbers, drawn.astype(np.intp), np.arange(1, balls + 1, dtype=np.uint8)[None, :], axis=1)
    return numbers
