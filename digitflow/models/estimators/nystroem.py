"""Ridge regression on the kernel's values at some training images: cheaper than an SVM.

The method is C. Williams and M. Seeger, "Using the Nystroem method to speed up kernel
machines", NIPS 2000.
"""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from digitflow.models.estimators.svm import CHUNK_ROWS, choose_gamma, compute_kernel

# Beside the mean of the diagonal: keeps equal landmarks from making it singular.
JITTER = 1e-10


class NystroemRidge(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """scikit-learn's Nystroem and RidgeClassifier in one, in memory that doesn't grow.

    The pipeline of the two holds n x n_components numbers, 10 GB for 300,000 images;
    here only sums over the training images are kept.

    Parameters
    ----------
    n_components : int
        Landmarks, drawn from the training images; all of them if there are fewer.
    gamma : float or "scale"
        Width of the kernel: a number, or `gamma_scale` over the variance of the features.
    gamma_scale : float
        See `gamma`; not used if that is a number.
    alpha : float
        Strength of the ridge.
    random_state : int, optional
        Draws the landmarks.

    Attributes
    ----------
    landmarks_ : ndarray of shape (m, d)
    coef_ : ndarray of shape (m, k)
    intercept_ : ndarray of shape (k,)
    gamma_ : float
    classes_ : ndarray of shape (k,)
    n_features_in_ : int
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "gamma": [StrOptions({"scale"}), Interval(Real, 0, None, closed="neither")],
        "gamma_scale": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 4000,
        gamma: float | str = "scale",
        gamma_scale: float = 0.5,
        alpha: float = 0.03,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.gamma = gamma
        self.gamma_scale = gamma_scale
        self.alpha = alpha
        self.random_state = random_state

    def fit(self, features: Any, labels: Any) -> "NystroemRidge":
        """Fit on features (n, d) and labels (n,)."""
        rows, labels = validate_data(self, features, labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.gamma_ = choose_gamma(rows, self.gamma, self.gamma_scale)
        order = check_random_state(self.random_state).permutation(len(rows))
        self.landmarks_ = rows[np.sort(order[: self.n_components])].astype(np.float64)
        targets = np.where(codes[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)
        self._solve(rows, targets)
        return self

    def _solve(self, rows: np.ndarray, targets: np.ndarray) -> None:
        """Solve the centred normal equations, summed up chunk by chunk."""
        m = len(self.landmarks_)
        squares, products, sums = np.zeros((m, m)), np.zeros((m, targets.shape[1])), np.zeros(m)
        for kernel, part in zip(self._iterate_kernels(rows), _chunks(targets), strict=True):
            squares += kernel.T @ kernel
            products += kernel.T @ part
            sums += kernel.sum(axis=0)
        mean, target_mean = sums / len(rows), targets.mean(axis=0)
        squares -= np.outer(sums, mean)
        products -= np.outer(sums, target_mean)
        # In the landmarks' own terms the ridge is their kernel, not the identity: the
        # same solution without turning each row by the root of its inverse.
        squares += self.alpha * compute_kernel(self.landmarks_, self.landmarks_, self.gamma_)
        squares.flat[:: m + 1] += JITTER * np.trace(squares) / m
        self.coef_ = linalg.solve(squares, products, assume_a="pos", overwrite_a=True)
        self.intercept_ = target_mean - mean @ self.coef_

    def _iterate_kernels(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        for chunk in _chunks(rows):
            yield compute_kernel(chunk.astype(np.float64), self.landmarks_, self.gamma_)

    def decision_function(self, features: Any) -> np.ndarray:
        """Return scores (n, k), about 1 for the right class and -1 for the others.

        Of two classes it is the score of the second, (n,).
        """
        check_is_fitted(self)
        rows = validate_data(self, features, reset=False, dtype=np.float64)
        scores = [kernel @ self.coef_ for kernel in self._iterate_kernels(rows)]
        found = np.concatenate(scores) + self.intercept_
        return found[:, 1] if len(self.classes_) == 2 else found

    def predict(self, features: Any) -> np.ndarray:
        """Return the label (n,) with the highest score."""
        scores = self.decision_function(features)
        winners = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[np.asarray(winners, int)]


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS))


def build(params: dict[str, Any], seed: int, threads: int) -> NystroemRidge:
    """Return 4,000 landmarks, with a gamma and a ridge that suit `strokes`."""
    return NystroemRidge(**{"random_state": seed} | params)
