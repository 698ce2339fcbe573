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


def compute_features(recipe: Any, samples: np.ndarray) -> np.ndarray:
    """Return what `recipe.transform(samples)` does, to the bit, without its bookkeeping.

    A pipeline, and more so a union, takes longer to hand on one image than its steps compute.

    Parameters
    ----------
    recipe : transformer
        Fitted; pipelines and unions are walked through, others asked as they are.
    """
    from sklearn.pipeline import FeatureUnion, Pipeline

    if type(recipe) is Pipeline:
        for _, step in recipe.steps:
            samples = (
                samples if step in (None, "passthrough") else compute_features(step, samples)
            )
        return samples
    if type(recipe) is FeatureUnion and not recipe.transformer_weights:
        parts = [part for _, part in recipe.transformer_list]
        if not any(isinstance(part, str) for part in parts):
            found = [compute_features(part, samples) for part in parts]
            if all(type(each) is np.ndarray for each in found):
                return np.hstack(found)
    transformed: np.ndarray = recipe.transform(samples)
    return transformed
