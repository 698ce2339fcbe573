"""Digits by writers who don't exist: seeded, in the frame, each writer alike, every form."""

import numpy as np
import pytest

from digitflow.config.data import PenSource, ValidationRules
from digitflow.data.sources.pen import FORMS, draw_hand, draw_strokes, load, write_form
from digitflow.data.validation import check_digits
from digitflow.images.frame import find_framed, frame_ink


@pytest.fixture(scope="module")
def digits():
    return load(PenSource(writers=12, each=3)).train


def test_each_writer_draws_each_digit_so_many_times(digits):
    assert digits.images.shape == (360, 28, 28)
    assert digits.images.dtype == np.uint8
    counts = np.zeros((12, 10), int)
    np.add.at(counts, (digits.writers, digits.labels), 1)
    assert (counts == 3).all()


def test_they_lie_in_the_mnist_frame_and_pass_validation(digits):
    assert find_framed(digits.images).mean() > 0.97
    drawn = load(PenSource(writers=12, each=3))
    assert check_digits(drawn, ValidationRules()).problems == ()


def test_equal_settings_draw_equal_digits_and_another_seed_others(digits):
    np.testing.assert_array_equal(load(PenSource(writers=2, each=3)).train.images[:60],
                                  digits.images[:60])  # fmt: skip
    other = load(PenSource(writers=2, each=3, seed=1)).train.images
    assert (other != digits.images[:60]).any(axis=(1, 2)).all()


def test_two_digits_of_one_writer_are_more_alike_than_those_of_two(digits):
    rows = digits.images.reshape(12, 3, 10, -1).astype(float)
    own = np.linalg.norm(rows[:, 0] - rows[:, 1], axis=-1)
    others = np.linalg.norm(rows[:, 0] - np.roll(rows[:, 1], 1, axis=0), axis=-1)
    assert own.mean() < 0.8 * others.mean()
    assert own.min() > 0


def test_squares_fill_the_box_both_ways():
    images = load(PenSource(writers=5, each=1, square=1)).train.images
    ink = images > 0.2 * images.max(axis=(1, 2), keepdims=True)
    for axis in (1, 2):
        spans = ink.any(axis=axis).sum(axis=1)
        assert (spans >= 18).mean() > 0.9


@pytest.mark.parametrize("digit", range(10))
def test_every_form_of_a_digit_is_one_of_its_own(digit):
    generator = np.random.default_rng(0)
    hand = draw_hand(generator)
    means = [
        np.mean([frame_ink(write_form(form, hand, generator)) for _ in range(6)], axis=0)
        for form in FORMS[digit].values()
    ]
    for one, mean in enumerate(means):
        assert all(np.abs(mean - other).mean() > 2 for other in means[:one])


def test_a_straight_line_is_as_long_and_wide_as_the_pen_goes():
    line = np.array([[-20.0, 5.0], [60.0, 5.0]])
    ink = draw_strokes([line], [np.full(2, 9.0)])
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 127) for axis in (1, 0))
    assert np.ptp(rows) + 1 == pytest.approx(9, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(80 + 9, abs=2)
    assert ink[0].max() == ink[-1].max() == 0


def test_a_stroke_without_length_is_a_dot():
    ink = draw_strokes([np.zeros((2, 2))], [np.full(2, 7.0)])
    assert (ink > 127).sum() == pytest.approx(np.pi * 3.5**2, rel=0.3)
