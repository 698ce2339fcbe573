"""Ink on paper: from a gray picture to how much ink is where, the paper taken away."""

import numpy as np

from digitflow.errors import InputError
from digitflow.images.levels import count_levels, count_signed, find_median, find_percentile
from digitflow.images.patterns import clear_pattern

MIN_CONTRAST = 32
"""Difference of ink and ground, of 255, below which a picture counts as blank."""

# Of the longest side: wider than a stroke, narrower than most shadows.
_STROKE_SHARE = 0.3
# The ground has no detail that is finer than this many pixels a side show.
_GROUND_SIDE = 128
# Of the range from ground to ink: what is brighter is no shadow. Of the picture.
_INK_SHARE, _MOST_INK = 0.93, 0.6
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

    small = cv2.medianBlur(shrink(bright), 3)
    opened = _open(small, _STROKE_SHARE)
    # As far as the edge of a shadow may be out of place in a smaller picture.
    ground = np.asarray(cv2.dilate(opened, np.ones((3, 3), np.uint8)))
    return _uncover_strokes(ground, small)


def _uncover_strokes(ground: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Put paper where ground is as bright as the brightest ink, as no shadow makes it.

    A stroke that lies along an edge seems to go on outside, and a blot is wider than strokes.
    """
    import cv2

    low, high = float(ground.min()), float(small.max())
    least = low + _INK_SHARE * (high - low)
    is_bright = ground >= least
    if high - low < MIN_CONTRAST or not is_bright.any() or is_bright.mean() > _MOST_INK:
        return ground
    count, labels = cv2.connectedComponents(is_bright.view(np.uint8))
    is_ink = np.ones(count, bool)
    near = cv2.dilate(is_bright.view(np.uint8), np.ones((5, 5), np.uint8))
    if not (small[near == 0] >= least).any():
        # Nothing else is as bright: it may be a shadow that comes in from an edge.
        is_ink[read_border(labels)] = False
    is_ink[0] = False
    covered = is_ink[labels]
    paper = np.uint8(np.median(ground[~is_bright]))
    return np.asarray(np.where(covered, np.minimum(ground, paper), ground))


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
    brightest = np.float32(find_percentile(count_levels(paper), 95))
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

    small = shrink(picture)
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


def shrink(picture: np.ndarray) -> np.ndarray:
    """Return a picture (height, width) of at most 128 pixels a side."""
    import cv2

    scale = _GROUND_SIDE / max(picture.shape)
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


# A median of more pixels a side takes long and is no other.
_SAMPLE_SIDE = 256
# A smaller picture is cut close: its strokes are as wide as its ground.
_LEAST_SIDE = 64
# Where so much of the border is on one side of the middle, it tells ink from ground.
_CLEAR_SHARE = 0.85
# Of the depth of a shadow: how much of it is left around strokes that hide its course.
_LEFT_SHARE = 0.15
# Of the strongest ink; what is left of a shadow's edge is less than strong.
_STRONG_SHARE, _FAINT_SHARE = 0.4, 0.15
# Six median deviations are four standard deviations of even noise.
_REACH = 6
# Of the longest side: how far the soft edge of a stroke reaches.
_EDGE_SHARE, _LEAST_EDGE = 0.03, 12


def extract_ink(picture: np.ndarray) -> np.ndarray:
    """Return the ink of a picture: bright where there is some, 0 where there is none.

    Polarity and ground are read from the picture; uneven light, shadows and the even noise
    of paper are removed. Strokes keep their soft edges. What lies around the paper was cleared
    before, see `digitflow.images.borders`.

    Parameters
    ----------
    picture : ndarray of shape (height, width), uint8
        Gray, any size, either polarity.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    InputError
        If it is no gray uint8 picture, or shows no ink.
    """
    import cv2

    check_gray(picture)
    bright = make_bright(picture)
    if max(bright.shape) < _LEAST_SIDE:
        return remove_ground(bright)
    ground = estimate_ground(bright)
    paper = ground if bright is picture else np.invert(ground)
    ink = cv2.subtract(bright, _enlarge(ground, bright), dtype=cv2.CV_32F)
    level, noise = _count_noise(_sample_pixels(ink))
    noise += _LEFT_SHARE * float(np.ptp(ground))
    ink = cv2.multiply(ink - np.float32(level), _enlarge(measure_light(paper), ink), dst=ink)
    printed = clear_pattern(ink)
    return _clear_faint(_clear_noise(ink, noise) if printed is None else printed)


def check_gray(picture: np.ndarray) -> None:
    """Raise `InputError` unless it is a gray uint8 picture with some contrast."""
    if picture.ndim != 2 or picture.dtype != np.uint8 or picture.size == 0:
        raise InputError(
            "a picture must be gray, uint8 of shape (height, width), "
            f"got {picture.dtype} of shape {picture.shape}"
        )
    contrast = int(picture.max()) - int(picture.min())
    if contrast < MIN_CONTRAST:
        raise InputError(
            f"the picture is blank: ink and ground differ by {contrast} of 255, "
            f"at least {MIN_CONTRAST} are needed"
        )


def make_bright(picture: np.ndarray) -> np.ndarray:
    """Return a gray uint8 picture with its ink brighter than its ground."""
    return np.invert(picture) if _is_inverted(picture) else picture


def remove_ground(image: np.ndarray) -> np.ndarray:
    """Subtract the ground's level, and clear what is no stronger than its noise.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Ink brighter than its ground, 0 to 255.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    InputError
        If no ink stands out.
    """
    image = _level_light(image)
    level, noise = _measure_ground(image)
    return _clear_noise(image - level, noise)


def read_border(images: np.ndarray) -> np.ndarray:
    """Return the outermost pixels of images (..., height, width), as (..., pixels)."""
    edges = (
        images[..., 0, :],
        images[..., -1, :],
        images[..., 1:-1, 0],
        images[..., 1:-1, -1],
    )
    return np.concatenate(edges, axis=-1)


def _is_inverted(picture: np.ndarray) -> bool:
    # Half-way between the extremes, not 127: a photo's paper may be darker than that.
    middle = (int(picture.min()) + int(picture.max())) / 2
    share = float(np.mean(read_border(picture) > middle))
    if max(picture.shape) >= _LEAST_SIDE and 1 - _CLEAR_SHARE < share < _CLEAR_SHARE:
        return is_ink_darker(picture)
    return share > 0.5


def _sample_pixels(picture: np.ndarray) -> np.ndarray:
    step = max(1, max(picture.shape) // _SAMPLE_SIDE)
    return picture[::step, ::step]


def _enlarge(small: np.ndarray, picture: np.ndarray) -> np.ndarray:
    import cv2

    size = picture.shape[1], picture.shape[0]
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))


def _clear_noise(ink: np.ndarray, noise: float) -> np.ndarray:
    """Return ink (height, width), any float, as uint8 without what is weaker than noise."""
    import cv2

    strongest = min(float(ink.max()), 255.0)
    if strongest < MIN_CONTRAST:
        raise InputError(
            f"the picture is blank: no ink stands out from its ground by {MIN_CONTRAST} of 255"
        )
    least = noise if noise <= strongest / 2 else 0.0
    return cv2.convertScaleAbs(cv2.threshold(ink, least, 0, cv2.THRESH_TOZERO)[1])


def _clear_faint(ink: np.ndarray) -> np.ndarray:
    """Clear what is faint, unless it is near a mark that is strong somewhere."""
    import cv2

    peak = int(cv2.blur(ink, (3, 3)).max())
    marks = (ink > _FAINT_SHARE * peak).view(np.uint8)
    count, labels = cv2.connectedComponents(marks)
    if count != 2:  # a mark that is alone is the strongest
        kept = np.zeros(count, np.uint8)
        kept[labels[ink > _STRONG_SHARE * peak]] = 1
        kept[0] = 0
        if not kept.any():
            return ink
        marks = marks if kept[1:].all() else kept[labels]
    reach = 2 * max(_LEAST_EDGE, round(_EDGE_SHARE * max(ink.shape))) + 1
    near = cv2.dilate(marks, np.ones((reach, reach), np.uint8))
    return np.asarray(cv2.bitwise_and(ink, ink, mask=near))


def _measure_ground(image: np.ndarray) -> tuple[float, float]:
    """Return the ground's level and how far its noise reaches above it."""
    level, noise = _measure_noise(_pick_ground(read_border(image), image))
    if noise > (float(image.max()) - level) / 2:
        # Cut so close that the border shows the soft edges of strokes, not the ground.
        return float(image.min()), 0.0
    return level, noise


def _count_noise(sample: np.ndarray) -> tuple[float, float]:
    """Return what `_measure_noise` does, of the weaker half of whole levels."""
    values, counts = count_signed(sample)
    chosen = counts * (values <= float(sample.max()) / 2)
    level = find_median(values, chosen)
    apart = np.abs(values - level)
    order = np.argsort(apart, kind="stable")
    return level, _REACH * find_median(apart[order], chosen[order])


def _measure_noise(ground: np.ndarray) -> tuple[float, float]:
    level = _find_median(ground)
    return level, _REACH * _find_median(np.abs(ground - level))


def _find_median(values: np.ndarray) -> float:
    # np.median takes four times as long for as few values as a border has.
    flat = values.ravel()
    middle = len(flat) // 2
    if len(flat) % 2:
        return float(np.partition(flat, middle)[middle])
    lower, upper = np.partition(flat, (middle - 1, middle))[middle - 1 : middle + 1]
    return (float(lower) + float(upper)) / 2


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
    return _find_median(levels[1]) - _find_median(levels[0])


def _pick_ground(pixels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Leave out ink that touches the border: what is in the brighter half of the range."""
    return pixels[pixels <= (float(image.min()) + float(image.max())) / 2]
