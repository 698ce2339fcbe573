"""The MNIST frame: how a picture of a digit must lie before a model sees it.

28x28 pixels, bright ink on 0, the digit in a 20x20 box with its aspect kept,
anti-aliased, its centre of mass in the middle (LeCun et al., "Gradient-based learning
applied to document recognition", 1998).
"""

import numpy as np

from digitflow.errors import InputError

SIDE = 28
BOX_SIDE = 20
MIN_CONTRAST = 32
"""Difference of ink and ground, of 255, below which a picture counts as blank."""

_CENTRE = SIDE / 2
# MNIST's own 70,000 keep these: ink above a tenth of its peak spans 18 to 20 pixels, and
# its centre lies within .6 of the middle. What JPEG leaves around a stroke is below a fifth.
_FAINT_SHARE, _INK_SHARE = 0.1, 0.2
_FITTING_SPAN = range(18, BOX_SIDE + 1)
_CENTRE_TOLERANCE = 0.6
# A thin pen fades when a large picture shrinks, so ink is made full again; MNIST's own
# peaks are 254 and 255. What is in the frame already may be somewhat fainter.
_FULL_PEAK, _FAINT_PEAK = 250, 192
_DARKEST_GROUND = 10
# More is averaged away: 20 pixels are left in the end, and averaging also removes noise.
_LARGEST_SIDE = 256
_MAX_PASSES = 4


def to_mnist_frame(image: np.ndarray) -> np.ndarray:
    """Bring a picture of one digit into the MNIST frame.

    Polarity and ground are read from the picture's border; even noise of the ground is
    removed. A 28x28 picture that is in the frame already passes unchanged, to the bit.

    Parameters
    ----------
    image : ndarray of shape (height, width), uint8
        A gray picture of any size, dark ink on bright ground or the other way round.

    Returns
    -------
    ndarray of shape (28, 28), uint8
        Bright ink on 0.

    Raises
    ------
    InputError
        If it is no gray uint8 picture, or shows no ink.
    """
    _check_gray(image)
    bright = np.invert(image) if _is_inverted(image) else image
    if is_framed(bright):
        return bright.copy()
    framed = _reduce(bright)
    for _ in range(_MAX_PASSES):
        framed = _place(_remove_ground(framed))
        # Not at once where a spur vanished in the smaller picture, which leaves the rest
        # too small, or where the light was so uneven that some of it stayed.
        if is_framed(framed):
            break
    return framed


def is_framed(image: np.ndarray) -> bool:
    """Tell whether a gray uint8 picture, bright ink on dark, is in the MNIST frame."""
    if image.shape != (SIDE, SIDE) or image.max() < _FAINT_PEAK:
        return False
    if np.median(read_border(image)) > _DARKEST_GROUND:
        return False
    fits = any(
        max(_measure_box(_keep_ink(image, share))[2:]) in _FITTING_SPAN
        for share in (_FAINT_SHARE, _INK_SHARE)
    )
    return fits and (_is_centred(image) or _choose_shift(image) == (0, 0))


def read_border(images: np.ndarray) -> np.ndarray:
    """Return the outermost pixels of images (..., height, width), as (..., pixels)."""
    edges = (
        images[..., 0, :],
        images[..., -1, :],
        images[..., 1:-1, 0],
        images[..., 1:-1, -1],
    )
    return np.concatenate(edges, axis=-1)


def _check_gray(image: np.ndarray) -> None:
    if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            "a picture must be gray, uint8 of shape (height, width), "
            f"got {image.dtype} of shape {image.shape}"
        )
    contrast = int(image.max()) - int(image.min())
    if contrast < MIN_CONTRAST:
        raise InputError(
            f"the picture is blank: ink and ground differ by {contrast} of 255, "
            f"at least {MIN_CONTRAST} are needed"
        )


def _is_inverted(image: np.ndarray) -> bool:
    # Half-way between the extremes, not 127: a photo's paper may be darker than that.
    middle = (int(image.min()) + int(image.max())) / 2
    return bool(np.median(read_border(image)) > middle)


def _reduce(image: np.ndarray) -> np.ndarray:
    import cv2

    scale = _LARGEST_SIDE / max(image.shape)
    if scale >= 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def _remove_ground(image: np.ndarray) -> np.ndarray:
    """Subtract the ground's level, and clear what is no stronger than its noise."""
    image = _level_light(image)
    level, noise = _measure_ground(image)
    ink = np.clip(image - level, 0, 255)
    if ink.max() < MIN_CONTRAST:
        raise InputError(
            f"the picture is blank: no ink stands out from its ground by {MIN_CONTRAST} of 255"
        )
    ink[ink <= noise] = 0
    return np.asarray(np.rint(ink), dtype=np.uint8)


def _measure_ground(image: np.ndarray) -> tuple[float, float]:
    """Return the ground's level and how far its noise reaches above it."""
    ground = _pick_ground(read_border(image), image)
    level = float(np.median(ground))
    # Six median deviations are four standard deviations of even noise.
    noise = 6 * float(np.median(np.abs(ground - level)))
    if noise > (float(image.max()) - level) / 2:
        # Cut so close that the border shows the soft edges of strokes, not the ground.
        return float(image.min()), 0.0
    return level, noise


def _level_light(image: np.ndarray) -> np.ndarray:
    """Take out light that falls from one side: the ground's level differs between sides."""
    height, width = image.shape
    tilt_down = _measure_tilt(image[0], image[-1], image)
    tilt_right = _measure_tilt(image[:, 0], image[:, -1], image)
    down = np.linspace(-tilt_down / 2, tilt_down / 2, height)[:, np.newaxis]
    right = np.linspace(-tilt_right / 2, tilt_right / 2, width)
    return np.asarray(image - down - right)


def _measure_tilt(first: np.ndarray, last: np.ndarray, image: np.ndarray) -> float:
    levels = [_pick_ground(side, image) for side in (first, last)]
    if any(level.size == 0 for level in levels):
        return 0.0
    return float(np.median(levels[1]) - np.median(levels[0]))


def _pick_ground(pixels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Leave out ink that touches the border: what is in the brighter half of the range."""
    return pixels[pixels <= (float(image.min()) + float(image.max())) / 2]


def _place(image: np.ndarray) -> np.ndarray:
    """Scale the ink's box to 20 pixels and move its centre of mass to the middle."""
    window = _resize(_cut_window(image))
    return _shift(window, *_choose_shift(window))


def _cut_window(image: np.ndarray) -> np.ndarray:
    """Cut the square that becomes the frame: the ink's box with a fifth around it."""
    top, left, height, width = _measure_box(_keep_ink(image))
    span = max(height, width)
    side = SIDE if span in _FITTING_SPAN else max(2, round(span * SIDE / BOX_SIDE))
    # The shorter side is not centred here: the centre of mass decides later.
    margin = round(side * (SIDE - BOX_SIDE) / 2 / SIDE)
    padded = np.pad(image, side)
    row, column = top - margin + side, left - margin + side
    return np.asarray(padded[row : row + side, column : column + side])


def _resize(window: np.ndarray) -> np.ndarray:
    import cv2

    resized = window.astype(np.float32)
    if len(window) != SIDE:
        method = cv2.INTER_AREA if len(window) > SIDE else cv2.INTER_CUBIC
        resized = np.asarray(cv2.resize(resized, (SIDE, SIDE), interpolation=method))
    peak = float(resized.max())
    if peak < _FULL_PEAK:
        resized *= 255 / peak
    return np.rint(resized).clip(0, 255).astype(np.uint8)


def _keep_ink(image: np.ndarray, share: float = _INK_SHARE) -> np.ndarray:
    return np.where(image > share * int(image.max()), image, 0)


def _measure_box(ink: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, left, height and width of what is not 0."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1


def _find_centre(ink: np.ndarray) -> tuple[float, float]:
    """Return the row and the column of the centre of mass."""
    mass = float(ink.sum(dtype=np.int64))
    places = np.arange(max(ink.shape))
    row = float(ink.sum(axis=1, dtype=np.int64) @ places[: ink.shape[0]]) / mass
    column = float(ink.sum(axis=0, dtype=np.int64) @ places[: ink.shape[1]]) / mass
    return row, column


def _is_centred(image: np.ndarray) -> bool:
    centre = _find_centre(_keep_ink(image, _FAINT_SHARE))
    return all(abs(place - _CENTRE) <= _CENTRE_TOLERANCE for place in centre)


def _choose_shift(image: np.ndarray) -> tuple[int, int]:
    """Return how far to move down and right; no ink may leave the frame."""
    top, left, height, width = _measure_box(_keep_ink(image))
    row, column = _find_centre(image)
    down = min(max(round(_CENTRE - row), -top), SIDE - top - height)
    right = min(max(round(_CENTRE - column), -left), SIDE - left - width)
    return down, right


def _shift(image: np.ndarray, down: int, right: int) -> np.ndarray:
    padded = np.pad(image, SIDE)
    row, column = SIDE - down, SIDE - right
    return padded[row : row + SIDE, column : column + SIDE].copy()
