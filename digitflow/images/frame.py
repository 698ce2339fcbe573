"""The MNIST frame: how a picture of a digit must lie before a model sees it.

28x28 pixels, bright ink on 0, the digit in a 20x20 box with its aspect kept,
anti-aliased, its centre of mass in the middle (LeCun et al., "Gradient-based learning
applied to document recognition", 1998).
"""

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

from digitflow.errors import InputError
from digitflow.images.borders import clear_borders
from digitflow.images.ink import (
    check_gray,
    extract_ink,
    make_bright,
    read_border,
    remove_ground,
)

SIDE = 28
BOX_SIDE = 20

_CENTRE = SIDE / 2
# MNIST's own 70,000 keep these: ink above a tenth of its peak spans 18 to 20 pixels, and
# its centre lies within .6 of the middle. What JPEG leaves around a stroke is below a fifth.
_FAINT_SHARE, _INK_SHARE = 0.1, 0.2
_LEAST_SPAN = 18
_CENTRE_TOLERANCE = 0.6
# A thin pen fades when a large picture shrinks, so ink is made full again; MNIST's own
# peaks are 254 and 255. What is in the frame already may be somewhat fainter.
_FULL_PEAK, _FAINT_PEAK = 250, 192
_DARKEST_GROUND = 10
# More is averaged away: 20 pixels are left in the end, and averaging also removes noise.
_LARGEST_SIDE = 256
_MAX_PASSES = 4
# Rows at a time: 6 MB of whole numbers.
_CHUNK = 1024


def to_mnist_frame(image: np.ndarray) -> np.ndarray:
    """Bring a picture of one digit into the MNIST frame.

    Polarity and ground are read from the picture; uneven light and even noise of the ground
    are removed. A 28x28 picture that is in the frame already passes unchanged, to the bit.

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
    check_gray(image)
    if image.shape == (SIDE, SIDE) and is_framed(bright := make_bright(image)):
        return bright.copy()
    return frame_ink(extract_ink(clear_borders(_reduce(image))[0]))


def digest_image(image: np.ndarray) -> str:
    """Return the SHA-256 of an image's 28 x 28 bytes, in hexadecimal digits.

    Raises
    ------
    InputError
        If it is no uint8 image of 28 x 28 pixels.
    """
    if image.shape != (SIDE, SIDE) or image.dtype != np.uint8:
        raise InputError(
            f"a picture is known by its uint8 image ({SIDE}, {SIDE}), "
            f"got {image.dtype} {image.shape}"
        )
    return sha256(image.tobytes()).hexdigest()


def frame_pictures(pictures: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bring pictures into the MNIST frame, and leave out those that show no ink.

    Parameters
    ----------
    pictures : iterable of ndarray of shape (height, width), uint8
        See `to_mnist_frame`.

    Returns
    -------
    frames : ndarray of shape (k, 28, 28), uint8
        Those in which something was found.
    framed : ndarray of shape (n,), bool
        Which pictures these are.
    """
    frames, framed = [], []
    for picture in pictures:
        try:
            frames.append(to_mnist_frame(picture))
        except InputError:
            framed.append(False)
        else:
            framed.append(True)
    return np.array(frames, np.uint8).reshape(-1, SIDE, SIDE), np.array(framed, bool)


def frame_ink(ink: np.ndarray) -> np.ndarray:
    """Bring the ink of one digit into the MNIST frame.

    Parameters
    ----------
    ink : ndarray of shape (height, width), uint8
        As `extract_ink` gives it: bright strokes on 0, at least one pixel of them.

    Returns
    -------
    ndarray of shape (28, 28), uint8
        Cropped, its aspect kept, in a box of 20x20, its centre of mass in the middle.
    """
    framed = _place(_reduce(ink))
    for _ in range(_MAX_PASSES):
        # Not at once where a spur vanished in the smaller picture, which leaves the rest
        # too small, or where the light was so uneven that some of it stayed.
        if is_framed(framed):
            break
        framed = _place(remove_ground(framed))
    return framed


def find_framed(images: np.ndarray) -> np.ndarray:
    """Tell which images are in the MNIST frame already, as `is_framed` does for one.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8

    Returns
    -------
    ndarray of shape (n,), bool
    """
    chunks = (images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK))
    found = [_find_framed(np.ascontiguousarray(chunk)) for chunk in chunks]
    return np.concatenate([np.zeros(0, bool), *found])


def is_framed(image: np.ndarray) -> bool:
    """Tell whether a gray uint8 picture, bright ink on dark, is in the MNIST frame."""
    return image.shape == (SIDE, SIDE) and bool(_find_framed(image[np.newaxis])[0])


def _find_framed(images: np.ndarray) -> np.ndarray:
    peaks = images.max(axis=(1, 2))
    # np.median sorts; it is dark where more than half of the border is.
    dark = np.mean(read_border(images) <= _DARKEST_GROUND, axis=1)
    plain = np.logical_and(peaks >= _FAINT_PEAK, dark > 0.5)
    # Sorted out by what is quick to tell, so that the rest is only asked of few pictures.
    found = np.flatnonzero(plain)
    images = images[found]
    faint, strong = (_find_ink(images, share) for share in (_FAINT_SHARE, _INK_SHARE))
    boxes = _measure_boxes(faint), _measure_boxes(strong)
    spans = [box[2:].max(axis=0) for box in boxes]
    fits = np.logical_or(*((span >= _LEAST_SPAN) & (span <= BOX_SIDE) for span in spans))
    centred = np.abs(_find_centres(images * faint) - _CENTRE).max(axis=0) <= _CENTRE_TOLERANCE
    unmoved = ~_choose_shifts(_find_centres(images), boxes[1]).any(axis=0)
    framed = np.zeros(len(plain), bool)
    framed[found] = fits & (centred | unmoved)
    return framed


def _find_ink(images: np.ndarray, share: float = _INK_SHARE) -> np.ndarray:
    """Return what is above a share of each image's peak, (n, height, width) bool."""
    return images > share * images.max(axis=(1, 2), keepdims=True).astype(np.float64)


def _measure_boxes(ink: np.ndarray) -> np.ndarray:
    """Return (4, n): top, left, height and width of what is not 0 in each image."""
    starts, ends = [], []
    for axis in (2, 1):
        occupied = np.asarray(ink.any(axis=axis))
        starts.append(occupied.argmax(axis=1))
        ends.append(occupied.shape[1] - occupied[:, ::-1].argmax(axis=1))
    return np.array([*starts, ends[0] - starts[0], ends[1] - starts[1]])


def _find_centres(images: np.ndarray) -> np.ndarray:
    """Return (2, n): the row and the column of each image's centre of mass."""
    lines = [images.sum(axis=axis, dtype=np.int64) for axis in (2, 1)]
    mass = np.maximum(lines[0].sum(axis=1), 1)
    return np.array([line @ np.arange(SIDE) / mass for line in lines])


def _choose_shifts(centres: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return (2, n): how far to move each down and right; no ink may leave the frame."""
    first, span = boxes[:2], boxes[2:]
    return np.rint(_CENTRE - centres).clip(-first, SIDE - first - span).astype(np.int64)


def _reduce(image: np.ndarray) -> np.ndarray:
    import cv2

    scale = _LARGEST_SIDE / max(image.shape)
    if scale >= 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def _place(image: np.ndarray) -> np.ndarray:
    """Scale the ink's box to 20 pixels and move its centre of mass to the middle."""
    window = _resize(_cut_window(image))
    alone = window[np.newaxis]
    shifts = _choose_shifts(_find_centres(alone), _measure_boxes(_find_ink(alone)))
    row, column = SIDE - shifts[:, 0]
    return _surround(window, SIDE)[row : row + SIDE, column : column + SIDE].copy()


def _cut_window(image: np.ndarray) -> np.ndarray:
    """Cut the square that becomes the frame: the ink's box with a fifth around it."""
    top, left, height, width = _measure_boxes(_find_ink(image[np.newaxis]))[:, 0].tolist()
    span = max(height, width)
    side = SIDE if _LEAST_SPAN <= span <= BOX_SIDE else max(2, round(span * SIDE / BOX_SIDE))
    # The shorter side is not centred here: the centre of mass decides later.
    margin = round(side * (SIDE - BOX_SIDE) / 2 / SIDE)
    padded = _surround(image, side)
    row, column = top - margin + side, left - margin + side
    return np.asarray(padded[row : row + side, column : column + side])


def _surround(image: np.ndarray, width: int) -> np.ndarray:
    import cv2

    # np.pad takes ten times as long for a picture of this size.
    edges = (width,) * 4
    return np.asarray(cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=0))


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
