"""Estimators are found by the name of their module and built from a config's values."""

import pytest

from digitflow.errors import CandidateFailed, InputError
from digitflow.models.catalogue import build_estimator, estimator_module, list_estimators

PROMISED = {
    "logistic", "sgd", "knn", "tree", "forest", "extra_trees", "svm", "mlp", "nystroem",
    "boosting", "scratch_mlp", "scratch_softmax",
}  # fmt: skip


def test_an_estimator_is_a_module_that_defines_build():
    assert set(list_estimators()) >= PROMISED
    assert "kernels" not in list_estimators()


def test_an_estimator_has_the_dotted_name_of_its_module():
    assert estimator_module("svm") == "digitflow.models.estimators.svm"


@pytest.mark.parametrize("name", ["kernels", "SVM", "", "bayes", "..catalogue"])
def test_an_unknown_estimator_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"known: boosting, extra_trees, forest, knn, .*tree"):
        estimator_module(name)


@pytest.mark.parametrize("name", list_estimators())
def test_the_seed_and_the_threads_reach_the_estimator(name):
    given = build_estimator(name, {}, 7, 2).get_params(deep=False)
    assert given.get("random_state", 7) == 7
    assert given.get("n_jobs") in (2, None)


@pytest.mark.parametrize("name", ["forest", "extra_trees", "knn", "sgd"])
def test_what_can_use_threads_gets_them(name):
    assert build_estimator(name, {}, 7, 2).n_jobs == 2


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("logistic", {"C": 3.0, "max_iter": 7}),
        ("sgd", {"alpha": 0.5}),
        ("knn", {"n_neighbors": 9}),
        ("tree", {"max_depth": 3}),
        ("forest", {"n_estimators": 5}),
        ("extra_trees", {"n_estimators": 6}),
        ("svm", {"C": 2.0, "gamma": 0.3}),
        ("mlp", {"hidden_layer_sizes": [12]}),
        ("nystroem", {"n_components": 50, "random_state": 1}),
    ],
)
def test_parameters_override_the_defaults(name, params):
    given = build_estimator(name, params, 7, 1).get_params(deep=False)
    assert {key: given[key] for key in params} == params


@pytest.mark.parametrize("name", list_estimators())
def test_an_unknown_parameter_is_named_beside_the_accepted_ones(name):
    accepted = sorted(build_estimator(name, {}, 0, 1).get_params(deep=False))
    with pytest.raises(CandidateFailed, match=f"{name} takes no parameter 'colour'") as caught:
        build_estimator(name, {"colour": "red", accepted[0]: None}, 0, 1)
    assert all(parameter in str(caught.value) for parameter in accepted)


def test_the_given_parameters_are_not_changed():
    params = {"n_estimators": 5}
    build_estimator("forest", params, 0, 1)
    assert params == {"n_estimators": 5}
