import cv2
import numpy as np
import pytest
from scipy import ndimage

from digitflow.images.ground import estimate_ground, is_ink_darker, measure_light

SIDE = 100
DOWN, RIGHT = np.indices((SIDE, SIDE))


@pytest.fixture
def strokes():
    image = np.zeros((SIDE, SIDE), np.uint8)
    cv2.putText(image, "8", (30, 75), cv2.FONT_HERSHEY_SIMPLEX, 2, 180, 6)
    return image


def test_ground_is_a_grey_opening_of_a_sheet_that_goes_on(strokes):
    noisy = strokes + np.random.default_rng(0).integers(0, 20, strokes.shape, dtype=np.uint8)
    padded = np.pad(cv2.medianBlur(noisy, 3), 60, mode="edge")
    opened = ndimage.grey_opening(padded, size=(31, 31))[60:-60, 60:-60]
    expected = ndimage.grey_dilation(opened, size=(3, 3), mode="nearest")
    np.testing.assert_array_equal(estimate_ground(noisy), expected)


@pytest.mark.parametrize("slope", [-2, -0.5, 0, 0.5, 2])
@pytest.mark.parametrize("place", [-50, 0, 50])
def test_a_shadow_with_a_straight_edge_is_ground_up_to_the_corners(slope, place):
    shadow = np.where(DOWN - 50 + slope * (RIGHT - 50) > place, 120, 20).astype(np.uint8)
    departure = estimate_ground(shadow).astype(int) - shadow
    assert departure.min() == 0
    assert np.mean(departure > 0) < 0.06  # along the edge only


def test_a_large_picture_has_a_small_ground(strokes):
    large = cv2.resize(strokes, (1000, 800))
    assert estimate_ground(large).shape == (102, 128)


def test_light_makes_paper_equally_bright():
    paper = np.linspace(80, 240, 64 * 64).reshape(64, 64).astype(np.uint8)
    lit = paper * measure_light(paper)
    assert lit.max() / lit.min() == pytest.approx(1, abs=0.05)


def test_light_is_limited_and_does_not_matter_on_black():
    assert measure_light(np.array([[200, 200, 10]], np.uint8)).max() == pytest.approx(4)
    np.testing.assert_array_equal(measure_light(np.zeros((3, 3), np.uint8)), 1)


@pytest.mark.parametrize("corner", range(4))
def test_ink_is_what_is_thin_even_beside_a_bright_corner(strokes, corner):
    lit = np.rot90(DOWN + 0.6 * RIGHT < 40, corner)
    page = np.where(lit, 250, 120) - strokes // 3
    assert is_ink_darker(page.astype(np.uint8))
    assert not is_ink_darker((255 - page).astype(np.uint8))
