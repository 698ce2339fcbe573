"""Several digits in one picture: where each is, in the order in which people read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digitflow.errors import InputError
from digitflow.images.ink import extract_ink
from digitflow.images.ruling import erase_rules

# Digits are compared at one size, so that a large photo costs no more than a small one.
_SIDE = 64
# Of 4,000 digits of MNIST's training set 1 in 70 is so wide, of pairs pushed together half.
_WIDEST = 1.45
# People slant their digits, and the place where two touch slants with them.
_SLANTS = (-0.3, -0.15, 0.0, 0.15, 0.3, 0.45)
# Two digits are joined by about one stroke, and each is about as high as both.
_THICKEST_JOINT = 2.5
_LEAST_HEIGHT = 0.8
_LEAST_WIDTH = 0.1


def seem_touching(mask: np.ndarray) -> bool:
    """Tell whether ink is too wide for one digit, or has two high parts on a thin joint.

    It finds three of four pairs of MNIST's digits pushed together, and takes one single
    digit of sixty for a pair; see the tests.

    Parameters
    ----------
    mask : ndarray of shape (height, width), uint8
        1 where the ink of one find is, 0 elsewhere; no empty rows or columns around it.
    """
    height, width = mask.shape
    if width > _WIDEST * height:
        return True
    if width < 2 * _LEAST_WIDTH * height:
        return False
    small = _scale(mask)
    joint = _THICKEST_JOINT * _measure_stroke(small)
    return any(_has_joint(_slant(small, slant), joint) for slant in _SLANTS)


def _scale(mask: np.ndarray) -> np.ndarray:
    import cv2

    height, width = mask.shape
    size = max(1, round(width * _SIDE / height)), _SIDE
    gray = cv2.resize(mask * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return np.asarray(gray > 127, dtype=np.uint8)


def _measure_stroke(mask: np.ndarray) -> float:
    """Return how thick strokes are: twice the usual distance of their middle to the edge."""
    import cv2

    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)
    ridge = depth[(depth > 0) & (depth == cv2.dilate(depth, np.ones((3, 3), np.uint8)))]
    return 2 * float(np.median(ridge)) if ridge.size else 1.0


def _slant(mask: np.ndarray, slant: float) -> np.ndarray:
    """Shear the rows sideways, and cut off what is empty."""
    import cv2

    height, width = mask.shape
    extra = round(abs(slant) * height)
    move = np.array([[1, slant, max(0.0, -slant * height)], [0, 1, 0]], np.float32)
    sheared = cv2.warpAffine(mask, move, (width + extra, height), flags=cv2.INTER_NEAREST)
    return np.asarray(sheared[:, sheared.any(axis=0)])


def _has_joint(mask: np.ndarray, thickest: float) -> bool:
    """Tell whether some column cuts the ink once, thinly, between two high parts."""
    height, width = mask.shape
    cuts = mask[0] + (np.diff(mask.astype(np.int8), axis=0) == 1).sum(axis=0)
    is_thin = (cuts == 1) & (mask.sum(axis=0, dtype=np.int64) <= thickest)
    # The joint itself belongs to neither part.
    aside = 1 + round(thickest / _THICKEST_JOINT / 2)
    least = max(aside, round(_LEAST_WIDTH * height))
    left = _measure_spans(mask)
    right = _measure_spans(mask[:, ::-1])[::-1]
    places = np.arange(least, width - least)
    spans = np.minimum(left[places - aside], right[places + aside])
    return bool((is_thin[places] & (spans >= _LEAST_HEIGHT * height)).any())


def _measure_spans(mask: np.ndarray) -> np.ndarray:
    """Return for each column how high the ink up to it is, from the left."""
    seen = np.logical_or.accumulate(mask > 0, axis=1)
    top, bottom = seen.argmax(axis=0), seen[::-1].argmax(axis=0)
    return np.where(seen.any(axis=0), len(mask) - top - bottom, 0)


# Shares of the usual height of a digit.
_BODY, _LOWEST, _SPECK, _HUGE = 0.6, 0.4, 0.2, 3.0
_TALLEST = 1.35
_REACH, _ROOF_REACH, _GAP = 0.1, 0.3, 0.2
# Of a digit's own height: a stroke up there may be the roof of a 5, which stands out far.
_ROOF = 0.4
# Of a stroke's width that must lie over or under the digit that it belongs to.
_COLUMN_SHARE = 0.3
_LINE_SHARE = 0.4


@dataclass(frozen=True)
class Piece:
    """A box around connected ink, or around several such labels put together."""

    left: int
    top: int
    right: int
    bottom: int
    labels: tuple[int, ...]

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def estimate_height(pieces: Sequence[Piece]) -> float:
    """Return the usual height: a median in which specks, though many, weigh little."""
    heights = np.sort([piece.height for piece in pieces])
    weights = np.cumsum(heights)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])


def drop_other_marks(
    pieces: Sequence[Piece], usual: float, shape: tuple[int, ...]
) -> list[Piece]:
    """Leave out specks, and what reaches in from beyond the picture, as a table's edge."""

    def belongs(piece: Piece) -> bool:
        size = max(piece.width, piece.height)
        inside = (
            min(piece.left, piece.top) > 0
            and piece.right < shape[1]
            and piece.bottom < shape[0]
        )
        return size >= _SPECK * usual and (inside or size <= _HUGE * usual)

    return [piece for piece in pieces if belongs(piece)]


def assemble_digits(pieces: Sequence[Piece], usual: float) -> list[Piece]:
    """Give each small stroke to the digit it belongs to; drop those that belong to none."""
    digits = [piece for piece in pieces if piece.height >= _BODY * usual]
    strokes = [piece for piece in pieces if piece.height < _BODY * usual]
    loose: list[Piece] = []
    for stroke in sorted(strokes, key=lambda piece: piece.top):
        if not _join_nearest(digits, stroke, usual) and not _join_nearest(loose, stroke, usual):
            loose.append(stroke)
    # A wide 2 or 5 may be this low; a dash is not.
    return digits + [piece for piece in loose if piece.height >= _LOWEST * usual]


def _join_nearest(digits: list[Piece], stroke: Piece, usual: float) -> bool:
    """Put a stroke to the digit that it lies over, under or in; say whether there is one."""
    pulls = [_measure_pull(digit, stroke, usual) for digit in digits]
    if max(pulls, default=0) <= 0:
        return False
    nearest = int(np.argmax(pulls))
    digits[nearest] = _join(digits[nearest], stroke)
    return True


def _measure_pull(digit: Piece, stroke: Piece, usual: float) -> float:
    """Return how much of a stroke's width a digit covers, 0 where it is too far away."""
    is_roof = stroke.bottom <= digit.top + _ROOF * digit.height
    reach = usual * (_ROOF_REACH if is_roof else _REACH)
    covered = min(digit.right + reach, stroke.right) - max(digit.left - reach, stroke.left)
    gap = max(digit.top, stroke.top) - min(digit.bottom, stroke.bottom)
    joined = _join(digit, stroke)
    is_near = gap <= _GAP * usual and joined.height <= _TALLEST * max(usual, digit.height)
    share = covered / stroke.width
    return share if is_near and share >= _COLUMN_SHARE else 0.0


def _join(first: Piece, second: Piece) -> Piece:
    return Piece(
        min(first.left, second.left),
        min(first.top, second.top),
        max(first.right, second.right),
        max(first.bottom, second.bottom),
        first.labels + second.labels,
    )


def order_lines(digits: Sequence[Piece]) -> list[list[Piece]]:
    """Put digits into lines; each follows the one before it, so that a line may slope."""
    lines: list[list[Piece]] = []
    for digit in sorted(digits, key=lambda piece: piece.left):
        shares = [_measure_level(line[-1], digit) for line in lines]
        if max(shares, default=0) >= _LINE_SHARE:
            lines[int(np.argmax(shares))].append(digit)
        else:
            lines.append([digit])
    return sorted(lines, key=lambda line: np.mean([d.top + d.bottom for d in line]))


def _measure_level(first: Piece, second: Piece) -> float:
    """Return which share of the lower one's height two pieces have in common."""
    common = min(first.bottom, second.bottom) - max(first.top, second.top)
    return common / min(first.height, second.height)


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
    """

    box: tuple[int, int, int, int]
    line: int
    touching: bool
    ink: np.ndarray


def find_digits(picture: np.ndarray) -> list[Found]:
    """Find the digits of a picture, line by line and from left to right.

    Strokes of one digit that don't touch are put together; specks, dashes and ruled lines
    are left out. What looks like digits that touch is one `Found`, and says so.

    Parameters
    ----------
    picture : ndarray of shape (height, width), uint8
        Gray, any size, either polarity.

    Returns
    -------
    list of Found
        Empty where there is ink, but nothing of it could be a digit.

    Raises
    ------
    InputError
        If the picture is blank, or holds more marks than a page of digits has.
    """
    reduced = _reduce(picture)
    ink, labels, pieces = _find_pieces(extract_ink(reduced))
    if not pieces:
        return []
    usual = estimate_height(pieces)
    lines = order_lines(assemble_digits(drop_other_marks(pieces, usual, ink.shape), usual))
    scale = picture.shape[0] / reduced.shape[0], picture.shape[1] / reduced.shape[1]
    return [
        Found(
            box=_scale_box(digit, scale),
            line=number,
            touching=_may_touch(labels, digit, usual),
            ink=_cut_ink(ink, labels, digit),
        )
        for number, line in enumerate(lines)
        for digit in line
    ]


def _reduce(picture: np.ndarray) -> np.ndarray:
    import cv2

    scale = _LARGEST_SIDE / max(picture.shape)
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def _find_pieces(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[Piece]]:
    """Return ink without ruled lines, what is connected in it (labels), and the boxes."""
    import cv2

    strength = _measure_strength(ink)
    mask = (ink > _STRONG_SHARE * strength).astype(np.uint8)
    cleaned = erase_rules(mask, (ink > _FAINT_SHARE * strength).astype(np.uint8))
    erased = cv2.dilate(mask & (1 - cleaned), np.ones((3, 3), np.uint8)) & (1 - cleaned)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cleaned, connectivity=8)
    sizes = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    numbers = 1 + np.flatnonzero(sizes[1:].max(axis=1) >= _MIN_SIDE)
    if len(numbers) > MAX_MARKS:
        raise InputError(
            f"the picture holds {len(numbers):,} marks, a page of digits has {MAX_MARKS:,} at "
            "most. Is it a photo of something else?"
        )
    pieces = [_make_piece(stats[number], int(number)) for number in numbers]
    return np.where(erased, np.uint8(0), ink), labels, pieces


def _measure_strength(ink: np.ndarray) -> np.ndarray:
    """Return how strong ink is around each pixel: less where a shadow falls."""
    import cv2

    step = max(1, round(max(ink.shape) / _STRENGTH_SIDE))
    peaks = cv2.dilate(ink, np.ones((step, step), np.uint8))[::step, ::step]
    near = np.ones((_STRENGTH_SIDE // 8,) * 2, np.uint8)
    local = cv2.blur(cv2.dilate(peaks, near), near.shape).astype(np.float32)
    usual = float(np.percentile(ink[ink > 0], 95)) if ink.any() else 0.0
    # Where no ink is near, the strongest is noise.
    local = local.clip(_DARKEST_SHADOW * usual, usual)
    return np.asarray(cv2.resize(local, ink.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _make_piece(stats: np.ndarray, number: int) -> Piece:
    left, top, width, height = stats[:4].tolist()  # in OpenCV's order
    return Piece(left, top, left + width, top + height, (number,))


def _may_touch(labels: np.ndarray, digit: Piece, usual: float) -> bool:
    if digit.height > _TWO_LINES * usual:
        return True
    cut = labels[digit.top : digit.bottom, digit.left : digit.right]
    return seem_touching(np.isin(cut, digit.labels).astype(np.uint8))


def _scale_box(piece: Piece, scale: tuple[float, float]) -> tuple[int, int, int, int]:
    down, right = scale
    left, top = round(piece.left * right), round(piece.top * down)
    return left, top, round(piece.right * right) - left, round(piece.bottom * down) - top


def _cut_ink(ink: np.ndarray, labels: np.ndarray, digit: Piece) -> np.ndarray:
    """Cut a digit out with the soft edges of its strokes, without its neighbours'."""
    import cv2

    edge = max(2, round(_EDGE * digit.height))
    window = (
        slice(max(0, digit.top - edge), digit.bottom + edge),
        slice(max(0, digit.left - edge), digit.right + edge),
    )
    own = np.isin(labels[window], digit.labels)
    near = cv2.dilate(own.astype(np.uint8), np.ones((2 * edge + 1,) * 2, np.uint8)) > 0
    return np.where(near & (own | (labels[window] == 0)), ink[window], np.uint8(0))
