"""Models in numpy alone: slopes are right, and they keep up with scikit-learn's."""

from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from digitflow.data.sets import open_set
from digitflow.errors import InputError
from digitflow.models.numpy_networks import compute_gradient, draw_weights
from digitflow.studies.digits.data import prepare_features
from digitflow.studies.digits.experiments import scratch
from digitflow.studies.digits.experiments.scratch import (
    HIDDEN,
    KINDS,
    MOST_PASSES,
    NETWORK,
    NETWORK_SLOPES,
    build_model,
    check_gradient,
    check_slopes,
    compare_slopes,
    name_fit,
    plan,
)
from digitflow.studies.plan import ExperimentContext


def test_slopes_are_right_and_both_makers_read_about_as_well(make_study, store, run_plan):
    scope, data = make_study(600)
    found = run_plan(plan(scope), data)
    pixels = open_set(store, data.train).images[0].size
    for kind in KINDS:
        slopes = found[f"gradient of {kind}"].values
        assert slopes["worst"] < 1e-6
        assert slopes["weights"] > 0
        ours, theirs = (found[name_fit(kind, maker)] for maker in ("numpy", "scikit-learn"))
        assert abs(ours.values["accuracy"] - theirs.values["accuracy"]) < 0.03
        losses = ours.values["losses"]
        assert len(losses) == ours.values["epochs"]
        assert losses[-1] < losses[0] / 2
        units = (HIDDEN[kind] or (10,))[0]
        for facts in (ours, theirs):
            assert store.open_array(facts.arrays["weights"]).shape == (pixels, units)
    assert found[NETWORK_SLOPES].values["worst"] < 1e-4
    network = found[NETWORK]
    assert network.values["accuracy"] > found[name_fit("mlp", "numpy")].values["accuracy"]
    assert len(network.values["losses"]) == network.values["epochs"] == MOST_PASSES
    assert store.open_array(network.arrays["filters"]).shape == (3, 3, 16)


def test_the_same_settings_are_on_both_sides():
    ours, theirs = (build_model("mlp", maker, 42, 1) for maker in ("numpy", "scikit-learn"))
    for name in ("hidden_layer_sizes", "alpha", "batch_size", "max_iter", "random_state"):
        assert getattr(ours, name) == getattr(theirs, name)
    ours, theirs = (build_model("softmax", maker, 42, 1) for maker in ("numpy", "scikit-learn"))
    assert 1 / ours.alpha == theirs.C


@pytest.fixture
def network():
    """Layers (4 to 3 to 10), rows and places of a network small enough to try every weight."""
    generator = np.random.default_rng(3)
    layers = draw_weights((4, 3, 10), generator, np.float64)
    layers[-1][0][...] = 0.5 * generator.standard_normal(layers[-1][0].shape)
    return layers, generator.normal(size=(6, 4)), np.arange(6)


def test_a_right_gradient_differs_by_rounding_and_weights_are_put_back(network):
    layers, rows, places = network
    before = [array.copy() for layer in layers for array in layer]
    worst = check_gradient(layers, rows, places, 1.0, 100, np.random.default_rng(0))
    assert 0 < worst < 1e-6
    for array, kept in zip([a for layer in layers for a in layer], before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_a_wrong_slope_is_told_by_how_wrong_it_is(network, monkeypatch):
    def slip(layers, rows, places, decay):
        loss, gradients = compute_gradient(layers, rows, places, decay)
        # One of the last biases twice as steep as it is: off by half of the larger one.
        gradients[-1][1][7] *= 2
        return loss, gradients

    monkeypatch.setattr(scratch, "compute_gradient", slip)
    worst = check_gradient(*network, 1.0, 100, np.random.default_rng(0))
    assert worst == pytest.approx(0.5, abs=1e-6)
    # Of each array, so few are tried that it may be missed.
    few = [check_gradient(*network, 1.0, 1, np.random.default_rng(k)) for k in range(5)]
    assert min(few) < 1e-6


def test_slopes_of_almost_nothing_are_compared_by_what_they_are(network, monkeypatch):
    def slip(layers, rows, places, decay):
        loss, gradients = compute_gradient(layers, rows, places, decay)
        gradients = [tuple(np.zeros_like(part) for part in layer) for layer in gradients]
        gradients[0][0][0, 0] = 2e-7
        return loss, gradients

    monkeypatch.setattr(scratch, "compute_gradient", slip)
    monkeypatch.setattr(scratch, "compute_loss", lambda *_: 1.0)
    worst = check_gradient(*network, 1.0, 100, np.random.default_rng(0))
    assert worst == pytest.approx(0.2)


class Square:
    """A network whose loss is the mean square of all it learns, over half of the images."""

    def __init__(self, flat, factor=1.0):
        self.flat, self.factor = flat, factor
        self.slopes = SimpleNamespace(flat=np.zeros_like(flat))

    def compute_slopes(self, images, targets, share):
        assert share == 1 / len(images)
        self.slopes.flat[...] = self.factor * 2 * self.flat * share
        return float((self.flat**2).sum() * share)


def test_slopes_of_a_network_are_compared_by_the_larger_of_the_two():
    flat = np.array([3.0, -2.0, 1e-9])
    before, images, tried = flat.copy(), np.zeros((4, 2, 2)), np.arange(3)
    assert compare_slopes(Square(flat), flat, images, None, tried) < 1e-6
    np.testing.assert_array_equal(flat, before)
    twice = compare_slopes(Square(flat, 2.0), flat, images, None, tried)
    assert twice == pytest.approx(0.5, abs=1e-6)
    half = compare_slopes(Square(flat, 0.5), flat, images, None, tried[:1])
    assert half == pytest.approx(0.5, abs=1e-6)
    # Where there is hardly a slope, a difference is over a ten-thousandth.
    small = compare_slopes(Square(flat, 1e4), flat, images, None, tried[2:])
    assert small == pytest.approx(5e-6 / 1e-4, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_forty_weights_of_each_array_are_tried_on_sixty_four_images(kind, make_context):
    context = make_context(train=100)
    given = {"features scaled": prepare_features(context, "scaled", "own")}
    context = ExperimentContext(context.store, context.data, 42, 1, given)
    with threadpool_limits(1):
        found = check_slopes(context, kind).values
    assert (found["images"], found["weights"]) == (64, 40)
    assert 0 < found["worst"] < 1e-5


def test_the_models_are_those_that_the_page_tells_of():
    assert HIDDEN == {"softmax": (), "mlp": (128,)}
    assert build_model("mlp", "numpy", 42, 1).hidden_layer_sizes == (128,)
    softmax = build_model("softmax", "scikit-learn", 42, 1)
    assert (softmax.max_iter, softmax.tol, softmax.random_state) == (300, 1e-3, 42)
    ours, theirs = (build_model("mlp", maker, 7, 1) for maker in ("numpy", "scikit-learn"))
    assert theirs.learning_rate_init == ours.learning_rate
    assert theirs.random_state == 7


def test_another_kind_is_an_error_that_lists_those_there_are():
    with pytest.raises(InputError):
        build_model("transformer", "scikit-learn", 42, 1)


@pytest.mark.parametrize(
    ("images", "passes"), [(60_000, 2), (20_000, 5), (5000, 12), (100, 12)]
)
def test_a_network_is_shown_about_a_hundred_thousand_images(images, passes, monkeypatch):
    rows, asked = np.zeros((images, 1)), np.zeros((3, 1))
    context = SimpleNamespace(
        seed=1,
        threads=1,
        open=lambda *_: (rows, None, asked, np.array([1, 1, 2])),
        fit_and_predict=lambda *_: np.array([1, 1, 1]),
        keep=lambda **_: {},
    )
    built = SimpleNamespace(loss_curve_=[0.5], filters_=[np.zeros((3, 3, 2))])
    monkeypatch.setattr(
        scratch, "build_estimator", lambda name, params, *_: built if params else None
    )
    found = scratch.fit_network(context).values
    assert found == {"accuracy": pytest.approx(2 / 3), "epochs": passes, "losses": [0.5]}
