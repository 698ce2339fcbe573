import itertools

import cv2
import numpy as np
import pytest

from digitflow.images.colours import flatten_colours, lay_on_ground

COLOURS = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (220, 20, 30),
    "green": (10, 160, 40),
    "blue": (30, 40, 200),
    "yellow": (255, 250, 60),
    "pink": (250, 170, 200),
    "kraft": (190, 150, 110),
}


def paint(weight, ink, paper):
    """Blend ink over paper by a drawing (h, w), 255 where the ink is."""
    share = weight[..., None] / 255
    return np.rint(share * np.array(ink) + (1 - share) * np.array(paper)).astype(np.uint8)


@pytest.fixture(scope="module")
def drawing(draw_digit):
    return draw_digit("5", side=120)


@pytest.mark.parametrize(("ink", "paper"), list(itertools.permutations(COLOURS, 2)))
def test_ink_of_any_colour_stands_out_from_paper_of_any_other(drawing, ink, paper):
    picture = paint(drawing, COLOURS[ink], COLOURS[paper])
    gray = flatten_colours(picture)
    # At least as far as the two are apart in the channel where they are farthest.
    expected = np.abs(np.subtract(COLOURS[ink], COLOURS[paper])).max()
    step = int(gray[drawing == 255][0]) - int(gray[0, 0])
    assert abs(step) >= expected - 1
    assert abs(np.corrcoef(gray.ravel(), drawing.ravel())[0, 1]) > 0.999


def test_inks_of_several_colours_are_all_dark_on_white(drawing):
    inks = [COLOURS[name] for name in ("red", "blue", "yellow", "black")]
    page = np.hstack([paint(drawing, ink, COLOURS["white"]) for ink in inks])
    gray = flatten_colours(page)
    assert gray[0, 0] == 255
    assert gray[np.hstack([drawing] * 4) == 255].max() <= 60


@pytest.mark.parametrize("inverted", [False, True])
def test_what_is_gray_stays_to_the_bit(drawing, inverted):
    rng = np.random.default_rng(0)
    gray = (220 - 0.7 * drawing + rng.normal(0, 5, drawing.shape)).astype(np.uint8)
    gray = np.invert(gray) if inverted else gray
    np.testing.assert_array_equal(flatten_colours(np.dstack([gray] * 3)), gray)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_picture_stays_even(level):
    picture = np.full((5, 7, 3), level, np.uint8)
    np.testing.assert_array_equal(flatten_colours(picture), picture[..., 0])


def test_the_order_of_the_colours_does_not_matter(drawing):
    picture = paint(drawing, COLOURS["yellow"], COLOURS["kraft"])
    expected = flatten_colours(picture)
    np.testing.assert_array_equal(flatten_colours(picture[..., ::-1].copy()), expected)


def test_blue_ink_on_a_photo_of_paper_stands_out_wherever_the_light_falls(drawing):
    light = np.linspace(0.6, 1.0, drawing.shape[1])[:, None]
    noise = np.random.default_rng(1).normal(0, 4, (*drawing.shape, 3))
    photo = paint(drawing, (60, 70, 170), (245, 240, 225)) * light + noise
    gray = flatten_colours(photo.clip(0, 255).astype(np.uint8)).astype(float)
    for half in (np.s_[:, :60], np.s_[:, 60:]):
        ink, paper = gray[half][drawing[half] == 255], gray[half][drawing[half] == 0]
        assert np.median(paper) - np.median(ink) > 90


@pytest.mark.parametrize(
    ("ink", "paper"),
    [("blue", "yellow"), ("red", "yellow"), ("black", "kraft"), ("red", "white")],
)
@pytest.mark.parametrize("edge", [20, 60, 100])
def test_the_edge_of_a_shadow_on_coloured_paper_is_no_ink(drawing, ink, paper, edge):
    light = np.where(np.arange(drawing.shape[1]) < edge, 0.5, 1.0)[:, None]
    photo = (paint(drawing, COLOURS[ink], COLOURS[paper]) * light).astype(np.uint8)
    gray = flatten_colours(photo).astype(float)
    for half in (np.s_[:, :edge], np.s_[:, edge:]):
        strong, none = gray[half][drawing[half] == 255], gray[half][drawing[half] == 0]
        if strong.size:
            assert strong.max() < 0.75 * none.min()


@pytest.mark.parametrize("ink", COLOURS)
def test_ink_on_nothing_gets_a_ground_it_stands_out_from(drawing, ink):
    picture = np.full((*drawing.shape, 3), COLOURS[ink], np.uint8)
    laid = lay_on_ground(picture, drawing)
    ground = int(laid[0, 0, 0])
    assert ground in (0, 255)
    np.testing.assert_allclose(laid, paint(drawing, COLOURS[ink], [ground] * 3), atol=1)
    gray = flatten_colours(laid).astype(int)
    assert abs(gray[drawing == 255][0] - gray[0, 0]) >= 150


@pytest.mark.parametrize(("paper", "ink"), [(250, 20), (20, 250)])
def test_transparent_corners_of_a_page_become_paper(drawing, paper, ink):
    picture = paint(drawing, [ink] * 3, [paper] * 3)
    alpha = np.zeros(drawing.shape, np.uint8)
    cv2.circle(alpha, (60, 60), 70, 255, -1)
    assert abs(int(lay_on_ground(picture, alpha)[0, 0, 0]) - paper) <= 20
