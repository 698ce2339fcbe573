import cv2
import numpy as np
import pytest

from digitflow.images.cutting import seem_touching


def cut_digit(image, scale=3):
    """Return an enlarged image's ink as 0 and 1, without its empty margins."""
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return trim(large > 90)


def trim(ink):
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)


def push_together(left, right, overlap=2):
    """Move two digits together until they meet, and `overlap` pixels more."""
    height = max(len(left), len(right))
    left, right = (np.pad(ink, ((height - len(ink), 0), (0, 0))) for ink in (left, right))
    reach = [np.flatnonzero(row)[-1] if row.any() else -height for row in left]
    begin = [np.flatnonzero(row)[0] if row.any() else height for row in right]
    distance = max(r + 1 - b for r, b in zip(reach, begin, strict=True)) - overlap
    both = np.pad(left, ((0, 0), (0, max(0, distance + right.shape[1] - left.shape[1]))))
    both[:, max(0, distance) : max(0, distance) + right.shape[1]] |= right
    return trim(both)


@pytest.fixture(scope="module")
def digits(mnist):
    """Whole digits that choices of limits have not seen."""
    inks = [cut_digit(image) for image in mnist.test.images[::8]]
    return [ink for ink in inks if cv2.connectedComponents(ink)[0] == 2]


def test_single_digits_are_hardly_ever_taken_for_two(digits):
    assert np.mean([seem_touching(ink) for ink in digits]) < 0.03


def test_most_digits_that_touch_are_seen(digits):
    pairs = [push_together(*pair) for pair in zip(digits[::2], digits[1::2], strict=False)]
    assert np.mean([seem_touching(pair) for pair in pairs]) > 0.65


def test_the_size_of_the_picture_hardly_matters(digits):
    for ink in digits[:40]:
        large = cv2.resize(ink, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
        assert seem_touching(large) == seem_touching(ink)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 2)])
def test_specks_and_strokes_are_judged_too(shape):
    assert seem_touching(np.ones(shape, np.uint8)) == (shape[1] > 1.45 * shape[0])
