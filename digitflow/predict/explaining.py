"""Why a digit was read so: which of its ink decided, and which learnt images are like it."""

from dataclasses import dataclass

import numpy as np

from digitflow.images.frame import SIDE
from digitflow.predict.predictor import BATCH, Predictor

# Pixels of the square that is wiped, and how far apart the squares are.
_WIPED, _STEP = 6, 3
# Images that are compared; of more, so many are taken, evenly spread.
MOST_LEARNT = 10_000


def map_occlusion(predictor: Predictor, frame: np.ndarray, digit: int) -> np.ndarray:
    """Measure what each part of the ink adds to a digit's probability, by wiping it out.

    Squares of 6 pixels are wiped in turn, and the image is read again (M. Zeiler and R.
    Fergus, "Visualizing and understanding convolutional networks", 2014).

    Parameters
    ----------
    frame : ndarray of shape (28, 28), uint8
        What the model saw.
    digit : int
        The class whose probability is asked about.

    Returns
    -------
    ndarray of shape (28, 28), float64
        By how much the logarithm of the probability falls without the pixel's
        surroundings, a mean over the squares; below 0 where it rises; 0 where no ink is.
    """
    places = [
        (row, column)
        for row in range(0, SIDE - _WIPED + 1, _STEP)
        for column in range(0, SIDE - _WIPED + 1, _STEP)
        if frame[row : row + _WIPED, column : column + _WIPED].any()
    ]
    wiped = np.repeat(frame[np.newaxis], len(places) + 1, axis=0)
    for image, (row, column) in zip(wiped, places, strict=False):
        image[row : row + _WIPED, column : column + _WIPED] = 0
    probabilities, _ = predictor.predict_frames(wiped)
    logarithms = np.log(probabilities[:, digit].clip(1e-12))
    falls = logarithms[-1] - logarithms[:-1]
    total, times = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    for fall, (row, column) in zip(falls, places, strict=True):
        total[row : row + _WIPED, column : column + _WIPED] += fall
        times[row : row + _WIPED, column : column + _WIPED] += 1
    return np.where(frame > 0, total / times.clip(1), 0)


@dataclass(frozen=True)
class LearntImages:
    """Images that a model learnt from, with what its recipe makes of them.

    Attributes
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        May be memory-mapped.
    labels : ndarray of shape (n,)
    rows : ndarray of shape (m,)
        Of those that are compared.
    features : ndarray of shape (m, f), float32
    """

    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    features: np.ndarray

    @classmethod
    def compute(
        cls, predictor: Predictor, images: np.ndarray, labels: np.ndarray
    ) -> "LearntImages":
        """Compute the features of at most 10,000 images, evenly spread over all."""
        rows = np.linspace(0, len(images) - 1, min(len(images), MOST_LEARNT)).astype(int)
        parts = [
            predictor.compute_features(np.array(images[rows[start : start + BATCH]]))
            for start in range(0, len(rows), BATCH)
        ]
        return cls(images, labels, rows, np.concatenate(parts).astype(np.float32))

    def find_nearest(
        self, predictor: Predictor, frame: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the images (count, 28, 28) most like a frame to the model, and their labels.

        The nearest first, by the Euclidean distance of the features.
        """
        asked = predictor.compute_features(frame[np.newaxis]).astype(np.float32)
        distances = ((self.features - asked) ** 2).sum(axis=1)
        chosen = self.rows[np.argsort(distances, kind="stable")[:count]]
        return np.stack([self.images[row] for row in chosen]), self.labels[chosen]
