"""Play cards against a draw: find the call at which each card completes one line, two lines and the full house."""

import numpy as np
import numpy.typing as npt

from sandbox.cards import Numbers

PRIZES = ("One line", "Two lines", "Fullhouse")
JACKPOT_PRIZE = "PJP"


def play(balls: int, numbers: Numbers, calls: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the completing calls of each card: shape (cards, 3), one column for each of PRIZES.

    `numbers` are the dealt cards. `calls` (cards, balls + 1) has, for each card's game, the call at which a ball is
    drawn. A line is a row of a 90-ball card. On a 75-ball card it is also a column or a diagonal, and the free centre
    counts from the start.
    """
    called = np.take_along_axis(calls, numbers.astype(np.intp), axis=1)
    if balls == 90:
        lines = called.reshape(-1, 3, 5).max(axis=2)
    else:
        grid = np.insert(called, 12, 0, axis=1).reshape(-1, 5, 5)
        diagonals = [np.diagonal(face, axis1=1, axis2=2).max(axis=1) for face in (grid, grid[:, :, ::-1])]
        lines = np.column_stack([grid.max(axis=2), grid.max(axis=1), *diagonals])
    lines.sort(axis=1)
    return np.column_stack([lines[:, 0], lines[:, 1], called.max(axis=1)])
