"""How unlike the training digits an image's features are: is it a digit at all?

Each digit is a Gaussian with its own mean and a covariance half its own, half that of all
digits together; an outlier is what none of them makes likely. The covariances follow J.
Friedman, "Regularized discriminant analysis", JASA 84 (1989); the distance to the nearest
class as a sign of what was never learnt is K. Lee, K. Lee, H. Lee and J. Shin, "A simple
unified framework for detecting out-of-distribution samples and adversarial attacks",
NeurIPS 2018.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from digitflow.errors import InputError

CHUNK_ROWS = 1024
# Of the mean variance, added to every direction: a feature that never changes is no proof.
RIDGE = 1e-3
SCALE_ROWS = 10_000
"""Training rows that fix the unit of the outlier score."""


class OutlierDetector(BaseEstimator):  # type: ignore[misc]
    """Scores how unlike its training rows others are; fitted in chunks, in bounded memory.

    Parameters
    ----------
    components : int
        Principal components that are kept where there are more features.
    pooling : float
        Share of the covariance of all digits in that of each, 0 to 1.

    Attributes
    ----------
    mean_ : ndarray of shape (d,)
    axes_ : ndarray of shape (d, k)
        The principal components; the identity where all features are kept.
    whitening_ : ndarray of shape (k, c * k)
        For each of the c digits, what makes its covariance the identity.
    centres_ : ndarray of shape (c * k,)
        The digits' means, each whitened by its own.
    volumes_ : ndarray of shape (c,)
        Logarithms of the determinants of the covariances.
    location_, scale_ : float
        Mean and standard deviation over the training rows, before they are taken out.
    """

    def __init__(self, components: int = 100, pooling: float = 0.5) -> None:
        self.components = components
        self.pooling = pooling

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "OutlierDetector":
        """Fit on features (n, d), which may be memory-mapped, and labels (n,).

        Raises
        ------
        InputError
            If there are no rows.
        """
        if len(features) == 0:
            raise InputError("a detector is fitted on at least one row, got none")
        self._find_axes(features)
        groups = [labels == label for label in np.unique(labels)]
        means, covariances = zip(
            *(self._measure(features, rows) for rows in groups), strict=True
        )
        shares = [rows.mean() for rows in groups]
        pooled = np.tensordot(shares, covariances, axes=1)
        self._whiten(means, [self._shrink(covariance, pooled) for covariance in covariances])
        found = self._rate(features[:: -(-len(features) // SCALE_ROWS)])
        self.location_, self.scale_ = float(found.mean()), float(found.std()) or 1.0
        return self

    def outlier_score(self, features: np.ndarray) -> np.ndarray:
        """Return the outlier scores of rows (n, d), (n,) float64.

        0 is an average training row; the unit is a standard deviation of training rows.

        Raises
        ------
        InputError
            If there are not as many features as it was fitted on.
        """
        check_is_fitted(self)
        if features.ndim != 2 or features.shape[1] != self.width:
            raise InputError(
                f"the detector scores {self.width} features a row, got {features.shape}"
            )
        return (self._rate(features) - self.location_) / self.scale_

    @property
    def width(self) -> int:
        """How many features it was fitted on."""
        return len(self.mean_)

    def _find_axes(self, features: np.ndarray) -> None:
        count, width = features.shape
        self.mean_ = sum(chunk.sum(axis=0) for chunk in _chunks(features)) / count
        self.axes_ = np.eye(width)
        if width > self.components:
            centred = (chunk - self.mean_ for chunk in _chunks(features))
            squares = sum(chunk.T @ chunk for chunk in centred)
            self.axes_ = np.linalg.eigh(squares / count)[1][:, -self.components :]

    def _measure(self, features: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of some rows, along the axes."""
        chosen = np.flatnonzero(rows)
        total, squares = np.zeros(self.axes_.shape[1]), np.zeros((self.axes_.shape[1],) * 2)
        for start in range(0, len(chosen), CHUNK_ROWS):
            turned = self._project(features[chosen[start : start + CHUNK_ROWS]])
            total += turned.sum(axis=0)
            squares += turned.T @ turned
        mean = total / len(chosen)
        return mean, squares / len(chosen) - np.outer(mean, mean)

    def _project(self, features: np.ndarray) -> np.ndarray:
        return (np.asarray(features, np.float64) - self.mean_) @ self.axes_

    def _shrink(self, covariance: np.ndarray, pooled: np.ndarray) -> np.ndarray:
        mixed = (1 - self.pooling) * covariance + self.pooling * pooled
        # Where nothing ever changes, any unit will do.
        ridge = RIDGE * float(np.trace(pooled)) / len(pooled) or 1.0
        return mixed + ridge * np.eye(len(pooled))

    def _whiten(self, means: Any, covariances: list[np.ndarray]) -> None:
        roots = [np.linalg.cholesky(covariance) for covariance in covariances]
        whitening = [np.linalg.inv(root).T for root in roots]
        pairs = zip(means, whitening, strict=True)
        self.whitening_ = np.concatenate(whitening, axis=1)
        self.centres_ = np.concatenate([mean @ white for mean, white in pairs])
        self.volumes_ = np.array([2 * np.log(np.diag(root)).sum() for root in roots])

    def _rate(self, features: np.ndarray) -> np.ndarray:
        """Return -2 log density of the likeliest digit, without its constant, (n,)."""
        if len(features) == 0:
            return np.zeros(0)
        return np.concatenate([self._rate_chunk(chunk) for chunk in _chunks(features)])

    def _rate_chunk(self, features: np.ndarray) -> np.ndarray:
        off = self._project(features) @ self.whitening_ - self.centres_
        off = off.reshape(len(features), len(self.volumes_), -1)
        distances = np.einsum("nck,nck->nc", off, off)
        return (distances + self.volumes_).min(axis=1)


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    starts = range(0, len(rows), CHUNK_ROWS)
    return (np.asarray(rows[start : start + CHUNK_ROWS], np.float64) for start in starts)
