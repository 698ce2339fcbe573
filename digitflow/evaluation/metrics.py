"""What is measured of a classifier, from its probabilities; and what all metrics have."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from digitflow.errors import InputError, list_some
from digitflow.evaluation.resampling import wilson_interval
from digitflow.formatting import format_figure
from digitflow.store.references import Record

CALIBRATION_BINS = 15
CONFUSED_PAIRS = 10
# Rows of float32 probabilities sum to 1 within 1e-6; a row this far off is a mistake.
TOLERANCE = 1e-4


class Metrics(Record):
    """Figures over `n` samples; candidates are ranked, listed and drawn by these alone.

    `unit` is that of a target that has one.
    """

    n: int
    unit: str = ""

    @property
    @abstractmethod
    def main(self) -> tuple[str, float]:
        """Name and value of the figure that candidates are ranked by."""

    @property
    @abstractmethod
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the main figure, low and high, in its unit."""

    @property
    def written(self) -> str:
        """The main figure as people read it."""
        name, value = self.main
        return format_figure(name, value, self.unit)

    @property
    def written_interval(self) -> str:
        """Its interval as people read it."""
        low, high = (format_figure(self.main[0], bound) for bound in self.interval)
        return f"{low} to {high}"

    @property
    @abstractmethod
    def order(self) -> tuple[float, ...]:
        """Sorts candidates, the best first."""

    @abstractmethod
    def list_figures(self) -> dict[str, float]:
        """Return the figures of a row of the leaderboard by name, the main one first."""


class ClassMetrics(Record):
    """One class: `support` samples of it; a figure without a denominator is 0."""

    label: int
    precision: float
    recall: float
    f1: float
    support: int


class ConfusedPair(Record):
    """How many images of `true` were taken for `predicted`."""

    true: int
    predicted: int
    count: int


class ClassificationMetrics(Metrics):
    """Figures of a classifier over `n` images, as plain numbers.

    Attributes
    ----------
    n, correct : int
        Images, and those whose most probable class is their label.
    accuracy : float
        correct / n.
    precision, recall, f1 : float
        Means over the classes that occur as a label or a prediction (macro).
    log_loss : float
        Mean of -log(probability of the label), natural logarithm; a probability is
        kept the machine epsilon away from 0 and 1.
    brier : float
        Mean over images of the squared distance between the probabilities and the
        one-hot label, summed over the classes: 0 is perfect, 2 the worst.
    ece : float
        Expected calibration error (Guo et al. 2017, "On Calibration of Modern Neural
        Networks"): images are put into 15 equally wide bins (a, b] of their highest
        probability; mean over images of the bins' |accuracy - mean probability|.
    per_class : tuple of ClassMetrics
        One for each class, from 0.
    confusion : tuple of tuple of int
        k x k counts: a row a true class, a column a predicted one.
    confused_pairs : tuple of ConfusedPair
        The most frequent confusions, at most ten, most frequent first.
    """

    kind: Literal["classification"] = "classification"
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
    def main(self) -> tuple[str, float]:
        """The accuracy."""
        return "accuracy", self.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Wilson), low and high, in 0..1."""
        return wilson_interval(self.correct, self.n)

    @property
    def order(self) -> tuple[float, ...]:
        """By accuracy, then by log loss."""
        return -self.accuracy, self.log_loss

    def list_figures(self) -> dict[str, float]:
        """Return accuracy, F1, log loss, Brier score and calibration error."""
        return {
            "accuracy": self.accuracy,
            "F1": self.f1,
            "log loss": self.log_loss,
            "Brier": self.brier,
            "ECE": self.ece,
        }


def require_classes(metrics: Metrics) -> ClassificationMetrics:
    """Return metrics as those of a classifier, where only these make sense.

    Raises
    ------
    InputError
        If they are of a regression.
    """
    if not isinstance(metrics, ClassificationMetrics):
        raise InputError(f"this is about classes, the model is judged by {metrics.main[0]}")
    return metrics


def measure_predictions(labels: np.ndarray, probabilities: np.ndarray) -> ClassificationMetrics:
    """Measure predictions; the predicted class is the most probable, the lower at a tie.

    Parameters
    ----------
    labels : integer ndarray of shape (n,)
        True classes, from 0.
    probabilities : float ndarray of shape (n, k)
        A row an image, each summing to 1.

    Raises
    ------
    InputError
        If a shape, a dtype or a value is not as above; NaN among them.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labels, probabilities = check_predictions(labels, probabilities)
    predicted, classes = probabilities.argmax(axis=1), np.arange(probabilities.shape[1])
    confusion = confusion_matrix(labels, predicted, labels=classes)
    found = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    occurring = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    precision, recall, f1 = (float(values[occurring].mean()) for values in found[:3])
    n, correct = len(labels), int(np.trace(confusion))
    return ClassificationMetrics(
        n=n,
        correct=correct,
        accuracy=correct / n,
        precision=precision,
        recall=recall,
        f1=f1,
        **_measure_calibration(labels, probabilities),
        per_class=tuple(map(_describe_class, zip(classes, *found, strict=True))),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        confused_pairs=_rank_confusions(confusion),
    )


def measure_calibration(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return "log_loss", "brier" and "ece" alone, as `measure_predictions` does."""
    return _measure_calibration(*check_predictions(labels, probabilities))


def _measure_calibration(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    return {
        "log_loss": _log_loss(labels, probabilities),
        "brier": _brier(labels, probabilities),
        "ece": _calibration_error(labels, probabilities),
    }


def check_predictions(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int64 (n,) and probabilities as float64 (n, k).

    Raises
    ------
    InputError
        If they don't fit together or are no labels and probabilities.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    n = len(labels) if labels.ndim == 1 else 0
    if n == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels must be at least one whole number in one dimension, "
            f"got {labels.dtype} {labels.shape}"
        )
    if probabilities.ndim != 2 or len(probabilities) != n or probabilities.shape[1] < 2:
        raise InputError(
            f"{n} labels need probabilities of shape ({n}, classes), got {probabilities.shape}"
        )
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        found = list_some(np.setdiff1d(labels, np.arange(classes)).tolist())
        raise InputError(f"labels must be from 0 to {classes - 1}, got {found}")
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


def _describe_class(row: tuple[int, float, float, float, int]) -> ClassMetrics:
    label, precision, recall, f1, support = row
    return ClassMetrics(
        label=int(label), precision=precision, recall=recall, f1=f1, support=int(support)
    )


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
    right = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - right) ** 2).sum(axis=1).mean())


def _calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    top, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    # The highest of k probabilities is at least 1 / k: none falls below the first edge.
    bins = np.searchsorted(edges, top, side="left") - 1
    # A bin's share of the images times its gap is |sum of (correct - top)| / n.
    gaps = np.bincount(bins, weights=correct - top, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


@dataclass(frozen=True)
class Mistakes:
    """Wrong predictions, the most confident first; k of them.

    Attributes
    ----------
    rows : int64 ndarray of shape (k,)
        Which images.
    predicted : uint8 ndarray of shape (k,)
        The class each was taken for.
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
        True classes, from 0.
    probabilities : float ndarray of shape (n, k)
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
