import numpy as np
import pytest

from digitflow.data.sampling import choose_rows

LABELS = np.random.default_rng(0).integers(0, 10, 500).astype(np.uint8)


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("count", [1, 10, 32, 200])
def test_digits_differ_by_one_row_at_most(count, seed):
    rows = choose_rows(LABELS, count, seed)
    assert len(np.unique(rows)) == count
    counts = np.bincount(LABELS[rows], minlength=10)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(rows) > 0).all()


def test_without_a_seed_the_first_of_each_digit_are_taken():
    rows = choose_rows(LABELS, 10)
    assert rows.tolist() == sorted(np.flatnonzero(digit == LABELS)[0] for digit in range(10))


def test_a_seed_chooses_always_alike_and_another_seed_otherwise():
    first = choose_rows(LABELS, 50, 1)
    np.testing.assert_array_equal(choose_rows(LABELS, 50, 1), first)
    assert set(choose_rows(LABELS, 50, 2)) != set(first)


def test_where_there_are_fewer_all_are_taken():
    np.testing.assert_array_equal(choose_rows(LABELS, 1000, 1), np.arange(500))
    assert choose_rows(LABELS[:0], 10).size == 0


def test_a_rare_digit_is_filled_up_with_others():
    labels = np.array([0] * 2 + [1] * 50, np.uint8)
    assert np.bincount(labels[choose_rows(labels, 20, 0)]).tolist() == [2, 18]
