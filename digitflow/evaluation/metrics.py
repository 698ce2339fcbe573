"""What is measured of a classifier of digits, from its probabilities."""

from dataclasses import dataclass

import numpy as np

from digitflow.errors import InputError, list_some
from digitflow.evaluation.resampling import wilson_interval
from digitflow.store.references import Record

CLASSES = 10
CALIBRATION_BINS = 15
CONFUSED_PAIRS = 10
# Rows of float32 probabilities sum to 1 within 1e-6; a row this far off is a mistake.
TOLERANCE = 1e-4


class ClassMetrics(Record):
    """One digit: `support` images of it; a figure without a denominator is 0."""

    digit: int
    precision: float
    recall: float
    f1: float
    support: int


class ConfusedPair(Record):
    """How many images of `true` were taken for `predicted`."""

    true: int
    predicted: int
    count: int


class Metrics(Record):
    """Figures over `n` images, as plain numbers.

    Attributes
    ----------
    n, correct : int
        Images, and those whose most probable digit is their label.
    accuracy : float
        correct / n.
    precision, recall, f1 : float
        Means over the digits that occur as a label or a prediction (macro).
    log_loss : float
        Mean of -log(probability of the label), natural logarithm; a probability is
        kept the machine epsilon away from 0 and 1.
    brier : float
        Mean over images of the squared distance between the probabilities and the
        one-hot label, summed over the ten digits: 0 is perfect, 2 the worst.
    ece : float
        Expected calibration error (Guo et al. 2017, "On Calibration of Modern Neural
        Networks"): images are put into 15 equally wide bins (a, b] of their highest
        probability; mean over images of the bins' |accuracy - mean probability|.
    per_class : tuple of ClassMetrics
        One for each digit, 0 to 9.
    confusion : tuple of tuple of int
        10 x 10 counts: a row a true digit, a column a predicted one.
    confused_pairs : tuple of ConfusedPair
        The most frequent confusions, at most ten, most frequent first.
    """

    n: int
    correct: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    log_loss: float
    brier: float
    ece: float
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    confused_pairs: tuple[ConfusedPair, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Wilson), low and high, in 0..1."""
        return wilson_interval(self.correct, self.n)


def measure_predictions(labels: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Measure predictions; the predicted digit is the most probable, the lower at a tie.

    Parameters
    ----------
    labels : integer ndarray of shape (n,)
        True digits, 0 to 9.
    probabilities : float ndarray of shape (n, 10)
        A row an image, each summing to 1.

    Raises
    ------
    InputError
        If a shape, a dtype or a value is not as above; NaN among them.
    """
    labels, probabilities = check_predictions(labels, probabilities)
    confusion = _count_confusions(labels, probabilities.argmax(axis=1))
    per_class = _measure_classes(confusion)
    occurring = [digit for digit in per_class if _occurs(confusion, digit.digit)]
    n, correct = len(labels), int(np.trace(confusion))
    return Metrics(
        n=n,
        correct=correct,
        accuracy=correct / n,
        precision=_mean([digit.precision for digit in occurring]),
        recall=_mean([digit.recall for digit in occurring]),
        f1=_mean([digit.f1 for digit in occurring]),
        log_loss=_log_loss(labels, probabilities),
        brier=_brier(labels, probabilities),
        ece=_calibration_error(labels, probabilities),
        per_class=per_class,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        confused_pairs=_rank_confusions(confusion),
    )


def check_predictions(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int64 (n,) and probabilities as float64 (n, 10).

    Raises
    ------
    InputError
        If they don't fit together or are no labels and probabilities of digits.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    n = len(labels) if labels.ndim == 1 else 0
    if n == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels must be at least one whole number in one dimension, "
            f"got {labels.dtype} {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= CLASSES:
        found = list_some(np.setdiff1d(labels, np.arange(CLASSES)).tolist())
        raise InputError(f"labels must be digits from 0 to {CLASSES - 1}, got {found}")
    if probabilities.shape != (n, CLASSES):
        raise InputError(
            f"{n} labels need probabilities of shape ({n}, {CLASSES}), "
            f"got {probabilities.shape}"
        )
    return labels.astype(np.int64), _check_probabilities(probabilities)


def _check_probabilities(probabilities: np.ndarray) -> np.ndarray:
    if not np.issubdtype(probabilities.dtype, np.floating):
        raise InputError(f"probabilities must be floats, got {probabilities.dtype}")
    probabilities = probabilities.astype(np.float64)
    # Written so that NaN fails each comparison.
    fits = (probabilities >= 0).all(axis=1)
    fits &= np.abs(probabilities.sum(axis=1) - 1) <= TOLERANCE
    if not fits.all():
        rows = np.flatnonzero(~fits)
        example = np.array2string(probabilities[rows[0]], precision=3, max_line_width=200)
        raise InputError(
            f"each row of probabilities must be numbers from 0 to 1 that sum to 1; "
            f"not so in {len(rows)} of {len(probabilities)} rows: "
            f"{list_some(rows.tolist())}; the first of them is {example}"
        )
    # Rounding in float32 may have left a hair above.
    return probabilities.clip(max=1)


def _count_confusions(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    flat = np.bincount(labels * CLASSES + predicted, minlength=CLASSES * CLASSES)
    return flat.reshape(CLASSES, CLASSES)


def _measure_classes(confusion: np.ndarray) -> tuple[ClassMetrics, ...]:
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassMetrics(
            digit=digit,
            precision=_ratio(hits, predicted[digit]),
            recall=_ratio(hits, support[digit]),
            f1=_ratio(2 * hits, support[digit] + predicted[digit]),
            support=int(support[digit]),
        )
        for digit, hits in enumerate(confusion.diagonal())
    )


def _occurs(confusion: np.ndarray, digit: int) -> bool:
    return bool(confusion[digit].any() or confusion[:, digit].any())


def _rank_confusions(confusion: np.ndarray) -> tuple[ConfusedPair, ...]:
    pairs = [
        ConfusedPair(true=true, predicted=predicted, count=int(confusion[true, predicted]))
        for true, predicted in np.argwhere(confusion).tolist()
        if true != predicted
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.count)[:CONFUSED_PAIRS])


def _log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    lowest = np.finfo(np.float64).eps
    of_label = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(of_label, lowest, 1 - lowest)).mean())


def _brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float(((probabilities - np.eye(CLASSES)[labels]) ** 2).sum(axis=1).mean())


def _calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    top, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    # The highest of ten probabilities is at least .1: none falls below the first edge.
    bins = np.searchsorted(edges, top, side="left") - 1
    # A bin's share of the images times its gap is |sum of (correct - top)| / n.
    gaps = np.bincount(bins, weights=correct - top, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


@dataclass(frozen=True)
class Mistakes:
    """Wrong predictions, the most confident first; k of them.

    Attributes
    ----------
    rows : int64 ndarray of shape (k,)
        Which images.
    predicted : uint8 ndarray of shape (k,)
        The digit each was taken for.
    probability : float64 ndarray of shape (k,)
        How sure the model was of that, 0 to 1.
    """

    rows: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray


def find_mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int = 24) -> Mistakes:
    """Return at most `most` wrong predictions, by falling probability, then by row.

    Parameters
    ----------
    labels : integer ndarray of shape (n,)
        True digits, 0 to 9.
    probabilities : float ndarray of shape (n, 10)
        A row an image, each summing to 1.

    Raises
    ------
    InputError
        If labels or probabilities are not as above.
    """
    labels, probabilities = check_predictions(labels, probabilities)
    predicted, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    rows = wrong[np.argsort(-top[wrong], kind="stable")][:most]
    return Mistakes(rows, predicted[rows].astype(np.uint8), top[rows])
