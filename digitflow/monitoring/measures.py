"""How far a window of samples and predictions is from what a model learnt from.

The measures are effect sizes. Population stability index: N. Siddiqi, "Credit Risk
Scorecards" (2006). Domain classifier: D. Lopez-Paz and M. Oquab, "Revisiting classifier
two-sample tests" (ICLR 2017); S. Rabanser, S. Günnemann, Z. Lipton, "Failing loudly"
(NeurIPS 2019).
"""

from dataclasses import dataclass

import numpy as np

from digitflow.monitoring.reference import OpenReference, describe_samples

BINS = 10
FOLDS = 5
RIDGE = 10.0
# Standard deviations at which a feature counts as its farthest.
FARTHEST = 5.0
# What orders the samples of one bin, far less than a bin differs from another.
ORDERING, TINY = 1e-3, 1e-12


@dataclass(frozen=True)
class DescribedWindow:
    """A window as the measures see it.

    Attributes
    ----------
    statistics : ndarray of shape (n, s)
    features : ndarray of shape (n, d)
    predicted : ndarray of shape (m,)
    confidence : ndarray of shape (m,), or None
    """

    statistics: np.ndarray
    features: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray | None


class _Bins:
    """Into which bin a value goes: a tenth of the reference, or a category; the last if none.

    Parameters
    ----------
    known : ndarray of shape (m,)
        The reference's values, NaN where one is missing.
    categories : int
        How many there are, numbered from 0; 0 for numbers.
    """

    def __init__(self, known: np.ndarray, categories: int) -> None:
        shares = np.linspace(0, 1, BINS + 1)[1:-1]
        there = known[~np.isnan(known)]
        is_number = categories == 0 and len(there)
        self.edges = np.unique(np.quantile(there, shares)) if is_number else np.empty(0)
        self.categories = categories
        self.count = (categories or len(self.edges) + 1) + 1
        # The bin of every value, once: parts of the reference are counted often.
        self.known = self.place(known)

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value (n,)."""
        found = (
            np.searchsorted(self.edges, values, side="right")
            if self.categories == 0
            else np.nan_to_num(values)
        )
        return np.where(np.isnan(values), self.count - 1, found).astype(np.int64)

    def measure_distance(self, values: np.ndarray) -> np.ndarray:
        """Return how far from the usual each value is, 0 to 1 (n,); 0 for categories."""
        if not len(self.edges):
            return np.zeros(len(values))
        distance = np.nan_to_num(np.abs(values - np.median(self.edges)))
        return np.asarray(distance / max(float(distance.max()), TINY))


class DriftMeter:
    """Measures windows against one reference; what doesn't change is computed once.

    Parameters
    ----------
    reference : OpenReference
        What windows are compared with.
    """

    def __init__(self, reference: OpenReference) -> None:
        self.reference = reference
        self._bins = {
            f"psi.{name}": _Bins(column, len(names))
            for name, column, names in zip(
                reference.columns, reference.statistics.T, reference.categories, strict=True
            )
        }
        self._bins["predictions"] = _Bins(reference.predicted, reference.classes)
        if reference.confidence is not None:
            self._bins["confidence"] = _Bins(reference.confidence, 0)
        self._raw = reference.features
        # A column of which every cell is missing has neither, and needs none.
        there = np.ma.masked_invalid(self._raw)
        self._mean, spread = (
            there.mean(axis=0).filled(0),
            there.std(axis=0).filled(0),
        )
        self._spread = np.where(spread > 0, spread, 1.0)
        self._features = self._scale(self._raw)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures' names.

        The population stability index of each statistic; the domain classifier's area under
        the ROC curve; the indices of what was predicted and, of classes, of how surely.
        """
        indices = list(self._bins)
        place = len(self.reference.columns)
        return (*indices[:place], "domain", *indices[place:])

    @property
    def rows(self) -> int:
        """How many samples the reference holds."""
        return len(self._features)

    @property
    def read(self) -> int:
        """How many predictions the reference holds."""
        return len(self.reference.predicted)

    def describe_rows(self, rows: np.ndarray, read: np.ndarray) -> DescribedWindow:
        """Return some of the reference itself: samples `rows`, predictions `read`."""
        known = self.reference
        return DescribedWindow(
            known.statistics[rows],
            self._raw[rows],
            known.predicted[read],
            None if known.confidence is None else known.confidence[read],
        )

    def measure(
        self, window: DescribedWindow, rows: np.ndarray, read: np.ndarray
    ) -> dict[str, float]:
        """Return the effect sizes of a window, by `measures`.

        Parameters
        ----------
        rows, read : ndarray of int
            The reference's samples and predictions to compare with, in random order; as many
            of the first samples as the window has are what the domain classifier is asked to
            tell it from.
        """
        effects = {
            name: compare_counts(
                np.bincount(
                    bins.known[rows if name.startswith("psi.") else read], minlength=bins.count
                ),
                np.bincount(bins.place(column), minlength=bins.count),
            )
            for (name, bins), column in zip(
                self._bins.items(), _list_columns(window), strict=True
            )
        }
        features = self._scale(window.features)
        effects["domain"] = tell_apart(features, self._features[rows[: len(features)]])
        return {name: effects[name] for name in self.measures}

    def attribute(
        self,
        samples: np.ndarray,
        predicted: np.ndarray,
        confidence: np.ndarray | None,
        measure: str,
    ) -> np.ndarray:
        """Return how much each sample of a window counts for a measure, (n,).

        Of an index: the logarithm of how much more often its bin comes in the window than in
        the reference; in one bin, the farther from the usual the more, by no more than tells
        their order. Of the domain classifier: its score, fitted on both.

        Parameters
        ----------
        samples : ndarray of shape (n, 28, 28), uint8, or (n,), structured
        predicted, confidence : ndarray of shape (n,)
            What was predicted, and its probability.
        measure : str
            One of `measures`.
        """
        window = DescribedWindow(
            *describe_samples(samples, self.reference), predicted, confidence
        )
        if measure == "domain":
            scaled = self._scale(window.features)
            wanted = np.repeat([1.0, 0.0], [len(scaled), len(self._features)])
            return scaled @ _fit_ridge(np.vstack([scaled, self._features]), wanted)
        bins = self._bins[measure]
        column = _list_columns(window)[list(self._bins).index(measure)]
        counted = _compare_bins(bins.known, bins.place(column), bins.count)
        return counted + ORDERING * bins.measure_distance(column)

    def _scale(self, features: np.ndarray) -> np.ndarray:
        """Standardise, and add the squares: a window may differ by how widely it varies.

        What is missing is as the mean, and has no spread.
        """
        scaled = ((features - self._mean) / self._spread).clip(-FARTHEST, FARTHEST)
        scaled = np.nan_to_num(scaled)
        return np.hstack([scaled, scaled**2 - 1])


def _list_columns(window: DescribedWindow) -> list[np.ndarray]:
    """Return what indices are of, in the order of the bins."""
    more = [] if window.confidence is None else [window.confidence]
    return [*window.statistics.T, window.predicted, *more]


def compare_counts(known: np.ndarray, found: np.ndarray) -> float:
    """Return the population stability index of two counts over the same bins.

    Half a sample is added to every bin, so that an empty one is far and not infinitely far;
    of a bin that is empty in both there is nothing to say.
    """
    used = (known + found) > 0
    expected, seen = (
        (counts[used] + 0.5) / (counts[used] + 0.5).sum() for counts in (known, found)
    )
    return float(((seen - expected) * np.log(seen / expected)).sum())


def _compare_bins(known: np.ndarray, found: np.ndarray, bins: int) -> np.ndarray:
    """Return for each of `found` how much more often its bin comes there, logarithm."""
    counts = (np.bincount(part, minlength=bins) + 0.5 for part in (known, found))
    expected, seen = (count / count.sum() for count in counts)
    return np.asarray(np.log(seen / expected)[found])


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
