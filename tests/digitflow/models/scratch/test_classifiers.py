"""Models in numpy alone: estimators as scikit-learn's, and as good."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from digitflow.models.persistence import dump_model, load_model
from digitflow.models.scratch.classifiers import NumpyMlp, NumpySoftmax


@parametrize_with_checks([NumpySoftmax(max_iter=50), NumpyMlp(max_iter=50)])
def test_it_is_an_estimator_as_scikit_learns(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def parts():
    features, labels = load_digits(return_X_y=True)
    return train_test_split((features / 16).astype(np.float32), labels, random_state=0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            NumpySoftmax(alpha=1.0, learning_rate=0.01, random_state=0),
            LogisticRegression(max_iter=500),
        ),
        (
            NumpyMlp(max_iter=60, random_state=0),
            MLPClassifier(max_iter=500, tol=1e-3, random_state=0),
        ),
    ],
    ids=["softmax", "mlp"],
)
def test_it_reads_about_as_well_as_scikit_learns(ours, theirs, parts):
    train, test, labels, truth = parts
    gap = theirs.fit(train, labels).score(test, truth) - ours.fit(train, labels).score(
        test, truth
    )
    assert gap < 0.015


def test_equal_seeds_give_equal_models(parts):
    train, test, labels, _ = parts
    first, same, other = (
        NumpyMlp(max_iter=3, random_state=seed).fit(train, labels).predict_proba(test)
        for seed in (1, 1, 2)
    )
    assert (first == same).all()
    assert (first != other).any()


def test_float32_stays_float32(parts):
    train, test, labels, _ = parts
    model = NumpyMlp(max_iter=2, random_state=0).fit(train, labels)
    assert model.predict_proba(test).dtype == np.float32
    assert all(matrix.dtype == np.float32 for matrix in model.coefs_)


def test_the_loss_falls_and_the_fit_ends_when_it_no_longer_does(parts):
    train, _, labels, _ = parts
    model = NumpySoftmax(max_iter=500, learning_rate=0.05, tol=1e-2, random_state=0)
    curve = model.fit(train, labels).loss_curve_
    assert curve[-1] < curve[0] / 5
    assert model.n_iter_ == len(curve) < 500


def test_a_stored_model_reads_as_before(parts, store):
    train, test, labels, _ = parts
    model = NumpyMlp(max_iter=3, random_state=0).fit(train, labels)
    again = load_model(dump_model(model, store), store)
    assert (again.predict_proba(test) == model.predict_proba(test)).all()
