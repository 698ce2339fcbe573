"""Digits by writers who don't exist: seeded, in the frame, each writer alike, every form."""

import dataclasses

import numpy as np
import pytest

from digitflow.config.data import PenSource, ValidationRules
from digitflow.data.sources.pen import (
    FORMS,
    Hand,
    _break_line,
    _move_ends,
    _round_corners,
    draw_hand,
    draw_strokes,
    load,
    write_form,
)
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


def test_a_seed_draws_what_it_drew_in_other_versions(digits):
    """Figures of two runs can be compared while equal settings draw equal digits."""
    ink = digits.images.reshape(12, 3, 10, -1).mean(axis=(1, 3))
    by_digit = [34.10, 23.06, 31.13, 31.46, 28.17, 31.28, 33.56, 26.03, 40.32, 33.57]
    by_writer = [30.63, 34.26, 18.5, 38.8, 18.13, 60.07]
    by_writer += [44.35, 11.32, 23.32, 49.17, 22.89, 23.77]
    # Other versions of OpenCV round a little otherwise.
    np.testing.assert_allclose(ink.mean(axis=0), by_digit, atol=0.02)
    np.testing.assert_allclose(ink.mean(axis=1), by_writer, atol=0.02)
    squares = load(PenSource(writers=4, each=1, square=0.5, seed=3)).train.images
    ink = squares.reshape(4, -1).mean(axis=1)
    np.testing.assert_allclose(ink, [38.53, 24.87, 39.87, 60.86], atol=0.02)


def test_writers_are_drawn_as_widely_as_is_said():
    hands = [draw_hand(np.random.default_rng([0, writer]), 0.25) for writer in range(2000)]

    def gather(name):
        return np.array([getattr(hand, name) for hand in hands], float)

    for name, low, high in (
        ("height", 12, 140),
        ("looseness", 0.005, 0.04),
        ("roundness", 0, 0.25),
    ):
        found = gather(name)
        assert low <= found.min() < low + (high - low) / 100
        assert high - (high - low) / 20 < found.max() <= high
    # As many heights below 41 as above: they are drawn by their logarithms.
    assert np.median(gather("height")) == pytest.approx(np.sqrt(12 * 140), rel=0.1)
    assert (gather("width") * gather("height")).min() >= 1.4 - 1e-9
    assert 0.18 < gather("width").max() <= 0.19
    # Of half a normal distribution, the mean is 0.8 of its deviation.
    assert gather("pressure").mean() == pytest.approx(0.15 * np.sqrt(2 / np.pi), rel=0.05)
    assert gather("tremor").mean() == pytest.approx(0.008 * np.sqrt(2 / np.pi), rel=0.05)
    assert gather("square").mean() == pytest.approx(0.25, abs=0.03)
    assert gather("black").mean() == pytest.approx(0.3, abs=0.03)
    lean = np.array([hand.lean for hand in hands])
    # Most lean to the right; those that are wide are as frequent as those that are narrow.
    assert lean[:, 1, 0].mean() == pytest.approx(-0.08, abs=0.02)
    assert lean[:, 1, 0].std() == pytest.approx(0.2, rel=0.1)
    assert np.median(lean[:, 0, 0]) == pytest.approx(1, abs=0.03)
    assert np.log(lean[:, 0, 0]).std() == pytest.approx(0.25, rel=0.1)
    # No digit is turned far, and none is mirrored.
    turned = np.arctan2(lean[:, 0, 1], lean[:, 0, 0])
    assert turned.std() == pytest.approx(0.06, rel=0.1)
    assert (np.linalg.det(lean) > 0).all()
    chosen = dict.fromkeys(FORMS[0].values(), 0)
    for hand in hands:
        chosen[hand.forms[0]] += 1
    slashed = chosen.pop(FORMS[0]["slashed"])
    assert slashed / 2000 == pytest.approx(0.2 / 5.2, abs=0.015)
    assert min(chosen.values()) / 2000 == pytest.approx(1 / 5.2, abs=0.03)


STEADY = Hand(
    forms=tuple(next(iter(forms.values())) for forms in FORMS),
    lean=np.eye(2),
    width=0.1,
    pressure=0.0,
    tremor=0.0,
    looseness=0.0,
    roundness=0.0,
    height=60.0,
    square=False,
    black=False,
)


def test_a_steady_hand_writes_a_form_as_it_is_in_the_size_of_its_pictures():
    ink = write_form("0,0 0,1/.5,0 .5,1", STEADY, np.random.default_rng(1))
    # Two strokes 1 high and 0.1 wide, half a height apart: 60 of the height without the pen.
    assert ink.shape == pytest.approx((66, 36), abs=1)
    rows = (ink[30] > 127).astype(int)
    begins = np.flatnonzero(np.diff(rows, prepend=0) == 1)
    assert np.diff(begins) == pytest.approx([30], abs=1)
    assert rows.sum() == pytest.approx(12, abs=2)


def test_ink_or_paper_is_all_that_some_pictures_have_and_squares_are_square():
    hand = dataclasses.replace(STEADY, black=True, square=True)
    ink = write_form("0,0 .3,1", hand, np.random.default_rng(1))
    assert set(np.unique(ink)) == {0, 255}
    assert ink.shape == (60, 60)


def test_now_and_then_a_stroke_is_broken():
    generator = np.random.default_rng(0)
    inks = [write_form(".1,0 .1,1", STEADY, generator) for _ in range(400)]
    broken = np.mean([(ink.max(axis=1) < 50).any() for ink in inks])
    assert broken == pytest.approx(0.06, abs=0.03)


def test_the_longest_stroke_is_lifted_for_the_pens_width_and_a_short_one_is_not():
    generator = np.random.default_rng(0)
    short, long = np.zeros((5, 2)), np.arange(80.0).reshape(40, 2)
    parts = _break_line([short, long], 0.1, generator)
    assert parts[0] is short
    first, second = parts[1:]
    np.testing.assert_array_equal(first, long[: len(first)])
    np.testing.assert_array_equal(second, long[-len(second) :])
    # Of forty points a height: a tenth of it, and a little more.
    gap = 40 - len(first) - len(second)
    assert 4 <= gap <= 6
    assert len(first) >= gap <= len(second)
    lines = [short]
    assert _break_line(lines, 0.1, generator) is lines

    class Fixed:
        def uniform(self, low, high):
            return 0.025

        def integers(self, low, high):
            return low

    # A gap of five points leaves as many on either side of fifteen, and not of fourteen.
    parts = _break_line([long[:15]], 0.1, Fixed())
    assert [len(part) for part in parts] == [5, 5]
    assert len(_break_line([long[:14]], 0.1, Fixed())) == 1


def test_corners_are_rounded_and_ends_stay():
    line = np.concatenate([np.zeros((10, 2)), np.ones((10, 2))])
    rounded = _round_corners(line, 4)
    assert rounded.shape == line.shape
    np.testing.assert_allclose(rounded[[0, -1]], line[[0, -1]])
    assert sorted({round(float(x), 6) for x in rounded[:, 0]}) == [0, 0.25, 0.5, 0.75, 1]
    assert _round_corners(line, 0) is line
    assert _round_corners(line[:2], 5) is not None
    np.testing.assert_array_equal(_round_corners(line[:2], 5), line[:2])


def test_a_stroke_ends_too_early_or_too_late_as_it_is_drawn():
    line = np.column_stack([np.arange(40.0), np.zeros(40)])

    class Drawn:
        def __init__(self, *ends):
            self.ends = np.array(ends)

        def normal(self, mean, deviation, count):
            assert (mean, deviation, count) == (0, 0.5, 2)
            return self.ends

    # Forty points are a height: 0.1 of it are four of them.
    cut = _move_ends(line, 0.5, Drawn(0.1, 0.05))
    assert (cut[0, 0], cut[-1, 0]) == (4, 37)
    longer = _move_ends(line, 0.5, Drawn(-0.1, -0.05))
    assert (longer[0, 0], longer[-1, 0]) == (-4, 41)
    # No more than a quarter goes at either end.
    most = _move_ends(line, 0.5, Drawn(5.0, 5.0))
    assert (most[0, 0], most[-1, 0]) == (10, 29)
    assert len(_move_ends(line, 0.5, Drawn(0.0, 0.0))) == 42
