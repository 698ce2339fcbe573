"""Distortions: seeded, each of the size that it says, on pictures of the same digits."""

import numpy as np
import pytest
from scipy import ndimage

from digitflow.augment.distortions import (
    ALTERATIONS,
    alter_images,
    cover_images,
    shear_images,
)
from digitflow.config.gate import RobustnessLimits


@pytest.fixture(scope="module")
def images(handwriting):
    return handwriting.images[:60]


def measure_ink(images):
    return images.sum(axis=(1, 2), dtype=np.int64)


def measure_span(image):
    rows = np.flatnonzero((image > 50).any(axis=1))
    return rows[-1] - rows[0] + 1


def test_there_is_every_alteration_that_has_a_floor_by_default():
    assert set(ALTERATIONS) == set(RobustnessLimits().floors)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_gives_pictures_of_the_same_digits(name, images):
    before = images.copy()
    altered = alter_images(name, images, 1)
    assert (altered.dtype, altered.shape) == (np.uint8, images.shape)
    assert (altered != images).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(alter_images(name, images, 1), altered)
    assert alter_images(name, images[:0], 1).shape == (0, 28, 28)


@pytest.mark.parametrize("name", ["shift-1", "shift-2", "rotate-15", "noise"])
def test_what_is_drawn_depends_on_the_seed(name, images):
    assert (alter_images(name, images, 1) != alter_images(name, images, 2)).any()


@pytest.mark.parametrize("pixels", [1, 2])
def test_a_shift_moves_whole_pixels_in_each_direction(pixels, images):
    altered = alter_images(f"shift-{pixels}", images, 0)
    moved = set()
    for image, found in zip(images, altered, strict=True):
        ways = [(pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)]
        hits = [way for way in ways if (ndimage.shift(image, way, order=0) == found).all()]
        assert len(hits) == 1
        moved.update(hits)
    assert len(moved) == 4


def test_a_turn_is_15_degrees_one_way_or_the_other():
    bar = np.zeros((40, 28, 28), np.uint8)
    bar[:, 4:24, 13:15] = 255
    angles = set()
    for image in alter_images("rotate-15", bar, 0):
        rows, columns = np.nonzero(image > 60)
        angles.add(round(np.degrees(np.arctan(np.polyfit(rows, columns, 1)[0]))))
    assert angles == {-15, 15}


def test_a_smaller_digit_has_four_fifths_of_its_height_and_its_place(images):
    altered = alter_images("scale-80", images, 0)
    heights = [measure_span(image) for image in images]
    found = [measure_span(image) for image in altered]
    np.testing.assert_allclose(found, 0.8 * np.array(heights), atol=2)
    for image, small in zip(images, altered, strict=True):
        centre = np.array(ndimage.center_of_mass(image)) - 13.5
        np.testing.assert_allclose(ndimage.center_of_mass(small), 13.5 + 0.8 * centre, atol=0.2)


def test_strokes_lose_and_gain_about_a_pixel_of_their_width():
    bar = np.zeros((1, 28, 28), np.uint8)
    bar[:, 4:24, 12:16] = 255
    widths = {name: alter_images(name, bar, 0)[0, 14].sum() / 255 for name in ALTERATIONS}
    assert widths["thinner"] == pytest.approx(3, abs=0.3)
    assert widths["thicker"] == pytest.approx(5, abs=0.3)


def test_a_blur_keeps_the_ink_and_spreads_it(images):
    altered = alter_images("blur", images, 0)
    np.testing.assert_allclose(measure_ink(altered), measure_ink(images), rtol=0.02)
    assert (altered.max(axis=(1, 2)) < images.max(axis=(1, 2))).all()


def test_noise_has_the_size_it_says():
    gray = np.full((20, 28, 28), 128, np.uint8)
    noise = alter_images("noise", gray, 0) - 128.0
    assert noise.std() == pytest.approx(25, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=1)


def test_inverted_twice_is_as_before(images):
    twice = alter_images("inverted", alter_images("inverted", images, 0), 0)
    np.testing.assert_array_equal(twice, images)


def test_a_shear_leans_half_of_the_images_either_way():
    bar = np.zeros((40, 28, 28), np.uint8)
    bar[:, 4:24, 13:15] = 255
    out = shear_images(bar, np.random.default_rng(0), 0.5)
    columns = np.arange(28)
    top, bottom = (
        (out[:, row] * columns).sum(axis=1) / out[:, row].sum(axis=1) for row in (6, 21)
    )
    np.testing.assert_allclose(np.abs(top - bottom), 0.5 * 15, atol=0.6)
    assert 5 < (top > bottom).sum() < 35


def test_what_is_covered_is_a_square_of_paper_and_nothing_else():
    full = np.full((30, 28, 28), 255, np.uint8)
    out = cover_images(full, np.random.default_rng(0), 6)
    covered = out == 0
    assert (covered.sum(axis=(1, 2)) == 36).all()
    assert (covered.any(axis=1).sum(axis=1) == 6).all()
    assert set(np.unique(out)) == {0, 255}
    assert not covered[:, :4].any()
    assert (full == 255).all()
