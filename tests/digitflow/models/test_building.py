"""Estimators and recipes by name or import path."""

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from digitflow.catalogue import ESTIMATORS
from digitflow.errors import CandidateFailed, InputError
from digitflow.features.preparing import build_steps
from digitflow.models.building import (
    EstimatorChoice,
    RecipeChoice,
    build_estimator,
    list_chosen,
)
from digitflow.project.code import read_code

PROMISED = {
    "logistic", "sgd", "knn", "tree", "forest", "extra_trees", "svm", "mlp", "nystroem",
    "boosting", "scratch_mlp", "scratch_softmax",
}  # fmt: skip


def test_an_estimator_is_a_module_that_defines_build():
    assert set(ESTIMATORS.names()) >= PROMISED
    assert "kernels" not in ESTIMATORS.names()


def test_an_estimator_has_the_dotted_name_of_its_module():
    assert ESTIMATORS.module("svm") == "digitflow.models.estimators.svm"


@pytest.mark.parametrize("name", ["kernels", "SVM", "", "bayes", "..catalogue"])
def test_an_unknown_estimator_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"known: .*boosting, .*forest, knn, .*tree"):
        ESTIMATORS.module(name)


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_the_seed_and_the_threads_reach_the_estimator(name):
    given = build_estimator(name, {}, 7, 2).get_params(deep=False)
    assert given.get("random_state", 7) == 7
    assert given.get("n_jobs") in (2, None)


@pytest.mark.parametrize("name", ["forest", "extra_trees", "knn", "sgd", "cnn"])
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


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_an_unknown_parameter_is_named_beside_the_accepted_ones(name):
    accepted = sorted(build_estimator(name, {}, 0, 1).get_params(deep=False))
    with pytest.raises(CandidateFailed, match=f"{name} takes no parameter 'colour'") as caught:
        build_estimator(name, {"colour": "red", accepted[0]: None}, 0, 1)
    assert all(parameter in str(caught.value) for parameter in accepted)


def test_the_given_parameters_are_not_changed():
    params = {"n_estimators": 5}
    build_estimator("forest", params, 0, 1)
    assert params == {"n_estimators": 5}


@pytest.fixture
def make(folder):
    code = read_code(folder, "my_models")

    def build(name, params=(), seed=7, threads=2):
        mine = name.startswith("my_models")
        return build_estimator(name, dict(params), seed, threads, code if mine else None)

    return build


def test_a_class_of_scikit_learn_gets_its_parameters_seed_and_threads(make):
    name = "sklearn.ensemble.HistGradientBoostingClassifier"
    boosting = make(name, {"max_iter": 3})
    assert type(boosting) is HistGradientBoostingClassifier
    assert (boosting.max_iter, boosting.random_state) == (3, 7)
    forest = make("sklearn.ensemble:RandomForestClassifier")
    assert (forest.random_state, forest.n_jobs) == (7, 2)


@pytest.mark.parametrize("name", ["my_models:chain", "my_models.chain"])
def test_an_unfitted_pipeline_is_copied_and_set_inside(make, name):
    params = {"randomforestclassifier__max_depth": 4}
    first, second = make(name, params), make(name)
    inner = first[-1]
    assert (inner.max_depth, inner.random_state, inner.n_jobs) == (4, 7, 2)
    assert second[-1].max_depth == 3


def test_a_function_that_takes_params_gets_them_as_they_are_with_seed_and_threads(make):
    forest = make("my_models:build", {"max_depth": 2})
    assert (forest.n_estimators, forest.max_depth, forest.warm_start) == (9, 2, True)
    assert (forest.random_state, forest.n_jobs) == (7, 2)


def test_a_function_may_name_its_parameters_itself(make):
    forest = make("my_models:made", {"depth": 3})
    assert (forest.max_depth, forest.min_samples_leaf, forest.random_state) == (3, 2, 7)


def test_what_params_or_the_module_set_is_left_alone(make):
    assert make("my_models:seeded").random_state == 5
    params = {"random_state": 1, "n_jobs": 1}
    forest = make("sklearn.ensemble.RandomForestClassifier", params)
    assert (forest.random_state, forest.n_jobs) == (1, 1)
    assert make("sklearn.linear_model.LogisticRegression").n_jobs is None


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("sklearn.ensemble.RandomForestClassifier", {"depth": 3}, "'depth'; it takes n_est"),
        ("my_models:made", {"depth": 3, "leaves": 2}, "'leaves'; it takes depth, leaf"),
        ("my_models:chain", {"pca__n": 1}, "'pca__n'; it takes memory, steps"),
        ("my_models:Mine", {"color": 1}, "'color'; it takes shade, random_state"),
        ("my_models:broken", {}, "my_models:broken can't be built: KeyError: 'no-such'"),
        ("my_models:made", {}, "missing 1 required positional argument: 'depth'"),
        ("sklearn.ensemble.VotingClassifier", {}, "missing 1 required .* 'estimators'"),
    ],
)
def test_parameters_that_do_not_fit_are_named_beside_the_known_ones(make, name, params, said):
    with pytest.raises(CandidateFailed, match=said):
        make(name, params)


def test_a_recipe_of_a_project_gets_seed_and_parameters(folder):
    code = read_code(folder, "my_features")
    (_, _flat), (_, pca) = build_steps("my_features:build_steps", 3, {"components": 5}, code)
    assert (pca.n_components, pca.random_state) == (5, 3)


def test_a_choice_knows_its_code_by_its_text(configure, folder):
    config = configure(estimator="my_models:build", recipe="my_features:build_steps")
    estimator = EstimatorChoice.from_candidate(config.candidates[0], config)
    recipe = RecipeChoice.from_candidate(config.candidates[0], config)
    assert estimator.code.sources == {"my_models.py": (folder / "my_models.py").read_text()}
    assert recipe.code.sources == {"my_features.py": (folder / "my_features.py").read_text()}
    assert list_chosen(config) == [estimator.code, recipe.code]


def test_the_recipes_parameters_tell_two_apart(configure):
    for params, said in (({}, "pca"), ({"n": 3}, "pca(n=3)")):
        config = configure(recipe="pca", recipe_params=params)
        assert config.candidates[0].describe_recipe() == said
