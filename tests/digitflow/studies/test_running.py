"""A plan is carried out in its order, and a plan that can't be is refused."""

import numpy as np
import pytest

from digitflow.data.digits import LabelledImages
from digitflow.data.sets import store_set
from digitflow.errors import InputError
from digitflow.studies.features import plan_features
from digitflow.studies.plan import Experiment, StudyData
from digitflow.studies.running import check_plan, run_plan


def _name(name, *needs):
    return Experiment(name=name, function="digitflow.studies.nothing.nothing", needs=needs)


def test_an_experiment_comes_after_what_it_needs():
    check_plan((_name("a"), _name("b", "a")))
    with pytest.raises(InputError, match="b needs a, planned before it"):
        check_plan((_name("b", "a"), _name("a")))


def test_a_name_is_given_once():
    with pytest.raises(InputError, match="two experiments are called 'a'"):
        check_plan((_name("a"), _name("a")))


def test_the_features_of_a_recipe_are_found_and_timed(store):
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
    digits = LabelledImages(images, np.arange(60, dtype=np.uint8) % 10)
    data = StudyData(train=store_set(store, digits), test=store_set(store, digits))
    (features,) = run_plan(store, (plan_features("pixels"),), data, 42).values()
    found = store.open_array(features.arrays["test"])
    np.testing.assert_allclose(found, images.reshape(60, -1) / 255, rtol=1e-6)
    assert features.measured["seconds"] > 0


def test_an_unknown_recipe_stops_the_plan():
    with pytest.raises(InputError, match="no recipe 'pixel'"):
        plan_features("pixel")
