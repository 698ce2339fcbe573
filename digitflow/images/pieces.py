"""Pieces of ink: which belong to one digit, which to none, and in what order digits stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from digitflow.images.ruling import estimate_height

Reason = Literal["line", "border", "too small", "dash", "blot", "sign"]
"""Why a mark was passed over."""

# Shares of the usual height of a digit.
_BODY, _LOWEST, _SPECK, _HUGE = 0.6, 0.4, 0.2, 3.0
_TALLEST, _WIDEST = 1.35, 1.3
_REACH, _ROOF_REACH, _GAP = 0.1, 0.3, 0.2
# Of a digit's own height: a stroke up there may be the roof of a 5, which stands out far.
_ROOF = 0.4
# Of a stroke's width that must lie over or under the digit that it belongs to.
_COLUMN_SHARE = 0.3
_LINE_SHARE = 0.4
# Of a side of the picture: what lies along so much of its edge is no stroke.
_EDGE_SHARE = 0.9
# Of a stroke's thickness: a gap that a pen leaves. So many digits tell how high they are.
_BREAK, _FEW = 0.6, 5
# Pixels, and of the usual height: what stands apart in a size of its own.
_LEAST_DIGIT, _LEAST_SHARE, _THIN = 12, 0.15, 0.25
_NEIGHBOUR = 1.5


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


Passed = tuple[Piece, Reason]


def cut_piece(labels: np.ndarray, piece: Piece) -> np.ndarray:
    """Return 1 where a piece's ink is in its own box (height, width), uint8."""
    window = labels[piece.top : piece.bottom, piece.left : piece.right]
    return find_own(window, piece).view(np.uint8)


def find_own(labels: np.ndarray, piece: Piece) -> np.ndarray:
    """Tell where labels (height, width) are those of a piece, bool."""
    found = labels == piece.labels[0]
    for label in piece.labels[1:]:
        found |= labels == label
    return np.asarray(found)


def drop_edges(
    pieces: Sequence[Piece], shape: tuple[int, ...]
) -> tuple[list[Piece], list[Passed]]:
    """Leave out what lies along an edge of the picture; unless nothing else is there."""
    height, width = shape

    def is_edge(piece: Piece) -> bool:
        level = piece.width >= _EDGE_SHARE * width and piece.height < height / 4
        upright = piece.height >= _EDGE_SHARE * height and piece.width < width / 4
        return (level and (piece.top == 0 or piece.bottom == height)) or (
            upright and (piece.left == 0 or piece.right == width)
        )

    kept = [piece for piece in pieces if not is_edge(piece)]
    if not kept:
        return list(pieces), []
    return kept, [(piece, "border") for piece in pieces if is_edge(piece)]


def join_breaks(pieces: Sequence[Piece], labels: np.ndarray, stroke: float) -> list[Piece]:
    """Join what is one stroke, broken where a pen skipped: ends that nearly meet.

    Digits of two lines don't come so near. Where many digits tell how high they are, what is
    joined is no higher.
    """
    gap = max(1, round(_BREAK * stroke))
    joined = list(pieces)
    highest = np.inf
    if len(pieces) > 1:
        usual = estimate_height(np.array([piece.height for piece in pieces]))
        if sum(piece.height >= _BODY * usual for piece in pieces) >= _FEW:
            highest = _TALLEST * usual
    order = sorted(pieces, key=lambda piece: piece.top)
    for place, lower in enumerate(order):
        for upper in order[:place]:
            first, second = (_find(joined, piece.labels[0]) for piece in (upper, lower))
            if first is second or not _may_be_broken(upper, lower, gap):
                continue
            both = _join(first, second)
            if both.height <= highest and _is_broken(labels, upper, lower, gap):
                joined = [piece for piece in joined if piece not in (first, second)]
                joined.append(both)
    return joined


def _find(pieces: Sequence[Piece], label: int) -> Piece:
    return next(piece for piece in pieces if label in piece.labels)


def _may_be_broken(upper: Piece, lower: Piece, gap: int) -> bool:
    across = min(upper.right, lower.right) - max(upper.left, lower.left)
    return across > 0 and lower.top - upper.bottom <= gap and lower.bottom > upper.bottom


def _is_broken(labels: np.ndarray, upper: Piece, lower: Piece, gap: int) -> bool:
    """Tell whether some column of one piece ends where the other begins, or nearly."""
    left, right = max(upper.left, lower.left), min(upper.right, lower.right)
    window = labels[upper.top : lower.bottom, left:right]
    first, second = window == upper.labels[0], window == lower.labels[0]
    both = first.any(axis=0) & second.any(axis=0)
    if not both.any():
        return False
    ends = len(window) - first[::-1, both].argmax(axis=0)
    begins = second[:, both].argmax(axis=0)
    return bool(((begins - ends <= gap) & (begins >= ends)).any())


def sort_pieces(
    pieces: Sequence[Piece], usual: float, shape: tuple[int, ...]
) -> tuple[list[Piece], list[Passed]]:
    """Put pieces together to digits, and say of the others why they are none.

    Digits that are much smaller than most are found where they stand on lines of their own.

    Parameters
    ----------
    pieces : sequence of Piece
    usual : float
        The usual height of a digit in them.
    shape : tuple of int
        Height and width of the picture.
    """
    kept, passed = drop_other_marks(pieces, usual, shape)
    digits, loose = assemble_digits(kept, usual)
    passed += [(piece, _name_loose(piece, usual)) for piece in loose]
    apart = [piece for piece, _ in passed if _stands_apart(piece, digits, usual)]
    # A line of digits is not made of bits of thin lines alone.
    seeds = [piece.height for piece in apart if piece.width > _THIN * piece.height]
    if len(seeds) < 2 or len(apart) == len(pieces):
        return digits, passed
    found, others = sort_pieces(apart, estimate_height(np.array(seeds)), shape)
    return digits + found, [each for each in passed if each[0] not in apart] + others


def _stands_apart(piece: Piece, digits: Sequence[Piece], usual: float) -> bool:
    """Tell whether a small piece may be a digit, and no point or dash of a line of digits."""
    if piece.height < max(_LEAST_DIGIT, _LEAST_SHARE * usual):
        return False
    reach = _NEIGHBOUR * usual
    return not any(
        _measure_level(digit, piece) > 0
        and piece.left - digit.right < reach
        and digit.left - piece.right < reach
        for digit in digits
    )


def _name_loose(piece: Piece, usual: float) -> Reason:
    if piece.height >= _SPECK * usual or piece.width <= 2 * piece.height:
        return "too small"
    return "line" if piece.width > _WIDEST * usual else "dash"


def drop_other_marks(
    pieces: Sequence[Piece], usual: float, shape: tuple[int, ...]
) -> tuple[list[Piece], list[Passed]]:
    """Leave out specks, lines, and what reaches in from beyond, as a table's edge."""
    kept, passed = [], list[Passed]()
    for piece in pieces:
        size = max(piece.width, piece.height)
        inside = (
            min(piece.left, piece.top) > 0
            and piece.right < shape[1]
            and piece.bottom < shape[0]
        )
        if size < _SPECK * usual:
            passed.append((piece, "too small"))
        elif not inside and size > _HUGE * usual:
            passed.append((piece, "border"))
        elif piece.width > _WIDEST * usual and piece.height < _SPECK * usual:
            passed.append((piece, "line"))
        else:
            kept.append(piece)
    return kept, passed


def assemble_digits(pieces: Sequence[Piece], usual: float) -> tuple[list[Piece], list[Piece]]:
    """Give each small stroke to the digit it belongs to; return digits, and what is none."""
    digits = [piece for piece in pieces if piece.height >= _BODY * usual]
    strokes = [piece for piece in pieces if piece.height < _BODY * usual]
    loose: list[Piece] = []
    for stroke in sorted(strokes, key=lambda piece: piece.top):
        if not _join_nearest(digits, stroke, usual) and not _join_nearest(loose, stroke, usual):
            loose.append(stroke)
    # A wide 2 or 5 may be this low; a dash is not.
    low = [piece for piece in loose if piece.height >= _LOWEST * usual]
    return digits + low, [piece for piece in loose if piece.height < _LOWEST * usual]


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
