"""Several digits in one picture: where each is, in the order in which people read."""

from dataclasses import dataclass

import numpy as np

from digitflow.errors import InputError
from digitflow.images.borders import clear_borders
from digitflow.images.cutting import seem_touching
from digitflow.images.ink import check_gray, extract_ink
from digitflow.images.levels import count_levels, find_percentile
from digitflow.images.pieces import (
    Passed,
    Piece,
    Reason,
    cut_piece,
    drop_edges,
    find_own,
    join_breaks,
    order_lines,
    sort_pieces,
)
from digitflow.images.ruling import (
    Box,
    erase_rules,
    estimate_height,
    label_marks,
    measure_thickness,
)
from digitflow.images.signs import name_sign

MAX_MARKS = 2000
# Sixty lines on a page leave 25 pixels for each; the model sees 20.
_LARGEST_SIDE = 1600
# Of the usual strength of ink. What is paler is the soft edge of a stroke, which would join
# it to its neighbour, or a mark that nobody meant.
_STRONG_SHARE, _FAINT_SHARE = 0.35, 0.15
_STRENGTH_SIDE, _DARKEST_SHADOW = 64, 0.2
_MIN_SIDE = 5
# Of the usual height of a digit.
_TWO_LINES = 1.7
# Of a stroke's thickness, and of a digit's height: a rule that is so thick may have been a
# stroke of a digit that it meets on so much.
_AS_THICK, _MET = 0.75, 0.1
# Of a side of the picture: a longer line is a rule.
_SPANNING = 0.8
# Of its own height: as far as the soft edges of its strokes may reach.
_EDGE = 0.04


@dataclass(frozen=True)
class Found:
    """One digit of a picture.

    Attributes
    ----------
    box : tuple of int
        left, top, width, height in pixels of the picture.
    line : int
        0 for the uppermost line.
    touching : bool
        It looks like several digits that touch: what a model reads in it is unsure.
    ink : ndarray of shape (h, w), uint8
        Its own strokes alone, bright on 0; at a smaller scale where the picture is large.
    lined : bool
        A line as thick as strokes are was taken out where it goes on: it may have been a
        stroke of its own, as the bar of a 7 that touches another.
    """

    box: tuple[int, int, int, int]
    line: int
    touching: bool
    ink: np.ndarray
    lined: bool = False


@dataclass(frozen=True)
class PassedOver:
    """A mark that is read as nothing: left, top, width and height of its box, and why."""

    box: tuple[int, int, int, int]
    reason: Reason


@dataclass(frozen=True)
class Page:
    """What was found in a picture, in reading order, and what was passed over."""

    digits: list[Found]
    passed_over: list[PassedOver]


@dataclass(frozen=True)
class _Marks:
    """Ink without rules, what is connected in it, and what was taken out.

    `thick` is 1 where a rule was that is as thick as strokes are.
    """

    ink: np.ndarray
    labels: np.ndarray
    pieces: list[Piece]
    rules: list[Box]
    thick: np.ndarray | None


def find_digits(picture: np.ndarray) -> Page:
    """Find the digits of a picture, line by line and from left to right.

    Strokes of one digit that don't touch are put together; specks, dashes, ruled lines and
    what lies around the paper are passed over. What looks like digits that touch is one
    `Found`, and says so.

    Parameters
    ----------
    picture : ndarray of shape (height, width), uint8
        Gray, any size, either polarity.

    Returns
    -------
    Page
        Without digits where there is ink, but nothing of it could be a digit.

    Raises
    ------
    InputError
        If the picture is blank, or holds more marks than a page of digits has.
    """
    check_gray(picture)
    reduced = _reduce(picture)
    cleared, borders = clear_borders(reduced)
    marks = _find_marks(extract_ink(cleared))
    digits, passed = _choose_digits(marks)
    scale = picture.shape[0] / reduced.shape[0], picture.shape[1] / reduced.shape[1]
    usual = estimate_height(np.array([digit.height for digit in digits])) if digits else 1.0
    found = [
        Found(
            box=_scale_box(_box(digit), scale),
            line=number,
            touching=_may_touch(marks.labels, digit, usual),
            ink=_cut_ink(marks, digit),
            lined=marks.thick is not None and _lost_ink(marks.labels, digit, marks.thick),
        )
        for number, line in enumerate(order_lines(digits))
        for digit in line
    ]
    named: list[tuple[Box, Reason]] = [(box, "border") for box in borders]
    named += [(box, "line") for box in marks.rules]
    named += [(_box(piece), reason) for piece, reason in passed]
    return Page(found, [PassedOver(_scale_box(box, scale), reason) for box, reason in named])


def _reduce(picture: np.ndarray) -> np.ndarray:
    import cv2

    scale = _LARGEST_SIDE / max(picture.shape)
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def _find_marks(ink: np.ndarray) -> _Marks:
    import cv2

    strength = _measure_strength(ink)
    mask, faint = (
        (ink > (share * strength).astype(np.uint8)).view(np.uint8)
        for share in (_STRONG_SHARE, _FAINT_SHARE)
    )
    cleaned, rules = erase_rules(mask, faint)
    thick = None
    if rules:
        thick = _find_thick(mask & (1 - cleaned), rules, measure_thickness(cleaned))
        erased = cv2.dilate(mask & (1 - cleaned), np.ones((3, 3), np.uint8)) & (1 - cleaned)
        ink = np.where(erased, np.uint8(0), ink)
    labels, boxes = label_marks(cleaned)
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    numbers = np.flatnonzero(sides >= _MIN_SIDE)
    if len(numbers) > MAX_MARKS:
        raise InputError(
            f"the picture holds {len(numbers):,} marks, a page of digits has {MAX_MARKS:,} at "
            "most. Is it a photo of something else?"
        )
    pieces = [_make_piece(boxes[number], int(number) + 1) for number in numbers]
    joined = join_breaks(pieces, labels, measure_thickness(cleaned))
    return _Marks(ink, labels, joined, rules, thick)


def _find_thick(erased: np.ndarray, rules: list[Box], stroke: float) -> np.ndarray | None:
    """Return 1 where a rule was taken out that is as thick as a stroke; None without any.

    What goes through the whole picture is no stroke of a digit.
    """
    thick = np.zeros_like(erased)
    for left, top, right, bottom in rules:
        part = slice(top, bottom), slice(left, right)
        across = int(right - left > bottom - top)
        counts = erased[part].sum(axis=1 - across)
        spans = len(counts) >= _SPANNING * erased.shape[across]
        if counts.any() and not spans and np.median(counts[counts > 0]) >= _AS_THICK * stroke:
            thick[part] |= erased[part]
    return thick if thick.any() else None


def _lost_ink(labels: np.ndarray, digit: Piece, thick: np.ndarray) -> bool:
    """Tell whether a stroke ends where a thick rule was taken out."""
    import cv2

    window = (
        slice(max(0, digit.top - 1), digit.bottom + 1),
        slice(max(0, digit.left - 1), digit.right + 1),
    )
    own = find_own(labels[window], digit).view(np.uint8)
    met = cv2.dilate(own, np.ones((3, 3), np.uint8)) & thick[window]
    return int(met.sum()) >= _MET * digit.height


def _make_piece(box: np.ndarray, label: int) -> Piece:
    left, top, right, bottom = box.tolist()
    return Piece(left, top, right, bottom, (label,))


def _measure_strength(ink: np.ndarray) -> np.ndarray:
    """Return how strong ink is around each pixel: less where a shadow falls."""
    import cv2

    step = max(1, round(max(ink.shape) / _STRENGTH_SIDE))
    peaks = cv2.dilate(ink, np.ones((step, step), np.uint8))[::step, ::step]
    near = np.ones((_STRENGTH_SIDE // 8,) * 2, np.uint8)
    local = cv2.blur(cv2.dilate(peaks, near), near.shape).astype(np.float32)
    counts = count_levels(ink)
    counts[0] = 0
    usual = find_percentile(counts, 95) if counts.any() else 0.0
    # Where no ink is near, the strongest is noise.
    local = local.clip(_DARKEST_SHADOW * usual, usual)
    return np.asarray(cv2.resize(local, ink.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _choose_digits(marks: _Marks) -> tuple[list[Piece], list[Passed]]:
    """Return what may be a digit, and of the other pieces why they are none."""
    pieces, passed = drop_edges(marks.pieces, marks.ink.shape)
    if not pieces:
        return [], passed
    usual = estimate_height(np.array([piece.height for piece in pieces]))
    found, others = sort_pieces(pieces, usual, marks.ink.shape)
    digits = []
    for digit in found:
        sign = name_sign(cut_piece(marks.labels, digit))
        if sign is None:
            digits.append(digit)
        else:
            others.append((digit, sign))
    return digits, passed + others


def _may_touch(labels: np.ndarray, digit: Piece, usual: float) -> bool:
    return digit.height > _TWO_LINES * usual or seem_touching(cut_piece(labels, digit))


def _box(piece: Piece) -> Box:
    return piece.left, piece.top, piece.right, piece.bottom


def _scale_box(box: Box, scale: tuple[float, float]) -> tuple[int, int, int, int]:
    down, right = scale
    left, top = round(box[0] * right), round(box[1] * down)
    return left, top, round(box[2] * right) - left, round(box[3] * down) - top


def _cut_ink(marks: _Marks, digit: Piece) -> np.ndarray:
    """Cut a digit out with the soft edges of its strokes, without its neighbours'."""
    import cv2

    edge = max(2, round(_EDGE * digit.height))
    window = (
        slice(max(0, digit.top - edge), digit.bottom + edge),
        slice(max(0, digit.left - edge), digit.right + edge),
    )
    labels = marks.labels[window]
    own = find_own(labels, digit)
    near = cv2.dilate(own.view(np.uint8), np.ones((2 * edge + 1,) * 2, np.uint8)) > 0
    return np.where(near & (own | (labels == 0)), marks.ink[window], np.uint8(0))
