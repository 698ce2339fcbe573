"""What recipes take, and work in batches."""

import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.features.images import check_images, transform_batches


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
