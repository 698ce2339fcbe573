"""The paired bootstrap, by whole clusters: how far chance may move a difference."""

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np

from digitflow.errors import InputError

FEWEST_CLUSTERS = 5
MOST_CLUSTERS = 1000
# Draws that must lie outside a bound before it is more than the outermost draw.
FEWEST_OUTSIDE = 5


@dataclass(frozen=True)
class Bootstrap:
    """How differences are drawn again.

    Attributes
    ----------
    significance : float
        Error rate of each bound by itself (one-sided), 0 to 0.5.
    resamples : int
        How often all clusters are drawn, with replacement.
    seed : int
        The same seed, the same draws.
    """

    significance: float
    resamples: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse what could give no bound."""
        if not 0 < self.significance < 0.5:
            raise InputError(f"significance must be between 0 and .5, got {self.significance}")
        least = ceil(FEWEST_OUTSIDE / self.significance)
        if self.resamples < least:
            raise InputError(
                f"a significance of {self.significance} needs at least {least:,} resamples, "
                f"got {self.resamples:,}"
            )

    def group_rows(self, groups: np.ndarray | None, n: int) -> np.ndarray:
        """Number the cluster of each of n rows: 0, 1, ..., none left out.

        More than 1,000 clusters are dealt at random into 1,000: a sum of independent
        clusters varies as before, and the work no longer grows with the rows.

        Parameters
        ----------
        groups : integer ndarray of shape (n,), or None
            Equal numbers belong together (a writer's digits); a negative one, or None,
            is a cluster of its own.
        """
        clusters = _number_clusters(groups, n)
        count = _count(clusters)
        if count <= MOST_CLUSTERS:
            return clusters
        dealt = np.random.default_rng(self.seed).permutation(count) % MOST_CLUSTERS
        return dealt[clusters]

    def draw_totals(self, sums: np.ndarray) -> np.ndarray:
        """Draw all clusters again, with replacement, and add them up, many times.

        Parameters
        ----------
        sums : float ndarray of shape (m, k)
            k quantities, each summed over the rows of a cluster.

        Returns
        -------
        ndarray of shape (resamples, k), float64
        """
        m = len(sums)
        drawn = np.random.default_rng(self.seed).integers(m, size=(self.resamples, m))
        drawn += m * np.arange(self.resamples)[:, None]
        times = np.bincount(drawn.ravel(), minlength=self.resamples * m)
        return times.reshape(self.resamples, m).astype(np.float64) @ sums

    def draw_swapped(self, sums: np.ndarray) -> np.ndarray:
        """Add up sums of differences of two models, which of the two is which drawn anew.

        Between equal models each cluster's difference could as well have the other sign: a
        randomisation test (E. J. G. Pitman 1937, "Significance tests which may be applied to
        samples from any populations"), the wild bootstrap of a mean that is 0.

        Parameters
        ----------
        sums : float ndarray of shape (m, k)
            k differences, each summed over the rows of a cluster.

        Returns
        -------
        ndarray of shape (resamples, k), float64
        """
        signs = np.random.default_rng(self.seed).integers(0, 2, (self.resamples, len(sums)))
        return np.asarray((2.0 * signs - 1.0) @ sums)

    def find_bounds(self, draws: np.ndarray, clusters: int) -> tuple[float, float]:
        """Return a lower and an upper bound, each one-sided at the significance.

        The percentiles of the draws, moved outwards as the t distribution and the divisor
        m - 1 ask of few clusters (the "expanded percentile" interval, Hesterberg 2015,
        "What Teachers Should Know About the Bootstrap"). NaN with fewer than 5 clusters.
        """
        from scipy.special import ndtr, stdtrit

        if clusters < FEWEST_CLUSTERS:
            return float("nan"), float("nan")
        steps = stdtrit(clusters - 1, 1 - self.significance) * sqrt(clusters / (clusters - 1))
        tail = float(ndtr(-steps))
        low, high = np.quantile(draws, [tail, 1 - tail])
        return float(low), float(high)


def sum_clusters(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Sum each column of (n, k) or (n,) values over the rows of each cluster: (m, k)."""
    columns = values.reshape(len(values), -1).T
    m = _count(clusters)
    return np.stack([np.bincount(clusters, column, m) for column in columns], axis=1)


def _number_clusters(groups: np.ndarray | None, n: int) -> np.ndarray:
    if groups is None:
        return np.arange(n)
    if groups.shape != (n,):
        raise InputError(f"{n} rows need groups of shape ({n},), got {groups.shape}")
    alone = groups < 0
    known, numbers = np.unique(groups[~alone], return_inverse=True)
    clusters = np.empty(n, np.int64)
    clusters[~alone] = numbers
    clusters[alone] = len(known) + np.arange(np.count_nonzero(alone))
    return clusters


def _count(clusters: np.ndarray) -> int:
    return int(clusters.max()) + 1 if len(clusters) else 0


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (Wilson 1927).

    It stays within 0 and 1 and is close to its nominal coverage even near 0 and 1, where
    the accuracies of good models are.

    Parameters
    ----------
    correct, n : int
        Successes among trials.
    confidence : float
        Between 0 and 1, both excluded.

    Raises
    ------
    InputError
        If there are no trials, more successes than trials, or no such confidence.
    """
    if not 0 <= correct <= n or n == 0:
        raise InputError(f"an interval needs 0 <= correct <= n and n > 0, got {correct} of {n}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = correct / n, n / (n + z**2)
    centre = weight * (share + z**2 / (2 * n))
    half = weight * z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Exactly 0 and 1 at the ends, where rounding would leave a hair.
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return low, high
