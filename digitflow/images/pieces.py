"""Pieces of ink put together into digits, and digits into lines, by their boxes alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def drop_strangers(
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
