"""Models in numpy alone: slopes are right, and they keep up with scikit-learn's."""

import pytest

from digitflow.data.sets import open_set
from digitflow.errors import InputError
from digitflow.studies.digits.experiments.scratch import (
    HIDDEN,
    KINDS,
    MOST_PASSES,
    NETWORK,
    NETWORK_SLOPES,
    build_model,
    name_fit,
    plan,
)


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


def test_another_kind_is_an_error_that_lists_those_there_are():
    with pytest.raises(InputError):
        build_model("transformer", "scikit-learn", 42, 1)
