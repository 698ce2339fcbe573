"""Ruled lines of paper, and how to take them out of a drawing without cutting the digits."""

import numpy as np

# A rule is far longer than what stands on it is high; the bar of a 7 is shorter than the 7.
_LENGTH_TO_HEIGHT = 2.0
_WIDTH_SHARE = 0.3
_RUN_SHARE, _MIN_RUN = 1 / 24, 15
_THICKNESS_SHARE = 1 / 25
_THICKER = 1.5


def erase_rules(mask: np.ndarray, faint: np.ndarray) -> np.ndarray:
    """Take out long thin lines, level or upright, and close the strokes that they crossed.

    Parameters
    ----------
    mask : ndarray of shape (height, width), uint8
        0 and 1; 1 where ink is.
    faint : ndarray of shape (height, width), uint8
        The same, and where paler ink is: a rule may be strong in some places only.

    Returns
    -------
    ndarray of shape (height, width), uint8
    """
    level = _find_level_rules(faint)
    upright = _find_level_rules(faint.T.copy()).T
    if not level.any() and not upright.any():
        return mask
    cleaned = mask & (1 - level) & (1 - upright)
    cleaned |= mask & _bridge(cleaned, level)
    return cleaned | (mask & _bridge(cleaned.T.copy(), upright.T.copy()).T)


def _find_level_rules(mask: np.ndarray) -> np.ndarray:
    """Return 1 where a level line is that is longer than anything beside it is high."""
    import cv2

    width = mask.shape[1]
    # Short runs, so that a line that isn't quite level still holds them.
    run = max(_MIN_RUN, round(width * _RUN_SHARE))
    runs = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    rules = np.zeros_like(mask)
    # Most pictures have none; this tells sooner than what follows. A pen may leave gaps.
    column = np.ones((2 + round(_THICKNESS_SHARE * width), 1), np.uint8)
    thin = (runs > 0) & (cv2.morphologyEx(runs, cv2.MORPH_OPEN, column) == 0)
    if thin.any(axis=0).sum() < _WIDTH_SHARE * width / 2:
        return rules
    # Linked over its gaps; a digit's stroke may look like a part of it.
    linked = cv2.dilate(runs, np.ones((3, run), np.uint8))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(linked, connectivity=8)
    lengths = boxes[:, cv2.CC_STAT_WIDTH] - run
    is_rule = lengths >= _WIDTH_SHARE * width
    if not is_rule[1:].any():
        return rules
    masses = np.bincount(labels[runs > 0], minlength=len(boxes))
    is_rule &= masses <= _THICKNESS_SHARE * lengths.clip(0) ** 2
    is_rule &= lengths >= _LENGTH_TO_HEIGHT * _measure_tallest(mask & (1 - runs))
    is_rule[0] = False  # what is beside them
    for number in np.flatnonzero(is_rule):
        rules |= _keep_thin(runs & (labels == number))
    return rules


def _keep_thin(rule: np.ndarray) -> np.ndarray:
    """Leave out the columns in which a line is thicker than usual: a digit's bar is there."""
    counts = rule.sum(axis=0)
    usual = np.median(counts[counts > 0])
    return rule * (counts <= _THICKER * usual + 1).astype(np.uint8)


def _measure_tallest(mask: np.ndarray) -> int:
    import cv2

    boxes = cv2.connectedComponentsWithStats(mask, connectivity=8)[2]
    return int(boxes[1:, cv2.CC_STAT_HEIGHT].max(initial=1))


def _bridge(mask: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """Return the part of level rules that lies between strokes above and below."""
    import cv2

    if not rules.any():
        return rules
    thickness = int(rules.sum(axis=0).max()) + 2
    column = np.ones((thickness + 1, 1), np.uint8)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, column)) & rules
