"""Which way round images of digits lie, told by what digits look like on average.

The mean image of each class is compared with that of scikit-learn's handwriting, as it is
and in the other seven ways to lay a square. Rows and columns that were exchanged, as in
EMNIST's files, show by a wide margin: of ten real images a digit the right way round, none
of thousands of draws came near.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from digitflow.data.handwriting import read_handwriting
from digitflow.data.sets import CLASSES

# What lays images that came so upright.
_UPRIGHT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "upright": lambda images: images,
    "mirrored": lambda images: images[:, :, ::-1],
    "upside down": lambda images: images[:, ::-1],
    "turned by a half": lambda images: images[:, ::-1, ::-1],
}
_EXCHANGED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transposed": lambda images: images.transpose(0, 2, 1),
    "turned left by a quarter": lambda images: np.rot90(images, -1, (1, 2)),
    "turned right by a quarter": lambda images: np.rot90(images, 1, (1, 2)),
    "transposed and turned by a half": lambda images: np.rot90(images, 2, (1, 2)).transpose(
        0, 2, 1
    ),
}
# Correlations of mean images. Of MNIST, exchanging rows and columns costs .35 +- .03, a
# mirror .08 +- .01 (ten images a digit).
_EXCHANGE_MARGIN, _MIRROR_MARGIN = 0.1, 0.03
_LEAST_IMAGES, _LEAST_CLASSES = 5, 6
# Fifty a digit: more change the means by a hundredth.
_REFERENCE = 500


def find_way(images: np.ndarray, labels: np.ndarray) -> str | None:
    """Tell which way round images lie.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        Bright ink on dark.
    labels : ndarray of shape (n,)
        0 to 9; images with other labels don't count.

    Returns
    -------
    str or None
        "upright"; "transposed", where rows and columns were exchanged; "mirrored", "upside
        down", "turned by a half", "turned left by a quarter" and so on. None where fewer
        than six digits have five images each.
    """
    scores = score_ways(images, labels)
    if scores is None:
        return None
    upright, exchanged = (
        max(ways, key=lambda way: scores[way]) for ways in (_UPRIGHT, _EXCHANGED)
    )
    if scores[exchanged] > scores[upright] + _EXCHANGE_MARGIN:
        # Between mirror images the doubt is in favour of what is common.
        is_clear = scores[exchanged] > scores["transposed"] + _MIRROR_MARGIN
        return exchanged if is_clear else "transposed"
    return upright if scores[upright] > scores["upright"] + _MIRROR_MARGIN else "upright"


def score_ways(images: np.ndarray, labels: np.ndarray) -> dict[str, float] | None:
    """Return how alike the mean images are to those of digits, -1 to 1, for each way.

    `images` and `labels` as in `find_way`; so is None.
    """
    counts = [np.count_nonzero(labels == digit) for digit in range(CLASSES)]
    known = np.flatnonzero(np.array(counts) >= _LEAST_IMAGES)
    if len(known) < _LEAST_CLASSES:
        return None
    means = average_classes(images, labels, known)
    reference = describe_digits()[known]
    ways = _UPRIGHT | _EXCHANGED
    return {
        way: float((lay(means) * reference).sum(axis=(1, 2)).mean())
        for way, lay in ways.items()
    }


def average_classes(images: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the mean image of each class, (k, 28, 28), its mean 0 and its length 1."""
    means = np.stack(
        [images[labels == each].mean(axis=0, dtype=np.float64) for each in classes]
    )
    means -= means.mean(axis=(1, 2), keepdims=True)
    lengths = np.sqrt((means**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(means / np.maximum(lengths, 1e-9))


@cache
def describe_digits() -> np.ndarray:
    """Return what digits look like, (10, 28, 28): `average_classes` of real handwriting."""
    return average_classes(*read_handwriting(_REFERENCE), np.arange(CLASSES))
