"""From colours to gray, so that ink of any colour stands out from paper of any colour.

Brightness alone loses yellow ink on white, or red on blue. What counts here is how far a
pixel is from the paper, in the colour channel where it is farthest.
"""

import numpy as np

# Medians of this many pixels are exact enough; all of a photo's would take a second.
_SAMPLE = 20_000
_SMALL_SIDE = 64
# Cubed, a channel that departs half as far as the farthest one. Below it is mostly noise.
_OWN_OPINION = 1 / 8
# A channel in which the paper is dark has more noise than ink to tell of.
_STRONGEST = 2


def flatten_colours(picture: np.ndarray) -> np.ndarray:
    """Bring colours to gray; what is gray in every channel stays as it is, to the bit.

    Each channel is turned so that ink is darker than the paper in it, and moved so that
    the paper is equally bright in all; the darkest channel counts. Where ink is brighter
    in every channel, as chalk is on a board, it stays so.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8
        RGB or BGR.

    Returns
    -------
    ndarray of shape (height, width), uint8
    """
    import cv2

    if _is_gray(_sample_pixels(picture)) and _is_gray(picture):
        return cv2.extractChannel(picture, 0)
    tables, is_bright = _choose_tables(_sample_pixels(picture), _find_bright(picture))
    gray = np.full(picture.shape[:2], 255, np.uint8)
    for channel, table in enumerate(tables):
        # One channel at a time: three more copies of a large photo are too many.
        cv2.min(gray, cv2.LUT(cv2.extractChannel(picture, channel), table), dst=gray)
    return np.invert(gray) if is_bright else gray


def lay_on_ground(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Put a picture with transparent parts on the ground its ink shows up against.

    Where most of it is transparent, what is left is ink: it gets white behind it, or black
    if it is bright. Where little is, that little becomes as bright as the rest.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8
    alpha : ndarray of shape (height, width), uint8
        0 where nothing is, 255 where nothing shines through.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
    """
    import cv2

    weights = _sample_pixels(alpha).astype(np.float64)
    shades = _sample_pixels(picture).mean(axis=1)
    is_bright = float(weights @ shades) >= 128 * float(weights.sum()) > 0
    is_ink = weights.mean() < 128
    laid = cv2.multiply(picture, cv2.merge([alpha] * 3), scale=1 / 255)
    if is_bright == is_ink:
        return np.asarray(laid)
    return np.asarray(cv2.add(laid, cv2.merge([np.invert(alpha)] * 3)))


def _sample_pixels(picture: np.ndarray) -> np.ndarray:
    """Return evenly spread pixels, (n, channels) or (n,)."""
    height, width = picture.shape[:2]
    step = max(1, round((height * width / _SAMPLE) ** 0.5))
    return picture[::step, ::step].reshape(-1, *picture.shape[2:])


def _is_gray(pixels: np.ndarray) -> bool:
    first, second, third = np.moveaxis(pixels, -1, 0)
    return np.array_equal(first, second) and np.array_equal(second, third)


def _find_bright(picture: np.ndarray) -> np.ndarray:
    """Tell for each channel, (3,) bool, whether ink is brighter than the paper around it."""
    import cv2

    scale = min(1.0, _SMALL_SIDE / max(picture.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    # A median of half the picture follows the edge of a shadow, and no stroke.
    paper = cv2.medianBlur(small, 2 * (max(height, width) // 4) + 1)
    departure = small.astype(np.int64) - paper
    # Cubes keep the side and weigh what is far off: ink, not the grain of the paper.
    lean = (departure**3).sum(axis=(0, 1))
    leader = lean[np.abs(lean).argmax()]
    follows = np.abs(lean) < _OWN_OPINION * np.abs(leader)
    return np.where(follows, leader > 0, lean > 0)


def _choose_tables(pixels: np.ndarray, bright: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return a table of 256 levels a channel, and whether ink is bright in all of them."""
    paper = np.median(pixels, axis=0)[:, np.newaxis]
    is_bright = bright[:, np.newaxis]
    ground = np.where(is_bright, 255 - paper, paper).max()
    # In a shadow all colours of paper fall by the same share, so their shares are compared.
    share = np.where(is_bright, 1, (ground / paper.clip(1)).clip(1, _STRONGEST))
    departure = np.where(is_bright, -1, share) * (np.arange(256) - paper)
    return np.rint(ground + departure).clip(0, 255).astype(np.uint8), bool(bright.all())
