from collections import Counter

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from digitflow.images.pages import find_digits
from digitflow.images.patterns import clear_pattern

HEIGHT, WIDTH = 50, 240
DOWN, RIGHT = np.indices((HEIGHT, WIDTH), np.float32)


def write(text="4702", pen=3, strength=1.0):
    """Return ink of digits that are 30 pixels high, 0 to 1."""
    ink = np.zeros((HEIGHT, WIDTH), np.uint8)
    for place, digit in enumerate(text):
        cv2.putText(ink, digit, (14 + 40 * place, 40), 0, 1.35, 255, pen, cv2.LINE_AA)
    return ink / np.float32(255) * np.float32(strength)


def soften(lines):
    return cv2.GaussianBlur(lines.astype(np.float32), None, 0.6)


PRINTS = {
    "waves": soften((DOWN + 2 * np.sin(RIGHT / 6)) % 6 < 1.2),
    "crossed": soften(((DOWN + RIGHT) % 9 < 1.2) | ((DOWN - RIGHT) % 9 < 1.2)),
    "dots": soften((DOWN % 4 < 2) & (RIGHT % 4 < 2)),
}


def expose(ink, lines=0.0, noise=1.5):
    """Return a gray picture and the same as ink on a ground of 0."""
    dark = 180 * (1 - (1 - ink) * (1 - lines))
    dark = dark + np.random.default_rng(0).normal(0, noise, dark.shape)
    return (230 - dark).clip(0, 255).astype(np.uint8), dark.astype(np.float32)


@pytest.mark.parametrize("share", [0.2, 0.45])
@pytest.mark.parametrize("name", PRINTS)
def test_fine_print_is_taken_out_and_the_strokes_stay(name, share):
    ink = write()
    cleared = clear_pattern(expose(ink, share * PRINTS[name] / PRINTS[name].max())[1])
    strokes, around = ink > 0.9, cv2.dilate(ink, np.ones((5, 5))) == 0
    assert np.mean(cleared[around] > 0.35 * cleared.max()) < 0.01
    assert np.mean(cleared[strokes] > 0.35 * cleared.max()) > 0.97


def draw_ruled(step, thick=1):
    lines = (DOWN % step < thick).astype(np.float32)
    return np.maximum(lines, (RIGHT % step < thick).astype(np.float32))


OTHERS = {
    "blank": 0.0,
    "squared": 0.5 * draw_ruled(24),
    "base line": 0.8 * (np.abs(DOWN - 41) < 1),
    "stain": 0.4 * (np.hypot(DOWN - 20, RIGHT - 100) < 60),
    "shadow": 0.4 * (RIGHT > 120),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_fine_print_is_left(name):
    assert clear_pattern(expose(write(), OTHERS[name])[1]) is None


@pytest.mark.parametrize("pen", [1, 2, 5])
def test_pale_digits_beside_dark_ones_are_no_print(pen):
    ink = write("4  2", pen=4) + write(" 70 ", pen=pen, strength=0.5)
    assert clear_pattern(expose(ink)[1]) is None


def test_nothing_has_no_print():
    assert clear_pattern(np.zeros((3, 3), np.float32)) is None


@pytest.mark.parametrize("name", PRINTS)
def test_digits_on_print_are_found_and_the_marks_beside_passed_over_by_their_reason(name):
    ink = write()
    cv2.line(ink, (180, 26), (196, 26), 1.0, 3)
    cv2.line(ink, (90, 40), (90, 40), 1.0, 3)
    page = find_digits(expose(ink, 0.4 * PRINTS[name] / PRINTS[name].max())[0])
    assert len(page.digits) == 4
    reasons = Counter(mark.reason for mark in page.passed_over)
    assert reasons["dash"] == 1
    assert reasons["too small"] >= 1


def test_a_base_line_on_print_is_a_line_and_cuts_no_digit():
    base = 0.7 * (np.abs(DOWN - 38) < 1)
    lines = np.maximum(base, 0.35 * PRINTS["waves"] / PRINTS["waves"].max())
    page = find_digits(expose(write(), lines)[0])
    assert len(page.digits) == 4
    assert {mark.reason for mark in page.passed_over} == {"line"}


def test_a_digit_of_few_large_pixels_is_no_print():
    cells = load_digits().images[:40] * 15
    for digit in cells.astype(np.uint8):
        assert clear_pattern(np.float32(np.kron(digit, np.ones((12, 12))))) is None
