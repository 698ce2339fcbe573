"""What recipes take, work in batches, and the pixels themselves."""

import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.features.recipes.pixels import FlattenImages, check_images, transform_batches


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((3, 28, 28), np.float32),
        np.zeros((3, 784), np.uint8),
        np.zeros((28, 28), np.uint8),
        np.zeros((3, 28, 27), np.uint8),
    ],
)
def test_what_is_no_image_in_the_frame_is_refused_with_what_came(images):
    with pytest.raises(
        InputError, match=rf"\(n, 28, 28\), got {images.dtype} \({len(images)},"
    ):
        check_images(images)


def test_no_images_are_images_too():
    assert check_images(np.zeros((0, 28, 28), np.uint8)).shape == (0, 28, 28)


@pytest.mark.parametrize("batch", [1, 3, 7, 10])
def test_batches_give_what_the_whole_gives(batch):
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    out = transform_batches(lambda part: part * 2, rows, (2,), batch)
    np.testing.assert_array_equal(out, rows * 2)
    assert out.dtype == np.float32


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
