"""Which samples a measure of drift is about, and the learnt images nearest to some."""

from dataclasses import dataclass

import numpy as np

from digitflow.errors import InputError
from digitflow.models.bundle import Reference
from digitflow.monitoring.measures import DriftMeter
from digitflow.monitoring.reference import open_reference
from digitflow.monitoring.window import MonitoringReport, open_window
from digitflow.store.artifacts import Store

CHUNK_ROWS = 2048


@dataclass(frozen=True)
class Culprits:
    """The samples of a window that count most for one measure, the worst first.

    Attributes
    ----------
    measure : str
        The measure that they were chosen for.
    samples : ndarray of shape (k, 28, 28), uint8, or (k,), structured
    predicted : ndarray of shape (k,), float64
        Numbers of classes, or values.
    scores : ndarray of shape (k,), float64
        How much more often such a sample comes now than it was learnt, natural logarithm;
        of the domain classifier, its score.
    """

    measure: str
    samples: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray


def find_culprits(
    store: Store, reference: Reference, report: MonitoringReport, measure: str, count: int = 8
) -> Culprits:
    """Return the samples of a report's window that count most for one of its measures.

    Parameters
    ----------
    reference : Reference
        Of the version that the report is on.
    measure : str
        The name of one of the report's findings.
    count : int
        How many samples, at most.
    """
    window = open_window(store, report.window)
    meter = DriftMeter(open_reference(store, reference))
    scores = meter.attribute(window.samples, window.predicted, window.confidence, measure)
    rows = np.argsort(-scores, kind="stable")[:count]
    return Culprits(
        measure, np.array(window.samples[rows]), window.predicted[rows], scores[rows]
    )


def find_nearest(
    images: np.ndarray, asked: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the images that are nearest to others, pixel by pixel.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        May be memory-mapped; it is read in chunks.
    asked : ndarray of shape (m, 28, 28), uint8
    count : int
        Images for each; at most n.

    Returns
    -------
    rows : ndarray of shape (m, count), int64
        Of `images`, the nearest first; at a tie the first one.
    distances : ndarray of shape (m, count), float32
        Euclidean, over pixels of 0 to 1.

    Raises
    ------
    InputError
        If there are no images to look among.
    """
    if not len(images):
        raise InputError("there are no images to look among: 1 or more are needed")
    wanted = _flatten(asked)
    squares = np.empty((len(wanted), len(images)), np.float64)
    for start in range(0, len(images), CHUNK_ROWS):
        pixels = _flatten(images[start : start + CHUNK_ROWS])
        squares[:, start : start + len(pixels)] = (
            (wanted**2).sum(axis=1)[:, np.newaxis]
            - 2 * wanted @ pixels.T
            + (pixels**2).sum(axis=1)
        )
    rows = np.argsort(squares, axis=1, kind="stable")[:, :count]
    found = np.take_along_axis(squares, rows, axis=1)
    return rows, (np.sqrt(found) / 255).astype(np.float32)


def _flatten(images: np.ndarray) -> np.ndarray:
    # Whole numbers, whose sums float64 holds exactly: a tie is one in whatever order and by
    # whatever processor they are added up.
    return np.asarray(images, np.float64).reshape(len(images), -1)
