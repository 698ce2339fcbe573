"""Pixels as numbers from 0 to 1."""

import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.features.recipes.pixels import FlattenImages


def test_pixels_are_rows_from_0_to_1_in_reading_order():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 0, 3], image[0, 2, 1] = 255, 51
    row = FlattenImages().transform(image)[0]
    assert row.dtype == np.float32
    assert row[3] == pytest.approx(1)
    assert row[2 * 28 + 1] == pytest.approx(0.2)
    assert np.count_nonzero(row) == 2


def test_every_grey_level_is_its_255th(digit_images):
    expected = digit_images[:50].reshape(50, 784) / 255
    found = FlattenImages().fit_transform(digit_images[:50])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_images_of_another_kind_are_refused():
    with pytest.raises(InputError, match="float64"):
        FlattenImages().transform(np.zeros((1, 28, 28)))
