import cv2
import numpy as np
import pytest

from digitflow.images.ruling import erase_rules, label_marks


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


def write_digits(digits, shape, lefts, base, height=60):
    page = np.zeros(shape, np.uint8)
    for digit, left in zip(digits, lefts, strict=True):
        cv2.putText(page, digit, (left, base), 0, height / 22, 1, 6)
    return page


LEFTS = range(85, 685, 120)


@pytest.fixture
def numbers():
    return write_digits("25739", (300, 700), LEFTS, 180)


def draw_boxes(page):
    for left in LEFTS:
        cv2.rectangle(page, (left - 25, 90), (left + 75, 210), 1, 3)


def draw_row_of_boxes(page):
    cv2.rectangle(page, (60, 90), (660, 210), 1, 2)
    for left in range(180, 660, 120):
        cv2.line(page, (left, 90), (left, 210), 1, 2)


def draw_comb(page):
    cv2.line(page, (60, 200), (660, 200), 1, 2)
    for left in range(60, 661, 120):
        cv2.line(page, (left, 150), (left, 200), 1, 2)


def draw_squares(page):
    page[15::34] = 1
    page[:, 15::34] = 1


def underline(page):
    cv2.line(page, (70, 192), (300, 194), 1, 3)


@pytest.mark.parametrize(
    "draw", [draw_boxes, draw_row_of_boxes, draw_comb, draw_squares, underline]
)
def test_what_paper_has_around_digits_is_erased_and_they_stay(numbers, draw):
    ruled = numbers.copy()
    draw(ruled)
    cleaned, rules = erase_rules(ruled, ruled)
    assert rules
    near = cv2.dilate(numbers, np.ones((9, 9), np.uint8))
    assert (cleaned & (1 - near)).sum() < 60
    assert (numbers & cleaned).sum() > 0.97 * numbers.sum()


def draw_nine(page):
    cv2.ellipse(page, (330, 110), (45, 48), 0, 0, 360, 1, 2)
    cv2.line(page, (375, 110), (375, 330), 1, 2)


def draw_one(page):
    cv2.line(page, (200, 80), (200, 320), 1, 6)


def draw_ones(page):
    for top in range(10, 370, 40):
        cv2.line(page, (200, top), (200, top + 26), 1, 3)


def draw_four(page):
    cv2.polylines(page, [np.array([[300, 20], [200, 230], [420, 230]])], False, 1, 2)
    cv2.line(page, (370, 120), (370, 370), 1, 2)


@pytest.mark.parametrize("draw", [draw_nine, draw_one, draw_ones, draw_four])
def test_the_straight_strokes_of_digits_are_no_rules(draw):
    page = np.zeros((384, 683), np.uint8)
    draw(page)
    cleaned, rules = erase_rules(page, page)
    assert rules == []
    np.testing.assert_array_equal(cleaned, page)


def test_a_box_around_nothing_may_be_a_digit():
    page = np.zeros((200, 200), np.uint8)
    cv2.rectangle(page, (60, 40), (130, 160), 1, 4)
    assert erase_rules(page, page)[1] == []


def test_labels_and_boxes_are_those_of_opencv():
    rng = np.random.default_rng(0)
    mask = (cv2.GaussianBlur(rng.random((90, 120)), None, 2) > 0.52).astype(np.uint8)
    labels, boxes = label_marks(mask)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    assert len(boxes) == count - 1 > 5
    expected = np.column_stack([stats[1:, :2], stats[1:, :2] + stats[1:, 2:4]])
    np.testing.assert_array_equal(boxes, expected)
    for number, (left, top, right, bottom) in enumerate(boxes, start=1):
        rows, columns = np.nonzero(labels == number)
        assert (columns.min(), rows.min()) == (left, top)
        assert (columns.max() + 1, rows.max() + 1) == (right, bottom)
