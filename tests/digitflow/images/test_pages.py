"""Pages are drawn from scikit-learn's digits, so that every box and line is known."""

from collections import Counter
from contextlib import suppress

import cv2
import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.images.pages import find_digits

CELL = 60
LINES, COLUMNS = 3, 6


@pytest.fixture(scope="module")
def inks(handwriting):
    """Enlarged digits (height, width), 255 where ink is full, none of them broken."""
    images = handwriting.images[:200]
    large = [cv2.resize(image, (CELL, CELL), interpolation=cv2.INTER_CUBIC) for image in images]
    whole = [
        ink for ink in large if cv2.connectedComponents((ink > 90).astype(np.uint8))[0] == 2
    ]
    return whole[: LINES * COLUMNS]


def lay_out(inks, slope=0.0, gap=1.2, columns=COLUMNS):
    """Return ink on an empty page, and the box of each digit in reading order."""
    lines = -(-len(inks) // columns)
    step = round(gap * CELL)
    height = (2 * lines + 1) * CELL + round(abs(slope) * columns * step)
    ink, boxes = np.zeros((height, (columns + 1) * step), np.uint8), []
    for number, digit in enumerate(inks):
        row, column = divmod(number, columns)
        left = CELL // 2 + column * step
        rise = slope * (column if slope > 0 else column + 1 - columns)
        top = CELL // 2 + row * 2 * CELL + round(rise * step)
        ink[top : top + CELL, left : left + CELL] |= digit
        strong = cv2.boundingRect((digit > 90).astype(np.uint8))
        boxes.append((left + strong[0], top + strong[1], *strong[2:]))
    return ink, boxes


def print_on(ink, paper, pen, noise=3.0):
    """Return a gray picture of the ink on paper of a level or an array of levels."""
    share = ink / 255
    picture = paper * (1 - share) + pen * share
    picture += np.random.default_rng(0).normal(0, noise, ink.shape)
    return picture.clip(0, 255).astype(np.uint8)


def draw_rules(ink):
    paper = np.full(ink.shape, 230.0)
    for row in range(LINES):
        top = round(CELL * 0.5 + row * 2 * CELL + 0.85 * CELL)
        paper[top : top + 2] = 150
    return paper


def shade(picture):
    return (picture * np.linspace(1, 0.25, picture.shape[1])).astype(np.uint8)


WAYS = {
    "dark on paper": lambda ink: print_on(ink, 225, 40),
    "chalk on a board": lambda ink: print_on(ink, 40, 220),
    "pale pencil": lambda ink: print_on(ink, 225, 140),
    "a shadow": lambda ink: print_on(ink, np.linspace(230, 140, ink.shape[1]), 40),
    "a deep shadow": lambda ink: shade(print_on(ink, 230, 40)),
    "a deep shadow on ruled paper": lambda ink: shade(print_on(ink, draw_rules(ink), 40)),
    "a noisy camera": lambda ink: print_on(ink, 210, 60, noise=10),
    "ruled paper": lambda ink: print_on(ink, draw_rules(ink), 40),
}


def overlap(first, second):
    """Return the share that two boxes have in common, of what they cover together."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right = min(first[0] + first[2], second[0] + second[2])
    bottom = min(first[1] + first[3], second[1] + second[3])
    common = max(0, right - left) * max(0, bottom - top)
    return common / (first[2] * first[3] + second[2] * second[3] - common)


def require_found(found, boxes, columns=COLUMNS, least=0.7):
    assert len(found) == len(boxes)
    assert [digit.line for digit in found] == [n // columns for n in range(len(boxes))]
    shares = [overlap(digit.box, box) for digit, box in zip(found, boxes, strict=True)]
    assert min(shares) > least


@pytest.mark.parametrize("way", WAYS)
def test_every_digit_of_a_page_is_found_in_reading_order(inks, way):
    ink, boxes = lay_out(inks)
    require_found(find_digits(WAYS[way](ink)).digits, boxes)


@pytest.mark.parametrize("slope", [-0.1, 0.1])
def test_lines_may_slope(inks, slope):
    ink, boxes = lay_out(inks, slope=slope)
    require_found(find_digits(print_on(ink, 225, 40)).digits, boxes)


def test_boxes_are_in_pixels_of_the_picture_however_large(inks):
    ink, boxes = lay_out(inks)
    large = cv2.resize(print_on(ink, 225, 40), None, fx=7, fy=7, interpolation=cv2.INTER_CUBIC)
    assert max(large.shape) > 2500
    require_found(find_digits(large).digits, [tuple(7 * side for side in box) for box in boxes])


def test_a_digits_ink_is_its_own_alone(inks):
    ink, _ = lay_out(inks, gap=0.75)
    for number, digit in enumerate(find_digits(print_on(ink, 225, 40)).digits):
        others = [np.zeros_like(other) for other in inks]
        others[number] = inks[number]
        alone, _ = lay_out(others, gap=0.75)
        left, top, width, height = digit.box
        edge = (len(digit.ink) - height) // 2
        found = digit.ink[edge : edge + height, edge : edge + width]
        expected = alone[top : top + height, left : left + width]
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97


def test_specks_dashes_and_a_tables_edge_are_left_out(inks):
    ink, boxes = lay_out(inks)
    marked = ink.copy()
    rng = np.random.default_rng(1)
    for _ in range(40):
        place = int(rng.integers(marked.shape[1])), int(rng.integers(marked.shape[0]))
        if not ink[
            max(0, place[1] - 6) : place[1] + 6, max(0, place[0] - 6) : place[0] + 6
        ].any():
            cv2.circle(marked, place, 2, 255, -1)
    marked[150:155, -40:-12] = 255  # a dash beside the last digit of a line
    marked = np.pad(marked, ((0, 0), (30, 0)))
    marked[:, :12] = 200  # reaches from the top to the bottom
    found = find_digits(print_on(marked, 225, 40)).digits
    shifted = [(left + 30, *rest) for left, *rest in boxes]
    assert all(max(overlap(box, d.box) for d in found) > 0.7 for box in shifted)
    assert len(found) <= len(boxes) + 1


BROKEN = {
    "a 5 with its roof apart": [
        [(20, 20), (20, 50), (60, 50), (75, 75), (60, 100), (20, 100)],
        [(30, 2), (80, -2)],
    ],
    "an 8 open in the middle": [
        [(50, 0), (30, 20), (70, 20), (50, 0)],
        [(50, 38), (25, 80), (75, 80), (50, 38)],
    ],
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_strokes_of_one_digit_are_put_together(name):
    ink = np.zeros((200, 500), np.uint8)
    cv2.circle(ink, (380, 100), 50, 255, 9)  # a digit that tells how high they are
    strokes = [np.add(stroke, (150, 50)) for stroke in BROKEN[name]]
    for stroke in strokes:
        cv2.polylines(ink, [stroke], False, 255, 9, cv2.LINE_AA)
    broken, _ = find_digits(print_on(ink, 225, 40)).digits
    assert overlap(broken.box, cv2.boundingRect(np.vstack(strokes))) > 0.7
    assert not broken.touching


def test_digits_that_touch_are_one_find_and_said_to_touch(inks):
    ink, boxes = lay_out(inks)
    first, second = boxes[7], boxes[8]
    row = first[1] + first[3] // 2
    cv2.line(ink, (first[0] + first[2] - 6, row), (second[0] + 6, row), 255, 5)
    found = find_digits(print_on(ink, 225, 40)).digits
    assert len(found) == len(boxes) - 1
    (touching,) = [digit for digit in found if digit.touching]
    assert touching.line == 1
    corners = [
        corner
        for left, top, width, height in (first, second)
        for corner in ((left, top), (left + width - 1, top + height - 1))
    ]
    assert overlap(touching.box, cv2.boundingRect(np.array(corners))) > 0.8


def test_a_single_digit_of_mnist_is_one_find(mnist):
    counts = []
    for image in mnist.test.images[::25]:
        large = cv2.resize(image, (140, 140), interpolation=cv2.INTER_CUBIC)
        counts.append(len(find_digits(np.pad(255 - large, 40, constant_values=255)).digits))
    assert np.mean(np.array(counts) == 1) > 0.985


def test_nearly_every_digit_of_unevenly_lit_pages_is_found(mnist):
    rng = np.random.default_rng(4)
    found = []
    for darkest in (0.9, 0.7, 0.55, 0.4, 0.3) * 3:
        images = mnist.test.images[rng.choice(10_000, 32, replace=False)]
        large = [cv2.resize(i, (CELL, CELL), interpolation=cv2.INTER_CUBIC) for i in images]
        ink, boxes = lay_out(large, gap=1.35, columns=8)
        page = print_on(ink, 225, 40) * np.linspace(1, darkest, ink.shape[1])
        places = [digit.box for digit in find_digits(page.astype(np.uint8)).digits]
        found += [max(overlap(box, place) for place in places) > 0.6 for box in boxes]
    assert np.mean(found) > 0.99


def test_a_bold_digit_alone_is_no_blot_and_no_sheet(handwriting):
    digits = handwriting.images
    # 8s whose loops are filled, thick 1s, and a 2 and an 8 as large as sheets are.
    bold = (40, 138, 183, 206, 242, 257, 363, 405, 462, 591)
    for number in (*range(30), *bold):
        picture = 255 - np.kron(digits[number], np.ones((10, 10), np.uint8))
        assert len(find_digits(picture).digits) == 1, number


def test_a_blank_picture_is_refused():
    with pytest.raises(InputError, match="blank"):
        find_digits(np.full((300, 400), 200, np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 2), (40, 9000)])
def test_odd_shapes_are_refused_or_searched(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with suppress(InputError):
        assert all(min(digit.ink.shape) > 0 for digit in find_digits(picture).digits)


def test_noise_alone_ends_soon():
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000), dtype=np.uint8)
    with suppress(InputError):
        assert len(find_digits(noise).digits) < 2000


def draw_digits(text, shape, corner, scale, thick, step):
    picture = np.full(shape, 255, np.uint8)
    for place, digit in enumerate(text):
        cv2.putText(picture, digit, (corner[0] + place * step, corner[1]), 0, scale, 0, thick)
    return picture


def count_reasons(page):
    return Counter(mark.reason for mark in page.passed_over)


def test_digits_in_boxes_are_found_and_the_boxes_said():
    picture = draw_digits("25739", (300, 700), (85, 185), 2.6, 7, 120)
    for place in range(5):
        cv2.rectangle(picture, (60 + place * 120, 90), (160 + place * 120, 210), 0, 3)
    page = find_digits(picture)
    assert len(page.digits) == 5
    assert count_reasons(page) == {"line": 20}


def test_a_canvas_is_read_without_its_frame():
    picture = draw_digits("573", (300, 500), (60, 200), 4, 10, 140)
    plain = find_digits(picture)
    picture[[0, -1]] = picture[:, [0, -1]] = 90
    framed = find_digits(picture)
    assert [digit.box for digit in framed.digits] == [digit.box for digit in plain.digits]
    assert count_reasons(framed) == {"border": 1}


def test_digits_on_a_sheet_that_does_not_fill_the_photo_are_found():
    picture = np.full((600, 800), 60, np.uint8)
    picture[20:-20, 20:-20] = draw_digits("573", (560, 760), (130, 360), 6, 16, 180)
    page = find_digits(picture)
    assert len(page.digits) == 3
    assert all(80 < digit.box[3] < 200 for digit in page.digits)


def test_a_stroke_flush_with_the_edge_belongs_to_its_digit():
    picture = np.full((160, 110), 255, np.uint8)
    picture[:16] = 0
    cv2.line(picture, (100, 8), (35, 150), 0, 16)
    (digit,) = find_digits(picture).digits
    assert digit.box[:3] == (0, 0, 110)
    assert digit.box[3] > 150
    assert digit.ink[:10].mean() > 200


@pytest.mark.parametrize("thick", [2, 6, 14])
def test_an_upright_stroke_is_a_digit(thick):
    picture = np.full((400, 400), 255, np.uint8)
    cv2.line(picture, (200, 80), (200, 320), 0, thick)
    page = find_digits(picture)
    assert len(page.digits) == 1
    assert not page.passed_over


def test_a_column_of_ones_is_found():
    picture = np.full((1000, 300), 255, np.uint8)
    for top in range(40, 900, 58):
        cv2.line(picture, (150, top), (150, top + 40), 0, 4)
    assert len(find_digits(picture).digits) == 15


def break_one(picture):
    cv2.line(picture, (200, 80), (200, 320), 0, 14)
    picture[190:192] = 255


def break_six(picture):
    cv2.ellipse(picture, (200, 250), (55, 60), 0, 0, 360, 0, 12)
    cv2.line(picture, (230, 80), (150, 235), 0, 12)
    picture[160:164] = 255


@pytest.mark.parametrize("draw", [break_one, break_six])
def test_a_lone_digit_with_a_break_is_one(draw):
    picture = np.full((400, 400), 255, np.uint8)
    draw(picture)
    (digit,) = find_digits(picture).digits
    assert digit.box[3] > 220
    assert digit.line == 0


def test_small_digits_below_big_ones_are_found():
    big = draw_digits("57329", (200, 800), (60, 160), 4.5, 11, 140)
    small = draw_digits("80146", (150, 800), (200, 80), 1.4, 4, 45)
    page = find_digits(np.vstack([big, small]))
    assert [digit.line for digit in page.digits] == [0] * 5 + [1] * 5


def test_commas_between_big_digits_are_too_small():
    picture = draw_digits("57329", (260, 800), (60, 160), 4.5, 11, 140)
    for left in (180, 460):
        cv2.line(picture, (left, 160), (left - 8, 185), 0, 9)
    page = find_digits(picture)
    assert len(page.digits) == 5
    assert count_reasons(page) == {"too small": 2}


def test_marks_that_are_no_digits_are_passed_over_and_named():
    picture = draw_digits("573", (300, 900), (60, 200), 4, 10, 140)
    cv2.circle(picture, (560, 150), 40, 0, -1)
    cv2.putText(picture, "(", (640, 200), 0, 4, 0, 10)
    cv2.line(picture, (720, 150), (790, 150), 0, 12)
    page = find_digits(picture)
    assert len(page.digits) == 3
    assert count_reasons(page) == {"blot": 1, "sign": 1, "dash": 1}


def draw_sevens(step, rule=0, reach=(40, 440)):
    """Draw three 7s as far apart as said, bold, with others; a rule at their feet."""
    picture = np.full((260, 1000), 255, np.uint8)
    for place in range(3):
        left = 60 + step * place
        cv2.line(picture, (left + 80, 70), (left + 30, 180), 0, 16)
        cv2.line(picture, (left, 70), (left + 80, 70), 0, 16)
    for place, digit in enumerate("5386"):
        cv2.putText(picture, digit, (550 + place * 100, 180), 0, 4.5, 0, 14)
    if rule:
        cv2.line(picture, (reach[0], 186), (reach[1], 186), 0, rule)
    return picture


def test_bars_of_digits_that_were_taken_for_one_line_are_missed_by_them():
    page = find_digits(draw_sevens(96))
    assert [mark.reason for mark in page.passed_over].count("line") == 1
    assert [digit.lined for digit in page.digits] == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("rule", "reach", "lined"),
    [(0, (0, 0), False), (4, (40, 440), False), (16, (40, 440), True), (16, (0, 1000), False)],
    ids=["none", "thin", "as a stroke", "through the picture"],
)
def test_a_rule_may_be_a_stroke_if_it_is_as_thick_and_ends_in_the_picture(rule, reach, lined):
    page = find_digits(draw_sevens(140, rule, reach))
    assert sum(mark.reason == "line" for mark in page.passed_over) == (rule > 0)
    assert [digit.lined for digit in page.digits[:3]] == [lined] * 3
