"""What is measured of an image is what it was drawn with."""

import numpy as np
import pytest

from digitflow.images.statistics import STATISTICS, measure_images


def test_statistics_of_a_bar_are_its_own():
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 4:24, 12:15] = 255  # three wide, twenty high
    for row in range(4, 24):  # the same, leaning by half a column a row
        left = 12 + (row - 14) // 2
        images[1, row, left : left + 3] = 255
    found = dict(zip(STATISTICS, measure_images(images).T, strict=True))
    assert found["ink"][0] == pytest.approx(60 / 784)
    assert (found["centre_x"][0], found["centre_y"][0]) == (13, 13.5)
    assert found["stroke_width"][0] == pytest.approx(3, abs=0.5)
    assert found["slant"][0] == pytest.approx(0, abs=1e-6)
    assert found["slant"][1] == pytest.approx(0.5, abs=0.02)
    assert found["size"][0] == pytest.approx(np.sqrt((400 - 1) / 12 + (9 - 1) / 12), rel=1e-5)
    assert not measure_images(images)[2].any()
