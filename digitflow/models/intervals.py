"""Prediction intervals of a regression by split conformal prediction.

Errors on rows that the model was not fitted on bound those of any row from the same
population: V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World",
2005; J. Lei et al., "Distribution-free predictive inference for regression", JASA 2018.
"""

import math
from typing import Literal, get_args

import numpy as np

from digitflow.errors import InputError
from digitflow.models.bundle import PredictionIntervals
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.models.persistence import load_model
from digitflow.models.predicting import predict_in_chunks
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef

Scale = Literal["absolute", "relative"]
SCALES: tuple[Scale, ...] = get_args(Scale)


def choose_intervals(
    targets: np.ndarray, values: np.ndarray, coverage: float
) -> PredictionIntervals:
    """Choose intervals that hold a share of the true values, by errors on held-out rows.

    Both scales are tried; the one with the narrower intervals on these rows is taken.

    Parameters
    ----------
    targets, values : float ndarray of shape (n,)
        True values, and what a model predicts that was not fitted on them.
    coverage : float
        Share of new rows whose true value is to be within, 0 to 1.

    Raises
    ------
    InputError
        If there are too few rows to promise that share.
    """
    n = len(targets)
    place = _round_up((n + 1) * coverage)
    if place > n:
        raise InputError(
            f"{n} rows are too few for intervals of coverage {coverage:g}: it takes "
            f"{_round_up(coverage / (1 - coverage))}"
        )
    found = []
    for scale in SCALES:
        sizes = _measure_sizes(values, scale)
        with np.errstate(over="ignore"):  # a value of 0 has no share: infinity
            shares = np.abs(targets - values) / sizes
        factor = float(np.sort(shares)[place - 1])
        found.append((float((factor * sizes).mean()), scale, factor))
    width, scale, factor = min(found)
    return PredictionIntervals(
        coverage=coverage, scale=scale, factor=factor, mean_width=2 * width, n=n
    )


def choose_on_held_out(
    store: Store,
    fitted: FittedModel,
    prepared: PreparedFeatures,
    calibration_targets: ArrayRef,
    coverage: float,
) -> PredictionIntervals:
    """Choose the intervals of a stored regression, see `choose_intervals`.

    By what it predicted out of fold, where it was fitted again on all rows; else by the
    calibration rows, on which nothing was fitted.
    """
    if fitted.held_out is not None:
        targets, values = (store.open_array(ref) for ref in fitted.held_out)
    else:
        estimator = load_model(fitted.model, store)[-1]
        targets = store.open_array(calibration_targets)
        values = predict_in_chunks(estimator, store.open_array(prepared.calibration))
    return choose_intervals(targets, values, coverage)


def bound_values(
    values: np.ndarray, intervals: PredictionIntervals
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper bound of each predicted value, float64 (n,)."""
    half = intervals.factor * _measure_sizes(values, intervals.scale)
    return values - half, values + half


def _round_up(number: float) -> int:
    """Return the next whole number; 0.9 / (1 - 0.9) is 9, although floats make it more."""
    return math.ceil(round(number, 9))


def _measure_sizes(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Return what errors are divided by: nothing, or the predicted value's size."""
    if scale == "absolute":
        return np.ones(len(values))
    return np.maximum(np.abs(np.asarray(values, np.float64)), np.finfo(np.float64).tiny)
