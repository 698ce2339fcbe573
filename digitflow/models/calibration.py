"""Turn a fitted classifier's scores into probabilities, by rows that it has not seen.

scikit-learn's `CalibratedClassifierCV` does it, on scores that are there already: those of a
blend's parts, or of a refit's folds, were computed by others than the model that is calibrated.
"""

from typing import Any

import numpy as np


def choose_method(estimator: Any) -> str:
    """Return the method that calibration asks of a classifier: scores before probabilities."""
    scored = hasattr(estimator, "decision_function")
    return "decision_function" if scored else "predict_proba"


def calibrate(estimator: Any, calibration: str, scores: np.ndarray, labels: np.ndarray) -> Any:
    """Return the fitted classifier, calibrated on scores of rows that it has not seen.

    Parameters
    ----------
    scores : ndarray of shape (m, k), or (m,) of two classes
        What its method of `choose_method` says of those rows, or said another like it.
    labels : ndarray of shape (m,)
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    # What is fitted already needs no folds: they would only ask for five rows a class.
    rows, samples = np.arange(len(labels)), scores.reshape(len(labels), -1)
    speaker = FrozenEstimator(_build_speaker(choose_method(estimator), estimator.classes_))
    calibrated = CalibratedClassifierCV(speaker, method=calibration, cv=[(rows, rows)])
    calibrated.fit(samples, labels)
    calibrated.estimator = FrozenEstimator(estimator)
    if hasattr(estimator, "n_features_in_"):  # one of a user's own may not say
        calibrated.n_features_in_ = estimator.n_features_in_
    for each in calibrated.calibrated_classifiers_:
        each.estimator = calibrated.estimator
    return calibrated


def apply_calibration(calibrated: Any, scores: np.ndarray) -> np.ndarray:
    """Return the probabilities (m, k) that what `calibrate` returned makes of scores.

    Parameters
    ----------
    scores : ndarray of shape (m, k), or (m,) of two classes
        What its classifier, or another like it, says of some rows.
    """
    from copy import copy

    (calibrator,) = map(copy, calibrated.calibrated_classifiers_)
    method = choose_method(calibrated.estimator.estimator)
    calibrator.estimator = _build_speaker(method, calibrated.classes_)
    return np.asarray(calibrator.predict_proba(scores.reshape(len(scores), -1)))


def _build_speaker(method: str, classes: np.ndarray) -> Any:
    """Return a classifier whose samples are its scores."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    def say(self: Any, samples: np.ndarray) -> np.ndarray:
        return samples[:, 0] if samples.shape[1] == 1 else samples

    say.__name__ = method  # scikit-learn calls it by its own name
    members = {method: say, "fit": say, "predict": say}
    kind = type("Speaker", (ClassifierMixin, BaseEstimator), members)
    speaker = kind()
    speaker.classes_ = classes
    return speaker
