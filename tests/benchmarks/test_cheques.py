"""The generator of amounts on fine print: what it says of its pictures is on them."""

import cheques
import numpy as np
import pytest
from drawing import make_hands
from kinds import KINDS

AMOUNTS = [name for name in KINDS if name.startswith("amounts")]


def make(name, seed, style="strokes"):
    return KINDS[name](np.random.default_rng(seed), make_hands(None)[style])


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("style", ["strokes", "printed"])
def test_ink_is_where_digits_are_said_to_be(name, style):
    for seed in range(8):
        sheet = make(name, seed, style)
        assert 4 <= len(sheet.digits) <= 9
        assert 30 <= len(sheet.picture) <= 60
        paper = np.median(sheet.picture)
        for _, (left, top, width, height) in sheet.digits:
            own = sheet.picture[top : top + height, left : left + width]
            assert own.shape == (height, width)
            assert paper - own.min() > 0.25 * (paper - sheet.picture.min())


@pytest.mark.parametrize("name", AMOUNTS)
def test_the_same_seed_makes_the_same_picture(name):
    first, again, other = make(name, 1), make(name, 1), make(name, 2)
    np.testing.assert_array_equal(first.picture, again.picture)
    assert first.digits == again.digits != other.digits


@pytest.mark.parametrize("course", [cheques.waves, cheques.crossed, cheques.guilloche])
def test_print_is_fine_and_everywhere(course):
    lines = cheques.draw_lines(course(np.random.default_rng(0), 60, 200), 60, 200, 0.5)
    assert 0.1 < lines.mean() < 0.7
    parts = lines.reshape(3, 20, 10, 20).max(axis=(1, 3))
    assert np.mean(parts > 0.5) > 0.9
