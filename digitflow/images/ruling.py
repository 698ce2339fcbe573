"""Ruled lines, boxes and combs of paper, and how to take them out without cutting digits.

A straight stroke may as well belong to a digit: the stem of a 9, the bar of a 7, a 1. What
tells a rule is what it is beside the digits: longer than they are, or closed to a box around
one.
"""

from dataclasses import dataclass

import numpy as np

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels; the last two are beyond the box."""

# Times the stroke's thickness: a shorter straight run tells nothing.
_RUN, _MIN_RUN = 3, 15
# Of a line's length and of the stroke's thickness: what is thicker is no line.
_THICKEST_SHARE, _THICKEST = 0.1, 1.5
_THICKER = 1.5
# Times the height of digits. A stroke that is shorter may be the bar of a digit, an upright
# one the stem of a 9.
_BAR, _LEVEL_LENGTH, _UPRIGHT_LENGTH = 1.5, 2.0, 3.0
# An underline may be short; but on more of its length nothing goes on below it.
_SURE_LENGTH, _JOINED = 4.0, 0.08
# A box is about as high as what is in it.
_SIDE, _LEAST_SIDE = 0.9, 0.6
_MANY = 3
_SPANNING = 0.8
_MIN_HEIGHT = 10
_MAX_LINES = 400
_MOSTLY = 0.8
_LEAST_THICK = 3
# Of the height of digits.
_SPECK = 0.3
_TICKS_ALIKE, _SAME_COURSE = 0.75, 1.5


@dataclass(frozen=True)
class _Lines:
    """Straight strokes of one direction, as if it were level.

    `boxes` is (n, 4); `rows`, `columns` and `numbers` (m,) say which pixel is of which line.
    """

    shape: tuple[int, ...]
    boxes: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    numbers: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        return np.asarray(self.boxes[:, 2] - self.boxes[:, 0])

    def measure_middles(self) -> np.ndarray:
        """Return the row (n,) in which most of each line is."""
        order = np.argsort(self.numbers, kind="stable")
        counts = np.bincount(self.numbers, minlength=len(self.boxes))
        parts = np.split(self.rows[order], np.cumsum(counts)[:-1])
        return np.array([np.median(part) for part in parts])

    def cover(self, chosen: np.ndarray) -> np.ndarray:
        """Return 1 where one of the chosen lines (n,) bool is."""
        covered = np.zeros(self.shape, np.uint8)
        wanted = chosen[self.numbers]
        covered[self.rows[wanted], self.columns[wanted]] = 1
        return covered

    def cover_thin(self, chosen: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the same, but where a digit makes a line thicker its course only.

        The second is how thick the thickest line is.
        """
        covered = np.zeros(self.shape, np.uint8)
        thickest = 0.0
        for number in np.flatnonzero(chosen):
            wanted = self.numbers == number
            rows, columns = self.rows[wanted], self.columns[wanted]
            counts = np.bincount(columns)
            thickness = float(np.median(counts[counts > 0]))
            thickest = max(thickest, thickness)
            thin = counts[columns] <= _THICKER * thickness + 1
            near = np.abs(rows - _fit_course(columns, rows, thin)) <= thickness / 2 + 1
            covered[rows[thin | near], columns[thin | near]] = 1
        return covered, round(thickest)


def erase_rules(mask: np.ndarray, faint: np.ndarray) -> tuple[np.ndarray, list[Box]]:
    """Take out rules, level or upright, and close the strokes that they crossed.

    Parameters
    ----------
    mask : ndarray of shape (height, width), uint8
        0 and 1; 1 where ink is.
    faint : ndarray of shape (height, width), uint8
        The same, and where paler ink is: a rule may be strong in some places only.

    Returns
    -------
    cleaned : ndarray of shape (height, width), uint8
    rules : list of tuple of int
        left, top, right, bottom of each line that was taken out.
    """
    import cv2

    stroke = measure_thickness(mask)
    runs, turned = _find_runs(faint, stroke), _find_runs(cv2.transpose(faint), stroke)
    marks = box_marks(mask)
    heights = marks[:, 3] - marks[:, 1]
    heights = heights[heights >= _MIN_HEIGHT]
    if len(heights) == 0 or not _may_be_ruled(
        runs[1], turned[1], heights, _measure_gap(stroke)
    ):
        return mask, []
    level, upright = _find_lines(runs[0], stroke), _find_lines(turned[0], stroke)
    is_level, is_upright = _choose_rules(mask, level, upright, stroke)
    if not is_level.any() and not is_upright.any():
        return mask, []
    (across, height), (down, width) = level.cover_thin(is_level), upright.cover_thin(is_upright)
    cleaned = mask & (1 - across) & (1 - down.T)
    cleaned |= mask & _bridge(cleaned, across, height)
    cleaned |= mask & _bridge(cleaned.T.copy(), down, width).T
    rules = [*level.boxes[is_level], *upright.boxes[is_upright][:, [1, 0, 3, 2]]]
    return cleaned, [(int(a), int(b), int(c), int(d)) for a, b, c, d in rules]


def measure_thickness(mask: np.ndarray) -> float:
    """Return how thick strokes are on the whole: twice their area over their edges."""
    import cv2

    inner = cv2.erode(mask, np.ones((3, 3), np.uint8))
    area = int(cv2.countNonZero(mask))
    return 2 * area / max(1, area - int(cv2.countNonZero(inner)))


def box_marks(mask: np.ndarray) -> np.ndarray:
    """Return the boxes (n, 4) of what is connected: left, top, right, bottom.

    Parameters
    ----------
    mask : ndarray of shape (height, width), uint8
        0 where there is no ink.
    """
    return _trace(mask)[0]


def label_marks(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (height, width) of what is connected, 0 for the ground, and boxes (n, 4).

    The box of label k is row k - 1. OpenCV's own statistics take three times as long.
    """
    import cv2

    count, labels = cv2.connectedComponents(mask, connectivity=8)
    found, points = _trace(mask)
    boxes = np.zeros((count - 1, 4), np.int64)
    boxes[labels[points[:, 1], points[:, 0]] - 1] = found
    return labels, boxes


def _trace(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes (n, 4) of what is connected, and a point (n, 2) of each."""
    import cv2

    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return np.zeros((0, 4), np.int64), np.zeros((0, 2), np.int64)
    outer = [outlines[number] for number in np.flatnonzero(tree[0, :, 3] < 0).tolist()]
    boxes = np.array([cv2.boundingRect(outline) for outline in outer], np.int64)
    boxes[:, 2:] += boxes[:, :2]
    return boxes, np.array([outline.reshape(-1, 2)[0] for outline in outer], np.int64)


def _find_runs(mask: np.ndarray, stroke: float) -> tuple[np.ndarray, np.ndarray]:
    """Return straight level ink, and the same linked over small gaps and steps."""
    import cv2

    run = max(_MIN_RUN, round(_RUN * stroke))
    runs = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    return runs, cv2.dilate(runs, np.ones((3, _measure_gap(stroke)), np.uint8))


def _measure_gap(stroke: float) -> int:
    return 2 * max(2, round(stroke / 2)) + 1


def _may_be_ruled(
    linked: np.ndarray, turned: np.ndarray, heights: np.ndarray, gap: int
) -> bool:
    """Tell quickly whether any straight ink is long beside what is there."""
    usual = estimate_height(heights)
    alone = (heights >= _SPECK * usual).sum() < 2
    levels, uprights = (
        boxes[:, 2] - boxes[:, 0] - gap + 1 for boxes in (box_marks(linked), box_marks(turned))
    )
    is_long = levels.max(initial=0) >= min(_BAR * usual, _SPANNING * linked.shape[1])
    is_long |= uprights.max(initial=0) >= min(_BAR * usual, _SPANNING * linked.shape[0])
    sides = [(lengths >= _LEAST_SIDE * usual).sum() for lengths in (levels, uprights)]
    # A box is around something, or one with what touches it: then it is wide or high.
    # A box is around something.
    return bool(is_long or (not alone and min(sides) > 1))


def _find_lines(runs: np.ndarray, stroke: float) -> _Lines:
    """Find what is straight, level and thin; a line may tilt and have small gaps."""
    import cv2

    gap = _measure_gap(stroke)
    runs = _leave_thick(runs, stroke)
    labels, boxes = label_marks(cv2.dilate(runs, np.ones((3, gap), np.uint8)))
    found = cv2.findNonZero(runs)
    columns, rows = np.zeros((2, 0), int) if found is None else found.reshape(-1, 2).T
    numbers = labels[rows, columns] - 1
    lengths = boxes[:, 2] - boxes[:, 0] - (gap - 1)
    thickest = np.minimum(_THICKEST_SHARE * lengths, _THICKEST * stroke) + 2
    chosen = np.bincount(numbers, minlength=len(boxes)) <= thickest * lengths
    best = np.flatnonzero(chosen)
    best = best[np.argsort(-lengths[best])][:_MAX_LINES]
    renamed = np.full(len(boxes), -1)
    renamed[best] = np.arange(len(best))
    numbers = renamed[numbers]
    own = numbers >= 0
    inner = boxes[best] + [gap // 2, 1, -(gap // 2), -1]
    return _Lines(runs.shape, inner, rows[own], columns[own], numbers[own])


def _leave_thick(runs: np.ndarray, stroke: float) -> np.ndarray:
    """Leave out what is no line, such as a digit's bar; keep the line that goes through it."""
    import cv2

    column = np.ones((max(_LEAST_THICK, round(_THICKEST * stroke)) + 2, 1), np.uint8)
    thin = runs & (1 - cv2.morphologyEx(runs, cv2.MORPH_OPEN, column))
    reach = np.ones((1, 4 * max(_MIN_RUN, round(_RUN * stroke)) + 1), np.uint8)
    return np.asarray(thin | (runs & cv2.morphologyEx(thin, cv2.MORPH_CLOSE, reach)))


def _choose_rules(
    mask: np.ndarray, level: _Lines, upright: _Lines, stroke: float
) -> tuple[np.ndarray, np.ndarray]:
    """Tell of each line whether it is a rule: (n,) and (m,) bool."""
    least = max(_MIN_HEIGHT, 3 * stroke)
    is_level, is_upright = _find_closed(mask, level, upright, stroke, least)
    for lines, chosen, side in ((level, is_level, 1), (upright, is_upright, 0)):
        spanning = lines.lengths >= _SPANNING * mask.shape[side]
        # Of a sheet with many, what comes in from the edge is one that a stroke hides.
        edge = (lines.boxes[:, 0] <= least) | (lines.boxes[:, 2] >= mask.shape[side] - least)
        if spanning.sum() >= _MANY:
            chosen |= spanning | edge
            chosen |= _continue(lines.measure_middles(), chosen)
    spans = upright.lengths >= _SPANNING * mask.shape[0]
    rest = mask & (1 - level.cover(is_level)) & (1 - upright.cover(is_upright | spans).T)
    heights = _measure_others(rest, level, upright, least)
    if len(heights) == 0:
        return is_level & False, is_upright & False
    usual = estimate_height(heights)
    for number in np.flatnonzero(~is_level & (level.lengths >= _LEVEL_LENGTH * usual)):
        is_short = level.lengths[number] < min(_SURE_LENGTH * usual, _SPANNING * mask.shape[1])
        is_level[number] = not (is_short and _joins(mask, level.boxes[number], stroke))
    is_upright |= (len(heights) >= _MANY) & (upright.lengths >= _UPRIGHT_LENGTH * usual)
    is_upright |= spans & (len(heights) > 1) & (upright.lengths >= _LEVEL_LENGTH * usual)
    return is_level, is_upright | _find_combs(level.boxes, upright.boxes, is_level, stroke)


def _continue(middles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Tell which lines are parts of one that is chosen: they lie in one course with it."""
    apart = np.abs(middles[:, np.newaxis] - middles[np.newaxis, chosen])
    return np.asarray((apart <= _SAME_COURSE).any(axis=1))


def _joins(mask: np.ndarray, box: np.ndarray, stroke: float) -> bool:
    """Tell whether strokes go on above and below a level line: it may join two digits."""
    left, top, right, bottom = box
    reach = 2 + round(2 * stroke)
    sides = (
        mask[max(0, top - reach) : top, left:right],
        mask[bottom : bottom + reach, left:right],
    )
    return all(side.any(axis=0).sum() > _JOINED * (right - left) for side in sides)


def _measure_others(
    rest: np.ndarray, level: _Lines, upright: _Lines, least: float
) -> np.ndarray:
    """Return the heights (n,) of what is as high as digits and more than a straight line."""
    labels, boxes = label_marks(rest)
    areas = np.bincount(labels.ravel(), minlength=len(boxes) + 1)
    straight = level.cover(level.lengths > 0) | upright.cover(upright.lengths > 0).T
    lines = np.bincount(labels[straight > 0], minlength=len(boxes) + 1)
    heights = boxes[:, 3] - boxes[:, 1]
    return np.asarray(heights[(heights >= least) & (lines < _MOSTLY * areas)[1:]])


def estimate_height(heights: np.ndarray) -> float:
    """Return the usual height: a median in which specks, though many, weigh little."""
    heights = np.sort(heights)
    weights = np.cumsum(heights)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])


def _find_closed(
    mask: np.ndarray, level: _Lines, upright: _Lines, stroke: float, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Tell which lines close to boxes around digits that are not higher than they."""
    kept, standing = _close(level, upright, stroke, level.lengths > 0, upright.lengths > 0)
    if not kept.any():
        return kept, standing
    rest = box_marks(mask & (1 - level.cover(kept)) & (1 - upright.cover(standing).T))
    middle = (rest[:, :2] + rest[:, 2:]) / 2
    low = upright.boxes[standing][:, 1].min(), level.boxes[kept][:, 1].min()
    high = upright.boxes[standing][:, 3].max(), level.boxes[kept][:, 3].max()
    heights = rest[:, 3] - rest[:, 1]
    is_within = ((middle > low) & (middle < high)).all(axis=1)
    if not (is_within & (heights >= least)).any():
        return kept & False, standing & False
    side = _SIDE * estimate_height(heights[heights >= least])
    return _close(level, upright, stroke, level.lengths >= side, upright.lengths >= side)


def _close(
    level: _Lines, upright: _Lines, stroke: float, kept: np.ndarray, standing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the lines of which both ends meet another that is kept."""
    meets = [_meet(level.boxes, upright.boxes, side, stroke) for side in (0, 2)]
    stands = [_meet(upright.boxes, level.boxes, side, stroke) for side in (0, 2)]
    while True:
        left = kept & np.all([(each & standing).any(axis=1) for each in meets], axis=0)
        right = standing & np.all([(each & left).any(axis=1) for each in stands], axis=0)
        if np.array_equal(left, kept) and np.array_equal(right, standing):
            return left, right
        kept, standing = left, right


def _meet(lines: np.ndarray, others: np.ndarray, side: int, stroke: float) -> np.ndarray:
    """Tell which lines (n, 4) end on which others (m, 4), whose boxes are turned: (n, m)."""
    reach = 2 + stroke / 2
    end = lines[:, side, np.newaxis]
    low, high = lines[:, 1, np.newaxis] - reach, lines[:, 3, np.newaxis] + reach
    near = (end >= others[:, 1] - reach) & (end <= others[:, 3] + reach)
    return np.asarray(near & (high >= others[:, 0]) & (low <= others[:, 2]))


def _find_combs(
    level: np.ndarray, upright: np.ndarray, is_level: np.ndarray, stroke: float
) -> np.ndarray:
    """Tell which upright lines are the teeth of combs: on a rule, and at both of its ends."""
    teeth = np.zeros(len(upright), bool)
    if len(upright) < _MANY:
        return teeth
    stands = np.any([_meet(upright, level, side, stroke) for side in (0, 2)], axis=0)
    ends = [_meet(level, upright, side, stroke) for side in (0, 2)]
    lengths = upright[:, 2] - upright[:, 0]
    for number in np.flatnonzero(is_level):
        on = stands[:, number]
        first, last = (on & end[number] for end in ends)
        if not first.any() or not last.any():
            continue
        length = min(lengths[first].max(), lengths[last].max())
        alike = on & (lengths >= _TICKS_ALIKE * length) & (_TICKS_ALIKE * lengths <= length)
        if alike.sum() >= _MANY and (alike & first).any() and (alike & last).any():
            teeth |= alike
    return teeth


def _fit_course(columns: np.ndarray, rows: np.ndarray, thin: np.ndarray) -> np.ndarray:
    """Return the row in which a line is at each column, by where it is thin."""
    x, y = columns[thin] - columns[thin].mean(), rows[thin]
    slope = float(x @ y / max(float(x @ x), 1.0))
    return np.asarray(y.mean() + slope * (columns - columns[thin].mean()))


def _bridge(mask: np.ndarray, rules: np.ndarray, thickness: int) -> np.ndarray:
    """Return the part of level rules that lies between strokes above and below."""
    import cv2

    if not rules.any():
        return rules
    column = np.ones((thickness + 3, 1), np.uint8)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, column)) & rules
