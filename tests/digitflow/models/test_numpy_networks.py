"""The gradient is that of the loss, a step of Adam is that of its paper."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from digitflow.models.numpy_networks import (
    Adam,
    NumpyMlp,
    NumpySoftmax,
    apply_softmax,
    compute_gradient,
    compute_loss,
    draw_weights,
    run_forward,
)
from digitflow.models.persistence import dump_model, load_model
from digitflow.studies.digits.experiments.scratch import check_gradient


@pytest.fixture
def problem():
    """A small network with random weights in all layers, and rows to learn from."""

    def make(hidden, seed=0):
        generator = np.random.default_rng(seed)
        layers = draw_weights((6, *hidden, 4), generator, np.float64)
        layers[-1] = (generator.standard_normal(layers[-1][0].shape), layers[-1][1])
        rows, places = generator.standard_normal((20, 6)), generator.integers(0, 4, 20)
        return layers, rows, places

    return make


@pytest.mark.parametrize("hidden", [(), (5,), (7, 5)], ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_gradient_agrees_with_differences(problem, hidden, decay):
    layers, rows, places = problem(hidden)
    worst = check_gradient(layers, rows, places, decay, 1000, np.random.default_rng(1))
    assert worst < 1e-5


def test_a_wrong_gradient_would_be_found(problem, monkeypatch):
    layers, rows, places = problem((5,))

    def lie(*arguments):
        loss, gradients = compute_gradient(*arguments)
        return loss, [(1.01 * matrix, bias) for matrix, bias in gradients]

    monkeypatch.setattr("digitflow.studies.digits.experiments.scratch.compute_gradient", lie)
    assert check_gradient(layers, rows, places, 0.0, 1000, np.random.default_rng(1)) > 5e-3


def test_the_loss_is_the_mean_of_what_each_row_costs(problem):
    layers, rows, places = problem((5,))
    likelihood = apply_softmax(run_forward(layers, rows)[-1].copy())[np.arange(20), places]
    assert compute_loss(layers, rows, places, 0.0) == pytest.approx(-np.log(likelihood).mean())
    assert compute_gradient(layers, rows, places, 0.3)[0] == pytest.approx(
        compute_loss(layers, rows, places, 0.0)
    )


def test_large_scores_do_not_overflow():
    found = apply_softmax(np.array([[1e4, 0.0], [-1e4, 0.0]]))
    np.testing.assert_array_equal(found, [[1, 0], [0, 1]])


def test_a_step_of_adam_is_that_of_its_paper():
    values, slope = np.array([[1.0, 2.0]]), np.array([[0.5, -2.0]])
    adam = Adam([(values, np.zeros(2))], rate=0.1)
    mean = square = np.zeros((1, 2))
    expected = values.copy()
    for step in (1, 2, 3):
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        unbiased = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        expected = expected - 0.1 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        adam.step([(slope.copy(), np.zeros(2))])
        np.testing.assert_allclose(values, expected, rtol=1e-6)


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
