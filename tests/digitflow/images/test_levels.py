"""Counted levels give the percentiles and medians that sorting them gives, to the bit."""

import numpy as np
import pytest

from digitflow.images.levels import count_levels, count_signed, find_median, find_percentile


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1001])
@pytest.mark.parametrize("percent", [0, 5, 50, 95, 99.5, 100])
def test_a_percentile_is_numpys(size, percent):
    levels = np.random.default_rng(size).integers(0, 256, (1, size), dtype=np.uint8)
    assert find_percentile(count_levels(levels), percent) == np.percentile(levels, percent)


@pytest.mark.parametrize("size", [1, 2, 9, 1000])
def test_a_median_of_signed_levels_is_numpys(size):
    levels = np.random.default_rng(size).integers(-255, 256, (size, 3)).astype(np.float32)
    assert find_median(*count_signed(levels)) == np.median(levels)


def test_every_level_is_counted_in_its_own_place():
    values, counts = count_signed(np.arange(-255, 256, dtype=np.float32).reshape(7, 73))
    assert values.tolist() == list(range(-255, 256))
    assert counts.tolist() == [1] * 511
    assert count_levels(np.arange(256, dtype=np.uint8).reshape(2, -1)).tolist() == [1] * 256


def test_every_second_row_of_a_picture_is_counted():
    levels = np.zeros((4, 6), np.float32)
    levels[1::2] = 9
    values, counts = count_signed(levels[::2, ::2])
    assert values[counts > 0].tolist() == [0]
    assert counts.sum() == 6
