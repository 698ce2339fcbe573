"""What is measured of a regression, from the values that it predicts."""

from typing import Literal

import numpy as np

from digitflow.errors import InputError
from digitflow.evaluation.metrics import Metrics
from digitflow.store.references import Record

CONFIDENCE = 0.95


class RegressionMetrics(Metrics):
    """Figures of a regression over `n` samples, in the target's unit where they have one.

    Attributes
    ----------
    rmse : float
        Root of the mean squared error.
    bounds : (float, float)
        Its 95 % interval (see `bound_rmse`).
    mae, median_error : float
        Mean and median of |predicted - true|.
    bias : float
        Mean of predicted - true.
    r2 : float
        Share of the target's variance that is explained; NaN where there is none.
    """

    kind: Literal["regression"] = "regression"
    rmse: float
    bounds: tuple[float, float]
    mae: float
    median_error: float
    bias: float
    r2: float

    @property
    def main(self) -> tuple[str, float]:
        """The root mean squared error."""
        return "RMSE", self.rmse

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the root mean squared error."""
        return self.bounds

    @property
    def order(self) -> tuple[float, ...]:
        """By root mean squared error, then by mean absolute error."""
        return self.rmse, self.mae

    def list_figures(self) -> dict[str, float]:
        """Return RMSE, MAE, R2, median error and bias."""
        return {
            "RMSE": self.rmse,
            "MAE": self.mae,
            "R2": self.r2,
            "median error": self.median_error,
            "bias": self.bias,
        }


def measure_values(
    targets: np.ndarray, values: np.ndarray, unit: str = ""
) -> RegressionMetrics:
    """Measure predicted values.

    Parameters
    ----------
    targets, values : float ndarray of shape (n,)
        True and predicted, finite, at least one.
    unit : str
        Of both.

    Raises
    ------
    InputError
        If a shape, a dtype or a value is not as above.
    """
    from sklearn.metrics import mean_absolute_error, median_absolute_error, r2_score

    targets, values = check_values(targets, values)
    return RegressionMetrics(
        n=len(targets),
        rmse=float(np.sqrt(np.mean((values - targets) ** 2))),
        bounds=bound_rmse(values - targets),
        mae=float(mean_absolute_error(targets, values)),
        median_error=float(median_absolute_error(targets, values)),
        bias=float(np.mean(values - targets)),
        r2=float(r2_score(targets, values)) if len(targets) > 1 else float("nan"),
        unit=unit,
    )


def check_values(targets: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 (n,).

    Raises
    ------
    InputError
        If they don't fit together, or are no finite numbers.
    """
    pair = []
    for name, found in (("targets", targets), ("predicted values", values)):
        array = np.asarray(found)
        if array.ndim != 1 or not len(array) or not np.issubdtype(array.dtype, np.number):
            raise InputError(
                f"{name} must be at least one number in one dimension, "
                f"got {array.dtype} {array.shape}"
            )
        wrong = np.flatnonzero(~np.isfinite(array))
        if wrong.size:
            raise InputError(
                f"{name} must be finite; not so in {wrong.size} of {len(array)} rows, "
                f"first in row {wrong[0]}: {array[wrong[0]]}"
            )
        pair.append(array.astype(np.float64))
    if len(pair[0]) != len(pair[1]):
        raise InputError(f"{len(pair[0])} targets need as many values, got {len(pair[1])}")
    return pair[0], pair[1]


class RmseIntervals(Record):
    """Three 95 % intervals of one root mean squared error, low and high."""

    t: tuple[float, float]
    z: tuple[float, float]
    bootstrap: tuple[float, float]


def bound_rmse(errors: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the root mean squared error by Student's t.

    The squared errors' mean is taken for normally distributed; the root of its bounds is
    returned. Both bounds are the figure itself where there is one error only.

    Parameters
    ----------
    errors : float ndarray of shape (n,)
        Predicted less true value.
    """
    from scipy.special import stdtrit

    return _bound(errors, float(stdtrit(max(len(errors) - 1, 1), (1 + CONFIDENCE) / 2)))


def compare_intervals(errors: np.ndarray, seed: int, resamples: int = 2000) -> RmseIntervals:
    """Return the intervals by t, by z and by drawing the errors again (percentiles)."""
    from statistics import NormalDist

    squared = np.asarray(errors, np.float64) ** 2
    generator = np.random.default_rng(seed)
    draws = [generator.choice(squared, len(squared)).mean() for _ in range(resamples)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.sqrt(np.quantile(draws, [tail, 1 - tail]))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return RmseIntervals(
        t=bound_rmse(errors), z=_bound(errors, z), bootstrap=(float(low), float(high))
    )


def _bound(errors: np.ndarray, steps: float) -> tuple[float, float]:
    squared = np.asarray(errors, np.float64) ** 2
    spread = squared.std(ddof=1) / len(squared) ** 0.5 if len(squared) > 1 else 0.0
    middle = squared.mean()
    low, high = max(middle - steps * spread, 0.0) ** 0.5, (middle + steps * spread) ** 0.5
    return float(low), float(high)
