import itertools

import numpy as np
import pytest

from digitflow.images.pieces import Piece, assemble_digits, drop_other_marks, order_lines
from digitflow.images.ruling import estimate_height

NUMBERS = itertools.count()


def piece(left, top, width, height):
    return Piece(left, top, left + width, top + height, (next(NUMBERS),))


def boxes(pieces):
    return sorted((p.left, p.top, p.width, p.height) for p in pieces)


BODY = piece(100, 100, 60, 100)


def test_the_usual_height_is_that_of_digits_among_many_specks():
    specks = [piece(10 * place, 0, 4, 4) for place in range(40)]
    digits = [piece(80 * place, 50, 50, height) for place, height in enumerate((90, 100, 110))]
    assert estimate_height(np.array([p.height for p in [*specks, *digits]])) in (90, 100, 110)


@pytest.mark.parametrize(
    "stroke",
    [
        pytest.param(piece(130, 90, 50, 12), id="the roof of a 5, over its right"),
        pytest.param(piece(165, 95, 50, 20), id="the roof of a 5, beside it"),
        pytest.param(piece(105, 205, 40, 15), id="the base of a 2"),
        pytest.param(piece(110, 130, 30, 10), id="a bar within"),
    ],
)
def test_a_stroke_over_under_or_in_a_digit_belongs_to_it(stroke):
    (digit,) = assemble_digits([BODY, stroke], 100)[0]
    assert set(digit.labels) == {*BODY.labels, *stroke.labels}
    assert digit.left == min(BODY.left, stroke.left)
    assert digit.bottom == max(BODY.bottom, stroke.bottom)


@pytest.mark.parametrize(
    "stroke",
    [
        pytest.param(piece(190, 150, 50, 10), id="a dash beside"),
        pytest.param(piece(110, 260, 40, 10), id="a line far below"),
    ],
)
def test_a_stroke_that_belongs_to_no_digit_is_left_out(stroke):
    assert boxes(assemble_digits([BODY, stroke], 100)[0]) == boxes([BODY])


def test_a_stroke_between_two_digits_goes_to_the_one_it_covers_more():
    other = piece(170, 100, 60, 100)
    roof = piece(140, 92, 60, 10)
    joined = assemble_digits([BODY, other, roof], 100)[0]
    assert boxes(joined) == boxes([piece(100, 100, 60, 100), piece(140, 92, 90, 108)])


def test_halves_of_a_broken_digit_are_put_together_and_a_low_one_stays():
    halves = [piece(300, 100, 60, 48), piece(302, 152, 55, 48)]
    low = piece(500, 140, 80, 45)
    found = assemble_digits([BODY, *halves, low], 100)[0]
    assert boxes(found) == boxes([BODY, low, piece(300, 100, 60, 100)])


def test_digits_of_two_lines_are_not_put_together_however_near():
    below = piece(100, 202, 60, 100)
    assert boxes(assemble_digits([BODY, below], 100)[0]) == boxes([BODY, below])


def test_specks_and_what_reaches_in_from_outside_are_strangers():
    edge = piece(0, 0, 20, 400)
    cut = piece(0, 300, 50, 100)
    speck = piece(50, 50, 9, 9)
    kept, passed = drop_other_marks([BODY, speck, edge, cut], 100, (400, 600))
    assert boxes(kept) == boxes([BODY, cut])
    assert passed == [(speck, "too small"), (edge, "border")]


def test_lines_go_down_and_digits_to_the_right_though_the_lines_slope():
    def line(top):
        return [piece(90 * place, top + 12 * place, 60, 100) for place in range(12)]

    upper, lower = line(100), line(250)
    assert order_lines([*lower[::-1], *upper]) == [upper, lower]


def test_digits_of_different_heights_stand_on_one_line():
    digits = [piece(0, 60, 60, 100), piece(90, 90, 60, 70), piece(180, 50, 50, 120)]
    assert order_lines(digits) == [digits]
