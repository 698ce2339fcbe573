"""Whether one model's probabilities are further off than another's on the same images."""

import numpy as np

from digitflow.evaluation.comparison import Difference
from digitflow.evaluation.metrics import CALIBRATION_BINS, check_predictions
from digitflow.evaluation.resampling import Bootstrap, sum_clusters


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
