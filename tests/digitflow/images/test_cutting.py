import cv2
import numpy as np
import pytest

from digitflow.images.cutting import cut_parts, seem_touching


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


def test_two_digits_that_touch_are_cut_between_them(digits):
    right = []
    for left, second in zip(digits[:60:2], digits[1:60:2], strict=False):
        pair = push_together(left, second, overlap=1)
        place = left.shape[1] / pair.shape[1]
        parts = cut_parts(pair * np.uint8(255))
        ends = [part.box[2] for part in parts if part.begin == 0]
        right.append(min(abs(end - place) for end in ends) < 0.12)
    assert np.mean(right) > 0.8


def test_parts_are_all_ways_from_cut_to_cut_and_lose_no_ink():
    ink = np.zeros((60, 110), np.uint8)
    for centre in (25, 54, 83):
        cv2.circle(ink, (centre, 30), 14, 255, 4)
    parts = cut_parts(ink)
    single = [part for part in parts if part.end - part.begin == 1]
    assert len(single) >= 6
    # Each without what overlaps, then with it.
    bare, full = single[::2], single[1::2]
    np.testing.assert_array_equal(np.sum([part.ink for part in bare], axis=0), ink)
    assert [part.begin for part in bare] == list(range(len(bare)))
    for less, more in zip(bare, full, strict=True):
        assert (less.begin, less.box) == (more.begin, more.box)
        np.testing.assert_array_equal(np.minimum(less.ink, more.ink), less.ink)
        assert more.ink.any(axis=0).sum() <= less.ink.any(axis=0).sum() + 2 * 6
