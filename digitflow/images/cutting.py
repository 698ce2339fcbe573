"""Digits that touch: whether ink is more than one digit."""

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
