"""Marks that are no digits by their shape alone: dashes, blots, a plus, a bracket, a hash.

What could be a digit as well is left to the model: a slash may be a 1, a ring a 0, and
letters such as O, l, S and Z are drawn as digits are.
"""

from typing import Literal

import numpy as np

# Of its width: what is so low and fills its box is a dash.
_DASH, _FULL = 0.3, 0.6
# Of its box: a disc fills .785 of it. Of its lesser side: how deep its ink is, and the other
# side; a bold 1, or an 8 whose loops are filled, is narrower.
_BLOT, _DEEP, _ROUND = 0.7, 0.7, 1.4
# Of its box: the corners that a plus leaves empty, and how much of its arms is filled.
_CORNER, _ARM, _SQUARE = 0.3, 0.9, 1.5
# Of its height: how far the middle of a bracket is from its ends. Of 1,000 1s of MNIST that
# are one stroke, 3 are as bowed, as upright and as even.
_BOW, _UPRIGHT, _EVEN, _NARROW = 0.16, 0.2, 0.05, 0.55
_LEAST_ROWS = 8
# Of its sides: where the bars of a hash stand out, in how much of it, and what they enclose.
_ENDS, _MOSTLY, _ENCLOSED = (0.05, 0.18), 0.65, (0.15, 0.55)


def name_sign(mask: np.ndarray) -> Literal["dash", "blot", "sign"] | None:
    """Say what a mark is that can't be a digit; None if it may be one.

    Parameters
    ----------
    mask : ndarray of shape (height, width), uint8
        1 where its ink is, 0 elsewhere; no empty rows or columns around it.
    """
    height, width = mask.shape
    filled = float(mask.mean())
    if (height < _DASH * width and filled > _FULL) or _is_equals(mask):
        return "dash"
    if filled > _BLOT and _is_blot(mask):
        return "blot"
    if _is_plus(mask) or _is_bracket(mask) or _is_hash(mask):
        return "sign"
    return None


def _is_equals(mask: np.ndarray) -> bool:
    """Tell whether it is two dashes, one above the other."""
    rows = mask.any(axis=1)
    changes = np.flatnonzero(np.diff(rows.view(np.int8)))
    if len(changes) != 2:
        return False
    bars = mask[: changes[0] + 1], mask[changes[1] + 1 :]
    return all(
        len(bar) < _DASH * mask.shape[1] and bar.any(axis=0).mean() > _MOSTLY for bar in bars
    )


def _is_hash(mask: np.ndarray) -> bool:
    """Tell whether two bars stand out on each side of what they enclose."""
    import cv2

    sides = (mask, mask[::-1], mask.T, mask.T[::-1])
    if min(mask.shape) < _LEAST_ROWS or not all(_shows_two(side) for side in sides):
        return False
    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    holes = [cv2.boundingRect(outlines[n]) for n in np.flatnonzero(tree[0, :, 3] >= 0).tolist()]
    if len(holes) != 1:
        return False
    shares = holes[0][3] / mask.shape[0], holes[0][2] / mask.shape[1]
    return _ENCLOSED[0] < min(shares) and max(shares) < _ENCLOSED[1]


def _shows_two(side: np.ndarray) -> bool:
    """Tell whether the rows near the top cross two strokes, most of them."""
    first, last = (max(1, round(share * len(side))) for share in _ENDS)
    rows = side[first : last + 1]
    strokes = rows[:, 0] + (np.diff(rows.view(np.int8), axis=1) == 1).sum(axis=1)
    return bool((strokes == 2).mean() >= _MOSTLY)


def _is_blot(mask: np.ndarray) -> bool:
    """Tell whether ink is as deep as it is wide: no stroke was drawn."""
    import cv2

    height, width = mask.shape
    if max(height, width) > _ROUND * min(height, width):
        return False
    depth = float(cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3).max())
    return 2 * depth > _DEEP * min(height, width)


def _is_plus(mask: np.ndarray) -> bool:
    """Tell whether there is a level and an upright bar, and nothing beside."""
    height, width = mask.shape
    if max(height, width) > _SQUARE * min(height, width) or min(height, width) < _LEAST_ROWS:
        return False
    down, right = round(_CORNER * height), round(_CORNER * width)
    corners = (mask[:down, :right], mask[:down, -right:], mask[-down:, :right])
    if any(corner.any() for corner in (*corners, mask[-down:, -right:])):
        return False
    rows, columns = mask.mean(axis=1), mask.mean(axis=0)
    return bool(rows.max() > _ARM and columns.max() > _ARM)


def _is_bracket(mask: np.ndarray) -> bool:
    """Tell whether it is one even stroke, upright and bowed to one side."""
    height, width = mask.shape
    if width > _NARROW * height or height < _LEAST_ROWS:
        return False
    counts = mask.sum(axis=1)
    begins, ends = mask.argmax(axis=1), width - mask[:, ::-1].argmax(axis=1)
    if (ends - begins != counts).any():
        return False
    place = np.linspace(-1, 1, height)
    course = (begins + ends) / 2
    curve = np.polynomial.polynomial.polyfit(place, course, 2)
    apart = np.abs(course - np.polynomial.polynomial.polyval(place, curve)).max()
    bow, slant = abs(curve[2]) / height, 2 * abs(curve[1]) / height
    return bool(bow > _BOW and slant < _UPRIGHT and apart < _EVEN * height)
