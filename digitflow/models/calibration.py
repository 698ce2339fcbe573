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


def ask_probabilities(classifier: Any, rows: np.ndarray) -> np.ndarray:
    """Return what `classifier.predict_proba(rows)` does, to the bit, sooner if calibrated.

    scikit-learn finds out in every call what was calibrated, and for which classes: for one
    image that takes longer than to compare it with 4,000 others.

    Parameters
    ----------
    classifier : classifier
        Fitted; as `calibrate` returns it, or any other with `predict_proba`.
    rows : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n, k)
    """
    only = _find_calibrated(classifier)
    if only is None:
        return np.asarray(classifier.predict_proba(rows))
    inner = only.estimator.estimator
    scores = np.asarray(getattr(inner, choose_method(inner))(rows))
    if only.method == "sigmoid":
        found = _apply_sigmoids(only.calibrators, scores)
    else:
        found = only.calibrators[0].predict(scores)
    found[(found > 1.0) & (found <= 1.0 + _ROUNDING)] = 1.0
    return np.asarray(found, np.float64)


# What scikit-learn takes for 1.
_ROUNDING = 1e-5


def _find_calibrated(classifier: Any) -> Any:
    """Return the one calibrated part of what `calibrate` made, of several classes; or None."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    if type(classifier) is not CalibratedClassifierCV:
        return None
    only, *others = classifier.calibrated_classifiers_
    is_ours = not others and type(only.estimator) is FrozenEstimator
    is_ours = is_ours and only.method in ("sigmoid", "temperature") and len(only.classes) > 2
    return only if is_ours and np.array_equal(only.classes, only.estimator.classes_) else None


def _apply_sigmoids(calibrators: Any, scores: np.ndarray) -> np.ndarray:
    """Turn each class's scores (n, k) into its share of all classes' probabilities."""
    from scipy.special import expit

    pairs = zip(calibrators, scores.T, strict=True)
    found = np.empty(scores.shape)
    for place, (sigmoid, column) in enumerate(pairs):
        found[:, place] = expit(-(sigmoid.a_ * column + sigmoid.b_))
    total = found.sum(axis=1)[:, np.newaxis]
    uniform = np.full_like(found, 1 / len(calibrators))
    return np.divide(found, total, out=uniform, where=total != 0)


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
