"""A digit brought up is a smooth drawing that would be scanned as it was."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from digitflow.augment.enlarging import enlarge_cells, measure_cells
from digitflow.errors import InputError


def test_a_drawing_is_scanned_as_the_digit_it_came_from():
    cells = load_digits().images[::20]
    wanted = np.pad(cells / 16, ((0, 0), (1, 1), (1, 1)))
    found = np.stack([measure_cells(enlarge_cells(digit)) for digit in cells])
    missing = np.abs(found - wanted)
    assert missing.mean() < 0.005
    assert missing.max() < 0.06


def test_strokes_are_ink_or_paper_with_little_between():
    drawings = np.stack([enlarge_cells(digit) for digit in load_digits().images[:50]])
    assert drawings.min() >= 0
    assert drawings.max() <= 1
    assert np.mean((drawings > 0.1) & (drawings < 0.9)) < 0.2


def test_the_cells_of_a_drawing_are_means_of_its_pixels():
    drawing = np.random.default_rng(0).random((80, 80))
    expected = [[drawing[8 * r : 8 * r + 8, 8 * c : 8 * c + 8].mean() for c in range(10)]
                for r in range(10)]  # fmt: skip
    np.testing.assert_allclose(measure_cells(drawing), expected)


@pytest.mark.parametrize("shape", [(8,), (28, 28), (1, 8, 8)])
def test_other_arrays_than_a_scanned_digit_are_refused(shape):
    with pytest.raises(InputError, match="8x8"):
        enlarge_cells(np.zeros(shape))
