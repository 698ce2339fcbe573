"""Photographs: seeded, what was written on them, and each distortion shows."""

from itertools import islice

import numpy as np
import pytest
from sklearn.datasets import load_digits

from digitflow.augment.photographs import (
    DISTORTIONS,
    SERIES,
    enlarge_cells,
    iterate_photographs,
    measure_cells,
    photograph,
    photograph_page,
)
from digitflow.errors import InputError

CELLS = load_digits().images[:12]


def take(series: str, cells: np.ndarray = CELLS[:3], seed: int = 7) -> np.ndarray:
    return np.stack(list(iterate_photographs(series, cells, seed)))


@pytest.mark.parametrize("series", SERIES)
def test_the_same_seed_takes_the_same_photographs(series):
    photos = take(series)
    assert photos.shape == (3, 480, 640, 3)
    assert photos.dtype == np.uint8
    np.testing.assert_array_equal(photos, take(series))
    assert not np.array_equal(photos, take(series, seed=8))


def test_a_photograph_depends_on_no_other_digit():
    changed = CELLS[:3].copy()
    changed[0] = 0
    np.testing.assert_array_equal(take("all")[1:], take("all", changed)[1:])


def test_photographs_are_taken_one_at_a_time():
    many = np.broadcast_to(CELLS[0], (10_000_000, 8, 8))
    assert len(list(islice(iterate_photographs("plain", many, 0), 2))) == 2


def test_a_plain_photograph_has_as_much_ink_as_was_written():
    # The digit's size is drawn, so its ink is compared with the box that it fills.
    for digit, photo in zip(CELLS, take("plain", CELLS), strict=True):
        ink = photo[..., 1] < 136
        rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
        # Of the cells only those that are mostly inked reach as far as the strokes do.
        height = np.ptp(np.flatnonzero((digit > 4).any(axis=1))) + 1
        width = np.ptp(np.flatnonzero((digit > 4).any(axis=0))) + 1
        aspect = (np.ptp(columns) + 1) / (np.ptp(rows) + 1)
        assert aspect == pytest.approx(width / height, rel=0.35)
        assert ink[rows[0] : rows[-1], columns[0] : columns[-1]].mean() > 0.25


def test_a_blank_digit_leaves_the_sheet_blank():
    photo = photograph(np.zeros((8, 8)), (), np.random.default_rng(0))
    assert photo.min() > 200


def test_a_shadow_darkens_a_part_of_the_sheet():
    for shaded in take("shadow", np.zeros((4, 8, 8))):
        levels = np.percentile(shaded[..., 1], (2, 98))
        assert levels[0] < 0.8 * levels[1]


def test_texture_makes_the_sheet_rough():
    blank = np.zeros((1, 8, 8))
    assert take("texture", blank).std() > 2 * take("plain", blank)[..., 1].std()


def test_pens_and_papers_have_colours():
    photos = take("ink-colour", CELLS).astype(int)
    colourful = [np.ptp(np.percentile(p, 90, axis=(0, 1))) > 5 for p in photos]
    assert any(colourful)
    # Some are chalk on a board.
    many = take("ink-colour", np.zeros((30, 8, 8)))
    assert 0 < sum(photo.mean() < 100 for photo in many) < 15


def test_a_digit_seen_aside_stays_on_the_photograph():
    corner = np.zeros((8, 8))
    corner[2:6, 2:6] = 16
    for photo in take("perspective", np.stack([corner] * 20)):
        assert (photo[..., 1] < 136).sum() > 500


def test_a_page_holds_every_digit_in_its_place():
    page = photograph_page(CELLS.reshape(3, 4, 8, 8), (), np.random.default_rng(0))
    ink = page[..., 1] < 136
    assert page.shape == (600, 640, 3)
    for line in range(3):
        for column in range(4):
            top, left = 60 + 160 * line, 60 + 130 * column
            assert ink[top : top + 160, left : left + 130].sum() > 500
            # Nothing crosses the line between two digits.
            assert not ink[top : top + 160, left].any()


@pytest.mark.parametrize("name", ["rain", "plain", ""])
def test_an_unknown_hardship_lists_the_known_ones(name):
    with pytest.raises(InputError, match=DISTORTIONS[0]):
        photograph(CELLS[0], (name,), np.random.default_rng(0))


def test_an_unknown_series_lists_the_known_ones():
    with pytest.raises(InputError, match="plain, perspective"):
        list(iterate_photographs("rain", CELLS, 0))


def test_cells_of_another_shape_are_refused():
    with pytest.raises(InputError, match="8x8"):
        photograph(CELLS, (), np.random.default_rng(0))
    with pytest.raises(InputError, match="8x8"):
        photograph_page(CELLS, (), np.random.default_rng(0))


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
