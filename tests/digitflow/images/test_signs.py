import cv2
import numpy as np
import pytest

from digitflow.images.signs import name_sign


def trim(ink):
    left, top, width, height = cv2.boundingRect(ink)
    return ink[top : top + height, left : left + width]


def write(text, thick):
    ink = np.zeros((400, 400), np.uint8)
    cv2.putText(ink, text, (100, 280), 0, 6, 1, thick)
    return trim(ink)


@pytest.mark.parametrize("text", ["(", ")", "+", "#"])
@pytest.mark.parametrize("thick", [6, 14])
def test_brackets_a_plus_and_a_hash_are_signs(text, thick):
    assert name_sign(write(text, thick)) == "sign"


@pytest.mark.parametrize("radius", [9, 60])
def test_a_disc_is_a_blot(radius):
    ink = np.zeros((200, 200), np.uint8)
    cv2.circle(ink, (100, 100), radius, 1, -1)
    assert name_sign(trim(ink)) == "blot"


def test_a_level_stroke_is_a_dash():
    assert name_sign(np.ones((8, 60), np.uint8)) == "dash"


@pytest.mark.parametrize("lean", [-0.1, 0.15, 0.3])
def test_a_hash_may_lean(lean):
    ink = np.zeros((90, 120), np.uint8)
    for place in (40, 65):
        cv2.line(ink, (round(place + 35 * lean), 10), (round(place - 35 * lean), 80), 1, 5)
    for row in (32, 55):
        cv2.line(ink, (18, row), (95, row - 4), 1, 5)
    assert name_sign(trim(ink)) == "sign"


def test_two_level_strokes_are_dashes():
    ink = np.ones((25, 60), np.uint8)
    ink[8:16] = 0
    assert name_sign(ink) == "dash"


@pytest.mark.parametrize("digit", "0123456789")
@pytest.mark.parametrize("thick", [4, 14, 30])
def test_a_digit_is_none_however_bold(digit, thick):
    assert name_sign(write(digit, thick)) is None


def test_nearly_every_digit_of_mnist_may_be_one(mnist):
    inks = [trim((image > 90).astype(np.uint8)) for image in mnist.test.images[::5]]
    assert np.mean([name_sign(ink) is None for ink in inks]) > 0.998


@pytest.mark.parametrize("shape", [(1, 1), (40, 1), (2, 3)])
def test_specks_are_judged_too(shape):
    name_sign(np.ones(shape, np.uint8))
