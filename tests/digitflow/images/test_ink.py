import cv2
import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.images.ink import extract_ink

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
