import cv2
import numpy as np
import pytest
from scipy import ndimage

from digitflow.errors import InputError
from digitflow.images.ink import estimate_ground, extract_ink, is_ink_darker, measure_light

SIDE = 240
GENERATOR = np.random.default_rng(0)
LIGHTS = {
    "even": np.full((SIDE, SIDE), 1.0),
    "from one side": np.linspace(0.5, 1, SIDE) * np.ones((SIDE, 1)),
    "falling off in the corners": 1.1
    - 0.6 * np.hypot(*(np.indices((SIDE, SIDE)) / SIDE - 0.5)),
    "a hard shadow": np.where(np.arange(SIDE) < 90, 0.5, 1) * np.ones((SIDE, 1)),
    "a shadow over more than half": np.where(np.arange(SIDE) < 150, 0.5, 1)
    * np.ones((SIDE, 1)),
}


@pytest.fixture(scope="module")
def drawing():
    image = np.zeros((SIDE, SIDE), np.uint8)
    cv2.putText(image, "4", (60, 190), cv2.FONT_HERSHEY_SIMPLEX, 6, 255, 14, cv2.LINE_AA)
    return image


def photograph(drawing, light, paper=220, pen=40, noise=3.0):
    share = drawing / 255
    page = (paper * (1 - share) + pen * share) * light
    return np.clip(page + GENERATOR.normal(0, noise, page.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
@pytest.mark.parametrize("colours", [(220, 40), (40, 230)], ids=["dark ink", "bright ink"])
def test_strokes_are_found_and_nothing_else(drawing, light, colours):
    ink = extract_ink(photograph(drawing, light, *colours))
    assert ink.dtype == np.uint8
    strokes, elsewhere = drawing > 128, cv2.dilate(drawing, np.ones((9, 9))) == 0
    assert np.mean(ink[strokes] > 40) > 0.95
    # The foot of a hard shadow may leave a little, far below the strokes.
    assert np.mean(ink[elsewhere] == 0) > 0.93
    assert np.mean(ink[elsewhere] > 0.5 * np.median(ink[strokes])) < 0.005


def cast_wedge(depth, corner):
    """Light that falls in one corner only, beyond a slanted edge."""
    down, right = np.indices((SIDE, SIDE))
    lit = down + 0.7 * right < 110
    return np.rot90(np.where(lit, 1, depth), corner)


@pytest.mark.parametrize("corner", range(4))
@pytest.mark.parametrize("colours", [(220, 90), (60, 235)], ids=["dark ink", "bright ink"])
def test_a_corner_in_the_light_is_no_ink(drawing, corner, colours):
    ink = extract_ink(photograph(drawing, cast_wedge(0.5, corner), *colours))
    strokes, elsewhere = drawing > 128, cv2.dilate(drawing, np.ones((9, 9))) == 0
    usual = np.median(ink[strokes])
    assert usual > 40
    assert np.mean(ink[elsewhere] > 0.3 * usual) < 0.002


@pytest.mark.parametrize("colours", [(220, 40), (60, 235)], ids=["dark ink", "bright ink"])
def test_ink_in_a_shadow_is_as_strong_as_in_the_light(drawing, colours):
    ink = extract_ink(photograph(drawing, LIGHTS["a hard shadow"], *colours))
    inner = cv2.erode(drawing, np.ones((7, 7))) == 255
    assert inner[:, :80].any()
    dark, lit = np.median(ink[:, :80][inner[:, :80]]), np.median(ink[:, 100:][inner[:, 100:]])
    assert dark == pytest.approx(lit, rel=0.1)


@pytest.mark.parametrize("pen", [6, 40])
@pytest.mark.parametrize("colours", [(220, 90), (60, 235)], ids=["dark ink", "bright ink"])
def test_the_inside_of_a_zero_is_paper_whatever_the_pen(pen, colours):
    zero = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(zero, (120, 140), (50, 80), 0, 0, 360, 255, pen, cv2.LINE_AA)
    ink = extract_ink(photograph(zero, cast_wedge(0.5, 1), *colours))
    assert ink[140, 120] == 0
    assert np.median(ink[zero == 255]) > 40


def test_edges_stay_soft(drawing):
    ink = extract_ink(photograph(drawing, LIGHTS["even"], noise=0))
    partly = (ink > 0.2 * ink.max()) & (ink < 0.8 * ink.max())
    assert partly.sum() > 100


def test_without_light_or_noise_it_is_the_drawing_itself(drawing):
    np.testing.assert_array_equal(extract_ink(drawing), drawing)
    np.testing.assert_array_equal(extract_ink(255 - drawing), drawing)


def test_the_input_is_not_changed(drawing):
    before = drawing.copy()
    extract_ink(drawing)
    np.testing.assert_array_equal(drawing, before)


def test_paper_alone_is_blank():
    paper = photograph(np.zeros((SIDE, SIDE)), LIGHTS["from one side"])
    with pytest.raises(InputError, match="blank"):
        extract_ink(paper)


SIDE_GROUND = 100
DOWN, RIGHT = np.indices((SIDE_GROUND, SIDE_GROUND))


@pytest.fixture
def strokes():
    image = np.zeros((SIDE_GROUND, SIDE_GROUND), np.uint8)
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
