"""Two models on the same rows: is one better, or only lucky?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from digitflow.config.gate import BetterLimits
from digitflow.errors import InputError
from digitflow.evaluation.evidence import ScoredSet
from digitflow.evaluation.metrics import CALIBRATION_BINS, check_predictions
from digitflow.evaluation.resampling import FEWEST_CLUSTERS, Bootstrap, sum_clusters
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
    clusters = drawn.group_rows(groups, len(squared[0]))
    parts = {name: _sum_slice(name, rows, squared, clusters) for name, rows in slices.items()}
    totals = drawn.draw_totals(np.hstack(list(parts.values())))
    drawn_parts = np.split(totals, len(parts), axis=1)
    return {
        name: _describe_slice([errors[slices[name]] for errors in squared], sums, totals, drawn)
        for (name, sums), totals in zip(parts.items(), drawn_parts, strict=True)
    }


def _sum_slice(
    name: str, rows: np.ndarray, squared: Sequence[np.ndarray], clusters: np.ndarray
) -> np.ndarray:
    """Return of each cluster: rows n, excess x, and their products x x, x n, n n."""
    if not rows.any():
        raise InputError(f"the slice {name} has no row to compare on")
    columns = np.stack([rows.astype(np.float64), (squared[0] - squared[1]) * rows], axis=1)
    n, x = sum_clusters(columns, clusters).T
    return np.stack([n, x, x * x, x * n, n * n], axis=1)


def _describe_slice(
    squared: Sequence[np.ndarray], sums: np.ndarray, totals: np.ndarray, drawn: Bootstrap
) -> ErrorDifference:
    """Return what the draws of a slice say of it, by the bootstrap of Student's t.

    Squared errors have long tails: a few rows that make the mean also make it uncertain, and
    percentiles of the mean alone would count them for the one side (Hesterberg 2015, "What
    Teachers Should Know About the Bootstrap"; Hall 1988, "Theoretical comparison of bootstrap
    confidence intervals").
    """
    ours, theirs = squared
    clusters = int(np.count_nonzero(sums[:, 0]))
    (mean,), (error,) = _estimate(sums.sum(axis=0, keepdims=True))
    # A draw may miss all of a small slice.
    means, errors = _estimate(totals[totals[:, 0] > 0])
    steps = _divide(means - mean, errors)
    seen = _divide(np.array([mean]), np.array([error]))[0]
    lower = upper = float("nan")
    if clusters >= FEWEST_CLUSTERS:
        # Draws themselves: nothing lies between two infinite steps.
        low = np.quantile(steps, drawn.significance, method="lower")
        high = np.quantile(steps, 1 - drawn.significance, method="higher")
        lower, upper = float(mean - high * error), float(mean - low * error)
    return ErrorDifference(
        n=len(ours),
        clusters=clusters,
        challenger=float(ours.mean()),
        champion=float(theirs.mean()),
        lower=lower,
        upper=upper,
        p=float((1 + np.count_nonzero(steps <= seen)) / (1 + len(steps))),
        p_worse=float((1 + np.count_nonzero(steps >= seen)) / (1 + len(steps))),
    )


def _estimate(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean excess of a row, and its standard error, of each row of sums."""
    n, x, xx, xn, nn = totals.T
    means = x / n
    spread = xx - 2 * means * xn + means**2 * nn
    return means, np.sqrt(np.maximum(spread, 0)) / n


def _divide(distances: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return distances in standard errors: of nothing 0, of something without any error inf."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distances == 0, 0.0, distances / errors)


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
        Probabilities of each, a row an image.
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
        If there is no champion, or no image.
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


def describe_hits(found: HitDifference, images: str) -> str:
    """Write the difference for people: "+0.18 points on 10,000 test images (59 wins, ...)"."""
    wins = format_count(found.wins, "win")
    losses = format_count(found.losses, "loss", "losses")
    return f"{format_points(found.delta)} points on {found.n:,} {images} ({wins}, {losses})"
