"""Medians and percentiles of whole levels, by counting how often each comes.

A picture has many pixels and few levels: counting them takes a fifth of the time of sorting.
"""

import numpy as np

_LEVELS = 256


def count_levels(levels: np.ndarray) -> np.ndarray:
    """Return how often each level comes, (256,): of bytes, any shape of two dimensions."""
    import cv2

    counts = cv2.calcHist([levels], [0], None, [_LEVELS], [0, _LEVELS])
    return counts.ravel().astype(np.int64)


def count_signed(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels -255 to 255, (511,), and how often each comes.

    Parameters
    ----------
    levels : ndarray of shape (height, width), float32
        Whole numbers from -255 to 255.
    """
    import cv2

    ends = [0.5 - _LEVELS, _LEVELS - 0.5]
    counts = cv2.calcHist([np.ascontiguousarray(levels)], [0], None, [2 * _LEVELS - 1], ends)
    return np.arange(1.0 - _LEVELS, _LEVELS), counts.ravel().astype(np.int64)


def find_percentile(counts: np.ndarray, percent: float) -> float:
    """Return what `np.percentile` finds in levels of which `counts` (256,) are there."""
    ends = np.cumsum(counts)
    place = (int(ends[-1]) - 1) * (percent / 100)
    first = int(place)
    share = place - first
    second = min(first + 1, int(ends[-1]) - 1)
    low, high = np.searchsorted(ends, [first, second], side="right").tolist()
    # As numpy has it, which is exact at both ends.
    if share < 0.5:
        return float(low + (high - low) * share)
    return float(high - (high - low) * (1 - share))


def find_median(values: np.ndarray, counts: np.ndarray) -> float:
    """Return the median of ascending values (k,) that come so often (k,)."""
    ends = np.cumsum(counts)
    middle = int(ends[-1]) // 2
    places = [middle, middle] if ends[-1] % 2 else [middle - 1, middle]
    low, high = values[np.searchsorted(ends, places, side="right")].tolist()
    return float((low + high) / 2)
