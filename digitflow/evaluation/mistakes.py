"""The wrong predictions that a model was surest of."""

from dataclasses import dataclass

import numpy as np

from digitflow.evaluation.metrics import check_predictions


@dataclass(frozen=True)
class Mistakes:
    """Wrong predictions, the most confident first; k of them.

    Attributes
    ----------
    rows : int64 ndarray of shape (k,)
        Which images.
    predicted : uint8 ndarray of shape (k,)
        The digit each was taken for.
    probability : float64 ndarray of shape (k,)
        How sure the model was of that, 0 to 1.
    """

    rows: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray


def find_mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int = 24) -> Mistakes:
    """Return at most `most` wrong predictions, by falling probability, then by row.

    Parameters
    ----------
    labels : integer ndarray of shape (n,)
        True digits, 0 to 9.
    probabilities : float ndarray of shape (n, 10)
        A row an image, each summing to 1.

    Raises
    ------
    InputError
        If labels or probabilities are not as above.
    """
    labels, probabilities = check_predictions(labels, probabilities)
    predicted, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    rows = wrong[np.argsort(-top[wrong], kind="stable")][:most]
    return Mistakes(rows, predicted[rows].astype(np.uint8), top[rows])
