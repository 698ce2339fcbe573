import itertools

import cv2
import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.images.colours import flatten_colours, lay_on_ground, to_gray

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


@pytest.mark.parametrize("channels", [3, 4])
def test_rows_laid_a_few_at_a_time_are_the_same(channels, drawing, monkeypatch):
    picture = paint(drawing, COLOURS["red"], COLOURS["yellow"])
    picture = np.dstack([picture, drawing])[..., :channels][..., :3]
    alpha = np.maximum(drawing, 9)
    whole = lay_on_ground(picture, alpha)
    monkeypatch.setattr("digitflow.images.colours._CHUNK", 1000)
    np.testing.assert_array_equal(lay_on_ground(picture, alpha), whole)


def test_what_is_opaque_is_as_without_transparency(drawing):
    picture = paint(drawing, COLOURS["blue"], COLOURS["kraft"])
    clear = np.dstack([picture, np.full_like(drawing, 255)])
    np.testing.assert_array_equal(to_gray(clear), to_gray(picture))


ARRAYS = {
    "gray": lambda shares: np.rint(shares * 255).astype(np.uint8),
    "8 of 64 bits": lambda shares: np.rint(shares * 255).astype(np.int64),
    "16 bits": lambda shares: np.rint(shares * 255).astype(np.uint16) * 257,
    "12 of 16 bits": lambda shares: np.rint(shares * 4095).astype(np.uint16),
    "10 of 32 bits": lambda shares: np.rint(shares * 1023).astype(np.int32),
    "float16": lambda shares: shares.astype(np.float16),
    "float32": lambda shares: shares.astype(np.float32),
    "float64": lambda shares: shares,
    "float to 255": lambda shares: shares.astype(np.float32) * 255,
    "float, rounded": lambda shares: shares * 1.0000001,
    "RGB": lambda shares: np.dstack([np.rint(shares * 255).astype(np.uint8)] * 3),
    "RGB float": lambda shares: np.dstack([shares] * 3),
    "RGBA": lambda shares: np.dstack([shares, shares, shares, np.ones_like(shares)]),
    "turned": lambda shares: np.asfortranarray(np.rint(shares * 255).astype(np.uint8)),
}


@pytest.mark.parametrize("way", ARRAYS)
def test_an_array_of_any_kind_becomes_the_same_gray(draw_digit, way):
    drawing = draw_digit("4")
    gray = to_gray(ARRAYS[way](drawing / 255))
    np.testing.assert_array_equal(gray, drawing)
    assert gray.dtype == np.uint8
    assert gray.flags.c_contiguous


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint16, np.float32])
def test_a_mask_becomes_black_and_white(draw_digit, dtype):
    mask = draw_digit("4") > 0
    np.testing.assert_array_equal(to_gray(mask.astype(dtype)), mask * 255)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), complex), "got complex128"),
        (np.array([["a"]]), "got <U1"),
        (np.full((4, 4), 2.0), "float64 from 2 to 2, which is too little to tell"),
        (np.full((4, 4), 0.01), "float64 from 0.01 to 0.01, which is too little .* explicit"),
        (np.full((4, 4), 16, np.int64), "int64 from 16 to 16, which is too little"),
        (np.full((4, 4), 300.0), "float64 from 300 to 300; 0 to 1 or 0 to 255 is expected"),
        (np.full((4, 4), 70_000), "int64 from 70000 to 70000; 0 to 255, or up to 65,535"),
        (np.full((4, 4), -1), "int64 from -1 to -1"),
        (np.full((4, 4), -0.1), "float64 from -0.1"),
        (np.array([[0, np.nan, np.inf]]), "2 of 3 values are NaN or infinite"),
        (np.zeros((4, 4, 2), np.uint8), r"got \(4, 4, 2\)"),
        (np.zeros(16, np.uint8), r"got \(16,\)"),
        (np.zeros((0, 4), np.uint8), r"got \(0, 4\)"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array, message):
    with pytest.raises(InputError, match=f"mine.*{message}"):
        to_gray(array, "mine")
