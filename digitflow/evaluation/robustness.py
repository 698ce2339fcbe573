"""How well a model reads digits that are moved, turned, thinner, blurred or noisy.

An alteration is applied to images in the MNIST frame and gives pictures, which then take
the path of every picture that is predicted: they are brought into the frame again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from digitflow.augment.photographs import SERIES, iterate_photographs
from digitflow.data.sets import ImageSet, LabelledImages, store_set
from digitflow.data.splits import choose_rows
from digitflow.errors import InputError, list_some
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.scoring import predict_in_chunks
from digitflow.images.frame import SIDE, to_mnist_frame
from digitflow.images.pictures import to_gray
from digitflow.models.persistence import load_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef, Record

Alteration = Callable[[np.ndarray, np.random.Generator], np.ndarray]

# Strokes are altered in a picture this much larger, so that a stroke can lose half a pixel.
_FINER = 4


def score_altered(
    store: Store,
    model: ModelRef,
    test: ImageSet,
    names: tuple[str, ...],
    images: int,
    seed: int,
    threads: int,
) -> dict[str, Share]:
    """Alter some of the test images in each way, and count how many are still read right.

    Parameters
    ----------
    names : tuple of str
        Which of `ALTERATIONS`.
    images : int
        How many test images are altered, every digit as often; the same ones each time.
    seed : int
        Chooses them, and what an alteration draws at random. What is drawn for one
        alteration doesn't depend on which others are asked for.
    threads : int
        Threads of the model.

    Returns
    -------
    dict of str to Share
        By the alteration's name. A picture in which no digit is found counts as wrong.

    Raises
    ------
    InputError
        If there is no alteration of a name; it lists the known ones.
    """
    from threadpoolctl import threadpool_limits

    require_known(names)
    pipeline = load_model(model, store)
    labels = store.open_array(test.labels)
    rows = choose_rows(labels, images, seed)
    digits, wanted = np.array(store.open_array(test.images)[rows]), labels[rows]
    found = {}
    with threadpool_limits(threads):
        for name in names:
            frames, framed = frame_pictures(alter_images(name, digits, seed))
            hits = _count_hits(pipeline, frames, wanted[framed])
            found[name] = Share(correct=hits, n=len(rows))
    return found


def _count_hits(pipeline: Any, frames: np.ndarray, labels: np.ndarray) -> int:
    if len(frames) == 0:
        return 0
    return int((predict_in_chunks(pipeline, frames).argmax(axis=1) == labels).sum())


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


def frame_pictures(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring pictures into the MNIST frame, one by one, as prediction does.

    Returns
    -------
    frames : ndarray of shape (k, 28, 28), uint8
        Those in which something was found.
    framed : ndarray of shape (n,), bool
        Which pictures these are.
    """
    frames = np.empty((len(pictures), SIDE, SIDE), np.uint8)
    framed = np.zeros(len(pictures), bool)
    for row, picture in enumerate(pictures):
        with suppress(InputError):
            frames[row] = to_mnist_frame(picture)
            framed[row] = True
    return frames[framed], framed


def shift_images(images: np.ndarray, generator: np.random.Generator, pixels: int) -> np.ndarray:
    """Move each image up, down, left or right."""
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))
    directions = np.array([(0, 1), (2, 1), (1, 0), (1, 2)]) * pixels
    corners = directions[generator.integers(len(directions), size=len(images))]
    out = np.empty_like(images)
    for row, (top, left) in enumerate(corners):
        out[row] = padded[row, top : top + SIDE, left : left + SIDE]
    return out


def rotate_images(
    images: np.ndarray, generator: np.random.Generator, degrees: float
) -> np.ndarray:
    """Turn each image, half of them one way and half the other."""
    turns = degrees * generator.choice([-1, 1], size=len(images))
    return _warp(images, [(float(turn), 1.0) for turn in turns])


def scale_images(
    images: np.ndarray, generator: np.random.Generator, share: float
) -> np.ndarray:
    """Make each digit smaller, in the middle of its frame."""
    return _warp(images, [(0.0, share)] * len(images))


def shear_images(
    images: np.ndarray, generator: np.random.Generator, share: float
) -> np.ndarray:
    """Lean each digit by so many pixels aside for one up, half of them either way."""
    import cv2

    middle = (SIDE - 1) / 2
    out = np.empty_like(images)
    for row, lean in enumerate(share * generator.choice([-1, 1], size=len(images))):
        matrix = np.array([[1, lean, -lean * middle], [0, 1, 0]])
        cv2.warpAffine(images[row], matrix, (SIDE, SIDE), dst=out[row])
    return out


def cover_images(images: np.ndarray, generator: np.random.Generator, side: int) -> np.ndarray:
    """Cover a square of so many pixels a side with paper, somewhere in the middle 20."""
    out = images.copy()
    corners = generator.integers(4, SIDE - 4 - side + 1, size=(len(images), 2))
    for image, (top, left) in zip(out, corners, strict=True):
        image[top : top + side, left : left + side] = 0
    return out


def _warp(images: np.ndarray, turns: list[tuple[float, float]]) -> np.ndarray:
    import cv2

    middle = ((SIDE - 1) / 2, (SIDE - 1) / 2)
    out = np.empty_like(images)
    for row, (degrees, scale) in enumerate(turns):
        matrix = cv2.getRotationMatrix2D(middle, degrees, scale)
        cv2.warpAffine(images[row], matrix, (SIDE, SIDE), dst=out[row])
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


class Photographed(Record):
    """A series of photographs: the digits found in them, of `taken` photographs."""

    digits: ImageSet
    taken: int


def photograph_digits(store: Store, each: int, seed: int) -> dict[str, Photographed]:
    """Photograph scikit-learn's digits in every series, and bring them into the frame.

    Parameters
    ----------
    each : int
        Photographs of a series; of 1,797 digits, drawn with `seed`.
    """
    from sklearn.datasets import load_digits

    cells, labels = load_digits().images, load_digits().target
    rows = np.sort(np.random.default_rng(seed).permutation(len(cells))[:each])
    return {
        series: Photographed(
            digits=store_set(store, _frame(series, cells[rows], labels[rows], seed)),
            taken=len(rows),
        )
        for series in SERIES
    }


def _frame(series: str, cells: np.ndarray, labels: np.ndarray, seed: int) -> LabelledImages:
    found = list(_iterate_found(series, cells, labels, seed))
    images = [frame for frame, _ in found]
    return LabelledImages(
        np.stack(images) if images else np.zeros((0, 28, 28), np.uint8),
        np.array([label for _, label in found], np.uint8),
    )


def _iterate_found(
    series: str, cells: np.ndarray, labels: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, int]]:
    photographs = iterate_photographs(series, cells, seed)
    for photograph, label in zip(photographs, labels, strict=True):
        with suppress(InputError):
            yield to_mnist_frame(to_gray(photograph, series)), int(label)


def read_photographs(
    store: Store, model: ModelRef, series: Mapping[str, Photographed], threads: int
) -> dict[str, Share]:
    """Count how many photographs a model reads right; one without a digit counts as wrong."""
    from threadpoolctl import threadpool_limits

    pipeline = load_model(model, store)
    with threadpool_limits(threads):
        return {
            name: Share(correct=_count_read(store, pipeline, part.digits), n=part.taken)
            for name, part in series.items()
        }


def _count_read(store: Store, pipeline: object, digits: ImageSet) -> int:
    if digits.rows == 0:
        return 0
    probabilities = predict_in_chunks(pipeline, store.open_array(digits.images))
    return int((probabilities.argmax(axis=1) == store.open_array(digits.labels)).sum())
