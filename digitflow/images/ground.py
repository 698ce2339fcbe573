"""The paper under strokes: its level, the light on it, and which of two is the stroke.

The paper's level is the picture without what is thin (a grey-level opening: J. Serra,
"Image Analysis and Mathematical Morphology", 1982). It follows shadows, even those with a
hard edge, since a stroke is thinner than they are.
"""

import numpy as np

# Of the longest side: wider than a stroke, narrower than most shadows.
_STROKE_SHARE = 0.3
# The ground has no detail that is finer than this many pixels a side show.
_GROUND_SIDE = 128
# Paper in a shadow has less light than this many times the brightest only where it is black.
_MOST_LIGHT, _DARKEST_PAPER = 4, 24


def estimate_ground(bright: np.ndarray) -> np.ndarray:
    """Return the level of the ground: the picture without its strokes, at most 128 a side.

    Parameters
    ----------
    bright : ndarray of shape (height, width), uint8
        Ink brighter than its ground.

    Returns
    -------
    ndarray of shape (h, w), uint8
        Smaller where the picture is large.
    """
    import cv2

    small = cv2.medianBlur(_shrink(bright), 3)
    opened = _open(small, _STROKE_SHARE)
    # As far as the edge of a shadow may be out of place in a smaller picture.
    return np.asarray(cv2.dilate(opened, np.ones((3, 3), np.uint8)))


def measure_light(paper: np.ndarray) -> np.ndarray:
    """Return by how much ink must be strengthened where less light falls on the paper.

    Parameters
    ----------
    paper : ndarray of shape (h, w), uint8
        Its level, as it is in the picture.

    Returns
    -------
    ndarray of shape (h, w), float32
        From 1 to 4; 1 everywhere if the paper is black.
    """
    brightest = np.float32(np.percentile(paper, 95))
    if brightest < _DARKEST_PAPER:
        return np.ones(paper.shape, np.float32)
    return np.asarray(brightest / paper.clip(brightest / _MOST_LIGHT, brightest))


def is_ink_darker(picture: np.ndarray) -> bool:
    """Tell which departs from its surroundings in thin strokes: what is dark, or bright.

    Parameters
    ----------
    picture : ndarray of shape (height, width), uint8
    """
    import cv2

    small = _shrink(picture)
    # The inside of a zero, or what lies between two digits, is as the paper around.
    side = min(255, 2 * (max(small.shape) // 4) + 1)
    around = cv2.medianBlur(small, side)
    dark, bright = (
        _measure_thin(cv2.subtract(*pair)) for pair in ((around, small), (small, around))
    )
    return dark > bright


def _measure_thin(marks: np.ndarray) -> float:
    """Return how much of marks is thin, which a corner in the light is not."""
    thin = marks.astype(np.float32) - _open(marks, _STROKE_SHARE / 2)
    return float((thin * thin).sum())


def _open(image: np.ndarray, share: float) -> np.ndarray:
    """Take away what is bright and narrower than a share of the longest side."""
    import cv2

    side = 2 * round(share * max(image.shape) / 2) + 1
    # A shadow goes on outside of the picture. OpenCV's own border is applied twice, once
    # in each half of the opening, and leaves wedges of shadow in the corners.
    padded = cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return np.asarray(opened[side:-side, side:-side])


def _shrink(picture: np.ndarray) -> np.ndarray:
    import cv2

    scale = _GROUND_SIDE / max(picture.shape)
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
