"""What was calibrated is asked without scikit-learn's inspection, and says the same."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from digitflow.models.calibration import ask_probabilities, calibrate, choose_method
from digitflow.models.estimators.nystroem import NystroemClassifier

ROWS, LABELS = load_digits(return_X_y=True)


def fit(estimator, calibration, labels=LABELS):
    fitted = estimator.fit(ROWS[:900], labels[:900])
    scores = getattr(fitted, choose_method(fitted))(ROWS[900:1300])
    return calibrate(fitted, calibration, scores, labels[900:1300])


@pytest.mark.parametrize("calibration", ["sigmoid", "temperature", "isotonic"])
@pytest.mark.parametrize(
    "estimator",
    [
        NystroemClassifier(n_components=100, random_state=0),
        GaussianNB(),
        DecisionTreeClassifier(random_state=0),  # says 0 of most classes, and 1 of one
    ],
)
@pytest.mark.parametrize("rows", [ROWS[1300:1301], ROWS[1300:]])
def test_calibrated_probabilities_are_the_same_to_the_bit(estimator, calibration, rows):
    model = fit(estimator, calibration)
    found = ask_probabilities(model, rows)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, model.predict_proba(rows))


def test_where_no_class_is_likely_all_are_as_likely():
    model = fit(NystroemClassifier(n_components=50, random_state=0), "sigmoid")
    for sigmoid in model.calibrated_classifiers_[0].calibrators:
        sigmoid.b_ = 1e4
    found = ask_probabilities(model, ROWS[:5])
    np.testing.assert_array_equal(found, model.predict_proba(ROWS[:5]))
    np.testing.assert_array_equal(found, np.full((5, 10), 0.1))


@pytest.mark.parametrize("calibration", ["sigmoid", "temperature"])
def test_two_classes_are_left_to_scikit_learn(calibration):
    model = fit(LinearDiscriminantAnalysis(), calibration, LABELS > 4)
    found = ask_probabilities(model, ROWS[1300:])
    np.testing.assert_array_equal(found, model.predict_proba(ROWS[1300:]))


def test_what_was_calibrated_otherwise_is_asked_as_it_is():
    folds = CalibratedClassifierCV(GaussianNB(), cv=3).fit(ROWS[:900], LABELS[:900])
    for model in (folds, folds.calibrated_classifiers_[0].estimator):
        found = ask_probabilities(model, ROWS[1300:])
        np.testing.assert_array_equal(found, model.predict_proba(ROWS[1300:]))
