"""A linear classifier on the kernel's values at some training images: cheaper than an SVM.

The method is C. Williams and M. Seeger, "Using the Nystroem method to speed up kernel
machines", NIPS 2000. With the squared hinge the ridge's solution is bettered by accelerated
gradient steps (Y. Nesterov, "A method for solving the convex programming problem with
convergence rate O(1/k^2)", Soviet Mathematics Doklady 27 (1983)), scaled by the inverse of the
ridge's own matrix: it bounds the Hessian, so that a step of 1 is safe.
"""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from digitflow.models.estimators.svm import (
    CHUNK_ROWS,
    choose_gamma,
    compare_rows,
    compute_kernel,
    join_points,
)

# Beside the mean of the diagonal: keeps equal landmarks from making it singular.
JITTER = 1e-10


class NystroemClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """scikit-learn's Nystroem and a linear classifier in one, in memory that doesn't grow.

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
    loss : "squared_error" or "squared_hinge"
        What is summed of f, a class's score, and t, 1 for its images and -1 for others:
        (t - f)^2, as scikit-learn's RidgeClassifier has it, or that only where t f < 1, so
        that nothing is lost by an image which is further on its side than asked.
    max_iter : int
        Steps of the squared hinge from the ridge's solution, as many each time. Chosen on
        MNIST's validation images: 7 to 10 are equal, 40 overfit.
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
        "loss": [StrOptions({"squared_error", "squared_hinge"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 4000,
        gamma: float | str = "scale",
        gamma_scale: float = 0.5,
        alpha: float = 0.03,
        loss: str = "squared_error",
        max_iter: int = 8,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.gamma = gamma
        self.gamma_scale = gamma_scale
        self.alpha = alpha
        self.loss = loss
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, features: Any, labels: Any) -> "NystroemClassifier":
        """Fit on features (n, d) and labels (n,)."""
        rows, labels = validate_data(self, features, labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.gamma_ = choose_gamma(rows, self.gamma, self.gamma_scale)
        order = check_random_state(self.random_state).permutation(len(rows))
        self.landmarks_ = rows[np.sort(order[: self.n_components])].astype(np.float64)
        targets = np.where(codes[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)
        ridge = self._solve_ridge(rows, targets)
        if self.loss == "squared_hinge":
            self._step_hinge(rows, targets, ridge)
        return self

    def _solve_ridge(self, rows: np.ndarray, targets: np.ndarray) -> "_Ridge":
        """Solve the centred normal equations, summed up chunk by chunk."""
        m = len(self.landmarks_)
        squares, products, sums = np.zeros((m, m)), np.zeros((m, targets.shape[1])), np.zeros(m)
        for kernel, part in self._iterate_kernels(rows, targets, np.float64):
            squares += kernel.T @ kernel
            products += kernel.T @ part
            sums += kernel.sum(axis=0)
        mean, target_mean = sums / len(rows), targets.mean(axis=0)
        squares -= np.outer(sums, mean)
        products -= np.outer(sums, target_mean)
        # In the landmarks' own terms the ridge is their kernel, not the identity: the
        # same solution without turning each row by the root of its inverse.
        penalty = compute_kernel(self.landmarks_, self.landmarks_, self.gamma_)
        penalty *= self.alpha
        squares += penalty
        squares.flat[:: m + 1] += JITTER * np.trace(squares) / m
        # Of the transposed one, since LAPACK would copy an array whose rows come first.
        factor = linalg.cho_factor(squares.T, overwrite_a=True)
        self.coef_ = linalg.cho_solve(factor, products)
        self.intercept_ = target_mean - mean @ self.coef_
        return _Ridge(factor, penalty, mean)

    def _step_hinge(self, rows: np.ndarray, targets: np.ndarray, ridge: "_Ridge") -> None:
        """Go from the ridge's solution towards that of the squared hinge.

        Kernels are computed again in each step, in single precision: as many as all rows have
        would not fit into memory, and a step need not be exact.
        """
        # Of centred kernels: the matrix of the ridge has nothing between them and the mean.
        coef, level = self.coef_, self.intercept_ + ridge.mean @ self.coef_
        ahead, level_ahead, momentum = coef, level, 1.0
        for _ in range(self.max_iter):
            pull, pulls = self._sum_residuals(
                rows, targets, ahead, level_ahead - ridge.mean @ ahead
            )
            pull -= np.outer(ridge.mean, pulls) + ridge.penalty @ ahead
            stepped = ahead + linalg.cho_solve(ridge.factor, pull)
            raised = level_ahead + pulls / len(rows)
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            further = (momentum - 1) / following
            ahead = stepped + further * (stepped - coef)
            level_ahead = raised + further * (raised - level)
            coef, level, momentum = stepped, raised, following
        self.coef_, self.intercept_ = coef, level - ridge.mean @ coef

    def _sum_residuals(
        self, rows: np.ndarray, targets: np.ndarray, coef: np.ndarray, intercept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what is missing from scores short of their side: by landmark, and in all."""
        products, sums = np.zeros_like(coef), np.zeros_like(intercept)
        weights = coef.astype(np.float32)
        for kernel, part in self._iterate_kernels(rows, targets, np.float32):
            scores = kernel @ weights + intercept
            missing = np.where(part * scores < 1, part - scores, 0)
            products += kernel.T @ missing.astype(np.float32)
            sums += missing.sum(axis=0)
        return products, sums

    def _iterate_kernels(
        self, rows: np.ndarray, others: np.ndarray, dtype: type[np.floating[Any]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the kernels of some rows at a time, and as many of the others."""
        joined = self._join_landmarks(dtype)
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            yield compare_rows(rows[part], joined, self.gamma_), others[part]

    def _join_landmarks(self, dtype: type[np.floating[Any]]) -> np.ndarray:
        """Return what rows are compared with; in double precision, which predicts, it is kept.

        For one image it takes ten times as long to make as to use.
        """
        if dtype is np.float32:
            return join_points(self.landmarks_.astype(dtype), self.gamma_)
        landmarks, joined = self.__dict__.get("_joined", (None, None))
        if landmarks is not self.landmarks_:
            joined = join_points(self.landmarks_.astype(dtype, copy=False), self.gamma_)
            self._joined = self.landmarks_, joined
        return np.asarray(joined)

    def __getstate__(self) -> Any:
        """Return what is stored: nothing of what only predicting needs."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_joined"}

    def decision_function(self, features: Any) -> np.ndarray:
        """Return scores (n, k), about 1 for the right class and -1 for the others.

        Of two classes it is the score of the second, (n,).
        """
        check_is_fitted(self)
        rows = validate_data(self, features, reset=False, dtype=np.float64)
        scores = [
            kernel @ self.coef_ for kernel, _ in self._iterate_kernels(rows, rows, np.float64)
        ]
        found = np.concatenate(scores) + self.intercept_
        return found[:, 1] if len(self.classes_) == 2 else found

    def predict(self, features: Any) -> np.ndarray:
        """Return the label (n,) with the highest score."""
        scores = self.decision_function(features)
        winners = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[np.asarray(winners, int)]


class _Ridge(NamedTuple):
    """What the ridge was solved by: its matrix, factorised; its penalty; the mean kernel."""

    factor: tuple[np.ndarray, bool]
    penalty: np.ndarray
    mean: np.ndarray


def build(params: dict[str, Any], seed: int, threads: int) -> NystroemClassifier:
    """Return 4,000 landmarks, with a gamma and a ridge that suit `strokes`."""
    return NystroemClassifier(**{"random_state": seed} | params)
