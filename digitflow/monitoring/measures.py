"""How far a window of images is from the reference, as effect sizes.

Population stability index: N. Siddiqi, "Credit Risk Scorecards" (2006). Domain classifier:
D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests" (ICLR 2017); S. Rabanser,
S. Günnemann, Z. Lipton, "Failing loudly" (NeurIPS 2019).
"""

from dataclasses import dataclass

import numpy as np

from digitflow.monitoring.reference import OpenReference

BINS = 10
FOLDS = 5
RIDGE = 10.0
# Standard deviations at which a feature counts as its farthest.
FARTHEST = 5.0


@dataclass(frozen=True)
class DescribedWindow:
    """A window's images as the measures see them.

    Attributes
    ----------
    statistics : ndarray of shape (n, 7)
    projected : ndarray of shape (n, 20)
    predicted : ndarray of shape (m,), integer
    confidence : ndarray of shape (m,)
    """

    statistics: np.ndarray
    projected: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray


class DriftMeter:
    """Measures windows against one reference; what doesn't change is computed once.

    Parameters
    ----------
    reference : OpenReference
        What windows are compared with.
    """

    def __init__(self, reference: OpenReference) -> None:
        self.reference = reference
        shares = np.linspace(0, 1, BINS + 1)[1:-1]
        columns = [*reference.statistics.T, reference.confidence]
        self._edges = [np.unique(np.quantile(column, shares)) for column in columns]
        # The bin of every row, once: parts of the reference are counted often.
        self._bins = [
            np.searchsorted(edges, column, side="right")
            for column, edges in zip(columns, self._edges, strict=True)
        ]
        features = np.hstack([reference.statistics, reference.projected])
        self._mean, spread = features.mean(axis=0), features.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._features = self._scale(features)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures' names.

        The population stability index of each statistic; the domain classifier's area under
        the ROC curve; the indices of the classes predicted and of how surely.
        """
        indices = (f"psi.{name}" for name in self.reference.columns)
        return (*indices, "domain", "predictions", "confidence")

    @property
    def rows(self) -> int:
        """How many images the reference holds."""
        return len(self._features)

    @property
    def read(self) -> int:
        """How many predictions the reference holds."""
        return len(self.reference.predicted)

    def describe_rows(self, rows: np.ndarray, read: np.ndarray) -> DescribedWindow:
        """Return some of the reference itself: images `rows`, predictions `read`."""
        known = self.reference
        return DescribedWindow(
            known.statistics[rows],
            known.projected[rows],
            known.predicted[read],
            known.confidence[read],
        )

    def measure(
        self, window: DescribedWindow, rows: np.ndarray, read: np.ndarray
    ) -> dict[str, float]:
        """Return the effect sizes of a window, by `measures`.

        Parameters
        ----------
        rows, read : ndarray of int
            The reference's images and predictions to compare with, in random order; as many
            of the first images as the window has are what the domain classifier is asked to
            tell it from.
        """
        columns = [*window.statistics.T, window.confidence]
        parts = [rows] * window.statistics.shape[1] + [read]
        indices = [
            compare_counts(
                np.bincount(bins[part], minlength=len(edges) + 1),
                np.bincount(
                    np.searchsorted(edges, column, side="right"), minlength=len(edges) + 1
                ),
            )
            for column, edges, bins, part in zip(
                columns, self._edges, self._bins, parts, strict=True
            )
        ]
        classes = [
            np.bincount(part, minlength=self.reference.classes)
            for part in (self.reference.predicted[read], window.predicted)
        ]
        features = self._scale(np.hstack([window.statistics, window.projected]))
        values = (
            *indices[:-1],
            tell_apart(features, self._features[rows[: len(features)]]),
            compare_counts(*classes),
            indices[-1],
        )
        return dict(zip(self.measures, map(float, values), strict=True))

    def _scale(self, features: np.ndarray) -> np.ndarray:
        """Standardise, and add the squares: a window may differ by how widely it varies."""
        scaled = ((features - self._mean) / self._spread).clip(-FARTHEST, FARTHEST)
        return np.hstack([scaled, scaled**2 - 1])


def compare_counts(known: np.ndarray, found: np.ndarray) -> float:
    """Return the population stability index of two counts over the same bins.

    Half an image is added to every bin, so that an empty one is far and not infinitely far.
    """
    expected, seen = ((counts + 0.5) / (counts + 0.5).sum() for counts in (known, found))
    return float(((seen - expected) * np.log(seen / expected)).sum())


def tell_apart(window: np.ndarray, others: np.ndarray) -> float:
    """Return how well a linear classifier tells two sets of features (n, d), (m, d) apart.

    Ridge regression by its normal equations: limits are calibrated on thousands of windows,
    and checking its input takes an estimator ten times as long as fitting this little.

    Returns
    -------
    float
        Cross-validated area under the ROC curve: 0.5 by chance (or less, by bad luck), 1
        for certain.
    """
    rows = np.vstack([window, others])
    wanted = np.repeat([1.0, 0.0], [len(window), len(others)])
    scores = np.empty(len(rows))
    # Both sets are in random order: each fold has its share of both.
    folds = np.concatenate([np.arange(len(part)) % FOLDS for part in (window, others)])
    for fold in range(FOLDS):
        held = folds == fold
        weights = _fit_ridge(rows[~held], wanted[~held])
        # Each fold has a model of its own: only ranks within it can be compared.
        scores[held] = _rank(rows[held] @ weights) / held.sum()
    # The area, by the Mann-Whitney statistic.
    ranks = _rank(scores)[: len(window)].sum() - len(window) * (len(window) + 1) / 2
    return float(ranks / (len(window) * len(others)))


def _fit_ridge(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the weights (d,); without the intercept, which changes no rank."""
    centred = rows - rows.mean(axis=0)
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += RIDGE
    return np.asarray(np.linalg.solve(gram, centred.T @ (wanted - wanted.mean())))


def _rank(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values))
