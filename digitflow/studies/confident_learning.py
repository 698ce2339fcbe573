"""Which labels are probably wrong, by confident learning.

C. Northcutt, L. Jiang and I. Chuang, "Confident learning: estimating uncertainty in dataset
labels", Journal of Artificial Intelligence Research 70 (2021).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Suspects:
    """Rows whose label is probably wrong, the likeliest first.

    Attributes
    ----------
    rows : ndarray of shape (k,), int64
    suggested : ndarray of shape (k,), int64
        What the label is thought to be.
    margin : ndarray of shape (k,), float64
        Probability of what is suggested over that of the label; sorted, falling.
    joint : ndarray of shape (c, c), int64
        The confident joint: how many images labelled i (row) are confidently j (column).
    """

    rows: np.ndarray
    suggested: np.ndarray
    margin: np.ndarray
    joint: np.ndarray


def find_suspects(labels: np.ndarray, probabilities: np.ndarray) -> Suspects:
    """Find labels that out-of-fold probabilities confidently contradict.

    An image is confidently of a class if its probability of it is at least the mean
    probability of that class over the images that are labelled so; of several, the most
    probable counts.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        From 0 to c - 1, each at least once.
    probabilities : ndarray of shape (n, c)
        Of a model that has not seen the row.
    """
    classes = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == c, c].mean() for c in range(classes)])
    confident = probabilities >= thresholds
    best = np.where(confident, probabilities, -1.0).argmax(axis=1)
    counted = confident.any(axis=1)
    joint = np.zeros((classes, classes), np.int64)
    np.add.at(joint, (labels[counted], best[counted]), 1)
    rows = np.flatnonzero(counted & (best != labels))
    own = probabilities[rows, labels[rows]]
    margin = np.asarray(probabilities[rows, best[rows]] - own, np.float64)
    order = np.argsort(-margin, kind="stable")
    return Suspects(rows[order], best[rows][order], margin[order], joint)
