"""Deal cards by the real rules from the strip's id alone, so that no card has to be stored.

90-ball: a strip of six cards holds each of 1-90 once. A card has three rows of five numbers; its columns go by tens.
75-ball: a card is 5 by 5, each column holds numbers out of fifteen, and the centre is free.
"""

import random
from functools import cache
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

from sandbox.chance import Ints, chance, shuffled

Numbers = npt.NDArray[np.uint8]

STRIP = 6
LAYOUTS = 128
# The first and the last number of the nine columns of a 90-ball card.
COLUMNS_90 = [(max(1, 10 * tens), 90 if tens == 8 else 10 * tens + 9) for tens in range(9)]


def deal(balls: int, seed: int, strips: Ints, counts: Ints) -> Numbers:
    """Return the first `counts` cards of each strip, one after another: shape (sum of counts, 15 or 24).

    A row of the answer contains a card's numbers, row by row, without blanks and without the free centre.
    """
    return _deal_90(seed, strips, counts) if balls == 90 else _deal_75(seed, strips, counts)


def _deal_90(seed: int, strips: Ints, counts: Ints) -> Numbers:
    owners, places = _layouts()
    layout = (chance(seed, strips, 0) % np.uint64(LAYOUTS)).astype(np.intp)
    bits = chance(seed, strips[:, None], np.arange(1, 91))
    owner, place = owners[layout], places[layout]
    spread = np.empty((len(strips), 90), dtype=np.uint8)
    for first, last in COLUMNS_90:
        column = slice(first - 1, last)
        numbers = shuffled(bits[:, column], np.arange(first, last + 1, dtype=np.uint64))
        # Sorting by (card, number) keeps each card's share of the column and orders it from top to bottom.
        tagged = numbers.astype(np.uint16) | (owner[:, column] << 7)
        tagged.sort(axis=1)
        spread[:, column] = tagged & 127
    cells = np.empty_like(spread)
    np.put_along_axis(cells, place, spread, axis=1)
    bought = np.arange(STRIP) < counts[:, None]
    return cells.reshape(-1, STRIP, 15)[bought]


def _deal_75(seed: int, strips: Ints, counts: Ints) -> Numbers:
    choices, orders = _column_choices()
    card = np.repeat(strips * STRIP, counts) + _running(counts)
    bits = chance(seed, card[:, None], np.arange(5))
    chosen = choices[bits % np.uint64(len(choices))]
    order = orders[(bits >> np.uint64(32)) % np.uint64(len(orders))]
    columns = np.take_along_axis(chosen, order, axis=2) + np.arange(0, 75, 15, dtype=np.uint8)[:, None]
    return np.delete(columns.transpose(0, 2, 1).reshape(-1, 25), 12, axis=1)


@cache
def _column_choices() -> tuple[Numbers, npt.NDArray[np.intp]]:
    """Return every choice of five numbers out of fifteen, and every order of five things."""
    return np.array(list(combinations(range(1, 16), 5)), dtype=np.uint8), np.array(list(permutations(range(5))))


def _running(counts: Ints) -> Ints:
    """Return 0, 1, … counts-1 for each count, one after another."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


@cache
def _layouts() -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.intp]]:
    """Return, for each layout and each of the 90 slots (column by column), the card of the slot and its place in the
    strip.
    """
    dice = random.Random(90)
    made = [_layout(dice) for _ in range(LAYOUTS)]
    return (
        np.array([[cell // 15 for cell in layout] for layout in made], dtype=np.uint16),
        np.array(made, dtype=np.intp),
    )


def _layout(dice: random.Random) -> list[int]:
    """Return the places (card * 15 + row * 5 + position in the row) of the 90 slots, column by column, top to
    bottom.
    """
    shares = _shares(dice)
    filled: dict[tuple[int, int], list[int]] = {}
    for card in range(STRIP):
        sizes = [0, 0, 0]
        # The fullest columns come first, each into the emptiest rows. Rows never differ by more than one, so all end at
        # five.
        for column in sorted(range(9), key=lambda column: -shares[card][column]):
            rows = sorted(range(3), key=lambda row: (sizes[row], dice.random()))[: shares[card][column]]
            for row in rows:
                sizes[row] += 1
                filled.setdefault((card, row), []).append(column)
    places: list[list[int]] = [[] for _ in range(9)]
    for (card, row), columns in sorted(filled.items()):
        for position, column in enumerate(sorted(columns)):
            places[column].append(card * 15 + row * 5 + position)
    return [place for column in places for place in column]


def _shares(dice: random.Random) -> list[list[int]]:
    """Return how many numbers of each column each card takes:

    one to three, fifteen per card, the whole column in all.
    """
    while True:
        shares = [[1] * 9 for _ in range(STRIP)]
        extra = [column for column, (first, last) in enumerate(COLUMNS_90) for _ in range(last - first + 1 - STRIP)]
        dice.shuffle(extra)
        for column in extra:
            open_cards = [card for card in shares if sum(card) < 15 and card[column] < 3]
            if not open_cards:
                break
            min(open_cards, key=lambda card: (sum(card), dice.random()))[column] += 1
        else:
            return shares
