import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cards import COLUMNS_90, deal

seeds = st.integers(0, 2**31)
strips = st.lists(st.integers(0, 2**40), min_size=1, max_size=5, unique=True)


@given(seeds, strips)
def test_a_strip_of_six_cards_holds_1_to_90_once(seed: int, ids: list[int]) -> None:
    cards = deal(90, seed, np.array(ids), np.full(len(ids), 6))
    assert cards.shape == (6 * len(ids), 15)
    for strip in cards.reshape(-1, 90):
        assert sorted(strip.tolist()) == list(range(1, 91))


@given(seeds, strips)
def test_a_90_ball_card_has_five_numbers_a_row_and_columns_by_tens_that_rise(seed: int, ids: list[int]) -> None:
    for card in deal(90, seed, np.array(ids), np.full(len(ids), 6)).tolist():
        columns: list[list[int]] = [[] for _ in COLUMNS_90]
        for row in (card[0:5], card[5:10], card[10:15]):
            places = [min(number // 10, 8) for number in row]
            assert places == sorted(set(places))
            for place, number in zip(places, row, strict=True):
                columns[place].append(number)
        assert all(1 <= len(column) <= 3 and column == sorted(column) for column in columns)


@given(seeds, strips)
def test_a_75_ball_card_has_five_numbers_a_column_and_a_free_centre(seed: int, ids: list[int]) -> None:
    for card in deal(75, seed, np.array(ids), np.full(len(ids), 2)).tolist():
        grid = [*card[:12], None, *card[12:]]
        for column in range(5):
            numbers = [number for number in grid[column::5] if number is not None]
            assert len(set(numbers)) == (4 if column == 2 else 5)
            assert all(15 * column < number <= 15 * column + 15 for number in numbers)


@given(st.sampled_from([75, 90]), seeds, st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_a_card_is_the_same_however_many_are_dealt_with_it(balls: int, seed: int, counts: list[int]) -> None:
    ids = np.arange(100, 100 + len(counts))
    together = deal(balls, seed, ids, np.array(counts))
    alone = [deal(balls, seed, ids[[index]], np.array([6]))[:count] for index, count in enumerate(counts)]
    assert np.array_equal(together, np.concatenate(alone))
