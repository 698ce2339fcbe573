"""When a model should not answer: chosen on images that it was not fitted on.

What is unlike any digit is left out by a detector; of the rest, the least sure are left out
until the share to be answered is reached. Risk and coverage follow Y. Geifman and R.
El-Yaniv, "Selective classification for deep neural networks", NIPS 2017.
"""

import math
from dataclasses import dataclass

import numpy as np

from digitflow.config.digits import SelectiveRule
from digitflow.errors import InputError
from digitflow.models.bundle import RejectOption
from digitflow.models.persistence import dump_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef


@dataclass(frozen=True)
class RiskCoverage:
    """What is wrong among the answers, as the least sure ones are left out.

    Attributes
    ----------
    coverage : ndarray of shape (k,), float64
        Shares of the images that are answered, rising to 1.
    risk : ndarray of shape (k,), float64
        Share of wrong answers among those.
    threshold : ndarray of shape (k,), float64
        The highest probability that an answered image has at least; falling.
    aurc : float
        Area under risk over coverage: 0 is perfect, NaN where there are no images.
    """

    coverage: np.ndarray
    risk: np.ndarray
    threshold: np.ndarray
    aurc: float


def choose_thresholds(
    store: Store,
    train: tuple[ArrayRef, ArrayRef],
    validation: tuple[ArrayRef, ArrayRef],
    probabilities: ArrayRef,
    rule: SelectiveRule,
    threads: int = 1,
) -> RejectOption:
    """Fit a detector, and choose two thresholds such that a stated share is answered.

    Parameters
    ----------
    train, validation : (features, labels)
        Float32 features (n, d) of a recipe and uint8 labels (n,): those that the detector
        learns from, and those that the thresholds are chosen on.
    probabilities : ArrayRef
        float64 (n, 10), what the model reads in the images of `validation`.
    rule : SelectiveRule
        The share that counts as a digit, and the share that is answered. Images that
        are no digit are not answered; they count towards what is left out.
    threads : int
        Threads of the linear algebra.

    Raises
    ------
    InputError
        If there are no images to choose on.
    """
    from threadpoolctl import threadpool_limits

    features, labels = (store.open_array(ref) for ref in validation)
    if len(labels) == 0:
        raise InputError("thresholds are chosen on the validation images, there are none")
    with threadpool_limits(threads):
        from digitflow.models.outliers import OutlierDetector

        detector = OutlierDetector().fit(*(store.open_array(ref) for ref in train))
        outlier_score = detector.outlier_score(features)
    limit = choose_highest(outlier_score, rule.typical)
    return set_thresholds(
        labels,
        store.open_array(probabilities),
        outlier_score <= limit,
        rule.coverage,
        (dump_model(detector, store), limit),
    )


def set_thresholds(
    labels: np.ndarray,
    probabilities: np.ndarray,
    typical: np.ndarray,
    coverage: float,
    detector: tuple[ModelRef | None, float],
) -> RejectOption:
    """Choose the least probability that is answered, of images that count as digits.

    Parameters
    ----------
    labels : ndarray of shape (n,), uint8
    probabilities : ndarray of shape (n, 10), float64
    typical : ndarray of shape (n,), bool
        Which images count as digits.
    coverage : float
        Share of all images that is to be answered. Equal probabilities are answered
        alike, so that more may be; if fewer are typical, all of these are.
    detector : (ModelRef or None, float)
        The detector behind `typical`, and its limit.
    """
    confidence = probabilities.max(axis=1)
    wanted = math.ceil(_snap(coverage * len(labels)))
    surest = np.sort(confidence[typical])[::-1][:wanted]
    least = float(surest[-1]) if len(surest) else 1.0
    answered = typical & (confidence >= least)
    wrong = probabilities.argmax(axis=1) != labels
    return RejectOption(
        coverage=coverage,
        min_probability=least,
        risk=float(wrong[answered].mean()) if answered.any() else 0.0,
        detector=detector[0],
        max_outlier_score=detector[1],
    )


def choose_highest(values: np.ndarray, share: float) -> float:
    """Return the least limit that at least a share of the values, 0 to 1, keeps to."""
    kept = max(1, math.ceil(_snap(share * len(values))))
    return float(np.sort(values)[kept - 1])


def trace_risk(labels: np.ndarray, probabilities: np.ndarray) -> RiskCoverage:
    """Return the risk at every coverage that a threshold can reach.

    Parameters
    ----------
    labels : ndarray of shape (n,), uint8
    probabilities : ndarray of shape (n, 10), float64
        The surest images are those with the highest probability of any digit.
    """
    confidence = probabilities.max(axis=1, initial=0)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(probabilities[order].argmax(axis=1) != labels[order])
    # Equal probabilities are answered together: the curve has their last one only.
    ends = np.flatnonzero(np.diff(confidence[order], append=-1.0) < 0)
    answered = ends + 1
    risk = wrong[ends] / answered
    weights = np.diff(answered, prepend=0)
    return RiskCoverage(
        coverage=answered / max(1, len(labels)),
        risk=risk,
        threshold=confidence[order][ends],
        aurc=float(np.average(risk, weights=weights)) if len(ends) else math.nan,
    )


def _snap(count: float) -> float:
    # .07 * 100 is a hair over 7: the next whole number would be one image too many.
    return round(count, 9)
