"""Digits that touch: whether ink is more than one digit, and where it may be cut."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
# Of the strongest ink.
_INK = 0.35


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
    places = least + np.flatnonzero(is_thin[least : width - least])
    if not places.size:
        return False
    left = _measure_spans(mask)
    right = _measure_spans(mask[:, ::-1])[::-1]
    spans = np.minimum(left[places - aside], right[places + aside])
    return bool((spans >= _LEAST_HEIGHT * height).any())


def _measure_spans(mask: np.ndarray) -> np.ndarray:
    """Return for each column how high the ink up to it is, from the left."""
    seen = np.logical_or.accumulate(mask > 0, axis=1)
    top, bottom = seen.argmax(axis=0), seen[::-1].argmax(axis=0)
    return np.where(seen.any(axis=0), len(mask) - top - bottom, 0)


# Of the height: a part is no narrower; times a stroke: a cut goes through no more ink; for
# each height of the ink's width: as many cuts are tried.
_LEAST_PART, _THICKEST_CUT, _MOST_CUTS = 0.1, 5.0, 5
# Of a stroke as long as the ink is high: no part has less ink.
_LEAST_INK = 0.3
# Of a stroke: where digits overlap its ink belongs to both.
_MARGINS = (0.0, 1.0)
# A cut goes around ink if that is no longer way than it would cut through.
_DETOUR = 0.4


@dataclass(frozen=True)
class Part:
    """What lies between two cuts, numbered from 0 at the left edge.

    Attributes
    ----------
    begin, end : int
        Which cuts it lies between.
    box : tuple of float
        left, top, right, bottom, as shares of the ink's sides.
    ink : ndarray of shape (height, width), uint8
    """

    begin: int
    end: int
    box: tuple[float, float, float, float]
    ink: np.ndarray


def cut_parts(ink: np.ndarray) -> list[Part]:
    """Cut ink where little of it is crossed; return every part that may be one digit.

    Parameters
    ----------
    ink : ndarray of shape (height, width), uint8

    Returns
    -------
    list of Part
        The whole among them; all between two neighbouring cuts, and wider ones up to the
        width of a digit.
    """
    mask = (ink > _INK * float(ink.max())).astype(np.uint8)
    height, width = ink.shape
    small = _scale(mask)
    stroke = _measure_stroke(small) * height / _SIDE
    sides = [np.full((height, 1), -np.inf)]
    sides += [_stretch_cut(cut, height)[:, np.newaxis] for cut in _choose_cuts(small)]
    sides.append(np.full((height, 1), np.inf))
    right = np.arange(width)[np.newaxis]
    parts = []
    for begin in range(len(sides) - 1):
        for end in range(begin + 1, len(sides)):
            own = mask * ((right >= sides[begin]) & (right < sides[end]))
            rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
            top, bottom, first, last = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            if last - first > _WIDEST * (bottom - top) and end - begin > 1:
                continue
            box = first / width, top / height, last / width, bottom / height
            for margin in _MARGINS if end - begin < len(sides) - 1 else (0.0,):
                aside = margin * stroke
                within = (right >= sides[begin] - aside) & (right < sides[end] + aside)
                parts.append(Part(begin, end, box, np.where(within, ink, np.uint8(0))))
    return parts


def _stretch_cut(cut: np.ndarray, height: int) -> np.ndarray:
    """Return where a cut of `_SIDE` rows runs in the rows of a picture as high as it is."""
    scale = height / _SIDE
    rows = (np.arange(height) + 0.5) / scale - 0.5
    return np.interp(rows, np.arange(_SIDE), cut) * scale


def _choose_cuts(mask: np.ndarray) -> list[np.ndarray]:
    """Return the cuts from top to bottom that cross least ink, each a column for each row."""
    height, width = mask.shape
    half = height // 2
    above, below = _cross(mask[: half + 1]), _cross(mask[: half - 1 : -1])
    cost = above[-1] + below[-1] - mask[half]
    least = max(2, round(_LEAST_PART * height))
    thickest = _THICKEST_CUT * _measure_stroke(mask)
    most = round(_MOST_CUTS * width / height)
    chosen: list[int] = []
    for place in np.argsort(cost, kind="stable"):
        if cost[place] > thickest or len(chosen) == most:
            break
        if min(place, width - 1 - place, *(abs(place - other) for other in chosen)) >= least:
            chosen.append(int(place))
    cuts = [
        np.concatenate([_trace(above, place)[:-1], _trace(below, place)[::-1]])
        for place in sorted(chosen)
    ]
    return _drop_idle(cuts, mask, round(_LEAST_INK * _measure_stroke(mask) * height))


def _drop_idle(cuts: Sequence[np.ndarray], mask: np.ndarray, least: int) -> list[np.ndarray]:
    """Leave out cuts that go around all the ink, or part no more than a bit from another's."""
    columns = np.arange(mask.shape[1])
    kept, before, total = [], 0, int(mask.sum())
    for cut in cuts:
        count = int((mask & (columns < cut[:, np.newaxis])).sum())
        if count - before >= least and total - count >= least:
            kept.append(cut)
            before = count
    return kept


def _cross(mask: np.ndarray) -> np.ndarray:
    """Return for each pixel how much ink the best way to it from the first row crosses."""
    costs = mask.astype(np.float32)
    for row in range(1, len(costs)):
        before = np.pad(costs[row - 1], 1, constant_values=np.inf)
        aside = np.minimum(before[:-2], before[2:]) + np.float32(_DETOUR)
        costs[row] += np.minimum(before[1:-1], aside)
    return costs


def _trace(costs: np.ndarray, place: int) -> np.ndarray:
    """Return the columns of the best way from the first row to a column of the last one."""
    columns = [place]
    for row in costs[-2::-1]:
        near = row[max(place - 1, 0) : place + 2] + np.float32(_DETOUR)
        middle = min(place, 1)
        near[middle] -= np.float32(_DETOUR)
        place += int(np.argmin(near)) - middle
        columns.append(place)
    return np.array(columns[::-1])
