"""From levels and colours of any kind to gray, so that ink stands out from its paper.

Brightness alone loses yellow ink on white, or red on blue. What counts here is how far a
pixel is from the paper, in the colour channel where it is farthest.
"""

import numpy as np

from digitflow.errors import InputError
from digitflow.images.ink import MIN_CONTRAST

# Medians of this many pixels are exact enough; all of a photo's would take a second.
_SAMPLE = 20_000
_SMALL_SIDE = 64
# Cubed, a channel that departs half as far as the farthest one. Below it is mostly noise.
_OWN_OPINION = 1 / 8
# A channel in which the paper is dark has more noise than ink to tell of.
_STRONGEST = 2
# Scanners and cameras leave the upper of 16 bits empty.
_TOPS = (1, 255, 1023, 4095, 16383, 65535)
# What rounding does to floats.
_SLACK = 1e-3
# Levels at a time.
_CHUNK = 1 << 20


def to_gray(picture: np.ndarray, name: str = "the picture") -> np.ndarray:
    """Bring an array to a gray picture.

    Ink of any colour stands out from paper of any colour: what counts is the distance from
    the paper's colour, not brightness. Where a picture is transparent, its ink is laid on
    white, or on black if the ink is bright.

    Parameters
    ----------
    picture : ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        Gray, RGB or RGBA, of levels as in `choose_factor`.
    name : str
        How errors call it.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    InputError
        If the array has another shape or type, or values out of range.
    """
    is_picture = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (3, 4))
    if not is_picture or picture.size == 0:
        raise InputError(
            f"{name} must be an array of shape (height, width), or with 3 or 4 colours "
            f"last, got {picture.shape}"
        )
    levels = np.ascontiguousarray(to_bytes(picture, choose_factor(picture, name)))
    if levels.ndim == 2:
        return levels
    if levels.shape[2] == 3:
        return flatten_colours(levels)
    return flatten_colours(lay_on_ground(levels[..., :3], levels[..., 3]))


def to_bytes(levels: np.ndarray, factor: float) -> np.ndarray:
    """Multiply levels, to whole numbers from 0 to 255; bytes stay as they are."""
    if levels.dtype == np.uint8:
        return levels
    if levels.dtype == bool:
        return levels.view(np.uint8) * np.uint8(255)
    wide = np.float32(factor) if levels.dtype.itemsize <= 2 else np.float64(factor)
    found = np.empty(levels.shape, np.uint8)
    # Floats of a whole photo would take eight times its memory.
    rows = max(1, _CHUNK // max(1, levels[:1].size))
    for start in range(0, len(levels), rows):
        part = slice(start, start + rows)
        found[part] = np.rint(levels[part] * wide).clip(0, 255)
    return found


def choose_factor(levels: np.ndarray, name: str) -> float:
    """Tell by what levels are multiplied to lie between 0 and 255.

    Parameters
    ----------
    levels : ndarray
        uint8, bool, or other whole numbers or floats. Whole numbers may have 1, 8, 10, 12, 14
        or 16 bits, whatever the type: the fewest that hold the largest one. Floats go from 0
        to 1 or from 0 to 255.
    name : str
        How errors call it.

    Raises
    ------
    InputError
        If it holds something else, NaN, or levels that could be of either range.
    """
    if levels.dtype in (np.uint8, bool):
        return 1.0
    if levels.dtype.kind not in "iuf":
        raise InputError(
            f"{name} must hold whole numbers, bool, or floats from 0 to 1 or 0 to 255, "
            f"got {levels.dtype}"
        )
    low, high = float(levels.min()), float(levels.max())
    if not np.isfinite([low, high]).all():
        wrong = int(np.count_nonzero(~np.isfinite(levels)))
        raise InputError(f"{name}: {name_nan(wrong, levels.size)}")
    return fit_factor(levels.dtype, low, high, name)


def name_nan(wrong: int, size: int) -> str:
    """Say how many of an array's values are no numbers."""
    return (
        f"{wrong:,} of {size:,} values are NaN or infinite. Say what they should be: "
        "numpy.nan_to_num makes NaN 0"
    )


def fit_factor(dtype: np.dtype, low: float, high: float, name: str) -> float:
    """Return `choose_factor` of levels that go from `low` to `high`."""
    is_float = dtype.kind == "f"
    expected = "0 to 1 or 0 to 255" if is_float else "0 to 255, or up to 65,535,"
    found = f"{name} holds {dtype} from {low:.6g} to {high:.6g}"
    slack = _SLACK if is_float else 0
    tops = [top for top in _TOPS[: 2 if is_float else None] if high <= top * (1 + slack)]
    if low < -slack or not tops:
        raise InputError(
            f"{found}; {expected} is expected, ink and ground both. Shift and divide by the "
            "largest level there can be, or pass uint8"
        )
    # Nothing is drawn so faintly: these are levels of another range.
    share = high / tops[0]
    if 0 < share < MIN_CONTRAST / 255 and tops[0] <= 255:
        raise InputError(
            f"{found}, which is too little to tell whether 255 or 1 is the brightest. Be "
            "explicit: divide by the largest level there can be and multiply by 255, as uint8"
        )
    return 255 / tops[0]


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
        return _take_channel(picture, 0)
    tables, is_bright = _choose_tables(_sample_pixels(picture), _find_bright(picture))
    gray = np.full(picture.shape[:2], 255, np.uint8)
    for channel, table in enumerate(tables):
        # One channel at a time: three more copies of a large photo are too many.
        own = _take_channel(picture, channel)
        cv2.min(gray, cv2.LUT(own, table), dst=gray)
    return np.invert(gray) if is_bright else gray


def _take_channel(picture: np.ndarray, channel: int) -> np.ndarray:
    import cv2

    if picture.flags.c_contiguous:
        return np.asarray(cv2.extractChannel(picture, channel))
    # OpenCV would copy the others too.
    return np.ascontiguousarray(picture[..., channel])


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

    if alpha.min() == 255:
        return picture
    weights = _sample_pixels(alpha).astype(np.float64)
    shades = _sample_pixels(picture).mean(axis=1)
    is_bright = float(weights @ shades) >= 128 * float(weights.sum()) > 0
    is_ink = weights.mean() < 128
    laid = np.empty(picture.shape, np.uint8)
    # Some rows at a time: three more copies of a large picture are too many.
    rows = max(1, _CHUNK // max(1, picture[:1].size))
    for start in range(0, len(picture), rows):
        part = slice(start, start + rows)
        weight = cv2.merge([np.ascontiguousarray(alpha[part])] * 3)
        own = np.ascontiguousarray(picture[part])
        laid[part] = cv2.multiply(own, weight, scale=1 / 255)
        if is_bright != is_ink:
            laid[part] = cv2.add(laid[part], np.invert(weight))
    return laid


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
    # One channel at a time here too: of four channels three would be copied.
    channels = (_take_channel(picture, channel) for channel in range(3))
    small = cv2.merge(
        [cv2.resize(own, (width, height), interpolation=cv2.INTER_AREA) for own in channels]
    )
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
