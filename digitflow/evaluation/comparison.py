"""Two models on the same rows: is one better, or only lucky?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from digitflow.config.gate import BetterLimits
from digitflow.errors import InputError
from digitflow.evaluation.evidence import ScoredSet
from digitflow.evaluation.metrics import CALIBRATION_BINS, check_predictions
from digitflow.evaluation.resampling import Bootstrap, sum_clusters
from digitflow.formatting import format_count, format_points


@dataclass(frozen=True)
class Difference:
    """A figure of both models on the same rows.

    Attributes
    ----------
    n, clusters : int
        Rows, and independent groups of them that were drawn again.
    challenger, champion : float
        The figure of each.
    lower, upper : float
        Bounds of `delta`, each one-sided; NaN with fewer than 5 clusters.
    """

    n: int
    clusters: int
    challenger: float
    champion: float
    lower: float
    upper: float

    @property
    def delta(self) -> float:
        """The challenger's figure less the champion's."""
        return self.challenger - self.champion


@dataclass(frozen=True)
class HitDifference(Difference):
    """The difference of two accuracies, and the rows that make it.

    Attributes
    ----------
    wins, losses : int
        Rows that only the challenger, and only the champion, has right.
    """

    wins: int
    losses: int


@dataclass(frozen=True)
class ErrorDifference(Difference):
    """The difference of two mean squared errors.

    Attributes
    ----------
    p, p_worse : float
        How likely chance shows as much, one-sided: of "no smaller", and of "no larger".
    """

    p: float
    p_worse: float


def exact_mcnemar(wins: int, losses: int) -> float:
    """Return how likely equal models are to show at least so many wins (one-sided).

    Each row that only one of the two has right is a fair coin between equal models
    (McNemar 1947; the exact binomial form). 1 where there are no such rows.

    Raises
    ------
    InputError
        If a count is negative.
    """
    from scipy.special import bdtrc

    if wins < 0 or losses < 0:
        raise InputError(f"wins and losses are counts, got {wins} and {losses}")
    return float(bdtrc(wins - 1, wins + losses, 0.5)) if wins else 1.0


def needed_wins(n: int, significance: float) -> int | None:
    """Return the least wins among n rows that differ to be significant; None: n is too few.

    >>> needed_wins(100, 0.05)
    59
    """
    from scipy.special import bdtrc

    enough = bdtrc(np.arange(n + 1) - 1.0, n, 0.5) <= significance
    enough[0] = False
    return int(enough.argmax()) if enough.any() else None


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being several, in their order (Holm 1979).

    Those that stay at or below a level are significant at that level over all together.

    Raises
    ------
    InputError
        If a value is not from 0 to 1; NaN among them.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"p-values are from 0 to 1, got {list(p_values)}")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(steps).clip(max=1)
    return [float(value) for value in adjusted]


def bound_paired_difference(
    wins: int, losses: int, n: int, significance: float
) -> tuple[float, float]:
    """Return bounds, each one-sided, of the difference of two shares of the same n rows.

    Wald's interval with half a row added to each of the four cells (Agresti and Min 2005,
    "Simple improved confidence intervals for comparing matched proportions").
    """
    if not 0 <= wins + losses <= n or min(wins, losses) < 0 or n == 0:
        raise InputError(f"{wins} wins and {losses} losses do not fit into {n} rows")
    total, gain = n + 2, wins - losses
    spread = (wins + losses + 1 - gain**2 / total) ** 0.5 / total
    half = NormalDist().inv_cdf(1 - significance) * spread
    return max(gain / total - half, -1.0), min(gain / total + half, 1.0)


def compare_hits(
    challenger: np.ndarray, champion: np.ndarray, groups: np.ndarray | None, drawn: Bootstrap
) -> HitDifference:
    """Compare two accuracies on the same rows.

    Parameters
    ----------
    challenger, champion : bool ndarray of shape (n,)
        Which rows each has right.
    groups : integer ndarray of shape (n,), or None
        Rows of one group are no independent witnesses, and are drawn together; a negative
        number is a group of its own.
    drawn : Bootstrap
        How the difference is drawn again.

    Raises
    ------
    InputError
        If there are no rows, or the arrays don't fit together.
    """
    ours, theirs = _check_rows(challenger, champion, np.bool_)
    gain = ours.astype(np.float64) - theirs
    clusters, lower, upper, _ = _draw_mean(gain, groups, drawn)
    return HitDifference(
        n=len(gain),
        clusters=clusters,
        challenger=float(ours.mean()),
        champion=float(theirs.mean()),
        lower=lower,
        upper=upper,
        wins=int(np.count_nonzero(gain > 0)),
        losses=int(np.count_nonzero(gain < 0)),
    )


def compare_squared_errors(
    challenger: np.ndarray, champion: np.ndarray, groups: np.ndarray | None, drawn: Bootstrap
) -> ErrorDifference:
    """Compare the mean squared errors of two regressions on the same rows.

    Parameters
    ----------
    challenger, champion : float ndarray of shape (n,)
        Predicted less true value.
    groups, drawn
        As for `compare_hits`.

    Raises
    ------
    InputError
        If there are no rows, a value is not finite, or the arrays don't fit together.
    """
    everything = {"all": np.ones(len(challenger), bool)}
    return compare_error_slices(challenger, champion, everything, groups, drawn)["all"]


def compare_error_slices(
    challenger: np.ndarray,
    champion: np.ndarray,
    slices: Mapping[str, np.ndarray],
    groups: np.ndarray | None,
    drawn: Bootstrap,
) -> dict[str, ErrorDifference]:
    """Compare the mean squared errors on parts of the rows, all by the same draws.

    Parameters
    ----------
    challenger, champion, groups, drawn
        As for `compare_squared_errors`.
    slices : mapping of str to ndarray of shape (n,), bool
        Each with at least one row.

    Raises
    ------
    InputError
        As for `compare_squared_errors`; or if a slice has no row.
    """
    pair = _check_rows(challenger, champion, np.floating)
    if not all(np.isfinite(errors).all() for errors in pair):
        raise InputError("errors to compare must be finite numbers")
    squared = [errors.astype(np.float64) ** 2 for errors in pair]
    excess, clusters = squared[0] - squared[1], drawn.group_rows(groups, len(squared[0]))
    for name, rows in slices.items():
        if not rows.any():
            raise InputError(f"the slice {name} has no row to compare on")
    masks = np.stack(list(slices.values()), axis=1)
    sizes = sum_clusters(masks.astype(np.float64), clusters)
    sums = sum_clusters(excess[:, None] * masks, clusters)
    drawn_sizes, drawn_sums = np.split(drawn.draw_totals(np.hstack([sizes, sums])), 2, axis=1)
    swapped = drawn.draw_swapped(sums)
    return {
        name: _describe_errors(
            [errors[rows] for errors in squared],
            sizes[:, place],
            (drawn_sizes[:, place], drawn_sums[:, place]),
            (sums[:, place].sum(), swapped[:, place]),
            drawn,
        )
        for place, (name, rows) in enumerate(slices.items())
    }


def _describe_errors(
    squared: Sequence[np.ndarray],
    sizes: np.ndarray,
    totals: tuple[np.ndarray, np.ndarray],
    swapped: tuple[float, np.ndarray],
    drawn: Bootstrap,
) -> ErrorDifference:
    """Return a slice's difference: bounds by drawing clusters, p by swapping the models.

    Squared errors have long tails. The few rows that make a sample's mean skew the sample too,
    and draws of it call too many means of equal models significant: the p-values are those
    of a test that needs no shape, of which model made which errors.
    """
    ours, theirs = squared
    seen, draws = swapped
    # A draw may miss all of a small slice.
    known = totals[0] > 0
    clusters = int(np.count_nonzero(sizes))
    lower, upper = drawn.find_bounds(totals[1][known] / totals[0][known], clusters)
    return ErrorDifference(
        n=len(ours),
        clusters=clusters,
        challenger=float(ours.mean()),
        champion=float(theirs.mean()),
        lower=lower,
        upper=upper,
        p=float((1 + np.count_nonzero(draws <= seen)) / (1 + len(draws))),
        p_worse=float((1 + np.count_nonzero(draws >= seen)) / (1 + len(draws))),
    )


def _draw_mean(
    values: np.ndarray, groups: np.ndarray | None, drawn: Bootstrap
) -> tuple[int, float, float, np.ndarray]:
    clusters = drawn.group_rows(groups, len(values))
    sums = sum_clusters(np.stack([np.ones_like(values), values], axis=1), clusters)
    sizes, totals = drawn.draw_totals(sums).T
    draws = totals / sizes
    return len(sums), *drawn.find_bounds(draws, len(sums)), draws


def _check_rows(
    challenger: np.ndarray, champion: np.ndarray, kind: type[np.generic]
) -> tuple[np.ndarray, np.ndarray]:
    for rows in (challenger, champion):
        if rows.ndim != 1 or not len(rows) or not np.issubdtype(rows.dtype, kind):
            raise InputError(
                f"expected at least one {kind.__name__} in one dimension, "
                f"got {rows.dtype} {rows.shape}"
            )
    if len(challenger) != len(champion):
        raise InputError(
            f"both models need the same rows, got {len(challenger):,} and {len(champion):,}"
        )
    return challenger, champion


def compare_calibration(
    labels: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray,
    groups: np.ndarray | None,
    drawn: Bootstrap,
) -> dict[str, Difference]:
    """Compare "ece", "brier" and "log_loss" (see `Metrics`) by the same draws.

    Parameters
    ----------
    labels : integer ndarray of shape (n,)
        True digits, 0 to 9.
    challenger, champion : float ndarray of shape (n, 10)
        Probabilities of each, a row a sample.
    groups, drawn
        As for `compare_hits` of digitflow.evaluation.comparison.

    Raises
    ------
    InputError
        If labels or probabilities are not as above.
    """
    clusters = drawn.group_rows(groups, len(labels))
    models = [_sum_calibration(labels, p, clusters) for p in (challenger, champion)]
    sizes = sum_clusters(np.ones(len(labels)), clusters)
    sums = np.hstack([sizes, *models])
    draws = _measure_calibration(drawn.draw_totals(sums))
    observed = _measure_calibration(sums.sum(axis=0, keepdims=True))
    compared = {}
    for name, (ours, theirs) in observed.items():
        drawn_ours, drawn_theirs = draws[name]
        lower, upper = drawn.find_bounds(drawn_ours - drawn_theirs, len(sizes))
        compared[name] = Difference(
            len(labels), len(sizes), float(ours[0]), float(theirs[0]), lower, upper
        )
    return compared


def _sum_calibration(
    labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray
) -> np.ndarray:
    """Return for each cluster the squared distances, the log losses, the gaps of 15 bins."""
    labels, probabilities = check_predictions(labels, probabilities)
    lowest = np.finfo(np.float64).eps
    of_label = probabilities[np.arange(len(labels)), labels]
    losses = -np.log(of_label.clip(lowest, 1 - lowest))
    # |p - onehot|^2 = |p|^2 - 2 p[label] + 1, without the one-hot matrix.
    distances = np.einsum("ij,ij->i", probabilities, probabilities) - 2 * of_label + 1
    top = probabilities.max(axis=1)
    gaps = (probabilities.argmax(axis=1) == labels) - top
    bins = np.searchsorted(np.linspace(0, 1, CALIBRATION_BINS + 1), top, side="left") - 1
    cells, m = clusters * CALIBRATION_BINS + bins, int(clusters.max()) + 1
    binned = np.bincount(cells, gaps, m * CALIBRATION_BINS).reshape(m, CALIBRATION_BINS)
    return np.hstack([sum_clusters(np.stack([distances, losses], axis=1), clusters), binned])


def _measure_calibration(totals: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    sizes = totals[:, :1]
    ours, theirs = (part / sizes for part in np.split(totals[:, 1:], 2, axis=1))
    return {
        "ece": (np.abs(ours[:, 2:]).sum(axis=1), np.abs(theirs[:, 2:]).sum(axis=1)),
        "brier": (ours[:, 0], theirs[:, 0]),
        "log_loss": (ours[:, 1], theirs[:, 1]),
    }


def compare_set(scored: ScoredSet, rules: BetterLimits, seed: int) -> HitDifference:
    """Compare both models' accuracies on a set, drawn again by whole writers.

    Raises
    ------
    InputError
        If there is no champion, or no sample.
    """
    if scored.champion is None:
        raise InputError("there is no champion to compare with")
    return compare_hits(
        scored.challenger.argmax(axis=1) == scored.targets,
        scored.champion.argmax(axis=1) == scored.targets,
        scored.writers,
        make_bootstrap(rules, seed),
    )


def make_bootstrap(rules: BetterLimits, seed: int) -> Bootstrap:
    """Return how the config wants differences drawn again."""
    return Bootstrap(rules.significance, rules.resamples, seed)


def describe_hits(found: HitDifference, samples: str) -> str:
    """Write the difference for people: "+0.18 points on 10,000 test samples (59 wins, ...)"."""
    wins = format_count(found.wins, "win")
    losses = format_count(found.losses, "loss", "losses")
    return f"{format_points(found.delta)} points on {found.n:,} {samples} ({wins}, {losses})"
