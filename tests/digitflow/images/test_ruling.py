import cv2
import numpy as np
import pytest

from digitflow.images.ruling import erase_rules


def draw_row(text="2047", side=100):
    page = np.zeros((2 * side, side * (len(text) + 1)), np.uint8)
    for place, digit in enumerate(text):
        corner = (side // 2 + side * place, int(1.4 * side))
        cv2.putText(page, digit, corner, 0, side / 36, 1, side // 14)
    return page


def rule(shape, tilt=0.0, thickness=2, at=0.6, gaps=False):
    line = np.zeros(shape, np.uint8)
    height, width = shape
    top = int(at * height)
    cv2.line(line, (0, top), (width - 1, top + int(tilt * width)), 1, thickness)
    if gaps:
        line[:, ::37] = 0
    return line


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"tilt": 0.02}, {"thickness": 4}, {"gaps": True}], ids=str
)
def test_a_rule_through_digits_is_erased_and_the_digits_stay_whole(upright, options):
    row = draw_row()
    if upright:
        row = row.T.copy()
    turned = row.shape[::-1] if upright else row.shape
    line = rule(turned, **options)
    line = line.T.copy() if upright else line
    cleaned, rules = erase_rules(row | line, row | line)
    assert rules
    assert (line & cleaned & (1 - cv2.dilate(row, np.ones((9, 9), np.uint8)))).sum() < 20
    assert (row & cleaned).sum() > 0.96 * row.sum()
    assert cv2.connectedComponents(cleaned)[0] == cv2.connectedComponents(row)[0]


@pytest.mark.parametrize("digit", "0123456789")
def test_a_digit_that_fills_its_picture_loses_nothing(digit):
    row = draw_row(digit, side=200)
    rows, columns = np.flatnonzero(row.any(axis=1)), np.flatnonzero(row.any(axis=0))
    cut = row[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    np.testing.assert_array_equal(erase_rules(cut, cut)[0], cut)


def test_a_solid_area_is_no_rule():
    mask = np.zeros((100, 300), np.uint8)
    mask[60:] = 1
    np.testing.assert_array_equal(erase_rules(mask, mask)[0], mask)


def test_nothing_is_nothing():
    nothing = np.zeros((1, 1), np.uint8)
    assert not erase_rules(nothing, nothing)[0].any()
