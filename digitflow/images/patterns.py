"""The fine print of paper, as cheques and forms have it: hairlines and dots all over.

Strokes stand out from it by their strength alone, so what is no stronger than the print is
away from them is taken out. Ruled lines are few, and no print: `digitflow.images.ruling`.
"""

import numpy as np

# Of the strongest ink: what is stronger is a stroke, and what is fainter is no print.
_STROKE, _LEAST = 0.6, 0.1
# Of all that is away from strokes, and of the parts of the picture: as much shows print.
_COVERED, _SPREAD = 0.2, 0.75
# Of the shorter side and in pixels: as far as the soft edge of a stroke reaches.
_EDGE_SHARE, _LEAST_EDGE = 0.06, 3
# Parts of the longer side, at least as large as print repeats; how much is away from strokes.
_PARTS, _LEAST_PART, _LEAST_AWAY = 16, 16, 0.25
# What few pixels of the print surpass: where two lines cross.
_SURPASSED = 95
# Print is fine: hardly any of it is as wide as this. A digit of few large pixels is gray too.
_WIDE, _MOST_WIDE = 7, 0.1
# Strokes become so much stronger than in proportion, as pale ones are hardly above the print.
_GAIN, _MOST = 1.2, 0.7
# Pixels a side that tell how strong ink is, and whether it covers enough.
_SAMPLE_SIDE = 128


def clear_pattern(ink: np.ndarray) -> np.ndarray | None:
    """Take out fine print that covers the whole paper.

    Parameters
    ----------
    ink : ndarray of shape (height, width), float32
        Ink, bright on a ground of about 0.

    Returns
    -------
    ndarray of shape (height, width), uint8, or None
        None where there is no such print.
    """
    import cv2

    step = max(1, max(ink.shape) // _SAMPLE_SIDE)
    sample = ink[::step, ::step]
    if float(np.mean(sample > _LEAST / 2 * float(sample.max()))) < _COVERED:
        return None
    peak = float(np.percentile(cv2.blur(ink, (3, 3))[::step, ::step], 99.5))
    strength = _measure_pattern(ink, peak)
    if strength is None:
        return None
    strokes = (_GAIN * peak) * (ink - strength) / (peak - strength)
    return np.asarray(cv2.convertScaleAbs(strokes.clip(0, peak)))


def _measure_pattern(ink: np.ndarray, peak: float) -> float | None:
    """Return how strong print is away from strokes; None if it isn't in nearly all parts."""
    import cv2

    edge = max(_LEAST_EDGE, round(_EDGE_SHARE * min(ink.shape)))
    strong = (ink > _STROKE * peak).view(np.uint8)
    away = cv2.dilate(strong, np.ones((2 * edge + 1,) * 2, np.uint8)) == 0
    if not away.any() or _measure_cover(ink, peak, away) < _COVERED:
        return None
    wide = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((_WIDE, _WIDE), np.uint8))
    if _measure_cover(wide, peak, away) > _MOST_WIDE:
        return None
    side = max(_LEAST_PART, max(ink.shape) // _PARTS)
    corners = [
        (slice(top, top + side), slice(left, left + side))
        for top in range(0, ink.shape[0], side)
        for left in range(0, ink.shape[1], side)
    ]
    parts = [
        float(np.percentile(ink[corner][away[corner]], _SURPASSED))
        for corner in corners
        if away[corner].mean() >= _LEAST_AWAY
    ]
    if not parts or np.mean(np.array(parts) > _LEAST * peak) < _SPREAD:
        return None
    return min(float(np.median(parts)), _MOST * peak)


def _measure_cover(ink: np.ndarray, peak: float, where: np.ndarray) -> float:
    """Return the share of some places that show print."""
    return float(np.mean(ink[where] > _LEAST * peak))
