"""Distortions that a model is judged under: digits moved, turned, thinner, blurred, noisy.

Each takes images in the MNIST frame and gives pictures. They are not in the frame any more:
prediction brings them into it again, as it does with every picture.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from digitflow.augment.backends import shift
from digitflow.config.data import Direction
from digitflow.errors import InputError, list_some
from digitflow.images.frame import SIDE

Alteration = Callable[[np.ndarray, np.random.Generator], np.ndarray]

# Strokes are altered in a picture this much larger, so that a stroke can lose half a pixel.
_FINER = 4
_MIDDLE = ((SIDE - 1) / 2, (SIDE - 1) / 2)
# The order in which a drawn number names a direction.
_DIRECTIONS: tuple[Direction, ...] = ("down", "up", "right", "left")


def require_known(names: tuple[str, ...]) -> None:
    """Raise `InputError` unless all names are those of alterations."""
    unknown = [name for name in names if name not in ALTERATIONS]
    if unknown:
        raise InputError(
            f"there is no alteration {list_some(unknown)}; there are {', '.join(ALTERATIONS)}"
        )


def alter_images(name: str, images: np.ndarray, seed: int) -> np.ndarray:
    """Alter images in one way of `ALTERATIONS`; alike for equal arguments.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        Bright ink on 0.

    Returns
    -------
    ndarray of shape (n, 28, 28), uint8

    Raises
    ------
    InputError
        If there is no such alteration.
    """
    require_known((name,))
    generator = np.random.default_rng([seed, *name.encode()])
    return ALTERATIONS[name](images, generator)


def shift_images(images: np.ndarray, generator: np.random.Generator, pixels: int) -> np.ndarray:
    """Move each image up, down, left or right."""
    drawn = generator.integers(len(_DIRECTIONS), size=len(images))
    out = np.empty_like(images)
    for number, direction in enumerate(_DIRECTIONS):
        down, right = shift.STEPS[direction]
        moved = np.empty_like(chosen := images[drawn == number])
        shift.shift_images(chosen, pixels * down, pixels * right, moved)
        out[drawn == number] = moved
    return out


def rotate_images(
    images: np.ndarray, generator: np.random.Generator, degrees: float
) -> np.ndarray:
    """Turn each image, half of them one way and half the other."""
    import cv2

    turns = degrees * generator.choice([-1, 1], size=len(images))
    return _warp(images, [cv2.getRotationMatrix2D(_MIDDLE, float(turn), 1) for turn in turns])


def scale_images(
    images: np.ndarray, generator: np.random.Generator, share: float
) -> np.ndarray:
    """Make each digit smaller, in the middle of its frame."""
    import cv2

    return _warp(images, [cv2.getRotationMatrix2D(_MIDDLE, 0, share)] * len(images))


def shear_images(
    images: np.ndarray, generator: np.random.Generator, share: float
) -> np.ndarray:
    """Lean each digit by so many pixels aside for one up, half of them either way."""
    leans = share * generator.choice([-1, 1], size=len(images))
    return _warp(images, [np.array([[1, x, -x * _MIDDLE[1]], [0, 1, 0]]) for x in leans])


def _warp(images: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Move the pixels of each image by its matrix (2, 3), in the order x, y, 1."""
    import cv2

    out = np.empty_like(images)
    for row, matrix in enumerate(matrices):
        cv2.warpAffine(images[row], matrix, (SIDE, SIDE), dst=out[row])
    return out


def cover_images(images: np.ndarray, generator: np.random.Generator, side: int) -> np.ndarray:
    """Cover a square of so many pixels a side with paper, somewhere in the middle 20."""
    out = images.copy()
    corners = generator.integers(4, SIDE - 4 - side + 1, size=(len(images), 2))
    for image, (top, left) in zip(out, corners, strict=True):
        image[top : top + side, left : left + side] = 0
    return out


def change_strokes(
    images: np.ndarray, generator: np.random.Generator, pixels: float
) -> np.ndarray:
    """Move the edges of the ink outwards by so many pixels; below 0, inwards."""
    import cv2

    reach = round(abs(pixels) * _FINER)
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    change = cv2.dilate if pixels > 0 else cv2.erode
    out = np.empty_like(images)
    for row, image in enumerate(images):
        fine = cv2.resize(image, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_LINEAR)
        cv2.resize(change(fine, shape), (SIDE, SIDE), out[row], interpolation=cv2.INTER_AREA)
    return out


def blur_images(
    images: np.ndarray, generator: np.random.Generator, pixels: float
) -> np.ndarray:
    """Blur each image by a Gaussian with a standard deviation of so many pixels."""
    import cv2

    out = np.empty_like(images)
    for row, image in enumerate(images):
        cv2.GaussianBlur(image, (0, 0), pixels, out[row])
    return out


def add_noise(
    images: np.ndarray, generator: np.random.Generator, deviation: float
) -> np.ndarray:
    """Add noise with a standard deviation of so much, of 255."""
    noise = generator.normal(0, deviation, images.shape)
    return np.rint(images + noise).clip(0, 255).astype(np.uint8)


def _invert(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.invert(images)


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "shift-1": partial(shift_images, pixels=1),
        "shift-2": partial(shift_images, pixels=2),
        "rotate-15": partial(rotate_images, degrees=15),
        "scale-80": partial(scale_images, share=0.8),
        "thinner": partial(change_strokes, pixels=-0.5),
        "thicker": partial(change_strokes, pixels=0.5),
        "blur": partial(blur_images, pixels=1),
        "noise": partial(add_noise, deviation=25),
        "inverted": _invert,
    }
)
"""Ways to alter images: from uint8 (n, 28, 28) and a generator to uint8 (n, 28, 28)."""
