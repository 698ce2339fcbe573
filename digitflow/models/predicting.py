"""What a fitted model is asked: a classifier for probabilities, a regressor for values."""

from collections.abc import Callable
from typing import Any

import numpy as np

CHUNK_ROWS = 1024

Predict = Callable[[np.ndarray], np.ndarray]
"""Samples -> probabilities (n, k) of classes, or values (n,)."""


def name_method(model: Any) -> str:
    """Return the name of the method that a model is asked by."""
    from sklearn.base import is_regressor

    return "predict" if is_regressor(model) else "predict_proba"


def choose_method(model: Any) -> Predict:
    """Return the method that a model is asked by."""
    method: Predict = getattr(model, name_method(model))
    return method


def predict_in_chunks(model: Any, rows: np.ndarray) -> np.ndarray:
    """Return predictions, float64, computed in bounded memory.

    Returns
    -------
    ndarray of shape (n, k) or (n,), float64
        Probabilities of a classifier, values of a regressor.
    """
    predict = choose_method(model)
    starts = range(0, len(rows), CHUNK_ROWS)
    chunks = [predict(rows[start : start + CHUNK_ROWS]) for start in starts]
    return np.concatenate(chunks).astype(np.float64, copy=False)
